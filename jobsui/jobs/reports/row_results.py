"""What became of every row of a job: one by one in constant memory, and as files for
people."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from jobsui import paging
from jobsui.files.safe import RESULT_COLUMNS, csv_line
from jobsui.files.table import Table
from jobsui.jobs.enums import Action, BatchState, FileState, JobState, Outcome
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.field_targets import targets
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Batch, BatchBlob, File, Job, RowError, RowResult
from jobsui.jobs.preparation import checker, file_reading, job_rows
from jobsui.paging import Page
from jobsui.zendesk.payloads import Schema

BOM = "\ufeff"
"""Without it spreadsheets read UTF-8 as something else."""
MOST_BATCHES = 200
"""That a page of rows is looked for in."""
HOLDING: dict[Outcome, dict[str, Any]] = {
    Outcome.FAILED: {"failed__gt": 0},
    Outcome.UNCERTAIN: {"uncertain__gt": 0},
    Outcome.CANCELLED: {"cancelled__gt": 0},
    Outcome.PENDING: {"done_at": None},
}
"""Which batches may hold a row of the outcome; of others those with rows that
succeeded."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    row: int
    cells: list[str]
    outcome: str
    record_id: str
    error_code: str
    error: str


def outcome_rows(job: Job, outcome: str = "") -> Iterator[OutcomeRow]:
    """Every row of the job in the file's order with what became of it, or only those of
    one outcome; in constant memory. Raises FileRefused when the stored file can no
    longer be read."""
    ends = _ends_by_row(BatchBlob.objects.filter(batch__job=job), job.row_errors.all())
    row, end = next(ends, (0, None))
    with _open_rows(job.file) as table:
        for number, cells in job_rows.rows_of(job, table):
            while row and row < number:
                row, end = next(ends, (0, None))
            found = end if row == number else None
            one = outcome_row(
                number, cells[: len(table.columns)], found, _unplanned_outcome(job)
            )
            if not outcome or one.outcome == outcome:
                yield one


def outcome_row(
    number: int, cells: list[str], end: RowResult | None, otherwise: str
) -> OutcomeRow:
    """A row with its end, or, without one, as `otherwise` says."""
    outcome, record_id, code, error = end or (otherwise, "", "", "")
    return OutcomeRow(number, cells, outcome, record_id, code, error)


def page(
    job: Job, *, outcome: str = "", after: int = 0, size: int = paging.SIZE
) -> Page[OutcomeRow]:
    """Rows behind row `after` that are planned or invalid, without their cells; `older`
    is the last row looked at.

    Nothing is read but what lies in a bounded number of batches: where few rows have
    the outcome, a page may hold fewer rows than `size`, even none, and not be the last.
    """
    holding = {} if not outcome else HOLDING.get(Outcome(outcome), {"succeeded__gt": 0})
    batches = job.batches.filter(last_row__gt=after, **holding).order_by("seq")[
        :MOST_BATCHES
    ]
    window = [] if outcome == Outcome.INVALID else list(batches)
    is_cut = len(window) == MOST_BATCHES
    last = window[-1].last_row if is_cut else paging.MAX_INTEGER
    blobs = BatchBlob.objects.filter(batch__in=window)
    ends = _ends_by_row(blobs, job.row_errors.filter(row__gt=after, row__lte=last))
    wanted = (
        outcome_row(row, [], end, "")
        for row, end in ends
        if row > after and outcome in {"", end[0]}
    )
    entries = list(itertools.islice(wanted, size + 1))
    if len(entries) > size:
        return Page(entries[:size], str(entries[size - 1].row), "")
    return Page(entries, str(last) if is_cut else "", "")


def open_outcome(batch: Batch) -> Outcome:
    """Of the rows of a batch that have no result."""
    if batch.state == BatchState.CANCELLED:
        return Outcome.CANCELLED
    return Outcome.PENDING


def results_csv(job: Job, *, outcome: str = "", raw: bool = False) -> Iterator[bytes]:
    """The file's own columns and what became of each row, as CSV in UTF-8, piece by
    piece. Cells that a spreadsheet would run as formulas are made harmless unless
    `raw`. Raises NotPossibleNow at once when the stored file is gone or kept
    elsewhere."""
    _require_content(job)
    header = csv_line([*job.file.columns, *RESULT_COLUMNS], raw=raw)
    lines = (
        csv_line(
            [
                *one.cells,
                str(one.row),
                one.outcome,
                one.record_id,
                one.error_code,
                one.error,
            ],
            raw=raw,
        )
        for one in outcome_rows(job, outcome)
    )
    return in_pieces(itertools.chain([BOM + header], lines))


def template_csv(schema: Schema) -> bytes:
    """A file to fill in for this object: a header whose columns map themselves."""
    offered = targets(schema, Action.UPSERT_BY_EXTERNAL_ID)
    return (BOM + csv_line([target.api_name for target in offered])).encode()


def problems_csv(job: Job) -> Iterator[bytes]:
    """Every problem the check finds, one a line: row, column, value, code, message,
    cure. Raises NotPossibleNow or MappingRefused at once when the job cannot be
    checked."""
    _require_content(job)
    checker.require_mapping(job)
    header = csv_line(["row", "column", "value", "code", "problem", "fix"])
    lines = (
        csv_line([str(p.row), p.column, p.value, p.code, p.message, p.fix])
        for p in problems(job)
    )
    return in_pieces(itertools.chain([BOM + header], lines))


def problems(job: Job) -> Iterator[Problem]:
    """Every problem the check finds in the job's rows, in constant memory. Raises
    FileRefused when the stored file can no longer be read."""
    with file_reading.open_rows(job.file) as table:
        for _, result in job_rows.validated_rows(job, table):
            if isinstance(result, list):
                yield from result


def in_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Few large writes instead of many small ones."""
    held, size = [], 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size > 32_768:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


@contextmanager
def _open_rows(file: File) -> Iterator[Table]:
    """Its rows; of items that lie on another host, or are gone, their numbers alone
    with empty cells, so that what became of them can be told everywhere and for
    good."""
    if file.is_raw_items and not (
        file.is_here and default_storage.exists(file.content_name)
    ):
        yield Table(
            file.columns, ((number, [""]) for number in range(1, (file.rows or 0) + 1))
        )
    else:
        with file_reading.open_rows(file) as table:
            yield table


def _require_content(job: Job) -> None:
    """A download that has begun can no longer say what is wrong."""
    if job.file.state != FileState.READY:
        raise NotPossibleNow("The file of this job is not read yet, or cannot be.")
    if not job.file.is_here:
        raise NotPossibleNow(
            f"The file of this job is kept on another host, {job.file.storage_id}. Download it there."
        )
    if not default_storage.exists(job.file.content_name):
        raise NotPossibleNow(
            "The stored file of this job is gone, so its rows cannot be told any more."
        )


def _ends_by_row(
    blobs: QuerySet[BatchBlob], invalid: QuerySet[RowError]
) -> Iterator[tuple[int, RowResult]]:
    """(row, end) in the order of rows: those of these batches and invalid ones, each in
    order already, merged."""
    return heapq.merge(
        _ends_of_batches(blobs), _ends_of_invalid(invalid), key=itemgetter(0)
    )


def _ends_of_batches(blobs: QuerySet[BatchBlob]) -> Iterator[tuple[int, RowResult]]:
    found = (
        blobs.select_related("batch")
        .order_by("batch__seq")
        .defer("payload", "job_status_body")
    )
    for blob in found.iterator(chunk_size=50):
        still_open = RowResult(open_outcome(blob.batch))
        for row, end in zip(blob.row_numbers, blob.row_results, strict=True):
            yield row, end or still_open


def _ends_of_invalid(errors: QuerySet[RowError]) -> Iterator[tuple[int, RowResult]]:
    invalid = (
        errors.filter(outcome=Outcome.INVALID)
        .order_by("row")
        .values_list("row", "code", "message")
    )
    for row, code, message in invalid.iterator(chunk_size=2000):
        yield row, RowResult(Outcome.INVALID, "", code, message)


def _unplanned_outcome(job: Job) -> str:
    ended = job.state in {JobState.CANCELLED, JobState.FAILED}
    return Outcome.CANCELLED.value if ended else Outcome.PENDING.value
