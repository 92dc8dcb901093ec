"""The planner: divides the rows of a launched job into batches, with the items exactly as
they are sent."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from itertools import batched

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.files.table import Table
from jobsui.jobs import leases
from jobsui.jobs.enums import SENDABLE, Component, EventKind, JobState, Outcome
from jobsui.jobs.ledger import causes, lifecycle
from jobsui.jobs.mapping.row_reader import Item, Problem
from jobsui.jobs.models import Batch, BatchBlob, Job, RowError
from jobsui.jobs.preparation import checker, file_reading, job_rows
from jobsui.jobs.preparation.file_keys import FileKeys
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.preparation.job_rows import ValidatedRow
from jobsui.jobs.queueing import enqueue

MAX_BATCH_SIZE = 100
"""Zendesk takes no more records in one request."""
BATCHES_PER_COMMIT = 20
MAX_ROWS_PER_COMMIT = 5_000
"""Reached when many rows are invalid."""
RENEW_EVERY_ROWS = 10_000
"""How often the lease is renewed while rows are skipped that are already planned."""
HASH_CHUNK_BYTES = 1 << 20
PLANNABLE = (*SENDABLE, JobState.PAUSING, JobState.PAUSED)


def plan(job: Job, *, stopping: threading.Event) -> None:
    """Plan the rows of a launched job that are not planned yet, and enqueue the driver as
    soon as there is a batch to send. After an interruption it continues behind the last
    row that it committed."""
    with leases.tried(f"plan:{job.pk}", partial(_give_up, job)) as lease:
        job.refresh_from_db()
        if lease is None or job.planned_at is not None or job.is_draft or job.is_over:
            return
        try:
            if job.state in PLANNABLE:
                _require_unchanged(job, lease)
                _plan(job, lease, stopping)
            Job.objects.filter(pk=job.pk, planned_at=None).update(
                planned_at=timezone.now(), version=F("version") + 1
            )
        except (Stopped, leases.LeaseLost):
            return
        except FileRefused as refusal:
            _fail(job, lease, str(refusal))
    _finish(job)


def _plan(job: Job, lease: leases.Held, stopping: threading.Event) -> None:
    """Until the end of the file, or until the job stops."""
    with file_reading.open_rows(job.file) as table, FileKeys(job) as keys:
        for chunk in _chunks(_unplanned_rows(job, table, keys, lease, stopping)):
            _commit(job, lease, chunk)
            if stopping.is_set():
                raise Stopped
            if job.state not in PLANNABLE:
                return


def _unplanned_rows(
    job: Job,
    table: Table,
    keys: FileKeys,
    lease: leases.Held,
    stopping: threading.Event,
) -> Iterator[ValidatedRow]:
    """The rows behind the last one that is planned. Earlier rows are read too, so that
    their keys are known."""
    planned_row = job.planned_row
    is_new = planned_row == 0
    if not is_new:
        lease.repeat_known_work()
    keep_lease = partial(_keep_lease, lease, stopping)
    rows = job_rows.validated_rows(job, table, keys, keep_lease)
    for count, (row, result) in enumerate(rows):
        if row[0] > planned_row:
            if not is_new:
                lease.begin_new_work()
                is_new = True
            yield row, result
        elif count % RENEW_EVERY_ROWS == 0:
            keep_lease()


def _keep_lease(lease: leases.Held, stopping: threading.Event) -> None:
    if stopping.is_set() or not lease.renew():
        raise Stopped


def _chunks(rows: Iterator[ValidatedRow]) -> Iterator[list[ValidatedRow]]:
    """Rows to commit together, whose items fill whole batches. The first chunk is one
    batch, so that sending begins at once."""
    chunk: list[ValidatedRow] = []
    items = 0
    wanted_items = MAX_BATCH_SIZE
    for row in rows:
        chunk.append(row)
        items += isinstance(row[1], Item)
        if items == wanted_items or len(chunk) == MAX_ROWS_PER_COMMIT:
            yield chunk
            chunk = []
            items = 0
            wanted_items = MAX_BATCH_SIZE * BATCHES_PER_COMMIT
    if chunk:
        yield chunk


def _commit(job: Job, lease: leases.Held, chunk: list[ValidatedRow]) -> None:
    """In one transaction, plan these rows or record them as invalid, and store how far
    the planner is."""
    items = [result for _, result in chunk if isinstance(result, Item)]
    invalid = [result for _, result in chunk if not isinstance(result, Item)]
    last_row, _ = chunk[-1]
    with transaction.atomic():
        if not lease.renew():
            raise Stopped
        batches = _create_batches(job, items)
        causes.record_failed_rows(_failed_row(job.pk, problems) for problems in invalid)
        is_open = Job.objects.filter(pk=job.pk, planned_at=None).update(
            planned_row=last_row[0],
            batches_total=F("batches_total") + batches,
            invalid=F("invalid") + len(invalid),
            version=F("version") + 1,
        )
        if not is_open:
            # The job was cancelled in the meantime.
            raise Stopped
        if batches:
            enqueue("drive")
    lease.note_progress()
    job.refresh_from_db()


def _create_batches(job: Job, items: list[Item]) -> int:
    """How many batches these items fill."""
    groups = list(batched(items, MAX_BATCH_SIZE))
    batches = [
        Batch(
            job=job,
            seq=seq,
            size=len(group),
            first_row=group[0].row,
            last_row=group[-1].row,
        )
        for seq, group in enumerate(groups, job.batches_total + 1)
    ]
    Batch.objects.bulk_create(batches)
    blobs = []
    for batch, group in zip(batches, groups, strict=True):
        lines = [item.json for item in group]
        rows = [item.row for item in group]
        blobs.append(BatchBlob(batch=batch, **BatchBlob.packed(lines, rows)))
    BatchBlob.objects.bulk_create(blobs)
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


def _require_unchanged(job: Job, lease: leases.Held) -> None:
    """Raise FileRefused unless the stored file is the checked one, byte for byte.
    Before the first row, the object's fields must be the checked ones too."""
    digest = hashlib.sha256()
    try:
        with default_storage.open(job.file.stored_as) as content:
            for chunk in content.chunks(HASH_CHUNK_BYTES):
                digest.update(chunk)
                lease.keep()
    except FileNotFoundError:
        raise FileRefused("The stored file is gone. Upload it again.") from None
    if digest.hexdigest() != job.file.sha256:
        raise FileRefused(
            "The stored file has changed since the check. Upload it again."
        )
    if not job.planned_row and checker.fingerprint(job) != job.checked_fingerprint:
        raise FileRefused(
            "The object's fields have changed since the check. Check and launch again."
        )


def _finish(job: Job) -> None:
    """The driver continues with what was planned."""
    lifecycle.finish_if_over(job.pk, by=Component.PLANNER)
    enqueue("drive")


def _give_up(job: Job, lease: leases.Held, reason: str) -> None:
    _fail(job, lease, f"{reason} {file_reading.SMALLER_FILE}")
    _finish(job)


def _fail(job: Job, lease: leases.Held, reason: str) -> None:
    """The other rows cannot be planned. Once no batch is in flight, the job has
    failed."""
    with transaction.atomic():
        leases.fence(lease)
        job.refresh_from_db()
        if job.planned_at is not None:
            return
        now = timezone.now()
        is_moved = lifecycle.move(
            job,
            JobState.CANCELLING,
            by=Component.PLANNER,
            event=EventKind.PLANNING_FAILED,
            expected=(*SENDABLE, JobState.PAUSING, JobState.PAUSED),
            facts={"reason": reason},
            reason=reason,
            planned_at=now,
        )
        if not is_moved:
            # A person has cancelled it in the meantime, so it ends as cancelled.
            Job.objects.change(job, expected=(JobState.CANCELLING,), planned_at=now)
