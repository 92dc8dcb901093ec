"""The contents of the table of jobs (jobs/table.html), which several pages include."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from jobsui.jobs.enums import JobState, ParentRows
from jobsui.jobs.models import Approval, Job
from jobsui.jobs.reports import job_progress
from jobsui.text import counted

KINDS: Mapping[str, str] = {
    ParentRows.FAILED: ", retry",
    ParentRows.UNSENT: ", unsent rows",
    ParentRows.UNDONE: ", undo",
}
"""{rows of its parent that a job sends: what the table says}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    job: Job
    address: str
    rows: int | None
    note: str = ""
    """Under the name: why the job waits, or what limits it."""
    percent: int | None = None
    """Of a job that runs."""
    seconds_left: int | None = None
    at: datetime | None = None
    """The heading of its column says which time this is."""
    author: str = ""

    @property
    def kind(self) -> str:
        return KINDS.get(self.job.parent_rows, "") if self.job.parent_id else ""

    @property
    def has_failures(self) -> bool:
        return self.job.failed > 0 or self.job.invalid > 0

    @property
    def failures(self) -> str:
        invalid = f" + {self.job.invalid:,} invalid" if self.job.invalid else ""
        return f"{self.job.failed:,}{invalid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTable:
    heading: str = ""
    caption: str
    """For screen readers."""
    time_heading: str
    lines: Sequence[Line]
    anchor: str
    """Prefix of the ids of its links. The ids keep the focus when a live table is
    replaced."""
    more: str = ""
    """Address of the page with all of them."""
    has_results: bool = True


def history(jobs: Iterable[Job]) -> JobTable:
    lines = [
        Line(
            job=job,
            address=_page(job),
            rows=job.rows,
            note=_limited_by(job),
            at=job.created_at,
            author=job.created_by.username if job.created_by else "",
        )
        for job in jobs
    ]
    return JobTable(
        caption="Jobs, newest first",
        time_heading="Launched",
        lines=lines,
        anchor="j",
    )


def attention(jobs: Iterable[Job]) -> JobTable:
    """Jobs that wait for a person, each with the reason."""
    lines = [
        Line(
            job=job,
            address=_page(job),
            rows=job.rows,
            note=_attention_reason(job),
            at=job.created_at,
        )
        for job in jobs
    ]
    return JobTable(
        heading="Needs attention",
        caption="Jobs that need attention",
        time_heading="Launched",
        lines=lines,
        anchor="a",
    )


def running(jobs: Iterable[Job]) -> JobTable:
    lines = [
        Line(
            job=job,
            address=_page(job),
            rows=job.rows,
            note=_limited_by(job),
            percent=job_progress.percent(job),
            seconds_left=job_progress.seconds_left(job),
        )
        for job in jobs
    ]
    return JobTable(
        heading="Running now",
        caption="Jobs that are running",
        time_heading="Progress",
        lines=lines,
        anchor="r",
    )


def drafts(jobs: Iterable[Job]) -> JobTable:
    lines = [
        Line(
            job=job,
            address=reverse("jobs:upload", args=[job.code]),
            rows=job.rows if job.parent_id else job.file.rows,
            at=job.created_at,
        )
        for job in jobs
    ]
    return JobTable(
        heading="My drafts",
        caption="Jobs not launched yet",
        time_heading="Created",
        lines=lines,
        anchor="d",
        has_results=False,
    )


def approvals(asked: Iterable[Approval]) -> JobTable:
    """Drafts that wait for the approval of another person."""
    lines = [
        Line(
            job=approval.job,
            address=reverse(plan_page(approval.job), args=[approval.job.code]),
            rows=approval.job.rows,
            note=" ".join(approval.reasons),
            at=approval.asked_at,
            author=approval.asked_by.username if approval.asked_by else "",
        )
        for approval in asked
    ]
    return JobTable(
        heading="Waiting for approval",
        caption="Jobs that wait for approval",
        time_heading="Asked",
        lines=lines,
        anchor="w",
        has_results=False,
    )


def recent(jobs: Iterable[Job]) -> JobTable:
    lines = [
        Line(job=job, address=_page(job), rows=job.rows, at=job.finished_at)
        for job in jobs
    ]
    return JobTable(
        heading="Recent jobs",
        caption="Recent jobs",
        time_heading="Finished",
        lines=lines,
        anchor="l",
        more=reverse("jobs:list"),
    )


def plan_page(job: Job) -> str:
    """The name of the page with the plan of a checked draft."""
    is_undo = job.parent_rows == ParentRows.UNDONE
    return "jobs:undo_plan" if is_undo else "jobs:review"


def _page(job: Job) -> str:
    return reverse("jobs:detail", args=[job.code])


def _limited_by(job: Job) -> str:
    limit = job_progress.limited_by(job)
    return f"Limited by: {limit}" if limit else ""


def _attention_reason(job: Job) -> str:
    if job.is_held_after_first_batch and not job.reason:
        return "Approval needed: the first batch has finished."
    if job.state == JobState.NEEDS_DECISION:
        return (
            f"{counted(job.uncertain, 'uncertain row')}: check again, resend or accept."
        )
    return job.reason
