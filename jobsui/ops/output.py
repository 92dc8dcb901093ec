"""Jobs and their problems in words and as data, for commands."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from jobsui.api.v1 import job_out, rows
from jobsui.api.v1.job_out import page_path
from jobsui.jobs.enums import JobState, Outcome
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.reports import job_progress
from jobsui.text import counted
from jobsui.web.templatetags.ui import duration

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FEW = 5
"""Rows named of a cause."""


def short(job: Job) -> str:
    """As much of its code as people need to type."""
    return str(job.code)[:8]


def facts(job: Job) -> dict[str, Any]:
    """A job with its holder as the REST API tells it, and the names of what it only has
    the ids of."""
    in_flight = job_progress.in_flight([job]).get(job.pk, 0)
    names = {"connection_name": job.connection.name, "file_name": job.file.name}
    return (
        job_out.serialize(job, page_path(job), in_flight).model_dump(mode="json")
        | names
    )


def progress(job: Job) -> str:
    """How far it is, at what rate, and what holds it back."""
    now = job_progress.progress(job)
    words = [f"{job.settled:,} of {counted(job.rows, 'row')}"]
    if job.state != JobState.RUNNING:
        words.insert(0, job.get_state_display().lower())
    if now.records_per_second and now.eta_seconds is not None:
        words.append(
            f"{now.records_per_second:,.0f} a second, {duration(now.eta_seconds)} left"
        )
    if job.current_limit:
        words.append(f"limited by: {job.current_limit.label}")
    return ", ".join(words)


def summary(job: Job) -> list[tuple[str, str]]:
    """(what, how) about a job, in the order people ask."""
    lines = {
        "Job": str(job.code),
        "Page": page_path(job),
        "State": job.get_state_display(),
        "Reason": job.reason,
        "Does": f"{job.action} {job.object_key} in {job.connection}",
        "File": job.file.name,
        "Rows": counts(job),
        "Batches": f"{job.batches_done:,} of {job.batches_total:,} done"
        if job.batches_total
        else "",
        "Now": progress(job) if job.goes_on else "",
        "Created": _when(job.created_at, job.created_by),
        "Started": _when(job.started_at),
        "Finished": _when(job.finished_at),
        "Retry of": str(job.parent.code) if job.parent else "",
    }
    return [(name, value) for name, value in lines.items() if value]


def counts(job: Job) -> str:
    """What became of its rows."""
    told = [
        f"{number:,} {outcome.label.lower()}"
        for outcome in Outcome
        if (number := job.count(outcome))
    ]
    return f"{', '.join(told) or 'none'} of {counted(job.rows, 'row')}"


def ending(job: Job) -> list[str]:
    """How it stands now that it goes on no more, why, and where people see more of
    it."""
    lines = [f"{job.get_state_display()}: {counts(job)}."]
    if job.reason:
        lines.append(job.reason)
    lines += causes(Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed())
    lines.append(
        f"Its page: {page_path(job)}   Row by row: manage.py jobs results {short(job)}"
    )
    return lines


def causes(found: Iterable[Cause]) -> list[str]:
    """For each: how many rows, which column, what is wrong, where; and a line that says
    what to do."""
    lines = []
    for cause in found:
        where = f"{cause.column}: " if cause.column else ""
        lines.append(f"{cause.count:>7,} x {where}{cause.message} ({_rows(cause)})")
        lines += [f"{'':10}{cause.fix}"] if cause.fix else []
    return lines


def cause_facts(cause: Cause) -> dict[str, Any]:
    """A cause as the REST API tells it."""
    return rows.serialize_cause(cause).model_dump(mode="json")


def _rows(cause: Cause) -> str:
    few = cause.sample_rows[:FEW]
    more = f" and {cause.count - len(few):,} more" if cause.count > len(few) else ""
    return f"row{'s' if cause.count > 1 else ''} {', '.join(map(str, few))}{more}"


def _when(at: datetime | None, by: "User | None" = None) -> str:
    """In the zone of pages; "" for what did not happen yet."""
    if at is None:
        return ""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}{f' by {by}' if by else ''}"
