"""What a check covers and what only Zendesk can check, in sentences for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job

NOT_CHECKED = "not_checked"
"""The code of notices about what could not be read in Zendesk."""
RAW_ITEMS = (
    "Checked: each item identifies its record, no record appears twice, no item is too "
    "large. Not checked: the fields, which Zendesk validates."
)
DELETES = "Checked: each row identifies a record, no record appears twice{sample}."
CREATES = (
    "Checked: types, options, required fields, names and keys{sample}. Zendesk may still "
    "refuse a row for other reasons."
)
CHANGES = (
    "Checked: types, options, names and keys{sample}. Zendesk may still refuse a row for "
    "other reasons."
)


def check_scope(job: Job, notices: Sequence[Mapping[str, Any]]) -> str:
    """What the check of a job covers, and what it does not and why. `notices`: those of the
    check (`AccountFacts`). They say what could not be read in Zendesk; then no sample is
    claimed."""
    if job.file.is_raw_items:
        return RAW_ITEMS
    action = Action(job.action)
    scope = CHANGES
    read = "records and references"
    if action.deletes:
        scope = DELETES
        read = "records"
    elif action is Action.CREATE:
        scope = CREATES
        read = "keys and references"
    is_complete = all(notice["code"] != NOT_CHECKED for notice in notices)
    sample = f", and a sample of the {read} in Zendesk" if is_complete else ""
    return scope.format(sample=sample)
