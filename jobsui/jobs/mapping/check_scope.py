"""What a check covers and what only Zendesk can check, in sentences for people."""

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job

RAW_ITEMS = (
    "Checked: each item identifies its record, no record appears twice, no item is too "
    "large. Not checked: the fields, which Zendesk validates."
)
DELETES = (
    "Checked: each row identifies a record, no record appears twice, and a sample of the "
    "records in Zendesk."
)
CREATES = (
    "Checked: types, options, required fields, names and keys, and a sample of the keys and "
    "references in Zendesk. Zendesk may still refuse a row for other reasons."
)
CHANGES = (
    "Checked: types, options, names and keys, and a sample of the records and references in "
    "Zendesk. Zendesk may still refuse a row for other reasons."
)


def check_scope(job: Job) -> str:
    """What the check of a job covers, and what it does not and why. What could not be read
    in Zendesk is in the notices of the check."""
    if job.file.is_raw_items:
        return RAW_ITEMS
    action = Action(job.action)
    if action.deletes:
        return DELETES
    return CREATES if action is Action.CREATE else CHANGES
