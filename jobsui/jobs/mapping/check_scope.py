"""What a check covers and what only Zendesk can check, in sentences for people."""

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import schema_of, targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.zendesk.payloads import Schema

MAX_NAMED = 5
RAW_ITEMS = (
    "Checked: each item identifies its record, no record appears twice, no item is too "
    "large. Not checked: the fields, which Zendesk validates."
)
DELETES = (
    "Checked: each row identifies a record, no record appears twice. "
    "Not checked: whether the records exist."
)
CREATES = (
    "Checked: types, options, required fields, names and keys. "
    "Zendesk may still refuse a row for other reasons."
)
CHANGES = (
    "Checked: types, options, names and keys. "
    "Zendesk may still refuse a row for other reasons."
)


def check_scope(job: Job) -> str:
    """What the check of a job covers, and what it does not and why."""
    if job.file.is_raw_items:
        return RAW_ITEMS
    options = Options.from_json(job.options)
    return scope_of(schema_of(job), Action(job.action), clears=options.blank == "clear")


def scope_of(schema: Schema, action: Action, *, clears: bool) -> str:
    """`clears`: a blank cell empties the field."""
    if action.deletes:
        return DELETES
    if action is Action.CREATE:
        return CREATES
    required = _required_for_new_records(schema, action)
    if not required:
        return CHANGES
    if action is not Action.UPDATE:
        return (
            f"{CHANGES} Not checked: blank cells of {_listed(required)}. They are "
            "required only for new records, and only Zendesk knows which records are new."
        )
    if clears:
        return (
            f"{CHANGES} Not checked: blank cells of {_listed(required)}. Zendesk may "
            "refuse to clear a required field."
        )
    return CHANGES


def _required_for_new_records(schema: Schema, action: Action) -> list[str]:
    """Labels of what a new record needs and this action lets a row leave blank."""
    offered = {target.key: target for target in targets(schema, action)}
    return [
        target.label
        for target in targets(schema, Action.CREATE)
        if target.required
        and target.key in offered
        and not offered[target.key].required
        and not (action is Action.UPDATE and target.key == "name")
    ]


def _listed(labels: list[str]) -> str:
    named = ", ".join(labels[:MAX_NAMED])
    more = len(labels) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named
