"""The result of each item, in the form that Zendesk uses (docs/zendesk.md)."""

import json
from collections.abc import Iterator
from typing import Any

from jobsui.jobs.enums import Action, Outcome
from jobsui.jobs.models import Job
from jobsui.jobs.reports.row_results import OutcomeRow, outcome_rows

SUCCESS = {
    Outcome.CREATED: "Created",
    Outcome.UPDATED: "Updated",
    Outcome.CREATED_OR_UPDATED: "CreateOrUpdate",
    Outcome.DELETED: "Deleted",
    Outcome.UNCHANGED: "Updated",
}
FAILED = "Failed"
NOT_SENT = "Not sent"
NOT_CONFIRMED = "Could not confirm whether this item was saved"
ENDED_BEFORE = "The job ended before this item was sent."


def results(job: Job) -> Iterator[dict[str, Any]]:
    """One result per item, in their order, in constant memory. `index` starts at 0."""
    action = Action(job.action)
    return (_result(action, row) for row in outcome_rows(job))


def _result(action: Action, row: OutcomeRow) -> dict[str, Any]:
    result = {"index": row.row - 1} | _identity(action, row)
    status = SUCCESS.get(Outcome(row.outcome))
    if status:
        return result | {"status": status}
    return result | {"status": FAILED, "errors": [_error(row)]}


def _identity(action: Action, row: OutcomeRow) -> dict[str, Any]:
    """The `id` and `external_id` of the record, as far as they are known."""
    # Empty if the items are stored on another machine.
    item = json.loads(row.cells[0] or "null")
    if action.deletes:
        item = {action.key: item}
    if not isinstance(item, dict):
        item = {}
    identity = {
        "id": row.record_id or item.get("id"),
        "external_id": item.get("external_id"),
    }
    return {
        name: value
        for name, value in identity.items()
        if value and isinstance(value, str | int)
    }


def _error(row: OutcomeRow) -> dict[str, str]:
    code, title, detail = _error_parts(row)
    error = {"code": code, "title": title, "detail": detail}
    return {name: text for name, text in error.items() if text}


def _error_parts(row: OutcomeRow) -> tuple[str, str, str]:
    match row.outcome:
        case Outcome.FAILED if " " in row.error_code:
            # Zendesk gave no code, so its title is stored as one.
            title = row.error_code
            return title, title, row.error.removeprefix(f"{title}: ")
        case Outcome.FAILED:
            title, _, detail = row.error.partition(": ")
            return row.error_code, title, detail
        case Outcome.INVALID:
            return row.error_code, NOT_SENT, row.error
        case Outcome.UNCERTAIN:
            return row.error_code or "Uncertain", NOT_CONFIRMED, row.error
    return "Cancelled", NOT_SENT, ENDED_BEFORE
