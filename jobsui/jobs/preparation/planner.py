"""Cutting a launched job into batches, with the items exactly as they will be sent."""

import hashlib
import threading
from collections.abc import Iterator
from itertools import batched

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.files.layout import Row
from jobsui.files.table import Table
from jobsui.jobs import leases
from jobsui.jobs.enums import SENDABLE, Component, EventKind, JobState, Outcome
from jobsui.jobs.ledger import causes, lifecycle
from jobsui.jobs.mapping.row_reader import Item, Problem
from jobsui.jobs.models import Batch, BatchBlob, Job, RowError
from jobsui.jobs.preparation import checker, file_reading
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.queueing import enqueue

BATCH_SIZE = 100
"""The most records Zendesk takes in one request."""
BATCHES_A_COMMIT = 20
ROWS_A_COMMIT = 5_000
"""At most, when many of them have problems."""
BREATH = 10_000
"""Rows read between two looks at the lease where nothing is committed."""
PLANNABLE = (*SENDABLE, JobState.PAUSING, JobState.PAUSED)

Judged = tuple[Row, Item | list[Problem]]


def plan(job: Job, *, stopping: threading.Event) -> None:
    """Plan the rows of a launched job that are not planned yet, ringing for the driver
    as soon as there is something to send. Interrupted, it goes on behind the last row
    it committed."""
    with leases.held(f"plan:{job.pk}") as lease:
        job.refresh_from_db()
        if lease is None or job.planned_at is not None or job.is_draft or job.is_over:
            return
        try:
            if job.state in PLANNABLE:
                _require_unchanged(job)
                _plan(job, lease, stopping)
            Job.objects.filter(pk=job.pk).update(
                planned_at=timezone.now(), version=F("version") + 1
            )
        except (Stopped, leases.LeaseLost):
            return
        except FileRefused as refusal:
            _fail(job, lease, str(refusal))
    lifecycle.finish_if_over(job.pk, by=Component.PLANNER)
    enqueue("drive")


def _plan(job: Job, lease: leases.Held, stopping: threading.Event) -> None:
    """To the end of the file, or until the job is cancelled."""
    with file_reading.open_rows(job.file) as table:
        for chunk in _chunks(_unplanned(job, table, lease, stopping)):
            _commit(job, lease, chunk)
            if stopping.is_set():
                raise Stopped
            if job.state == JobState.CANCELLING:
                return


def _unplanned(
    job: Job, table: Table, lease: leases.Held, stopping: threading.Event
) -> Iterator[Judged]:
    """The rows behind the last one planned. Those before are read too, for their keys
    must not come again."""
    done = job.planned_row
    for number, (row, judged) in enumerate(checker.judged_rows(job, table)):
        if row[0] > done:
            yield row, judged
        elif number % BREATH == 0 and (stopping.is_set() or not lease.renew()):
            raise Stopped


def _chunks(judged: Iterator[Judged]) -> Iterator[list[Judged]]:
    """What is committed at once: rows whose items fill whole batches, the first time
    one, so that sending begins at once."""
    chunk: list[Judged] = []
    items, wanted = 0, BATCH_SIZE
    for entry in judged:
        chunk.append(entry)
        items += isinstance(entry[1], Item)
        if items == wanted or len(chunk) == ROWS_A_COMMIT:
            yield chunk
            chunk, items, wanted = [], 0, BATCH_SIZE * BATCHES_A_COMMIT
    if chunk:
        yield chunk


def _commit(job: Job, lease: leases.Held, chunk: list[Judged]) -> None:
    """One transaction: these rows are planned or invalid, and the job remembers how far
    it got."""
    items = [judged for _, judged in chunk if isinstance(judged, Item)]
    invalid = [judged for _, judged in chunk if not isinstance(judged, Item)]
    with transaction.atomic():
        if not lease.renew():
            raise Stopped
        made = _write_batches(job, items)
        causes.record_failed_rows(
            [_failed_row(job.pk, problems) for problems in invalid]
        )
        Job.objects.filter(pk=job.pk).update(
            planned_row=chunk[-1][0][0],
            batches_total=F("batches_total") + made,
            invalid=F("invalid") + len(invalid),
            version=F("version") + 1,
        )
        if made:
            enqueue("drive")
    job.refresh_from_db()


def _write_batches(job: Job, items: list[Item]) -> int:
    batches = [
        Batch(
            job=job,
            seq=seq,
            size=len(part),
            first_row=part[0].row,
            last_row=part[-1].row,
        )
        for seq, part in enumerate(batched(items, BATCH_SIZE), job.batches_total + 1)
    ]
    Batch.objects.bulk_create(batches)
    BatchBlob.objects.bulk_create(
        BatchBlob(
            batch=batch,
            **BatchBlob.packed(
                [item.json for item in part], [item.row for item in part]
            ),
        )
        for batch, part in zip(batches, batched(items, BATCH_SIZE), strict=True)
    )
    return len(batches)


def _failed_row(job_id: int, problems: list[Problem]) -> causes.FailedRow:
    """One row has one error: its first problem names column and value, its message
    lists all of them."""
    first = problems[0]
    messages = [first.message]
    for problem in problems[1:]:
        prefix = f"{problem.column}: " if problem.column else ""
        messages.append(prefix + problem.message)
    error = RowError(
        job_id=job_id,
        row=first.row,
        outcome=Outcome.INVALID,
        code=first.code,
        column=first.column[:255],
        value=first.value,
        message=" ".join(messages),
    )
    signature = causes.signature(first.code, first.column, "")
    return causes.FailedRow(error, signature, first.general, first.fix)


def _require_unchanged(job: Job) -> None:
    """Raise FileRefused unless the file is, to the byte, what was checked, and at the
    beginning the fields too."""
    digest = hashlib.sha256()
    try:
        with default_storage.open(job.file.stored_as) as content:
            for chunk in content.chunks(1 << 20):
                digest.update(chunk)
    except FileNotFoundError:
        raise FileRefused("The stored file is gone. Upload it again.") from None
    if digest.hexdigest() != job.file.sha256:
        raise FileRefused(
            "The stored file is no longer what was checked. Upload it again."
        )
    if not job.planned_row and checker.fingerprint(job) != job.checked_fingerprint:
        raise FileRefused(
            "The object's fields have changed since the check. Check and launch again."
        )


def _fail(job: Job, lease: leases.Held, reason: str) -> None:
    """The other rows cannot be planned. Once no batch is in flight, the job has
    failed."""
    with transaction.atomic():
        leases.fence(lease)
        job.refresh_from_db()
        now = timezone.now()
        if not lifecycle.move(
            job,
            JobState.CANCELLING,
            by=Component.PLANNER,
            event=EventKind.PLANNING_FAILED,
            facts={"reason": reason},
            reason=reason,
            planned_at=now,
        ):
            # A person has cancelled it in the meantime, and so it ends as cancelled.
            Job.objects.change(job, expected=(JobState.CANCELLING,), planned_at=now)
