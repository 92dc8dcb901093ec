"""Requests that wait until a job is at rest."""

import time

from jobsui import waits
from jobsui.jobs.models import Job

POLL_SECONDS = 0.5


def wait_until_at_rest(job: Job, seconds: float) -> None:
    """Return when the job is over or needs a person, after `seconds` at the latest.
    Returns at once if too many requests wait. No database connection is in use between two
    polls."""
    deadline = time.monotonic() + seconds
    with waits.place_for_job() as is_held:
        while is_held and _is_moving(job.pk):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return
            time.sleep(min(POLL_SECONDS, remaining))


def _is_moving(pk: int) -> bool:
    job = Job.objects.only("state", "auto_target").filter(pk=pk).first()
    return job is not None and job.is_in_progress
