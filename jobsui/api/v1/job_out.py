"""A job as programs are told of it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from django.urls import reverse
from ninja import Schema

from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_progress


class Counts(Schema):
    """Rows by outcome; at the end of a job they add up to `rows`."""

    rows: int
    pending: int
    created: int
    updated: int
    created_or_updated: int
    deleted: int
    unchanged: int
    invalid: int
    failed: int
    uncertain: int
    cancelled: int


class BatchCounts(Schema):
    total: int
    waiting: int
    in_flight: int
    done: int


class JobOut(Schema):
    id: UUID
    url: str
    """Its page."""
    state: JobState
    connection: UUID
    object: str
    action: Action
    file: UUID
    parent: UUID | None
    """The job whose failed rows it sends again."""
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    """Why it stands still or failed, and what to do; null while it goes on by
    itself."""
    counts: Counts
    batches: BatchCounts
    records_per_second: float | None
    """Over the last minute; null unless it runs and something can be said."""
    eta_seconds: int | None
    limited_by: str | None
    """What keeps it from going faster now: rate, window, others, blocked, unreachable,
    doubt, workers, paused or approval."""


def found(request: ApiRequest, code: UUID) -> JobOut:
    """The job of this id as it is now. Raises Http404."""
    job = lookup.draft_or_job(request.auth, code)
    return shower(request, [job])(job)


def shower(request: ApiRequest, jobs: Sequence[Job]) -> Callable[[Job], JobOut]:
    """How each of these jobs is told, which come with their holder and all they point
    at: one query for all."""
    in_flight = job_progress.in_flight(jobs)
    return lambda job: shown(
        job, request.build_absolute_uri(page(job)), in_flight.get(job.pk, 0)
    )


def page(job: Job) -> str:
    """The path of its page."""
    return reverse("jobs:detail", args=[job.code])


def shown(job: Job, url: str, in_flight: int) -> JobOut:
    return JobOut(
        id=job.code,
        url=url,
        state=JobState(job.state),
        connection=job.connection.code,
        object=job.object_key,
        action=Action(job.action),
        file=job.file.code,
        parent=job.parent.code if job.parent else None,
        created_by=job.created_by.username if job.created_by else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        # A draft that Zendesk cannot be asked about just now has a reason, but goes on
        # by itself.
        error=None if job.goes_on else job.reason or None,
        counts=Counts(**job.counts),
        batches=BatchCounts(
            total=job.batches_total,
            waiting=job_progress.waiting(job, in_flight),
            in_flight=in_flight,
            done=job.batches_done,
        ),
        records_per_second=job_progress.records_per_second(job),
        eta_seconds=job_progress.seconds_left(job),
        limited_by=job.current_limit.value or None,
    )
