"""The rows of a job: those of its file, or some of them."""

from collections.abc import Callable, Iterator
from enum import Enum

from jobsui.files.errors import FileRefused
from jobsui.files.layout import Row
from jobsui.files.table import Table
from jobsui.jobs.enums import BatchState, Outcome, ParentRows
from jobsui.jobs.models import BatchBlob, Job, RowError
from jobsui.jobs.models.batch import Unreadable, unpack_rows
from jobsui.jobs.preparation.corrected_cells import corrected_cells

NUMBERS_PER_QUERY = 2_000
BLOBS_PER_QUERY = 50
"""Rows are read by many short queries, because check and planner write in between. On
SQLite, a connection with an open query cannot write once another process has
written."""


def rows_of(job: Job, table: Table) -> Iterator[Row]:
    """All rows of the file, or those of the parent's rows that a retry or continuation
    sends. Their cells are corrected."""
    rows = table.rows
    if membership := membership_of(job):
        rows = (row for row in rows if membership(row[0]) is Membership.OWN)
    corrections = corrected_cells(job)
    return corrections.rows(rows, table.columns) if corrections else rows


def causes_of_other_retries(retry: Job) -> list[int]:
    """The causes whose rows a retry of all failed rows leaves to other retries. Once it
    is launched, no other retry of its parent can be launched, so they stay the same."""
    if retry.parent_rows != ParentRows.FAILED or retry.cause_id:
        return []
    launched = Job.objects.launched().filter(
        parent_id=retry.parent_id, cause__isnull=False
    )
    return list(launched.values_list("cause_id", flat=True))


class Membership(Enum):
    """What a row of the file is to a job."""

    OWN = "own"
    """The job sends it."""
    ONLY_KEY = "only_key"
    """No row of the job may have its key."""
    NONE = "none"


type MembershipOf = Callable[[int], Membership]
"""Called with the number of each row of the file, ascending."""


def membership_of(job: Job) -> MembershipOf | None:
    """What each row is to the job. None: all rows of the file are the job's own."""
    match job.parent_rows:
        case ParentRows.FAILED:
            failed = _Numbers(_failed_rows(job))
            return lambda row: Membership.OWN if row in failed else Membership.NONE
        case ParentRows.UNDONE:
            undone = _Numbers(_planned_rows(job))
            return lambda row: Membership.OWN if row in undone else Membership.NONE
        case ParentRows.UNSENT if job.parent:
            return _membership_in_continuation(job.parent)
    return None


def _membership_in_continuation(parent: Job) -> MembershipOf:
    """A continuation has the rows of its parent's cancelled batches and those that the
    parent had not planned."""
    cancelled = _Numbers(_cancelled_rows(parent))
    of_parent = membership_of(parent)

    def membership(row: int) -> Membership:
        found = of_parent(row) if of_parent else Membership.OWN
        is_unsent = row in cancelled or row > parent.planned_row
        if found is Membership.OWN and not is_unsent:
            return Membership.ONLY_KEY
        return found

    return membership


class _Numbers:
    """Ascending numbers, asked for ascending ones."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._next = next(numbers, None)

    def __contains__(self, number: int) -> bool:
        while self._next is not None and self._next < number:
            self._next = next(self._numbers, None)
        return self._next == number


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


def _planned_rows(job: Job) -> Iterator[int]:
    """Those in its batches."""
    blobs = BatchBlob.objects.filter(batch__job=job).order_by("batch__seq")
    numbers: list[int] = []
    for packed in blobs.values_list("rows", flat=True).iterator(chunk_size=50):
        numbers += unpack_rows(packed)
    yield from sorted(numbers)


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
