"""Jobs for real worker processes to drive, and their results."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from jobsui.jobs import leases
from jobsui.jobs.enums import BatchState, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from tests.acceptance.processes import TIMEOUT, wait_until
from tests.harness import Harness, gadgets

FINAL_STATES = (
    JobState.COMPLETED,
    JobState.NEEDS_DECISION,
    JobState.CANCELLED,
    JobState.FAILED,
    JobState.PAUSED,
)
"""Without a person, a job stays in these states."""


@dataclass(frozen=True)
class JobResult:
    """The results of a `create` job's rows, compared with the records in Zendesk."""

    state: str
    created: int
    failed: int = 0
    uncertain: int = 0
    cancelled: int = 0
    pending: int = 0
    lost: int = 0
    """Rows reported as created that Zendesk does not have, and rows it has that were
    reported as something else."""
    duplicated: int = 0
    """Rows that Zendesk has written more than once."""


@contextmanager
def no_driver(harness: Harness) -> Iterator[None]:
    """Keep every driver from the account, by holding its lease."""
    with leases.held(f"account:{harness.connection.host}") as lease:
        assert lease
        in_an_hour = Now() + timedelta(hours=1)
        Lease.objects.filter(name=lease.name).update(expires_at=in_an_hour)
        yield


def without_ids(count: int) -> list[dict[str, Any]]:
    return [{"name": row["name"], "serial": row["serial"]} for row in gadgets(count)]


def result_now(harness: Harness, job: Job) -> JobResult:
    """The job's object must hold no other records."""
    job.refresh_from_db()
    applied = harness.sandbox.applied(job.object_key)
    missing = max(0, job.created - len(applied))
    unreported = max(0, len(applied) - job.created - job.uncertain)
    return JobResult(
        job.state,
        job.created,
        failed=job.count(Outcome.FAILED),
        uncertain=job.count(Outcome.UNCERTAIN),
        cancelled=job.count(Outcome.CANCELLED),
        pending=job.count(Outcome.PENDING),
        lost=missing + unreported,
        duplicated=sum(times > 1 for times in applied.values()),
    )


def final_result(harness: Harness, job: Job, seconds: float = TIMEOUT) -> JobResult:
    """Wait until the job has ended or paused, and return its result."""
    wait_until(lambda: state_of(job) in FINAL_STATES, f"the end of {job}", seconds)
    return result_now(harness, job)


def state_of(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def attempts(job: Job) -> dict[str, int]:
    """{result: number of attempts}."""
    results = Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    return dict(Counter(results))


def batches(job: Job) -> dict[str, int]:
    """{state: number of batches}."""
    states = Batch.objects.filter(job=job).values_list("state", flat=True)
    return dict(Counter(states))


def in_flight(job: Job) -> int:
    return batches(job).get(BatchState.ACCEPTED, 0)


def posts(harness: Harness) -> int:
    """How many requests to queue a job have reached Zendesk."""
    return sum(
        entry["method"] == "POST" and entry["path"].endswith("/jobs")
        for entry in harness.sandbox.log()
    )
