"""Old and new values of records, as tables show them: not too many, and none too long."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.jobs.reports.compared_rows import ComparedRow
from jobsui.jobs.reports.record_values import ComparedValue, Labels
from jobsui.text import from_difference

MAX_VALUES = 8
"""Of a row. The others are counted."""


@dataclass(frozen=True, slots=True)
class GridRow:
    row: ComparedRow
    values: Sequence[tuple[str, ComparedValue]]
    """(label of the field, value)."""
    hidden: int
    """How many values are not shown."""


def grid_row(row: ComparedRow, labels: Labels) -> GridRow:
    shown, hidden = first_values(row.values, labels)
    return GridRow(row, shown, hidden)


def first_values(
    values: Sequence[ComparedValue], labels: Labels
) -> tuple[list[tuple[str, ComparedValue]], int]:
    """The first ones with their labels, and how many others there are."""
    shown = [
        (labels.of(value.name), _shortened(value)) for value in values[:MAX_VALUES]
    ]
    return shown, len(values) - len(shown)


def _shortened(value: ComparedValue) -> ComparedValue:
    return ComparedValue(value.name, *from_difference(value.old, value.new))
