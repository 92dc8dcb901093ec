"""What became of each item, in the form that programs have met with Zendesk
(docs/zendesk.md)."""

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


def results(job: Job) -> Iterator[dict[str, Any]]:
    """One for each item, in the order of the items, in constant memory. `index` counts
    from 0."""
    action = Action(job.action)
    return (_result(action, row) for row in outcome_rows(job))


def _result(action: Action, row: OutcomeRow) -> dict[str, Any]:
    told: dict[str, Any] = {"index": row.row - 1} | _names(action, row)
    if status := SUCCESS.get(Outcome(row.outcome)):
        return told | {"status": status}
    return told | {"status": FAILED, "errors": [_error(row)]}


def _names(action: Action, row: OutcomeRow) -> dict[str, Any]:
    """The record's id and external id, those that are known."""
    item = json.loads(
        row.cells[0] or "null"
    )  # Nothing where the items lie on another host.
    if action.deletes:
        item = {action.key: item}
    given = item if isinstance(item, dict) else {}
    names = {
        "id": row.record_id or given.get("id"),
        "external_id": given.get("external_id"),
    }
    return {
        name: value
        for name, value in names.items()
        if value and isinstance(value, str | int)
    }


def _error(row: OutcomeRow) -> dict[str, str]:
    title, _, detail = row.error.partition(": ")
    match row.outcome:
        case Outcome.FAILED:
            error = {"code": row.error_code, "title": title, "detail": detail}
        case Outcome.INVALID:
            error = {"code": row.error_code, "title": "Not sent", "detail": row.error}
        case Outcome.UNCERTAIN:
            code = row.error_code or "Uncertain"
            error = {
                "code": code,
                "title": "Nobody can say whether this was done",
                "detail": row.error,
            }
        case _:
            said = "The job ended before this item was sent."
            error = {"code": "Cancelled", "title": "Not sent", "detail": said}
    return {name: text for name, text in error.items() if text}
