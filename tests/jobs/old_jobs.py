"""Jobs that finished long ago, for tests of pruning."""

from datetime import timedelta

from django.utils import timezone

from jobsui.jobs.enums import JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, File, Job, RowResult
from jobsui.jobs.models.batch import pack
from tests.jobs.reports import samples

FAILED = RowResult(Outcome.FAILED, code="Taken", message="The ID is taken.")


def finish(job: Job, days_ago: int, state: JobState = JobState.COMPLETED) -> None:
    """End a job so long ago. Its file is as old."""
    at = timezone.now() - timedelta(days=days_ago)
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=at)
    sample = [[2, ["g-1", "1", ""]]]
    File.objects.filter(pk=job.file_id).update(created_at=at, sample=sample)
    job.refresh_from_db()


def finished(days_ago: int = 100, *, name: str = "Acme") -> Job:
    """A job of 250 rows in three batches, of which one failed, and an invalid row."""
    job = samples.planned(name=name, host=f"{name.lower()}.zendesk.com")
    samples.settle(job, 1, FAILED)
    samples.settle(job, 2)
    samples.settle(job, 3)
    for batch in Batch.objects.filter(job=job):
        Attempt.objects.create(
            batch=batch,
            number=1,
            epoch=1,
            at=timezone.now(),
            items=batch.size,
            result="accepted",
            response_headers={"Date": "today"},
            response_body=pack(b"{}"),
        )
    Batch.objects.filter(job=job).update(attempts_made=1)
    finish(job, days_ago)
    return job


def child_of(job: Job, state: JobState) -> Job:
    """A retry of the failed row."""
    return Job.objects.create(
        connection=job.connection,
        object_key=job.object_key,
        action=job.action,
        file=job.file,
        parent=job,
        parent_rows="failed",
        mapping=job.mapping,
        options=job.options,
        rows=1,
        state=state,
    )
