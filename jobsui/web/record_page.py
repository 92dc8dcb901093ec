"""What the page of a record's history says."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.jobs import retention
from jobsui.jobs.control import undo
from jobsui.jobs.enums import Outcome
from jobsui.jobs.records.compare import values_of
from jobsui.jobs.reports import record_values
from jobsui.jobs.reports.record_history import Touch
from jobsui.jobs.reports.record_values import ComparedValue, Labels
from jobsui.web import shown_values


@dataclass(frozen=True, slots=True)
class Line:
    touch: Touch
    values: Sequence[tuple[str, ComparedValue]]
    """(label of the field, old and new value)."""
    hidden: int
    has_old: bool
    has_new: bool
    notice: str
    """Why there are no old values, if they were deleted."""
    may_undo: bool


def line(touch: Touch, labels: Labels, *, may_run: bool) -> Line:
    values = record_values.before_and_sent(touch.item, touch.image)
    shown, hidden = shown_values.first_values(values, labels)
    return Line(
        touch,
        shown,
        hidden,
        has_old=touch.image is not None and bool(touch.image.old),
        has_new=bool(values_of(touch.item)),
        notice=_notice(touch),
        may_undo=may_run
        and touch.result.outcome != Outcome.UNCHANGED
        and bool(undo.undoable_rows(touch.job)),
    )


def _notice(touch: Touch) -> str:
    if touch.result.outcome in {Outcome.CREATED, Outcome.UNCHANGED}:
        return ""
    return retention.undo_notice(touch.job)
