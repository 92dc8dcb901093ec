"""The result of every row of a job: row by row in constant memory, and as files."""

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from jobsui import paging
from jobsui.files.safe import RESULT_COLUMNS, csv_line
from jobsui.files.table import Table
from jobsui.jobs import retention
from jobsui.jobs.enums import BatchState, FileState, JobState, Outcome
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import unreadable
from jobsui.jobs.live import deletions
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Batch, BatchBlob, File, Job, RowError, RowResult
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.preparation import checker, file_reading, job_rows
from jobsui.jobs.retention import Kind
from jobsui.paging import Page

BOM = "\ufeff"
"""Without it spreadsheets take UTF-8 for another encoding."""
MAX_BATCHES = 200
"""How many batches are searched for one page of rows."""
CHUNK_SIZE = 32_768
"""Characters of a download that are written at once."""
BATCHES_WITH: dict[Outcome, dict[str, Any]] = {
    Outcome.FAILED: {"failed__gt": 0},
    Outcome.UNCERTAIN: {"uncertain__gt": 0},
    Outcome.CANCELLED: {"cancelled__gt": 0},
    Outcome.PENDING: {"done_at": None},
}
"""{outcome: filter for the batches that may have such a row}. Batches with any other
outcome have rows that succeeded."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """A row of the file and its result, or that of a record that only the account has
    (`models/record_rows.py`). Texts that do not apply are ""."""

    row: int
    cells: list[str]
    outcome: str
    record_id: str
    error_code: str
    error: str


def outcome_rows(job: Job, outcome: str = "") -> Iterator[OutcomeRow]:
    """Every row of the job with its result, in the order of the file, or only the rows
    with one outcome. Takes constant memory. Raises NotPossibleNow when the results were
    deleted, and FileRefused when the stored file can no longer be read."""
    _require_results(job)
    blobs = BatchBlob.objects.filter(batch__job=job)
    without_result = _unplanned_outcome(job)
    with (
        closing(_results_by_row(blobs, job.row_errors.all())) as results,
        _open_rows(job.file) as table,
    ):
        result_row, result = next(results, (0, None))
        width = len(table.columns)
        for row, cells in job_rows.rows_of(job, table):
            while result_row and result_row < row:
                result_row, result = next(results, (0, None))
            own = result if result_row == row else None
            found = outcome_row(row, cells[:width], own, without_result)
            if not outcome or found.outcome == outcome:
                yield found
        left = itertools.chain([(result_row, result)], results)
        records = (each for each in left if is_record_row(each[0]))
        for found in _outcomes_of_records(job, records, without_result):
            if not outcome or found.outcome == outcome:
                yield found


def _outcomes_of_records(
    job: Job,
    results: Iterator[tuple[int, RowResult | None]],
    without_result: str,
) -> Iterator[OutcomeRow]:
    """Records that no row of the file names, behind its rows: their external ID stands in
    its column. An undo has no list of them, only results."""
    blank = [""] * len(job.file.columns)
    row, result = next(results, (0, None))
    for deletion in deletions.of(job):
        # The list may have lost its first records to the retention settings.
        while row and row < deletion.row:
            yield outcome_row(row, blank, result, without_result)
            row, result = next(results, (0, None))
        own = result if row == deletion.row else None
        if row == deletion.row:
            row, result = next(results, (0, None))
        cells = [
            deletion.external_id if job.mapping.get(column) == "external_id" else ""
            for column in job.file.columns
        ]
        found = outcome_row(deletion.row, cells, own, without_result)
        yield replace(found, record_id=found.record_id or deletion.record_id)
    while row:
        yield outcome_row(row, blank, result, without_result)
        row, result = next(results, (0, None))


def outcome_row(
    row: int, cells: list[str], result: RowResult | None, without_result: str
) -> OutcomeRow:
    """`without_result`: the outcome when `result` is None."""
    outcome, record_id, code, message = result or (without_result, "", "", "")
    return OutcomeRow(row, cells, outcome, record_id, code, message)


def page(
    job: Job, *, outcome: str = "", after: int = 0, size: int = paging.SIZE
) -> Page[OutcomeRow]:
    """Rows after row `after` that are planned or invalid, without their cells. The
    cursor `older` is the last row that was searched.

    A page searches at most MAX_BATCHES batches. Where few rows have the outcome, it may
    have fewer rows than `size`, even none, without being the last. Results that were
    deleted have one page without rows.
    """
    if job.results_pruned_at:
        return Page([], "", "")
    batches, last_row = _batches_with(job, outcome, after)
    is_cut = last_row < paging.MAX_INTEGER
    blobs = BatchBlob.objects.filter(batch__in=batches)
    invalid = job.row_errors.filter(row__gt=after, row__lte=last_row)
    with closing(_results_by_row(blobs, invalid)) as results:
        wanted = (
            outcome_row(row, [], result, "")
            for row, result in results
            if after < row <= last_row and outcome in {"", result.outcome}
        )
        found = list(itertools.islice(wanted, size + 1))
    if len(found) > size:
        return Page(found[:size], str(found[size - 1].row), "")
    return Page(found, str(last_row) if is_cut else "", "")


def open_outcome(batch: Batch) -> Outcome:
    """The outcome of rows without a result."""
    if batch.state == BatchState.CANCELLED:
        return Outcome.CANCELLED
    return Outcome.PENDING


def results_csv(job: Job, *, outcome: str = "", raw: bool = False) -> Iterator[bytes]:
    """The file's own columns and the result of each row, as chunks of CSV in UTF-8.
    Cells that a spreadsheet would run as formulas are escaped unless `raw`. After the
    retention settings have deleted the file, only the results of rows that were planned
    or invalid. Raises NotPossibleNow at once when the results were deleted, and when the
    stored file is gone or on another machine."""
    _require_results(job)
    if job.file.content_pruned_at:
        lines = (csv_line(_cells(row), raw=raw) for row in _rows_alone(job, outcome))
        return in_pieces(itertools.chain([BOM + csv_line(RESULT_COLUMNS)], lines))
    _require_content(job)
    header = csv_line([*job.file.columns, *RESULT_COLUMNS], raw=raw)
    lines = (csv_line(_cells(row), raw=raw) for row in outcome_rows(job, outcome))
    return in_pieces(itertools.chain([BOM + header], lines))


def problems_csv(job: Job) -> Iterator[bytes]:
    """Every problem that the check finds, one a line. Raises NotPossibleNow or
    MappingRefused at once when the job cannot be checked."""
    _require_content(job)
    checker.require_mapping(job)
    header = csv_line(["row", "column", "value", "code", "problem", "fix"])
    lines = (
        csv_line([str(p.row), p.column, p.value, p.code, p.message, p.fix])
        for p in problems(job)
    )
    return in_pieces(itertools.chain([BOM + header], lines))


def problems(job: Job) -> Iterator[Problem]:
    """Every problem that the check finds in the job's rows, in constant memory. Raises
    FileRefused when the stored file can no longer be read."""
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.jobs.preparation import checked_rows, job_blocks  # noqa: PLC0415

    repeats = checked_rows.repeats_of(job)
    with file_reading.open_rows(job.file) as table:
        for block in job_blocks.read(job, table):
            repeats.mark(block)
            for found in block.problems():
                yield from found


def in_pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """Few large writes instead of many small ones."""
    chunk: list[str] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size > CHUNK_SIZE:
            yield "".join(chunk).encode()
            chunk.clear()
            size = 0
    yield "".join(chunk).encode()


def _cells(row: OutcomeRow) -> list[str]:
    """A line of results.csv."""
    return [
        *row.cells,
        "" if is_record_row(row.row) else str(row.row),
        row.outcome,
        row.record_id,
        row.error_code,
        row.error,
    ]


@contextmanager
def _open_rows(file: File) -> Iterator[Table]:
    """The rows of the file. Items that are gone, or on another machine, keep only their
    numbers, with empty cells: their results stay readable everywhere."""
    is_kept = file.is_here and file.content_pruned_at is None
    is_stored = is_kept and default_storage.exists(file.content_name)
    if file.is_raw_items and not is_stored:
        numbers = range(1, (file.rows or 0) + 1)
        yield Table(file.columns, ((number, [""]) for number in numbers))
    else:
        with file_reading.open_rows(file) as table:
            yield table


def _rows_alone(job: Job, outcome: str) -> Iterator[OutcomeRow]:
    """The rows that are planned or invalid, without their cells."""
    blobs = BatchBlob.objects.filter(batch__job=job)
    for row, result in _results_by_row(blobs, job.row_errors.all()):
        if outcome in {"", result.outcome}:
            yield outcome_row(row, [], result, "")


def _require_results(job: Job) -> None:
    """Checked before a download begins: after that it can no longer report an error."""
    if deleted := retention.notice(job, Kind.RESULTS):
        raise NotPossibleNow(deleted)


def _require_content(job: Job) -> None:
    """As _require_results, for the stored file."""
    file = job.file
    if deleted := retention.notice(job, Kind.FILES):
        raise NotPossibleNow(deleted)
    if file.state != FileState.READY:
        raise NotPossibleNow(
            "The file of this job has not been read yet, or cannot be read."
        )
    if not file.is_here:
        raise NotPossibleNow(
            f"The file of this job is stored on another machine, {file.storage_id}. "
            "Download it there."
        )
    if not default_storage.exists(file.content_name):
        raise NotPossibleNow(
            "The stored file of this job is gone, so its rows cannot be downloaded."
        )


def _batches_with(job: Job, outcome: str, after: int) -> tuple[list[Batch], int]:
    """The first batches that may have rows of the outcome after a row, and up to which row
    there are no others. Invalid rows are in none."""
    if outcome == Outcome.INVALID:
        return [], paging.MAX_INTEGER
    found = job.batches.filter(last_row__gt=after)
    if outcome:
        succeeded = {"succeeded__gt": 0}
        found = found.filter(**BATCHES_WITH.get(Outcome(outcome), succeeded))
    number = MAX_BATCHES
    while True:
        batches = list(found.order_by("seq")[: number + 1])
        if len(batches) <= number:
            return batches, paging.MAX_INTEGER
        # No later batch begins before the next one.
        last_row = batches[number].first_row - 1
        if last_row > after:
            return batches[:number], last_row
        number *= 2


def _results_by_row(
    blobs: QuerySet[BatchBlob], errors: QuerySet[RowError]
) -> Generator[tuple[int, RowResult]]:
    """(row, result) in the order of rows. Both sources are in order already. To be
    closed: PostgreSQL keeps a cursor open for each source."""
    with (
        closing(_results_of_batches(blobs)) as sent,
        closing(_results_of_invalid(errors)) as invalid,
    ):
        yield from heapq.merge(sent, invalid, key=itemgetter(0))


def _results_of_batches(
    blobs: QuerySet[BatchBlob],
) -> Generator[tuple[int, RowResult]]:
    """Batches of several actions have rows of the same part of the file, but no batch begins
    before an earlier one."""
    found = blobs.select_related("batch__job").order_by("batch__seq")
    kept: list[tuple[int, RowResult]] = []
    for blob in found.defer("payload", "job_status_body").iterator(chunk_size=50):
        place = bisect_left(kept, blob.batch.first_row, key=itemgetter(0))
        yield from kept[:place]
        own = _results_of_batch(blob)
        kept = list(heapq.merge(kept[place:], own, key=itemgetter(0)))
    yield from kept


def _results_of_batch(blob: BatchBlob) -> Iterator[tuple[int, RowResult]]:
    without_result = RowResult(open_outcome(blob.batch))
    for row, result in unreadable.stored_results(blob):
        yield row, result or without_result


def _results_of_invalid(
    errors: QuerySet[RowError],
) -> Generator[tuple[int, RowResult]]:
    invalid = errors.filter(outcome=Outcome.INVALID).order_by("row")
    values = invalid.values_list("row", "code", "column", "message")
    for row, code, column, message in values.iterator(chunk_size=2000):
        named = f"{column}: {message}" if column else message
        yield row, RowResult(Outcome.INVALID, "", code, named)


def _unplanned_outcome(job: Job) -> Outcome:
    """The outcome of rows that are in no batch."""
    if job.state in {JobState.CANCELLED, JobState.FAILED}:
        return Outcome.CANCELLED
    return Outcome.PENDING
