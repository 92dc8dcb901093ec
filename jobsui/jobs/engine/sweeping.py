"""Ringing again for work that nobody does: what was lost with a worker, a queue or a host goes on within a sweep."""

import contextlib
from collections.abc import Iterable
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from jobsui.jobs.engine import control, restoring
from jobsui.jobs.enums import MOVING, FileState, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import File, Job, Lease
from jobsui.jobs.queueing import ring

DRAFT_DAYS = 7


def sweep() -> None:
    """Ring for every file unread, job unchecked or unplanned, and account with open work, that nobody holds a lease
    for; throw away drafts nobody touched for a week. Any number of sweeps at once does no harm."""
    restoring.remember()
    held = set(Lease.objects.live().values_list("name", flat=True))
    _ring_for("read_file", "read", File.objects.filter(state=FileState.READING).values_list("pk", flat=True), held)
    _ring_for("check_job", "check", Job.objects.filter(state=JobState.CHECKING).values_list("pk", flat=True), held)
    unplanned = Job.objects.filter(state__in=[*MOVING, JobState.PAUSED], planned_at=None)
    _ring_for("plan_job", "plan", unplanned.values_list("pk", flat=True), held)
    hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
    if any(f"account:{host}" not in held for host in hosts):
        ring("drive")
    for draft in _forgotten_drafts():
        with contextlib.suppress(NotPossibleNow):  # Launched this very moment.
            control.discard(draft, by=None)


def _forgotten_drafts() -> QuerySet[Job]:
    long_ago = timezone.now() - timedelta(days=DRAFT_DAYS)
    old = Job.objects.drafts().filter(created_at__lt=long_ago)
    return old.exclude(state=JobState.CHECKING).exclude(checked_at__gte=long_ago)


def _ring_for(task: str, lease: str, ids: Iterable[int], held: set[str]) -> None:
    for pk in ids:
        if f"{lease}:{pk}" not in held:
            ring(task, pk)
