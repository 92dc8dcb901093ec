"""What Zendesk left out of the rows of a job, and what else it warned about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jobsui.jobs.models import ApiWarning, Attempt, Job
from jobsui.zendesk.api_warnings import HEADER


@dataclass(frozen=True, slots=True)
class JobWarnings:
    """The warnings in the responses to a job's requests, the most frequent first. Each
    counts requests."""

    left_out: list[ApiWarning] = field(default_factory=list)
    """By member that Zendesk left out."""
    others: list[ApiWarning] = field(default_factory=list)
    unlisted: int = 0
    """How often further warnings came, beyond those that a job keeps."""


def of_jobs(jobs: Sequence[Job]) -> dict[int, JobWarnings]:
    """{id of a job: its warnings}, by one query. Jobs without any are left out."""
    found: dict[int, list[ApiWarning]] = {}
    for warning in ApiWarning.objects.filter(job__in=jobs):
        found.setdefault(warning.job_id, []).append(warning)
    return {job_id: _warnings(warnings) for job_id, warnings in found.items()}


def of_job(job: Job) -> JobWarnings:
    return of_jobs([job]).get(job.pk, JobWarnings())


def of_attempts(attempts: Iterable[Attempt]) -> list[str]:
    """The different warnings in the responses to these attempts."""
    found = [
        value
        for attempt in attempts
        for name, value in attempt.response_headers.items()
        if name.lower() == HEADER.lower()
    ]
    return list(dict.fromkeys(found))


def _warnings(warnings: Iterable[ApiWarning]) -> JobWarnings:
    summed = JobWarnings()
    unlisted = 0
    for warning in warnings:
        if not warning.text:
            unlisted = warning.requests
        elif warning.is_member:
            summed.left_out.append(warning)
        else:
            summed.others.append(warning)
    return JobWarnings(summed.left_out, summed.others, unlisted)
