"""What an undo puts back, keeps and cannot undo: in numbers, and row by row."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from jobsui import paging
from jobsui.jobs.enums import SUCCEEDED, Action, Outcome, Verdict
from jobsui.jobs.ledger.unreadable import stored_results
from jobsui.jobs.live import planned_rows
from jobsui.jobs.live.read_rows import ReadRow
from jobsui.jobs.live.reasons import Reason
from jobsui.jobs.models import BatchBlob, Job, RecordRead, RowResult
from jobsui.jobs.reports import read_pages, record_keys, record_values
from jobsui.jobs.reports.compared_rows import ComparedRow
from jobsui.paging import Page


class UndoList(StrEnum):
    RESTORED = "restored"
    KEPT = "kept"
    IMPOSSIBLE = "impossible"


RESTORED = frozenset({Verdict.CHANGE, Verdict.CREATE, Verdict.DELETE})
VERDICTS: Mapping[UndoList, frozenset[Verdict]] = {
    UndoList.RESTORED: RESTORED,
    UndoList.KEPT: frozenset({Verdict.KEPT}),
    UndoList.IMPOSSIBLE: frozenset({Verdict.IMPOSSIBLE}),
}


@dataclass(frozen=True, slots=True)
class UndoneRows:
    """How many rows an undo would put back, or has put back."""

    changes: int
    """Records whose values are restored."""
    creates: int
    deletes: int
    same: int
    """Records that are as they were before."""
    kept: int
    impossible: int
    """Before the launch: rows that cannot be undone. After it, also those that failed."""
    left_out: int = 0
    """By a person. The other numbers are without them."""

    @property
    def restored(self) -> int:
        return self.changes + self.creates + self.deletes


@dataclass(frozen=True, slots=True)
class UndoneRow:
    compared: ComparedRow
    """`old` of its values is what the record held when it was read, `new` is what is put back. Its
    key is that of the file, "" if the file has none or it is no longer stored."""
    reasons: Sequence[Reason] = ()
    """What is kept and why, or why the row cannot be undone."""

    @property
    def row(self) -> int:
        return self.compared.row

    def with_key(self, key: str) -> "UndoneRow":
        return replace(self, compared=replace(self.compared, key=key))


def planned(read: RecordRead) -> UndoneRows:
    """What launching the undo would do."""
    counts, left_out = planned_rows.by_verdict(read)
    return UndoneRows(
        changes=counts[Verdict.CHANGE],
        creates=counts[Verdict.CREATE],
        deletes=counts[Verdict.DELETE],
        same=counts[Verdict.SAME],
        kept=counts[Verdict.KEPT],
        impossible=counts[Verdict.IMPOSSIBLE],
        left_out=left_out.total(),
    )


def done(undo: Job, read: RecordRead) -> UndoneRows:
    """What a launched undo has done so far."""
    plan = planned(read)
    kept = min(plan.kept, undo.count(Outcome.UNCHANGED))
    left_out = min(plan.left_out, undo.cancelled)
    return UndoneRows(
        changes=undo.count(Outcome.UPDATED),
        creates=undo.count(Outcome.CREATED),
        deletes=undo.count(Outcome.DELETED),
        same=undo.count(Outcome.UNCHANGED) - kept,
        kept=kept,
        impossible=undo.failed + undo.uncertain + undo.cancelled - left_out,
        left_out=left_out,
    )


def page(
    read: RecordRead, chosen: UndoList, *, after: int = 0, size: int = paging.SIZE
) -> Page[UndoneRow]:
    """Rows of a list after row `after`: as planned, or, if the undo was launched, as done. Rows
    that failed are then in the list of rows that cannot be undone."""
    undo = read.job
    if chosen is UndoList.IMPOSSIBLE and not undo.is_draft:
        found = _failed(undo, after, size)
    else:
        found = _planned(read, chosen, after, size)
    keys = record_keys.of_rows(undo, [row.row for row in found.entries])
    rows = [row.with_key(keys.get(row.row, "")) for row in found.entries]
    return Page(rows, found.older, found.newer)


def _planned(
    read: RecordRead, chosen: UndoList, after: int, size: int
) -> Page[UndoneRow]:
    pages = (
        (last_row, [_undone(row) for row in rows])
        for last_row, rows in read_pages.rows(read, VERDICTS[chosen], after)
    )
    found = read_pages.page(pages, after=after, size=size)
    undo = read.job
    if chosen is not UndoList.RESTORED or undo.is_draft:
        return found
    results = _results(undo, [row.row for row in found.entries])
    restored = [row for row in found.entries if _has_succeeded(results.get(row.row))]
    return Page(restored, found.older, found.newer)


def _failed(undo: Job, after: int, size: int) -> Page[UndoneRow]:
    found = paging.by_number(undo.row_errors.all(), "row", str(after), size)
    rows = [
        UndoneRow(
            ComparedRow(error.row, "", "", Verdict.IMPOSSIBLE),
            [Reason(error.message)],
        )
        for error in found.entries
    ]
    return Page(rows, found.older, found.newer)


def _has_succeeded(result: RowResult | None) -> bool:
    return result is not None and result.outcome in SUCCEEDED


def _results(undo: Job, rows: Collection[int]) -> dict[int, RowResult]:
    """{row: result} of rows that were sent. They are in few batches, because a batch has
    successive rows of one action."""
    if not rows:
        return {}
    blobs = BatchBlob.objects.filter(
        batch__job=undo,
        batch__first_row__lte=max(rows),
        batch__last_row__gte=min(rows),
    ).exclude(batch__own_action="")
    return {
        row: result
        for blob in blobs.select_related("batch__job")
        for row, result in stored_results(blob)
        if result is not None
    }


def _undone(row: ReadRow) -> UndoneRow:
    compared = ComparedRow(
        row=row.number,
        key="",
        record_id=row.record_id,
        verdict=row.verdict,
        values=record_values.changes(
            row.content, Action.UPDATE, row.verdict, row.image
        ),
        is_left_out=row.is_left_out,
    )
    return UndoneRow(compared, row.reasons)
