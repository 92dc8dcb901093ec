"""What the checks of jobs warn of: rows that Zendesk may refuse, and the account as a whole."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jobsui.jobs.enums import JobState
from jobsui.jobs.models import AccountFacts, Cause, Job


@dataclass(frozen=True, slots=True)
class CheckWarning:
    code: str
    column: str
    count: int
    message: str
    fix: str
    sample_rows: list[int] = field(default_factory=list)
    sample_values: list[str] = field(default_factory=list)
    proposal: dict[str, Any] | None = None
    """What would explain it, of AccountFacts.notices."""


def of_jobs(jobs: Sequence[Job]) -> dict[int, list[CheckWarning]]:
    """{id of a job: its warnings, the most frequent first}. Jobs without any are left
    out."""
    found: defaultdict[int, list[CheckWarning]] = defaultdict(list)
    warned = [job for job in jobs if job.rows_warned]
    if warned:
        causes = Cause.objects.filter(job__in=warned, is_warning=True)
        for cause in causes.filter(phase=Cause.Phase.CHECK):
            found[cause.job_id].append(_of_cause(cause))
    checked = [job for job in jobs if job.state == JobState.READY]
    if checked:
        for facts in AccountFacts.objects.filter(job__in=checked):
            found[facts.job_id] += [
                CheckWarning(column="", **notice) for notice in facts.notices
            ]
    return {job_id: warnings for job_id, warnings in found.items() if warnings}


def of_job(job: Job) -> list[CheckWarning]:
    return of_jobs([job]).get(job.pk, [])


def _of_cause(cause: Cause) -> CheckWarning:
    return CheckWarning(
        code=cause.code,
        column=cause.column,
        count=cause.count,
        message=cause.message,
        fix=cause.fix,
        sample_rows=cause.sample_rows,
        sample_values=cause.sample_values,
    )
