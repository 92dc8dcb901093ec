"""How things look: icons, state badges, numbers, times."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from jobsui.connections.models import Connection
from jobsui.jobs.enums import BatchState, JobState, Outcome
from jobsui.jobs.models import Job
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

EMPTY = '<path stroke="none" d="M0 0h24v24H0z" fill="none" />'
"""What every icon of the set begins with; nothing is to be seen of it."""


@cache
def _svg(name: str) -> SafeString:
    path = Path(settings.BASE_DIR) / "static" / "vendor" / "icons" / f"{name}.svg"
    drawn = path.read_text(encoding="utf-8").partition(">")[2].partition(EMPTY)[2]
    # Without what all of them share (app.css): a list shows fifty.
    svg = '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">' + " ".join(
        drawn.split()
    )
    return mark_safe(svg)  # noqa: S308  # our own files


@register.simple_tag
def icon(name: str) -> SafeString:
    """One of static/vendor/icons, for the eye only: the words beside it say the
    same."""
    return _svg(name)


@register.simple_tag
def job_badge(job: Job) -> SafeString:
    """State in word, icon and colour; completed with failed rows says so."""
    state = JobState(job.state)
    colour, name = JOB[state]
    word = state.label
    if state == JobState.COMPLETED and (job.failed or job.invalid):
        colour, name, word = "orange", "alert-triangle", "Completed with failures"
    return _badge(colour, name, word)


@register.simple_tag
def batch_badge(state: str) -> SafeString:
    return _badge(*BATCH[BatchState(state)], BatchState(state).label)


@register.simple_tag
def outcome_badge(outcome: str) -> SafeString:
    return _badge(
        *OUTCOME.get(Outcome(outcome), ("green", "circle-check")),
        Outcome(outcome).label,
    )


@register.simple_tag
def prod_badge(connection: Connection) -> SafeString:
    """Marks a production account wherever its name stands."""
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
def counted(value: int | None, thing: str) -> str:
    """ "1 row", "12,000 rows"; a dash for None."""
    return "–" if value is None else in_words(value, thing)


@register.filter
def duration(seconds: float | None) -> str:
    """ "about 3 min"; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


@register.simple_tag
def moment(at: datetime | None) -> SafeString:
    """A time with its zone; the universal time on hover; a dash for None."""
    if at is None:
        return SafeString("–")
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        at.strftime("%Y-%m-%d %H:%M:%S"),
        local.strftime("%-d %b %Y, %H:%M %Z"),
    )


@register.filter
def filesize(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return (
                f"{size:,.0f} {unit}"
                if unit == "bytes" or size >= 100
                else f"{size:,.1f} {unit}"
            )
        size /= 1000
    return f"{size:,.1f} GB"


@register.filter
def lookup[K](mapping: Mapping[K, Any], key: K) -> Any:
    """A dictionary's value for a key that is only known in the template; "" when
    absent."""
    return mapping.get(key, "")


def _badge(colour: str, name: str, word: str) -> SafeString:
    return format_html(
        '<span class="badge state bg-{}-lt">{}<span>{}</span></span>',
        colour,
        _svg(name),
        word,
    )
