"""Ringing again for work that nobody does: what was lost with a worker, a queue or a
host goes on within a sweep."""

import contextlib
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from jobsui.jobs.control import drafts
from jobsui.jobs.delivery import restore_guard
from jobsui.jobs.enums import MOVING, FileState, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import File, Job, Lease
from jobsui.jobs.models.file import this_storage
from jobsui.jobs.queueing import enqueue

DRAFT_DAYS = 7
LEFT_SECONDS = 24 * 3600
"""An upload nothing was added to for so long has nobody who fills it."""


def sweep() -> None:
    """Ring for every file unread, job unchecked, unplanned or going on by itself, and
    account with open work, that nobody holds a lease for; throw away drafts nobody
    touched for a week, files kept here that no job has, and what killed processes left
    of uploads. Any number of sweeps at once does no harm."""
    restore_guard.remember()
    held = set(Lease.objects.live().values_list("name", flat=True))
    _enqueue_for(
        "read_file",
        "read",
        File.objects.filter(state=FileState.READING).values_list("pk", flat=True),
        held,
    )
    _enqueue_for(
        "check_job",
        "check",
        Job.objects.filter(state=JobState.CHECKING).values_list("pk", flat=True),
        held,
    )
    aiming = (
        Job.objects.drafts().exclude(auto_target="").exclude(state=JobState.CHECKING)
    )
    ready_files = aiming.exclude(file__state=FileState.READING)
    _enqueue_for(
        "advance_job", "advance", ready_files.values_list("pk", flat=True), held
    )
    unplanned = Job.objects.filter(
        state__in=[*MOVING, JobState.PAUSED], planned_at=None
    )
    _enqueue_for("plan_job", "plan", unplanned.values_list("pk", flat=True), held)
    hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
    if any(f"account:{host}" not in held for host in hosts):
        enqueue("drive")
    for draft in _forgotten_drafts():
        with contextlib.suppress(NotPossibleNow):  # Launched this very moment.
            drafts.discard(draft)
    for file in _forgotten_files():
        drafts.delete_unused_file(file)
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        with contextlib.suppress(FileNotFoundError):  # It arrived this very moment.
            if path.stat().st_mtime < time.time() - LEFT_SECONDS:
                path.unlink()


def _forgotten_drafts() -> QuerySet[Job]:
    old = Job.objects.drafts().filter(created_at__lt=_long_ago())
    return old.exclude(state=JobState.CHECKING).exclude(checked_at__gte=_long_ago())


def _forgotten_files() -> QuerySet[File]:
    """Of drafts that were thrown away on another host, which could not delete them."""
    return File.objects.filter(
        storage_id=this_storage(), jobs=None, created_at__lt=_long_ago()
    )


def _long_ago() -> datetime:
    return timezone.now() - timedelta(days=DRAFT_DAYS)


def _enqueue_for(task: str, lease: str, ids: Iterable[int], held: set[str]) -> None:
    for pk in ids:
        if f"{lease}:{pk}" not in held:
            enqueue(task, pk)
