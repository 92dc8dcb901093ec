"""Jobs for real processes to drive, and what became of them."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from jobsui.jobs import leases
from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, BatchState, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from jobsui.jobs.preparation import planner
from tests.acceptance.processes import TIMEOUT, wait_until
from tests.harness import Harness, gadgets

STANDING = (
    JobState.COMPLETED,
    JobState.NEEDS_DECISION,
    JobState.CANCELLED,
    JobState.FAILED,
    JobState.PAUSED,
)


@dataclass(frozen=True)
class Fate:
    """What became of the rows of a `create` job: by its own account, and by
    Zendesk's."""

    state: str
    created: int
    failed: int = 0
    uncertain: int = 0
    cancelled: int = 0
    pending: int = 0
    lost: int = 0
    """Rows said to be created that Zendesk does not have, and rows it has that are said
    to be something else."""
    twice: int = 0
    """Rows Zendesk has written more than once."""


def planned(
    harness: Harness,
    rows: Sequence[dict[str, Any]],
    action: Action = Action.CREATE,
    **options: Any,
) -> Job:
    """A launched and planned job."""
    job = harness.checked(list(rows), action, **options)
    actions.launch(job, by=None)
    planner.plan(job, stopping=threading.Event())
    harness.task_queue.clear()
    job.refresh_from_db()
    return job


@contextmanager
def undriven(harness: Harness) -> Iterator[None]:
    """No driver may have the account meanwhile."""
    with leases.held(f"account:{harness.connection.host}") as lease:
        assert lease
        Lease.objects.filter(name=lease.name).update(
            expires_at=Now() + timedelta(hours=1)
        )  # Nobody renews it.
        yield


def without_ids(count: int) -> list[dict[str, Any]]:
    return [{name: row[name] for name in ("name", "serial")} for row in gadgets(count)]


def fate(harness: Harness, job: Job) -> Fate:
    """As it is now. The job's object holds no other records."""
    job.refresh_from_db()
    applied = harness.sandbox.applied(job.object_key)
    counts = {
        name: job.count(Outcome(name))
        for name in ("failed", "uncertain", "cancelled", "pending")
    }
    lost = max(0, job.created - len(applied)) + max(
        0, len(applied) - job.created - job.uncertain
    )
    twice = sum(times > 1 for times in applied.values())
    return Fate(job.state, job.created, **counts, lost=lost, twice=twice)


def ended(harness: Harness, job: Job, seconds: float = TIMEOUT) -> Fate:
    """Wait until nothing moves the job any more; what became of it."""
    wait_until(lambda: state_of(job) in STANDING, f"the end of {job}", seconds)
    return fate(harness, job)


def state_of(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def attempts(job: Job) -> dict[str, int]:
    """How many sendings came to what."""
    return dict(
        Counter(Attempt.objects.filter(batch__job=job).values_list("result", flat=True))
    )


def batches(job: Job) -> dict[str, int]:
    """How many batches are in which state."""
    return dict(Counter(Batch.objects.filter(job=job).values_list("state", flat=True)))


def in_flight(job: Job) -> int:
    return batches(job).get(BatchState.ACCEPTED, 0)


def posts(harness: Harness) -> int:
    """Requests to queue a job that reached Zendesk."""
    return sum(
        entry["method"] == "POST" and entry["path"].endswith("/jobs")
        for entry in harness.sandbox.log()
    )
