"""The planner: divides the rows of a launched job into batches, with the items exactly as
they are sent.

Workers only: it imports pyarrow."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import lru_cache, partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases, sql
from jobsui.jobs.enums import (
    SENDABLE,
    Component,
    EventKind,
    JobState,
    Outcome,
    ParentRows,
)
from jobsui.jobs.ledger import causes, lifecycle, settlement
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import (
    AccountFacts,
    Batch,
    BatchBlob,
    BatchImages,
    Job,
    RepeatedKeys,
)
from jobsui.jobs.preparation import checker, file_reading, valid_rows
from jobsui.jobs.preparation.file_reading import Stopped
from jobsui.jobs.preparation.pending_rows import Chunk, PlannedBatch
from jobsui.jobs.queueing import enqueue

type Source = Callable[[Job, int, Callable[[int], None]], Generator[list[Chunk]]]
"""As `valid_rows.read`."""
PLANNABLE = (*SENDABLE, JobState.PAUSING, JobState.PAUSED)


def plan(job: Job, *, stopping: threading.Event, source: Source | None = None) -> None:
    """Plan the rows of a launched job that are not planned yet, and enqueue the driver as
    soon as there is a batch to send. After an interruption it continues behind the last
    row that it committed. `source`: instead of the file, read row by row."""
    with leases.tried(f"plan:{job.pk}", partial(_give_up, job)) as lease:
        job.refresh_from_db()
        if lease is None or job.planned_at is not None or job.is_draft or job.is_over:
            return
        try:
            if job.state in PLANNABLE:
                if job.parent_rows != ParentRows.UNDONE:
                    _require_same_settings(job)
                _plan(job, lease, stopping, source or valid_rows.read)
            Job.objects.filter(pk=job.pk, planned_at=None).update(
                planned_at=timezone.now(), version=F("version") + 1
            )
        except (Stopped, leases.LeaseLost):
            return
        except FileRefused as refusal:
            _fail(job, lease, str(refusal))
    _finish(job)


def _plan(
    job: Job, lease: leases.Held, stopping: threading.Event, source: Source
) -> None:
    """Until the last row, or until the job stops."""
    keep_lease = partial(_keep_lease, lease, stopping)
    with closing(source(job, job.planned_row, keep_lease)) as found:
        for chunks in found:
            keep_lease()
            for chunk in chunks:
                _commit(job, lease, chunk)
                if stopping.is_set():
                    raise Stopped
                if job.state not in PLANNABLE:
                    return


def _keep_lease(lease: leases.Held, stopping: threading.Event, _rows: int = 0) -> None:
    if stopping.is_set() or not lease.keep():
        raise Stopped


def _commit(job: Job, lease: leases.Held, chunk: Chunk) -> None:
    """In one transaction, plan these rows or record them as invalid, and store how far
    the planner is."""
    with transaction.atomic():
        if not lease.renew():
            raise Stopped
        batches = _create_batches(job, chunk)
        causes.record_failed_rows(
            _failed_row(job.pk, problems) for problems in chunk.invalid
        )
        is_open = Job.objects.filter(pk=job.pk, planned_at=None).update(
            planned_row=chunk.last_row,
            batches_total=F("batches_total") + batches,
            invalid=F("invalid") + len(chunk.invalid),
            version=F("version") + 1,
        )
        if not is_open:
            # The job was cancelled in the meantime.
            raise Stopped
        if batches:
            enqueue("drive")
    lease.note_progress()
    job.refresh_from_db(fields=("state", "batches_total"))


def _create_batches(job: Job, chunk: Chunk) -> int:
    """How many batches the items fill."""
    batches = dict(enumerate(chunk.batches, job.batches_total + 1))
    if not batches:
        return 0
    sql.insert_many(
        Batch,
        ("job_id", "seq", "size", "first_row", "last_row", "own_action"),
        (
            (
                job.pk,
                seq,
                batch.size,
                batch.first_row,
                batch.last_row,
                batch.own_action,
            )
            for seq, batch in batches.items()
        ),
    )
    created = Batch.objects.filter(job=job, seq__gte=min(batches))
    sql.insert_many(
        BatchBlob,
        ("batch_id", "payload", "rows"),
        (
            (pk, batches[seq].payload, batches[seq].rows)
            for pk, seq in created.values_list("pk", "seq")
        ),
    )
    with_images = {seq: each for seq, each in batches.items() if each.images}
    sql.insert_many(
        BatchImages,
        ("batch_id", "images"),
        (
            (pk, batches[seq].images)
            for pk, seq in created.filter(seq__in=with_images).values_list("pk", "seq")
        ),
    )
    _settle_unsent(job, batches)
    return len(batches)


def _settle_unsent(job: Job, batches: Mapping[int, PlannedBatch]) -> None:
    """Give the rows that are not sent their results. `batches`: by their places."""
    results = {seq: batch.results for seq, batch in batches.items() if batch.results}
    if not results:
        return
    counters = settlement.JobCounters()
    for batch in Batch.objects.filter(job=job, seq__in=results).select_related("job"):
        settlement.settle(batch, dict(enumerate(results[batch.seq])), counters)
    counters.write()


def _failed_row(job_id: int, problems: list[Problem]) -> causes.FailedRow:
    """One row has one error: its first problem names column and value, its message
    lists all of them."""
    first = problems[0]
    messages = [first.message]
    for problem in problems[1:]:
        prefix = f"{problem.column}: " if problem.column else ""
        messages.append(prefix + problem.message)
    return causes.FailedRow(
        job_id=job_id,
        batch_id=None,
        row=first.row,
        outcome=Outcome.INVALID,
        code=first.code,
        column=first.column[:255],
        value=first.value,
        message=" ".join(messages),
        signature=_signature(first.code, first.column),
        general=first.general,
        fix=first.fix,
    )


@lru_cache
def _signature(code: str, column: str) -> str:
    return causes.signature(code, column, "")


def _require_same_settings(job: Job) -> None:
    """Before the first row, raise FileRefused unless the object's fields and the settings of
    the file are the checked ones."""
    if not job.planned_row and checker.fingerprint(job) != job.checked_fingerprint:
        raise FileRefused(
            "The object's fields or how the file is read have changed since the check. "
            "Check and launch again."
        )


def _finish(job: Job) -> None:
    """The driver continues with what was planned."""
    RepeatedKeys.objects.filter(job=job).delete()
    AccountFacts.objects.filter(job=job).delete()
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
