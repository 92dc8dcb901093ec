"""How things look: icons, state badges, numbers, times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from jobsui.connections.models import Connection
from jobsui.jobs.control import saved_mappings
from jobsui.jobs.enums import BatchState, JobState, Outcome, Verdict
from jobsui.jobs.models import Batch, File, Job, SavedMapping
from jobsui.jobs.models.record_rows import is_record_row
from jobsui.jobs.reports import batch_details
from jobsui.jobs.reports.compared_rows import ComparedRow
from jobsui.text import counted as in_words

register = template.Library()

# state: (colour, icon). The word is the state's own label; the colour never stands
# alone.
JOB = {
    JobState.DRAFT: ("secondary", "pencil"),
    JobState.CHECKING: ("azure", "search"),
    JobState.READY: ("azure", "check"),
    JobState.QUEUED: ("azure", "hourglass"),
    JobState.RUNNING: ("blue", "player-play"),
    JobState.PAUSING: ("yellow", "player-pause"),
    JobState.PAUSED: ("yellow", "player-pause"),
    JobState.CANCELLING: ("orange", "ban"),
    JobState.CANCELLED: ("secondary", "ban"),
    JobState.FAILED: ("red", "circle-x"),
    JobState.NEEDS_DECISION: ("purple", "help-circle"),
    JobState.COMPLETED: ("green", "circle-check"),
}
BATCH = {
    BatchState.PLANNED: ("secondary", "clock"),
    BatchState.SENDING: ("blue", "send"),
    BatchState.UNCONFIRMED: ("purple", "help-circle"),
    BatchState.ACCEPTED: ("azure", "loader-2"),
    BatchState.DONE: ("green", "circle-check"),
    BatchState.UNCERTAIN: ("purple", "help-circle"),
    BatchState.CANCELLED: ("secondary", "ban"),
}
OUTCOME = {
    Outcome.INVALID: ("orange", "alert-triangle"),
    Outcome.FAILED: ("red", "circle-x"),
    Outcome.UNCERTAIN: ("purple", "help-circle"),
    Outcome.CANCELLED: ("secondary", "ban"),
    Outcome.PENDING: ("secondary", "clock"),
}
VERDICT = {
    Verdict.SAME: ("secondary", "check"),
    Verdict.CHANGE: ("blue", "pencil"),
    Verdict.CREATE: ("green", "plus"),
    Verdict.DELETE: ("red", "trash"),
    Verdict.MISSING: ("orange", "alert-triangle"),
    Verdict.AMBIGUOUS: ("orange", "alert-triangle"),
    Verdict.UNKNOWN: ("purple", "help-circle"),
    Verdict.KEPT: ("secondary", "ban"),
    Verdict.WITHOUT_KEY: ("secondary", "help-circle"),
    Verdict.GONE: ("secondary", "check"),
}

ONLY_IN_ACCOUNT = "only in the account"
"""Of records that no row of the file names."""
ALERT_CLASSES = {
    messages.INFO: "alert-info",
    messages.SUCCESS: "alert-success",
    messages.WARNING: "alert-warning",
    messages.ERROR: "alert-danger",
}

EMPTY = '<path stroke="none" d="M0 0h24v24H0z" fill="none" />'
"""The invisible path with which every icon of the set begins."""


@dataclass(frozen=True, slots=True)
class FileWarning:
    message: str
    fix: str
    samples: list[tuple[int, str]]
    """(row, text) of the first ones."""
    has_more: bool


MAX_NEW_COLUMNS = 10
MAX_WARNING_SAMPLES = 3
MAX_OPEN_WARNINGS = 8
"""The others are behind a summary."""


@register.inclusion_tag("includes/file_warnings.html")
def file_warnings(file: File) -> dict[str, Any]:
    """What people should know about a file. Every page on which they decide about it
    shows it."""
    warnings = [_file_warning(warning) for warning in file.warnings]
    return {
        "file": file,
        "warnings": warnings[:MAX_OPEN_WARNINGS],
        "others": warnings[MAX_OPEN_WARNINGS:],
    }


def _file_warning(warning: Mapping[str, Any]) -> FileWarning:
    samples = list(zip(warning["rows"], warning["values"], strict=True))
    shown = samples[:MAX_WARNING_SAMPLES]
    return FileWarning(
        message=warning["message"],
        fix=warning["fix"],
        samples=shown,
        has_more=warning["count"] > len(shown),
    )


@dataclass(frozen=True, slots=True)
class MappingNote:
    """What people should know about the saved mapping of a job."""

    saved: SavedMapping
    is_changed: bool
    """The job's mapping is not the saved one."""
    problems: list[str]
    explains_reason: bool
    """The problems are why the draft stopped."""
    remarks: list[str]


@register.simple_tag
def mapping_note(job: Job) -> MappingNote | None:
    """None: the mapping of the job does not come from a saved one."""
    fit = saved_mappings.fit_of(job)
    if fit is None or job.saved_mapping is None:
        return None
    remarks = list(fit.settings)
    joined = {name for rule in job.rules.values() for name in rule.get("also", ())}
    used = joined.union(job.mapping)
    if unused := [name for name in fit.new_columns if name not in used]:
        remarks.append(_new_columns(unused))
    return MappingNote(
        saved=job.saved_mapping,
        is_changed=saved_mappings.is_changed(job),
        problems=fit.problems,
        explains_reason=job.reason == saved_mappings.review_reason(job, fit),
        remarks=remarks,
    )


def _new_columns(columns: list[str]) -> str:
    named = ", ".join(f"“{name[:40]}”" for name in columns[:MAX_NEW_COLUMNS])
    if more := len(columns) - MAX_NEW_COLUMNS:
        named += f" and {more:,} more" if more > 0 else ""
    return f"Not imported, and new since it was saved: {named}."


@register.simple_tag
def rule_page(job: Job, column: str) -> str:
    """Where the rule of a column's target is edited. "" for a column that is not
    mapped."""
    target = job.mapping.get(column)
    return reverse("jobs:rule", args=[job.code, target]) if target else ""


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of static/vendor/icons. It is hidden from screen readers: the words beside it
    say the same."""
    return _svg(name)


@register.filter
def alert_class(message: Message) -> str:
    """Tabler's class for a message of this level."""
    return ALERT_CLASSES.get(message.level, "alert-success")


@register.filter
def alert_icon(message: Message) -> str:
    is_good = message.level < messages.WARNING
    return "circle-check" if is_good else "alert-triangle"


@register.simple_tag
def job_badge(job: Job) -> SafeString:
    """State in word, icon and colour. A completed job with failed rows says so."""
    state = JobState(job.state)
    if state == JobState.COMPLETED and (job.failed or job.invalid):
        return _badge("orange", "alert-triangle", "Completed with failures")
    colour, name = JOB[state]
    return _badge(colour, name, state.label)


@register.simple_tag
def batch_badge(batch: Batch) -> SafeString:
    if batch_details.is_unsent(batch):
        return _badge("secondary", "check", "Not sent")
    state = BatchState(batch.state)
    colour, name = BATCH[state]
    return _badge(colour, name, state.label)


@register.simple_tag
def batch_action(batch: Batch) -> str:
    """What the request of a batch does: its own action, or that of the job."""
    return "–" if batch_details.is_unsent(batch) else str(batch.action.label)


@register.simple_tag
def outcome_badge(outcome: str) -> SafeString:
    colour, name = OUTCOME.get(Outcome(outcome), ("green", "circle-check"))
    return _badge(colour, name, Outcome(outcome).label)


@register.simple_tag
def verdict_badge(verdict: Verdict) -> SafeString:
    colour, name = VERDICT[verdict]
    return _badge(colour, name, str(verdict.label))


@register.simple_tag
def compared_badge(row: ComparedRow) -> SafeString:
    """Its verdict. Whether a record that only the account has is deleted is another choice."""
    if row.is_record and row.verdict is Verdict.DELETE:
        return _badge("orange", "database", "Only in the account")
    return verdict_badge(row.verdict)


@register.simple_tag
def prod_badge(connection: Connection) -> SafeString:
    """Marks a production account wherever its name is shown."""
    if not connection.production:
        return SafeString("")
    return format_html(
        '<span class="badge bg-red-lt prod" title="Production account">{}</span>',
        "PROD",
    )


@register.filter
def number(value: int | float | None) -> str:
    """12,345; one decimal below ten for rates; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"
    return f"{value:,}"


@register.filter
def row_number(row: int) -> str:
    """Of the file; a dash for a record that only the account has."""
    return "–" if is_record_row(row) else str(row)


@register.filter
def row_range(batch: Batch) -> str:
    """ "2 to 101"."""
    if is_record_row(batch.first_row):
        return ONLY_IN_ACCOUNT
    if is_record_row(batch.last_row):
        return f"from {batch.first_row}, and {ONLY_IN_ACCOUNT}"
    return f"{batch.first_row} to {batch.last_row}"


@register.filter
def counted(value: int | None, thing: str) -> str:
    """ "1 row", "12,000 rows"; a dash for None."""
    return "–" if value is None else in_words(value, thing)


@register.filter
def duration(seconds: float | None) -> str:
    """ "about 3 min"; a dash for None."""
    return "–" if seconds is None else f"about {time_span(seconds)}"


@register.filter
def time_span(seconds: float) -> str:
    """ "17 s", "3 min", "1.5 h"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


@register.simple_tag
def moment(at: datetime | None) -> SafeString:
    """A time with its zone, UTC on hover; a dash for None."""
    if at is None:
        return SafeString("–")
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(timespec="seconds"),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%-d %b %Y, %H:%M %Z"),
    )


@register.filter
def filesize(size: float) -> str:
    """ "999 bytes", "1.5 kB", "123 MB"."""
    if size < 1000:
        return f"{size:,.0f} bytes"
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 1000:
            return f"{size:,.0f} {unit}" if size >= 100 else f"{size:,.1f} {unit}"
    return f"{size / 1000:,.1f} GB"


MAX_NAME = 60


@register.filter
def shortened(name: object) -> SafeString:
    """A long name of a file with its middle left out, and the whole of it on hover."""
    text = str(name)
    if len(text) <= MAX_NAME:
        return conditional_escape(text)
    half = MAX_NAME // 2
    return format_html(
        '<span title="{}">{}…{}</span>', text, text[:half], text[1 - half :]
    )


@register.filter
def lookup[K](mapping: Mapping[K, Any], key: K) -> Any:
    """A dictionary's value for a key that only the template knows, "" when absent."""
    return mapping.get(key, "")


@cache
def _svg(name: str) -> SafeString:
    path = Path(settings.BASE_DIR) / "static" / "vendor" / "icons" / f"{name}.svg"
    source = path.read_text(encoding="utf-8")
    shapes = source.partition(">")[2].partition(EMPTY)[2]
    one_line = " ".join(shapes.split())
    # app.css holds the attributes that all icons share: a list shows fifty of them.
    svg = f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{one_line}'
    return mark_safe(svg.replace('" />', '"/>'))  # noqa: S308  # our own files


def _badge(colour: str, name: str, word: str) -> SafeString:
    return format_html(
        '<span class="badge state bg-{}-lt">{}{}</span>',
        colour,
        _svg(name),
        word,
    )
