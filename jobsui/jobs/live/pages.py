"""Divides the rows of a job into the pages of a read. Workers only: it imports pyarrow."""

import threading
from collections.abc import Mapping
from contextlib import closing
from functools import partial

from django.db import transaction
from django.db.models import F, Sum

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases, sql
from jobsui.jobs.enums import JobState, Purpose, ReadState
from jobsui.jobs.live import sent_rows, stored_problems, undo_rows
from jobsui.jobs.live.reads import fail, is_of_present_rows
from jobsui.jobs.models import Job, ReadPage, ReadPageBlob, RecordRead
from jobsui.jobs.preparation import valid_rows
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.preparation.pending_rows import Chunk, PlannedBatch
from jobsui.jobs.preparation.planner import Source
from jobsui.jobs.queueing import enqueue

TRY_AGAIN = "Try again. If it fails again, the log of the worker says why."

SOURCES: Mapping[Purpose, Source] = {
    Purpose.COMPARE: valid_rows.read,
    Purpose.UNDO: undo_rows.read,
    Purpose.PROVE: sent_rows.read,
}


def divide(read: RecordRead, *, stopping: threading.Event) -> None:
    """Divide the rows that would be sent, and enqueue the drivers, whose process reads the pages.
    After an interruption, it continues after the last row that it committed."""
    with leases.tried(f"divide:{read.pk}", partial(_give_up, read)) as lease:
        read.refresh_from_db()
        if lease is None or read.state != ReadState.DIVIDING:
            return
        if not is_of_present_rows(read):
            return
        try:
            _divide(read, lease, stopping)
        except (Stopped, leases.LeaseLost):
            return
        except FileRefused as refusal:
            fail(read, str(refusal))
    enqueue("drive")


def _give_up(read: RecordRead, _lease: leases.Held, reason: str) -> None:
    fail(read, f"{reason} {TRY_AGAIN}")


def _divide(read: RecordRead, lease: leases.Held, stopping: threading.Event) -> None:
    """Raises Stopped and FileRefused."""
    keep_lease = partial(_keep_lease, lease, stopping)
    source = SOURCES[Purpose(read.purpose)]
    with closing(source(read.job, read.divided_row, keep_lease)) as found:
        for chunks in found:
            keep_lease()
            for chunk in chunks:
                _commit(read, lease, chunk)
    with transaction.atomic():
        leases.fence(lease)
        _change(read, state=ReadState.READING)
        if read.purpose == Purpose.UNDO:
            # The number of rows was not known before: a person may have chosen some of them.
            rows = read.pages.aggregate(rows=Sum("size"))["rows"] or 0
            Job.objects.change(read.job, expected=(JobState.READY,), rows=rows)


def _keep_lease(lease: leases.Held, stopping: threading.Event, _rows: int = 0) -> None:
    if stopping.is_set() or not lease.keep():
        raise Stopped


def _commit(read: RecordRead, lease: leases.Held, chunk: Chunk) -> None:
    """Store these pages and how far the rows are divided, in one transaction."""
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
    """A page that only carries the problems of invalid rows."""
    row = chunk.last_row
    return PlannedBatch(0, first_row=row, last_row=row, payload=b"", rows=b"")


def _change(read: RecordRead, **fields: object) -> None:
    """Raises Stopped if the read was cancelled, or if the rows have changed meanwhile."""
    open_reads = RecordRead.objects.filter(
        pk=read.pk,
        state=ReadState.DIVIDING,
        job__checked_fingerprint=read.job.checked_fingerprint,
    )
    if not open_reads.update(version=F("version") + 1, **fields):
        raise Stopped
    read.refresh_from_db()
