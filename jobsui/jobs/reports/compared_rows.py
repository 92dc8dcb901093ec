"""What a comparison found: row by row in constant memory, and as a file. `live/planned_rows.py` has
the numbers."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobsui import paging
from jobsui.files.safe import csv_line
from jobsui.jobs import retention
from jobsui.jobs.enums import SENT, Action, Verdict
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import not_sent
from jobsui.jobs.live.not_sent import KEY_NOT_FOUND
from jobsui.jobs.live.read_rows import ReadRow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import RecordRead
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.records.compare import FIELDS, key_of
from jobsui.jobs.reports import read_pages, record_values
from jobsui.jobs.reports.record_values import ComparedValue
from jobsui.jobs.reports.row_results import BOM, in_pieces
from jobsui.paging import Page

PLAN_COLUMNS = ("row", "key", "record_id", "action", "field", "old", "new")
DIFFERING = frozenset(Verdict) - {Verdict.SAME}
IN_PLAN = DIFFERING - {Verdict.KEPT, Verdict.WITHOUT_KEY, Verdict.GONE}
ACTIONS = {
    Verdict.CHANGE: str(Action.UPDATE),
    Verdict.CREATE: str(Action.CREATE),
    Verdict.DELETE: str(Action.DELETE),
    Verdict.MISSING: "key_not_found",
    Verdict.AMBIGUOUS: "several_records",
}
"""What `plan_csv` writes for each verdict. Rows with the last two are not sent."""


@dataclass(frozen=True, slots=True)
class ComparedRow:
    row: int
    key: str
    record_id: str
    """ "" if there is no record, or several."""
    verdict: Verdict
    values: Sequence[ComparedValue] = ()
    """The values that change. Of a record that would be created or deleted, all its values apart
    from its key."""
    is_left_out: bool = False
    """By a person."""
    note: str = ""
    """Why a record that only the account has is kept."""

    @property
    def is_record(self) -> bool:
        """Whether it is a record that only the account has."""
        return is_record_row(self.row)

    @property
    def can_be_left_out(self) -> bool:
        return self.verdict in SENT


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a comparison are asked for."""

    verdicts: frozenset[Verdict] = DIFFERING
    field: str = ""
    """Only rows that change this value."""

    def has(self, row: ReadRow) -> bool:
        is_changed = row.image is not None and self.field in row.image.old
        return row.code in self.verdicts and (is_changed or not self.field)


def page(
    read: RecordRead,
    wanted: Wanted | None = None,
    *,
    after: int = 0,
    size: int = paging.SIZE,
) -> Page[ComparedRow]:
    """Rows after row `after`, as `read_pages.page` gives them."""
    pages = _pages(read, wanted or Wanted(), after)
    return read_pages.page(pages, after=after, size=size)


def plan_csv(read: RecordRead) -> Iterator[bytes]:
    """What launching the job would do, as chunks of CSV in UTF-8. It has a line for each value
    that changes, for each record that would be created or deleted, and for each row with no
    record or several. Rows that are the same, left out or left alone are not in it. Records
    that only the account has come last, without a row number. Cells that a spreadsheet would
    run as formulas are escaped. Raises NotPossibleNow at once if the rows were deleted."""
    if found := retention.rows_of_read_notice(read):
        raise NotPossibleNow(found)
    options = Options.from_json(read.job.options)
    actions = dict.fromkeys(IN_PLAN, read.job.action) | ACTIONS
    for verdict, result in not_sent.results_of(options).items():
        if result is KEY_NOT_FOUND:
            actions[verdict] = ACTIONS[Verdict.MISSING]
        else:
            del actions[verdict]
    if options.match and not options.match.deletes:
        del actions[Verdict.DELETE]
    lines = (
        csv_line(cells)
        for _, rows in _pages(read, Wanted(frozenset(actions)), 0)
        for row in rows
        if not row.is_left_out
        for cells in _plan_lines(row, actions[row.verdict])
    )
    return in_pieces(itertools.chain([BOM + csv_line(PLAN_COLUMNS)], lines))


def _plan_lines(row: ComparedRow, action: str) -> Iterator[list[str]]:
    number = "" if is_record_row(row.row) else str(row.row)
    first = [number, row.key, row.record_id, action]
    if row.verdict is not Verdict.CHANGE:
        yield [*first, "", "", ""]
        return
    for value in row.values:
        name = value.name.removeprefix(f"{FIELDS}.")
        yield [*first, name, value.old, value.new]


def _pages(
    read: RecordRead, wanted: Wanted, after: int
) -> Iterator[tuple[int, list[ComparedRow]]]:
    """(last row, the wanted rows after row `after`) of each page of the read."""
    action = Action(read.job.action)
    for last_row, rows in read_pages.rows(read, wanted.verdicts, after):
        yield last_row, [_compared(row, action) for row in rows if wanted.has(row)]


def _compared(row: ReadRow, action: Action) -> ComparedRow:
    item = row.content
    return ComparedRow(
        row=row.number,
        key=key_of(item, action),
        record_id=row.record_id,
        verdict=row.verdict,
        values=record_values.changes(item, action, row.verdict, row.image),
        is_left_out=row.is_left_out,
        note=row.note,
    )
