"""Requests that wait until a job is at rest."""

import threading
import time

from django.conf import settings

from jobsui.jobs.models import Job

POLL_SECONDS = 0.5
slots = threading.BoundedSemaphore(settings.WEB_THREADS // 2)
"""Requests of this process that may wait. The other threads stay free."""


def wait_until_at_rest(job: Job, seconds: float) -> None:
    """Return when the job is over or needs a person, after `seconds` at the latest.
    Returns at once if no slot is free. No database connection is in use between two
    polls."""
    if not slots.acquire(blocking=False):
        return
    try:
        deadline = time.monotonic() + seconds
        while _is_moving(job.pk):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            time.sleep(min(POLL_SECONDS, remaining))
    finally:
        slots.release()


def _is_moving(pk: int) -> bool:
    job = Job.objects.only("state", "auto_target").filter(pk=pk).first()
    return job is not None and job.is_in_progress
