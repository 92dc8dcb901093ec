"""The sweep: enqueues work again that no process does, and deletes what is no longer used."""

import contextlib
import shutil
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from jobsui.jobs import leases, retention
from jobsui.jobs.control import approvals, drafts
from jobsui.jobs.delivery import restore_guard
from jobsui.jobs.enums import MOVING, OVER, FileState, JobState, ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import (
    Approval,
    CorrectionUpload,
    File,
    Job,
    JobEvent,
    Lease,
    RecordRead,
    RecordWatch,
)
from jobsui.jobs.queueing import enqueue
from jobsui.jobs.timing import timing_from_settings
from jobsui.notifications import connection_watch, outbox

MAX_INDEXED = 20
"""Jobs that a sweep adds to the history, at most: after an upgrade there may be many."""
UPLOAD_SECONDS = 24 * 3600
"""An incomplete upload that did not grow for this long belongs to a killed process."""


def sweep() -> None:
    """What was lost with a worker, a queue or a machine continues after at most one
    interval of the sweep. Any number of sweeps may run at the same time."""
    restore_guard.remember()
    leases.shorten(timing_from_settings().lease_ttl)
    leased = set(Lease.objects.live().values_list("name", flat=True))
    _enqueue_files(leased)
    _enqueue_jobs(leased)
    _enqueue_drivers(leased)
    _enqueue_messages()
    _delete_unused_drafts()
    _delete_incomplete_uploads()
    RecordWatch.objects.filter(job__state__in=OVER).delete()
    approvals.void_changed()


def _enqueue_files(leased: set[str]) -> None:
    reading = File.objects.filter(state=FileState.READING)
    _enqueue_unless_leased("read_file", "read", reading, leased)


def _enqueue_jobs(leased: set[str]) -> None:
    checking = Job.objects.filter(state=JobState.CHECKING)
    _enqueue_unless_leased("check_job", "check", checking, leased)

    waiting = Job.objects.drafts().exclude(state=JobState.CHECKING)
    automatic = waiting.exclude(auto_target="")
    advancing = automatic.exclude(file__state=FileState.READING)
    _enqueue_unless_leased("advance_job", "advance", advancing, leased)

    read = CorrectionUpload.objects.filter(file__isnull=False)
    applicable = read.exclude(file__state=FileState.READING)
    _enqueue_unless_leased("apply_corrections", "corrections", applicable, leased)

    launched = Job.objects.filter(state__in=[*MOVING, JobState.PAUSED])
    # A cancelled job needs no planner.
    plannable = launched.exclude(state=JobState.CANCELLING)
    unplanned = plannable.filter(planned_at=None)
    _enqueue_unless_leased("plan_job", "plan", unplanned, leased)

    ended = Job.objects.filter(state__in=OVER, indexed_at=None, results_pruned_at=None)
    _enqueue_unless_leased(
        "index_job", "index", ended.order_by("pk")[:MAX_INDEXED], leased
    )

    dividing = RecordRead.objects.filter(state=ReadState.DIVIDING)
    _enqueue_unless_leased("divide_rows", "divide", dividing, leased)


def _enqueue_unless_leased(
    task: str, lease: str, rows: QuerySet[Any], leased: set[str]
) -> None:
    for pk in rows.values_list("pk", flat=True):
        if f"{lease}:{pk}" not in leased:
            enqueue(task, pk)


def _enqueue_drivers(leased: set[str]) -> None:
    hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
    reads = RecordRead.objects.filter(state=ReadState.READING).values_list(
        "pk", flat=True
    )
    names = {f"account:{host}" for host in hosts} | {f"records:{pk}" for pk in reads}
    if names - leased:
        enqueue("drive")


def _enqueue_messages() -> None:
    connection_watch.notify()
    for pk in outbox.due(timezone.now()):
        enqueue("deliver", pk)


def _delete_unused_drafts() -> None:
    for draft in _unused_drafts():
        # It may have been launched since.
        with contextlib.suppress(NotPossibleNow):
            drafts.discard(draft)


def _unused_drafts() -> QuerySet[Job]:
    """Also those whose check no worker does, because the host with their file is lost."""
    since = _unused_since()
    old = Job.objects.drafts().filter(created_at__lt=since)
    recent_events = JobEvent.objects.filter(job=OuterRef("pk"), at__gte=since)
    waiting = Approval.objects.open().filter(job=OuterRef("pk"))
    unused = old.exclude(Exists(recent_events)).exclude(Exists(waiting))
    return unused.exclude(checked_at__gte=since)


def _delete_incomplete_uploads() -> None:
    oldest = time.time() - UPLOAD_SECONDS
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        # It may have been completed since.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime >= oldest:
                continue
            if path.is_dir():
                # Of a process that read a file.
                shutil.rmtree(path)
            else:
                path.unlink()


def _unused_since() -> datetime:
    return timezone.now() - timedelta(days=retention.UNUSED_DAYS)
