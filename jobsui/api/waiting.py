"""Requests that wait for a job to come to rest."""

import threading
import time

from django.conf import settings

from jobsui.jobs.models import Job

LOOK_SECONDS = 0.5
places = threading.BoundedSemaphore(settings.WEB_THREADS // 2)
"""Of this process; the other threads are for everybody else."""


def until_at_rest(job: Job, seconds: float) -> None:
    """Return once the job waits for a person or is over, after so many seconds, or at
    once when too many wait already. Between two looks nothing is held but the
    thread."""
    if not places.acquire(blocking=False):
        return
    try:
        ends = time.monotonic() + seconds
        while _goes_on(job.pk) and (left := ends - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
    finally:
        places.release()


def _goes_on(pk: int) -> bool:
    job = Job.objects.only("state", "auto_target").filter(pk=pk).first()
    return job is not None and job.goes_on
