"""What the page of a record's history says."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.jobs import retention
from jobsui.jobs.control import undo
from jobsui.jobs.enums import Outcome
from jobsui.jobs.reports import compared_rows
from jobsui.jobs.reports.compared_rows import ComparedValue, Labels
from jobsui.jobs.reports.record_history import Touch
from jobsui.web import comparison_page


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


def line(touch: Touch, labels: Labels) -> Line:
    old = touch.image.old if touch.image else {}
    item = touch.item if isinstance(touch.item, dict) else {}
    new = compared_rows.values_of_item(item)
    names = dict.fromkeys([*old, *new])
    values = [
        ComparedValue(
            name,
            compared_rows.text_of(old.get(name)),
            compared_rows.text_of(new.get(name)),
        )
        for name in names
    ]
    shown, hidden = comparison_page.shown_values(values, labels)
    return Line(
        touch,
        shown,
        hidden,
        has_old=bool(old),
        has_new=bool(new),
        notice=_notice(touch),
        may_undo=touch.result.outcome != Outcome.UNCHANGED
        and bool(undo.undoable_rows(touch.job)),
    )


def _notice(touch: Touch) -> str:
    if touch.result.outcome in {Outcome.CREATED, Outcome.UNCHANGED}:
        return ""
    return retention.undo_notice(touch.job)
