"""Proves that a job has landed: reads its records again and compares them with what was
sent."""

from collections.abc import Collection

from jobsui.jobs.enums import OVER, JobState, Purpose
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import reads
from jobsui.jobs.models import Job, RecordRead


def current(job: Job) -> RecordRead | None:
    """The latest proof."""
    return reads.latest(job, Purpose.PROVE)


def proved(jobs: Collection[Job]) -> set[int]:
    """The IDs of the jobs that have a proof, finished or not."""
    found = RecordRead.objects.filter(job__in=jobs, purpose=Purpose.PROVE)
    return set(found.values_list("job_id", flat=True))


def obstacle(job: Job) -> str:
    """Why a job cannot be proved now, as a sentence; "" if it can."""
    if job.state not in (*OVER, JobState.NEEDS_DECISION):
        return "Wait until the job has ended."
    if job.results_pruned_at or job.bodies_pruned_at:
        return (
            "What was sent has been deleted by the retention settings, so there is nothing "
            "to compare the records with."
        )
    if not job.succeeded:
        return "No row of the job has succeeded, so there is no record to read."
    return ""


def start(job: Job, *, by: Actor) -> RecordRead:
    """Read all records of the rows that succeeded. Raises NotPossibleNow."""
    if found := obstacle(job):
        raise NotPossibleNow(found)
    return reads.begin(job, Purpose.PROVE, by=by)
