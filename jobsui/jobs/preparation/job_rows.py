"""The rows of a job, as its check and its planner read them."""

from collections.abc import Callable, Iterator

from jobsui.files.errors import FileRefused
from jobsui.files.layout import OddCells, Row
from jobsui.files.table import Table
from jobsui.jobs.enums import Action, BatchState, Outcome, ParentRows
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.raw_items import ItemReader
from jobsui.jobs.mapping.row_reader import Item, Problem, RowReader, odd_row
from jobsui.jobs.models import BatchBlob, Job, RowError
from jobsui.jobs.models.batch import Unreadable
from jobsui.jobs.preparation.file_keys import FileKeys

SKIPPED_ROWS = 5_000
NUMBERS_PER_QUERY = 2_000
BLOBS_PER_QUERY = 50
"""Rows are read by many short queries, because check and planner write in between. On
SQLite, a connection with an open query cannot write once another process has
written."""

type ValidatedRow = tuple[Row, Item | list[Problem]]
"""A row, and the item that is sent for it or its problems."""


def validated_rows(
    job: Job,
    table: Table,
    keys: FileKeys,
    while_skipping: Callable[[], None] = lambda: None,
) -> Iterator[ValidatedRow]:
    """Each row of the job with its item or its problems. A key that an earlier row has
    is a problem. Check and planner both read rows from here, so they always agree.
    `keys` is empty at the beginning, and has those of all rows at the end.

    A continuation leaves out rows whose key its parent has sent, so it reads the
    parent's rows too. `while_skipping` is called after every SKIPPED_ROWS of them."""
    reader = _reader(job, table.columns)
    skipped = 0
    for row, is_own in _rows_with_keys(job, table):
        number, cells = row
        if isinstance(cells, OddCells):
            result: Item | list[Problem] = [odd_row(number, cells)]
        else:
            result = reader.read(row)
        if isinstance(result, Item) and result.keys:
            result = keys.add(result, is_sent=is_own) or result
        if is_own:
            yield row, result
            continue
        skipped += 1
        if skipped % SKIPPED_ROWS == 0:
            while_skipping()


def rows_of(job: Job, table: Table) -> Iterator[Row]:
    """All rows of the file, or those of the parent's rows that a retry or continuation
    sends."""
    match job.parent_rows:
        case ParentRows.FAILED:
            return _numbered(table.rows, _failed_rows(job))
        case ParentRows.UNSENT:
            rows = _rows_with_keys(job, table)
            return (row for row, is_own in rows if is_own)
    return table.rows


def causes_of_other_retries(retry: Job) -> list[int]:
    """The causes whose rows a retry of all failed rows leaves to other retries. Once it
    is launched, no other retry of its parent can be launched, so they stay the same."""
    if retry.parent_rows != ParentRows.FAILED or retry.cause_id:
        return []
    launched = Job.objects.launched().filter(
        parent_id=retry.parent_id, cause__isnull=False
    )
    return list(launched.values_list("cause_id", flat=True))


def _reader(job: Job, columns: list[str]) -> RowReader | ItemReader:
    schema = schema_of(job)
    action = Action(job.action)
    if job.file.is_raw_items:
        return ItemReader(schema, action)
    options = Options.from_json(job.options)
    marks = decimal_marks(job.file, options)
    return RowReader(schema, action, job.mapping, columns, options, marks)


def _failed_rows(retry: Job) -> Iterator[int]:
    failed = RowError.objects.filter(job=retry.parent, outcome=Outcome.FAILED)
    if retry.cause_id:
        failed = failed.filter(cause_id=retry.cause_id)
    else:
        failed = failed.exclude(cause__in=causes_of_other_retries(retry))
    numbers = failed.order_by("row").values_list("row", flat=True)
    last_row = 0
    while chunk := list(numbers.filter(row__gt=last_row)[:NUMBERS_PER_QUERY]):
        yield from chunk
        last_row = chunk[-1]


def _rows_with_keys(job: Job, table: Table) -> Iterator[tuple[Row, bool]]:
    """The rows among which no key may occur twice, and whether the job itself has each.
    A continuation has the rows of its parent's cancelled batches and those that the
    parent had not planned."""
    if job.parent_rows != ParentRows.UNSENT:
        for row in rows_of(job, table):
            yield row, True
        return
    parent = job.parent
    if parent is None:
        return
    numbers = _cancelled_rows(parent)
    wanted = next(numbers, None)
    for row, is_of_parent in _rows_with_keys(parent, table):
        number = row[0]
        is_unsent = number > parent.planned_row
        if number == wanted:
            is_unsent = True
            wanted = next(numbers, None)
        yield row, is_of_parent and is_unsent


def _cancelled_rows(job: Job) -> Iterator[int]:
    cancelled = BatchBlob.objects.filter(
        batch__job=job, batch__state=BatchState.CANCELLED
    )
    blobs = cancelled.select_related("batch").order_by("batch__seq")
    without_bodies = blobs.defer("payload", "job_status_body")
    last_seq = 0
    while chunk := list(
        without_bodies.filter(batch__seq__gt=last_seq)[:BLOBS_PER_QUERY]
    ):
        for blob in chunk:
            yield from _open_rows(blob)
        last_seq = chunk[-1].batch.seq


def _open_rows(blob: BatchBlob) -> list[int]:
    """The rows without a result. Raises FileRefused."""
    try:
        results = zip(blob.row_numbers, blob.row_results, strict=True)
        return [number for number, result in results if result is None]
    except (Unreadable, ValueError):
        raise FileRefused(
            f"Which rows of batch {blob.batch.seq:,} were not sent cannot be read: its stored "
            "content is damaged. Upload these rows again."
        ) from None


def _numbered(rows: Iterator[Row], numbers: Iterator[int]) -> Iterator[Row]:
    """The rows that have these numbers, which ascend."""
    wanted = next(numbers, None)
    for row in rows:
        if wanted is None:
            return
        if row[0] == wanted:
            yield row
            wanted = next(numbers, None)
