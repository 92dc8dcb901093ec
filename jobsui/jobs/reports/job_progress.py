"""How far a job is: rows with a result, the rate, the time left, and what limits it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, F, Sum

from jobsui.jobs.enums import (
    IN_FLIGHT,
    SENDABLE,
    SUCCEEDED,
    Action,
    JobState,
    LimitedBy,
    Outcome,
    ParentRows,
)
from jobsui.jobs.models import Batch, Job

STOPPED = (JobState.CANCELLING, JobState.CANCELLED, JobState.FAILED)
"""States in which rows are cancelled that were to be sent."""
RATE_SECONDS = 60
MIN_RATE_SECONDS = 1
"""A rate over less time would only be noise."""

FIRST_SECONDS = 10
QUIET_SECONDS = 60
FIRST_INTERVAL = 1
INTERVAL = 2
QUIET_INTERVAL = 5
PAUSED_INTERVAL = 30


@dataclass(frozen=True, slots=True)
class Progress:
    """A job at one moment. Rate and time left are None while they are unknown."""

    percent: int
    processed: int
    """Rows that have a result. Rows that a cancelled job never sent have none."""
    left_out: int
    """Rows that were not to be sent, because a person or program left them out. Of a job that
    was cancelled or has failed they are among the cancelled rows."""
    in_flight: int
    """Batches that Zendesk has, or may have."""
    rows_in_flight: int
    saved: int
    """Rows that succeeded and were sent."""
    succeeded_label: str
    """Their outcome, such as "created"."""
    waiting: int
    """Batches that are planned and not sent yet."""
    records_per_second: float | None
    eta_seconds: int | None
    limited_seconds: list[tuple[str, float]]
    """(what limited the job so far, for how many seconds), the longest first."""
    interval: int | None
    """Seconds until a page should poll again; None when nothing will change."""


def progress(job: Job) -> Progress:
    batches, rows = _in_flight(job) if job.is_moving else (0, 0)
    rate = records_per_second(job)
    return Progress(
        percent=percent(job),
        processed=processed(job),
        left_out=left_out(job),
        in_flight=batches,
        rows_in_flight=rows,
        saved=job.succeeded - job.unchanged,
        succeeded_label=succeeded_label(job),
        waiting=waiting(job, batches),
        records_per_second=rate,
        eta_seconds=_seconds_left(job, rate),
        limited_seconds=limited_seconds(job),
        interval=_interval(job),
    )


def processed(job: Job) -> int:
    """How many rows have a result. Rows that were never sent have none."""
    return job.settled - job.cancelled + left_out(job)


def left_out(job: Job) -> int:
    return 0 if job.state in STOPPED else job.cancelled


def percent(job: Job) -> int:
    return 100 * processed(job) // job.rows if job.rows else 0


def succeeded_label(job: Job) -> str:
    """The outcome of the rows that succeeded and were sent. If their outcomes differ, those
    that belong to the action."""
    sent = [
        outcome
        for outcome in SUCCEEDED
        if outcome is not Outcome.UNCHANGED and job.count(outcome)
    ]
    if len(sent) == 1:
        return str(sent[0].label).lower()
    if sent and job.parent_rows == ParentRows.UNDONE:
        return "put back"
    action = Action(job.action)
    of_action = str(action.outcome.label).lower()
    if Outcome.DELETED in sent and not action.deletes:
        return f"{of_action.replace(' or ', ', ')} or deleted"
    return of_action


def saved_label(action: Action) -> str:
    """What happened to the rows of a batch that succeeded."""
    return "deleted" if action.deletes else "saved"


def in_flight(jobs: Sequence[Job]) -> dict[int, int]:
    """{id of a job: how many of its batches are in flight}, by one query. Jobs without
    any are left out."""
    moving = [job.pk for job in jobs if job.is_moving]
    batches = Batch.objects.unsettled().filter(job__in=moving, state__in=IN_FLIGHT)
    counts = batches.order_by().values_list("job").annotate(count=Count("pk"))
    return dict(counts)


def waiting(job: Job, in_flight: int) -> int:
    """How many batches are planned and not sent yet."""
    if job.is_over:
        return 0
    return max(0, job.batches_total - job.batches_done - in_flight)


def records_per_second(job: Job) -> float | None:
    """Over the last minute up to now. None unless the job runs and rows got a result
    in that time."""
    if job.state != JobState.RUNNING:
        return None
    now = time.time()
    recent = (sample for sample in job.pace if now - sample[0] <= RATE_SECONDS)
    started, settled_then = next(recent, (now, 0))
    elapsed = now - started
    if elapsed < MIN_RATE_SECONDS:
        return None
    # Checking uncertain rows again takes their results back, so fewer may be settled.
    settled = job.settled - job.invalid - settled_then
    return settled / elapsed if settled > 0 else None


def seconds_left(job: Job) -> int | None:
    """At the current rate; None while it is unknown."""
    return _seconds_left(job, records_per_second(job))


def limited_by(job: Job) -> str:
    """What limits a job that comes from with_limit(); "" when it has nothing to send."""
    is_limited = job.state in (*SENDABLE, JobState.PAUSING, JobState.PAUSED)
    return str(job.current_limit.label) if is_limited else ""


def limited_seconds(job: Job) -> list[tuple[str, float]]:
    """(what limited the job so far, for how many seconds), the longest first, up to
    now."""
    seconds = {
        LimitedBy(key): float(spent)
        for key, spent in job.limited_seconds.items()
        if key
    }
    if job.limited_by and job.limited_since and not job.is_over:
        present = LimitedBy(job.limited_by)
        lasting = max(0, time.time() - job.limited_since.timestamp())
        seconds[present] = seconds.get(present, 0) + lasting
    long_enough = [
        (str(limit.label), spent) for limit, spent in seconds.items() if spent >= 1
    ]
    return sorted(long_enough, key=lambda entry: -entry[1])


def _in_flight(job: Job) -> tuple[int, int]:
    """(batches, their rows without a result)."""
    open_rows = F("size") - F("succeeded") - F("failed") - F("uncertain")
    batches = Batch.objects.unsettled().filter(job=job, state__in=IN_FLIGHT)
    found = batches.aggregate(count=Count("pk"), rows=Sum(open_rows))
    return found["count"], found["rows"] or 0


def _seconds_left(job: Job, rate: float | None) -> int | None:
    return round(job.pending / rate) if rate else None


def _interval(job: Job) -> int | None:
    """Short at first, longer when nothing changes. The server decides how often all
    open pages poll."""
    if job.state == JobState.PAUSED:
        return PAUSED_INTERVAL
    if not job.is_moving and job.state != JobState.CHECKING:
        return None
    now = time.time()
    age = now - (job.started_at or job.created_at).timestamp()
    if age < FIRST_SECONDS:
        return FIRST_INTERVAL
    quiet = now - job.pace[-1][0] if job.pace else 0
    return QUIET_INTERVAL if quiet > QUIET_SECONDS else INTERVAL
