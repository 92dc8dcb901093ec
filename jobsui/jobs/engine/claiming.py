"""Writing down what is about to be sent, inside the caller's transaction: only after its commit may anything go out."""

from collections.abc import Iterable

from django.db.models.functions import Now
from django.utils import timezone

from jobsui.jobs.engine.sending import Shipment
from jobsui.jobs.enums import SENDABLE, Action, BatchState, JobState
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.zendesk.client import Client


def waiting_jobs(jobs: Iterable[int]) -> set[int]:
    """Those of these jobs that have batches to send, as things stand in the database."""
    planned = Batch.objects.filter(job__in=jobs, job__state__in=SENDABLE, state=BatchState.PLANNED)
    return set(planned.values_list("job", flat=True).distinct())


def claim(job_id: int, number: int, *, epoch: int) -> list[Batch]:
    """The next batches of a job, at most so many, each marked as being sent and with an attempt of its own. None once
    the job is paused or cancelled."""
    # Locked: a pause or cancel comes before this claim or after its commit, never in between.
    lockable = Job.objects.select_related("connection").select_for_update(of=("self",))
    job = lockable.filter(pk=job_id, state__in=SENDABLE).first()
    if job is None:
        return []
    planned = Batch.objects.filter(job=job, state=BatchState.PLANNED).select_related("blob").order_by("seq")
    claimed = [_mark(job, batch, epoch) for batch in planned[:number]]
    if job.state == JobState.QUEUED:
        Job.objects.change(job, expected=(JobState.QUEUED,), state=JobState.RUNNING, started_at=Now(), reason="")
    return claimed


def shipment_of(batch: Batch, client: Client) -> Shipment:
    """The open items of a batch, as its last attempt sends or has sent them."""
    job = batch.job
    attempts = list(Attempt.objects.filter(batch=batch).order_by("number").values_list("pk", "at", "result"))
    ends = batch.blob.ends
    return Shipment(
        batch_id=batch.pk,
        job_id=job.pk,
        attempt_id=attempts[-1][0],
        action=Action(job.action),
        object_key=job.object_key,
        client=client,
        connection_id=job.connection_id,
        items=tuple((i, line) for i, line in enumerate(batch.blob.lines) if ends[i] is None),
        first_sent_at=attempts[0][1],
        resent=any(result in Attempt.IN_DOUBT for _, _, result in attempts),
    )


def _mark(job: Job, batch: Batch, epoch: int) -> Batch:
    batch.job, now = job, timezone.now()
    batch.attempts_made += 1
    Batch.objects.filter(pk=batch.pk).update(
        state=BatchState.SENDING, attempts_made=batch.attempts_made, epoch=epoch, sent_at=now, look_at=None, looks=0
    )  # fmt: skip
    Attempt.objects.create(
        batch=batch, number=batch.attempts_made, epoch=epoch, at=now, items=batch.blob.ends.count(None)
    )  # fmt: skip
    return batch
