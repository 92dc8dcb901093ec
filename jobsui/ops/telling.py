"""Jobs and their problems in words and as data, for commands."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from jobsui.jobs.engine import reporting
from jobsui.jobs.enums import JobState, Outcome
from jobsui.jobs.models import Cause, Job
from jobsui.web.templatetags.ui import duration
from jobsui.words import counted

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FEW = 5
"""Rows named of a cause."""


def short(job: Job) -> str:
    """As much of its code as people need to type."""
    return str(job.code)[:8]


def page(job: Job) -> str:
    """The path of its page."""
    return f"/jobs/new/{job.code}/" if job.is_draft else f"/jobs/{job.code}/"


def facts(job: Job) -> dict[str, Any]:
    """A job with its holder as data, in the words of the REST API."""
    now = reporting.progress(job)
    return {
        "id": job.code,
        "url": page(job),
        "state": job.state,
        "connection": job.connection.code,
        "connection_name": job.connection.name,
        "object": job.object_key,
        "action": job.action,
        "file": job.file.code,
        "file_name": job.file.name,
        "parent": job.parent and job.parent.code,
        "created_by": job.created_by and job.created_by.get_username(),
        "created_at": _moment(job.created_at),
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "error": job.reason,
        "held_by": job.holder.value,
        "counts": job.counts,
        "batches": {"total": job.batches_total, "waiting": now.waiting, "in_flight": now.in_flight,
                    "done": job.batches_done},
        "records_per_second": now.records_per_second,
        "eta_seconds": now.eta_seconds,
    }  # fmt: skip


def progress(job: Job) -> str:
    """How far it is, at what rate, and what holds it back."""
    now = reporting.progress(job)
    words = [f"{job.settled:,} of {counted(job.rows, 'row')}"]
    if job.state != JobState.RUNNING:
        words.insert(0, job.get_state_display().lower())
    if now.records_per_second and now.eta_seconds is not None:
        words.append(f"{now.records_per_second:,.0f} a second, {duration(now.eta_seconds)} left")
    if job.holder:
        words.append(f"held back by {job.holder.label}")
    return ", ".join(words)


def summary(job: Job) -> list[tuple[str, str]]:
    """(what, how) about a job, in the order people ask."""
    lines = {
        "Job": str(job.code),
        "Page": page(job),
        "State": job.get_state_display(),
        "Reason": job.reason,
        "Does": f"{job.action} {job.object_key} in {job.connection}",
        "File": job.file.name,
        "Rows": counts(job),
        "Batches": f"{job.batches_done:,} of {job.batches_total:,} done" if job.batches_total else "",
        "Now": progress(job) if job.goes_on else "",
        "Created": _when(job.created_at, job.created_by),
        "Started": _when(job.started_at),
        "Finished": _when(job.finished_at),
        "Retry of": str(job.parent.code) if job.parent else "",
    }
    return [(name, value) for name, value in lines.items() if value]


def counts(job: Job) -> str:
    """What became of its rows."""
    told = [f"{number:,} {outcome.label.lower()}" for outcome in Outcome if (number := job.count(outcome))]
    return f"{', '.join(told) or 'none'} of {counted(job.rows, 'row')}"


def ending(job: Job) -> list[str]:
    """How it stands now that it goes on no more, why, and where people see more of it."""
    lines = [f"{job.get_state_display()}: {counts(job)}."]
    if job.reason:
        lines.append(job.reason)
    lines += causes(Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed())
    lines.append(f"Its page: {page(job)}   Row by row: manage.py jobs results {short(job)}")
    return lines


def causes(found: Iterable[Cause]) -> list[str]:
    """For each: how many rows, which column, what is wrong, where; and a line that says what to do."""
    lines = []
    for cause in found:
        where = f"{cause.column}: " if cause.column else ""
        lines.append(f"{cause.count:>7,} x {where}{cause.message} ({_rows(cause)})")
        lines += [f"{'':10}{cause.cure}"] if cause.cure else []
    return lines


def cause_facts(cause: Cause) -> dict[str, Any]:
    return {
        "count": cause.count,
        "column": cause.column,
        "code": cause.code,
        "message": cause.message,
        "cure": cause.cure,
        "rows": cause.sample_rows,
        "values": cause.sample_values,
    }


def _rows(cause: Cause) -> str:
    few = cause.sample_rows[:FEW]
    more = f" and {cause.count - len(few):,} more" if cause.count > len(few) else ""
    return f"row{'s' if cause.count > 1 else ''} {', '.join(map(str, few))}{more}"


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _when(at: datetime | None, by: "User | None" = None) -> str:
    """In the zone of pages; "" for what did not happen yet."""
    if at is None:
        return ""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}{f' by {by}' if by else ''}"
