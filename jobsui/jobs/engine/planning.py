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
from jobsui.files.table import Row
from jobsui.jobs.engine import checking, intake, leases, settling
from jobsui.jobs.engine.intake import Stopped
from jobsui.jobs.engine.mapping import Item, Problem
from jobsui.jobs.enums import JobState, Outcome
from jobsui.jobs.models import Batch, BatchBlob, Job, RowError
from jobsui.jobs.queueing import ring

BATCH_SIZE = 100
"""The most records Zendesk takes in one request."""
BATCHES_A_COMMIT = 20
PLANNABLE = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.PAUSED)

Judged = tuple[Row, Item | list[Problem]]


def plan(job: Job, *, stopping: threading.Event) -> None:
    """Plan the rows of a launched job that are not planned yet, ringing for the driver as soon as there is something
    to send. Interrupted, it goes on behind the last row it committed."""
    with leases.held(f"plan:{job.pk}") as lease:
        job.refresh_from_db()
        if lease is None or job.planned_at is not None or job.is_draft or job.is_over:
            return
        try:
            _plan(job, lease, stopping)
        except Stopped:
            return
        except FileRefused as refusal:
            _fail(job, lease, str(refusal))
    settling.finish_if_over(job.pk)
    ring("drive")


def _plan(job: Job, lease: leases.Held, stopping: threading.Event) -> None:
    if job.state in PLANNABLE and not job.planned_row and not _is_unchanged(job):
        raise FileRefused("The stored file is no longer what was checked, so nothing was sent. Upload it again.")
    if job.state in PLANNABLE:
        with intake.open_rows(job.file) as table:
            judged = checking.judged_rows(job, table, after=job.planned_row)
            for chunk in _chunks(judged):
                _commit(job, lease, chunk)
                if stopping.is_set():
                    raise Stopped
                if job.state == JobState.CANCELLING:
                    break
    Job.objects.filter(pk=job.pk).update(planned_at=timezone.now(), version=F("version") + 1)


def _chunks(judged: Iterator[Judged]) -> Iterator[tuple[Judged, ...]]:
    """The first one small, so that sending begins at once."""
    first = tuple(next(batched(judged, BATCH_SIZE), ()))
    if first:
        yield first
    yield from batched(judged, BATCH_SIZE * BATCHES_A_COMMIT)


def _commit(job: Job, lease: leases.Held, chunk: tuple[Judged, ...]) -> None:
    """One transaction: these rows are planned or invalid, and the job remembers how far it got."""
    items = [judged for _, judged in chunk if isinstance(judged, Item)]
    invalid = [judged for _, judged in chunk if not isinstance(judged, Item)]
    with transaction.atomic():
        if not lease.renew():
            raise Stopped
        made = _write_batches(job, items)
        settling.record_errors(job.pk, map(_row_error, [job.pk] * len(invalid), invalid))
        Job.objects.filter(pk=job.pk).update(
            planned_row=chunk[-1][0][0], batches_total=F("batches_total") + made, invalid=F("invalid") + len(invalid),
            version=F("version") + 1,
        )  # fmt: skip
        if made:
            ring("drive")
    job.refresh_from_db()


def _write_batches(job: Job, items: list[Item]) -> int:
    batches = [
        Batch(job=job, seq=seq, size=len(part), first_row=part[0].row, last_row=part[-1].row)
        for seq, part in enumerate(batched(items, BATCH_SIZE), job.batches_total + 1)
    ]
    Batch.objects.bulk_create(batches)
    BatchBlob.objects.bulk_create(
        BatchBlob(batch=batch, **BatchBlob.packed([item.json for item in part], [item.row for item in part]))
        for batch, part in zip(batches, batched(items, BATCH_SIZE), strict=True)
    )
    return len(batches)


def _row_error(job_id: int, problems: list[Problem]) -> tuple[RowError, str, str]:
    """One row, one end: its first problem names column and value, its message tells all of them."""
    first = problems[0]
    message = " ".join(f"{problem.column}: {problem.message}" if problem.column else problem.message
                       for problem in problems)  # fmt: skip
    error = RowError(
        job_id=job_id, row=first.row, outcome=Outcome.INVALID, code=first.code, column=first.column,
        value=first.value, message=message,
    )  # fmt: skip
    return error, first.cure, settling.signature(first.code, first.column, "")


def _is_unchanged(job: Job) -> bool:
    digest = hashlib.sha256()
    with default_storage.open(job.file.stored_as) as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == job.file.sha256 and checking.fingerprint(job) == job.checked_fingerprint


def _fail(job: Job, lease: leases.Held, reason: str) -> None:
    """The job cannot go on. Batches in flight are followed to their end by the driver first, as for a cancelled job."""
    with transaction.atomic():
        leases.fence(lease)
        job.refresh_from_db()
        if not Batch.objects.filter(job=job).exists():
            Job.objects.change(
                job, expected=(job.state,), state=JobState.FAILED, reason=reason, finished_at=timezone.now(),
                planned_at=timezone.now(), cancelled=F("cancelled") + job.pending,
            )  # fmt: skip
        else:
            Job.objects.change(
                job, expected=(job.state,), state=JobState.CANCELLING, reason=reason, planned_at=timezone.now()
            )  # fmt: skip
        job.add_event(reason)
