"""Jobs and their problems as text and as JSON, for commands."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from jobsui.api.v1 import comparisons as comparisons_api
from jobsui.api.v1 import job_out, reads, rows
from jobsui.api.v1.job_out import page_path
from jobsui.jobs.control import approvals
from jobsui.jobs.enums import JobState, Outcome, Verdict
from jobsui.jobs.live import deletions, planned_rows
from jobsui.jobs.live.deletions import OnlyInAccount
from jobsui.jobs.models import Cause, File, Job, RecordRead
from jobsui.jobs.reports import (
    api_warnings,
    check_warnings,
    job_details,
    job_progress,
    shared_records,
)
from jobsui.text import counted
from jobsui.web.templatetags.ui import duration

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_SAMPLE_ROWS = 5
SHORT_CODE_LENGTH = 8
OF_RECORDS = (Verdict.DELETE, Verdict.WITHOUT_KEY, Verdict.KEPT, Verdict.GONE)
"""Verdicts of records that only the account has, where these were listed."""


def short_code(job: Job) -> str:
    return str(job.code)[:SHORT_CODE_LENGTH]


def as_json(job: Job) -> dict[str, Any]:
    """The job as the REST API returns it, with the names of its connection and file."""
    in_flight = job_progress.in_flight([job]).get(job.pk, 0)
    waits_for = shared_records.waits_for([job]).get(job.pk, [])
    out = job_out.serialize(
        job,
        page_path(job),
        job_out.read_paths([job])[job.pk],
        in_flight,
        waits_for,
        api_warnings.of_job(job),
        check_warnings.of_job(job),
        approvals.current(job),
    )
    body = out.model_dump(mode="json")
    body["connection_name"] = job.connection.name
    body["file_name"] = job.file.name
    return body


def cause_as_json(cause: Cause) -> dict[str, Any]:
    """The cause as the REST API returns it."""
    return rows.serialize_cause(cause).model_dump(mode="json")


def comparison_as_json(job: Job, read: RecordRead) -> dict[str, Any]:
    """The comparison as the REST API returns it."""
    return comparisons_api.serialize(job, read).model_dump(mode="json")


def comparison(read: RecordRead) -> list[str]:
    """A line with what the rows would do, one with the values that change, and one with the
    records that only the account has."""
    counts = {verdict: read.counts.get(verdict.name.lower(), 0) for verdict in Verdict}
    found = deletions.found_by(read)
    if found:
        counts = {
            verdict: number
            for verdict, number in counts.items()
            if verdict not in OF_RECORDS
        }
    parts = [
        f"{number:,} {verdict.label.lower()}"
        for verdict, number in counts.items()
        if number
    ]
    rows = counted(sum(counts.values()), "row")
    lines = [f"Compared with Zendesk: {', '.join(parts) or 'none'} of {rows}."]
    if read.changed_cells:
        changed = [
            f"{field} {cells:,}" + (f" ({blank:,} to blank)" if blank else "")
            for field, cells, blank in reads.cells(read)
        ]
        lines.append(f"Values that change: {', '.join(changed)}.")
    if found:
        lines += _only_in_account(read, found)
    return lines


def _only_in_account(read: RecordRead, found: OnlyInAccount) -> list[str]:
    fate = "to delete" if deletions.number_of(read.job, read) else "left alone"
    parts = [
        f"{number:,} {label}"
        for number, label in (
            (found.deletable, fate),
            (found.without_key, "without external ID"),
            (found.kept, "kept"),
        )
        if number
    ]
    records = counted(found.listed, "record")
    lines = [f"Only in the account: {', '.join(parts) or 'none'} of {records}."]
    if left_alone := planned_rows.of(read).left_alone:
        lines.append(f"Left alone: {counted(left_alone, 'row')}.")
    if found.not_caught_up:
        lines.append(found.not_caught_up)
    return lines


def progress(job: Job) -> str:
    """One line: state, rows, rate, time left, limit."""
    now = job_progress.progress(job)
    parts = []
    if job.state != JobState.RUNNING:
        parts.append(job.get_state_display().lower())
    parts.append(f"{job.settled:,} of {counted(job.rows, 'row')}")
    if now.records_per_second and now.eta_seconds is not None:
        parts.append(f"{now.records_per_second:,.0f} rows/s")
        parts.append(f"{duration(now.eta_seconds)} left")
    if job.current_limit:
        parts.append(f"limited by: {job.current_limit.label}")
    if job.continues_at:
        continues_at = timezone.localtime(job.continues_at)
        parts.append(f"requests continue at {continues_at:%d %b %H:%M %Z}")
    return ", ".join(parts)


def waits_for(job: Job) -> str:
    """The open jobs that the job waits for, such as "fleet.csv (12 rows)"; "" for
    none."""
    return shared_records.names(shared_records.waits_for([job]).get(job.pk, []))


def summary(job: Job) -> list[tuple[str, str]]:
    """(label, value) pairs."""
    batches = ""
    if job.batches_total:
        batches = f"{job.batches_done:,} of {job.batches_total:,} done"
    lines = {
        "Job": str(job.code),
        "Page": page_path(job),
        "State": job.get_state_display(),
        "Reason": job.reason,
        "Action": f"{job.action} {job.object_key} in {job.connection}",
        "File": job.file.name,
        "Rows": counts(job),
        "Batches": batches,
        "Progress": progress(job) if job.is_in_progress else "",
        "Waits for": waits_for(job),
        "Created": _format_time(job.created_at, job.created_by),
        "Started": _format_time(job.started_at),
        "Finished": _format_time(job.finished_at),
        "Retry of": str(job.parent.code) if job.parent else "",
    }
    return [(label, value) for label, value in lines.items() if value]


def counts(job: Job) -> str:
    """ "348 created, 2 invalid of 350 rows"."""
    parts = [
        f"{number:,} {outcome.label.lower()}"
        for outcome in Outcome
        if (number := job.count(outcome))
    ]
    return f"{', '.join(parts) or 'none'} of {counted(job.rows, 'row')}"


def result(job: Job) -> list[str]:
    """The lines that describe a job at rest: its state, why, and where to see more."""
    lines = [f"{job.get_state_display()}: {counts(job)}."]
    if job.reason:
        lines.append(job.reason)
    failed = Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed()
    lines += causes(failed)
    lines.append(
        f"Job page: {page_path(job)}   Results: manage.py jobs results {short_code(job)}"
    )
    return lines


def file_warnings(file: File) -> list[str]:
    """For each warning, a line with its message, fix and first rows."""
    return [_file_warning(warning) for warning in file.warnings]


def _file_warning(warning: Mapping[str, Any]) -> str:
    sentence = f"{warning['message']} {warning['fix']}".strip()
    samples = [
        f"row {row}: “{text}”"
        for row, text in zip(warning["rows"], warning["values"], strict=True)
    ]
    if not samples:
        return sentence
    return f"{sentence} ({', '.join(samples[:MAX_SAMPLE_ROWS])})"


def check_warnings_of(job: Job) -> list[str]:
    """For each reason why Zendesk may refuse valid rows, a line with its count, message and
    rows, and a line with the fix. Then what the check could not find out."""
    return [
        *causes(job_details.warnings(job)),
        *(notice["message"] for notice in job_details.account_notices(job)),
    ]


def causes(found: Iterable[Cause]) -> list[str]:
    """For each cause, a line with its count, column, message and rows, and a line with
    the fix."""
    lines = []
    for cause in found:
        column = f"{cause.column}: " if cause.column else ""
        lines.append(f"{cause.count:>7,} x {column}{cause.message} ({_rows(cause)})")
        if cause.fix:
            lines.append(f"{'':10}{cause.fix}")
    return lines


def _rows(cause: Cause) -> str:
    sample = cause.sample_rows[:MAX_SAMPLE_ROWS]
    numbers = ", ".join(map(str, sample))
    label = "rows" if cause.count > 1 else "row"
    others = cause.count - len(sample)
    more = f" and {others:,} more" if others > 0 else ""
    return f"{label} {numbers}{more}"


def _format_time(at: datetime | None, by: "User | None" = None) -> str:
    """In the time zone of the pages; "" for None."""
    if at is None:
        return ""
    author = f" by {by}" if by else ""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}{author}"
