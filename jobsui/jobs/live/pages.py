"""Divides the rows of a job into the pages of a read. Workers only: it imports pyarrow."""

import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial

from django.db import transaction
from django.db.models import F

from jobsui.files.ahead import ahead
from jobsui.files.errors import FileRefused
from jobsui.jobs import leases, sql
from jobsui.jobs.enums import ReadState
from jobsui.jobs.live import stored_problems
from jobsui.jobs.live.reads import fail
from jobsui.jobs.models import ReadPage, ReadPageBlob, RecordRead
from jobsui.jobs.preparation import file_reading, job_blocks
from jobsui.jobs.preparation.checked_rows import repeats_of
from jobsui.jobs.preparation.file_reading import SMALLER_FILE, Stopped
from jobsui.jobs.preparation.pending_rows import Chunk, PlannedBatch, chunks_of
from jobsui.jobs.preparation.warned_rows import leaving_out
from jobsui.jobs.queueing import enqueue


def divide(read: RecordRead, *, stopping: threading.Event) -> None:
    """Divide the rows that would be sent, and enqueue the drivers, beside which pages are
    read. After an interruption it continues behind the last row that it committed."""
    with leases.tried(f"divide:{read.pk}", partial(_give_up, read)) as lease:
        read.refresh_from_db()
        if lease is None or read.state != ReadState.DIVIDING:
            return
        try:
            _divide(read, lease, stopping)
        except (Stopped, leases.LeaseLost):
            return
        except FileRefused as refusal:
            fail(read, str(refusal))
    enqueue("drive")


def _give_up(read: RecordRead, _lease: leases.Held, reason: str) -> None:
    fail(read, f"{reason} {SMALLER_FILE}")


def _divide(read: RecordRead, lease: leases.Held, stopping: threading.Event) -> None:
    """Raises Stopped and FileRefused."""
    job = read.job
    keep_lease = partial(_keep_lease, lease, stopping)
    markers: list[Callable[[job_blocks.JobBlock], None]] = [
        repeats_of(job, keep_lease).mark,
        leaving_out(job),
    ]
    with file_reading.open_rows(job.file) as table:
        blocks = job_blocks.read(job, table, after=read.divided_row)
        found = chunks_of(blocks, read.divided_row, markers)
        if not job.parent_rows:
            found = ahead(found)
        with closing(found):
            for chunks in found:
                keep_lease()
                for chunk in chunks:
                    _commit(read, lease, chunk)
    with transaction.atomic():
        leases.fence(lease)
        _change(read, state=ReadState.READING)


def _keep_lease(lease: leases.Held, stopping: threading.Event, _rows: int = 0) -> None:
    if stopping.is_set() or not lease.keep():
        raise Stopped


def _commit(read: RecordRead, lease: leases.Held, chunk: Chunk) -> None:
    """In one transaction, store these pages and how far the rows are divided."""
    pages = dict(enumerate(chunk.batches, read.pages_total + 1))
    if chunk.invalid and not pages:
        pages[read.pages_total + 1] = _without_rows(chunk)
    last = max(pages, default=0)
    invalid = {last: stored_problems.packed(chunk.invalid)}
    with transaction.atomic():
        leases.fence(lease)
        sql.insert_many(
            ReadPage,
            ("read_id", "seq", "size", "first_row", "last_row"),
            (
                (read.pk, seq, page.size, page.first_row, page.last_row)
                for seq, page in pages.items()
            ),
        )
        created = ReadPage.objects.filter(read=read, seq__in=pages)
        sql.insert_many(
            ReadPageBlob,
            ("page_id", "payload", "rows", "invalid"),
            (
                (pk, pages[seq].payload, pages[seq].rows, invalid.get(seq, b""))
                for pk, seq in created.values_list("pk", "seq")
            ),
        )
        _change(
            read,
            divided_row=chunk.last_row,
            pages_total=F("pages_total") + len(pages),
        )
    lease.note_progress()


def _without_rows(chunk: Chunk) -> PlannedBatch:
    """For the problems of rows none of which is valid."""
    row = chunk.last_row
    return PlannedBatch(0, first_row=row, last_row=row, payload=b"", rows=b"")


def _change(read: RecordRead, **fields: object) -> None:
    """Raises Stopped if somebody has cancelled it."""
    open_reads = RecordRead.objects.filter(pk=read.pk, state=ReadState.DIVIDING)
    if not open_reads.update(version=F("version") + 1, **fields):
        raise Stopped
    read.refresh_from_db()
