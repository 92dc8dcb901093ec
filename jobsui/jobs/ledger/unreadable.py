"""What is known of a batch whose stored content is damaged or missing.

One damaged batch must not stop the other jobs of its account, so it is settled by what
its other records say: its counts, its attempts, and the errors of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.jobs.enums import IN_FLIGHT, AttemptResult, Outcome
from jobsui.jobs.models import Attempt, Batch, BatchBlob, RowError, RowResult
from jobsui.jobs.models.batch import Unreadable

CODE = "BatchUnreadable"
NOT_SENT = (
    "The stored content of this row's batch is damaged, so the row was not sent. "
    "Retry the failed rows."
)
MAY_BE_SENT = (
    "The stored content of this row's batch is damaged. The row may have been saved. "
    "Compare it with its record in Zendesk."
)
DAMAGED_RESULT = RowResult(
    Outcome.UNCERTAIN,
    code=CODE,
    message="The stored result of this row is damaged. Look at its record in Zendesk.",
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Rows and results of a batch, as far as they are known. Both have its size."""

    rows: list[int]
    results: list[RowResult | None]
    forgotten: int
    """How many rows have succeeded of which it is not known which ones they are."""


def recover(batch: Batch, blob: BatchBlob | None) -> Recovered:
    """What a batch without readable content is known to have."""
    rows = _rows(batch, blob)
    results = _results(batch, blob)
    if results is not None:
        return Recovered(rows, results, 0)
    errors = {
        error.row: RowResult(Outcome(error.outcome), "", error.code, error.message)
        for error in RowError.objects.filter(batch=batch)
    }
    return Recovered(rows, [errors.get(row) for row in rows], batch.succeeded)


def stored_results(blob: BatchBlob) -> list[tuple[int, RowResult | None]]:
    """(row number, result) of each row, None while it is open. Where they cannot be read,
    as much as is known."""
    try:
        return list(zip(blob.row_numbers, blob.row_results, strict=True))
    except (Unreadable, ValueError):
        recovered = recover(blob.batch, blob)
    rest: RowResult | None = None
    if recovered.forgotten:
        has_succeeded = recovered.forgotten == recovered.results.count(None)
        outcome = blob.batch.action.outcome
        rest = RowResult(outcome) if has_succeeded else DAMAGED_RESULT
    results = [result or rest for result in recovered.results]
    return list(zip(recovered.rows, results, strict=True))


def stored_items(blob: BatchBlob) -> list[tuple[int, Any]]:
    """(row number, item) of each row; empty where they cannot be read."""
    try:
        return list(zip(blob.row_numbers, blob.items, strict=True))
    except (Unreadable, ValueError):
        return []


def results_of_open_items(
    batch: Batch, results: Sequence[RowResult | None]
) -> dict[int, RowResult]:
    """A result for each item without one: uncertain if a request may have carried it."""
    last_sent = _last_sent_item(batch)
    return {
        index: _result(is_sent=index <= last_sent)
        for index, result in enumerate(results)
        if result is None
    }


def estimated_rows(batch: Batch) -> list[int]:
    """The row numbers of a batch that has lost them. They are exact if no row between its
    first and last one is blank or belongs to another job."""
    own = RowError.objects.filter(batch=batch).values_list("row", flat=True)
    others = RowError.objects.filter(
        job=batch.job_id, row__gte=batch.first_row, row__lte=batch.last_row
    )
    taken = set(others.values_list("row", flat=True))
    rows = set(own)
    for row in range(batch.first_row, batch.last_row + 1):
        if len(rows) >= batch.size:
            break
        if row not in taken:
            rows.add(row)
    return sorted(rows)


def _rows(batch: Batch, blob: BatchBlob | None) -> list[int]:
    try:
        rows = blob.row_numbers if blob else []
    except Unreadable:
        rows = []
    return rows if len(rows) == batch.size else estimated_rows(batch)


def _results(batch: Batch, blob: BatchBlob | None) -> list[RowResult | None] | None:
    """None: they are not readable."""
    if blob is None:
        return None
    if not blob.results:
        return [None] * batch.size
    try:
        results = blob.row_results
    except Unreadable:
        return None
    return results if len(results) == batch.size else None


def _last_sent_item(batch: Batch) -> int:
    """The index of the last item that may have reached Zendesk; -1: none."""
    attempts = Attempt.objects.filter(batch=batch)
    arrived = [*Attempt.UNCONFIRMED, AttemptResult.ACCEPTED]
    if batch.state in IN_FLIGHT:
        arrived.append(AttemptResult.IN_FLIGHT)
    found = attempts.filter(result__in=arrived).values_list("last_item", flat=True)
    return max(found, default=-1)


def _result(*, is_sent: bool) -> RowResult:
    if is_sent:
        return RowResult(Outcome.UNCERTAIN, code=CODE, message=MAY_BE_SENT)
    return RowResult(Outcome.FAILED, code=CODE, message=NOT_SENT)
