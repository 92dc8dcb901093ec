"""Old and new values of records, as tables show them: not too many, and none too long."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from jobsui.jobs.reports.compared_rows import ComparedRow
from jobsui.jobs.reports.record_values import ComparedValue, Labels

MAX_VALUES = 8
"""Of a row. The others are counted."""
MAX_TEXT = 120
"""Characters of a value."""
CONTEXT = 30
"""Characters that a shortened text keeps before its first difference."""


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
    """Both texts from just before their first difference, if they are long."""
    longest = max(len(value.old), len(value.new))
    if longest <= MAX_TEXT:
        return value
    same = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(value.old, value.new, strict=False)
    )
    common = sum(1 for _ in same)
    start = max(0, common - CONTEXT)
    return ComparedValue(value.name, _cut(value.old, start), _cut(value.new, start))


def _cut(text: str, start: int) -> str:
    if len(text) <= MAX_TEXT and not start:
        return text
    shown = text[start : start + MAX_TEXT]
    before = "…" if start and shown else ""
    after = "…" if start + MAX_TEXT < len(text) else ""
    return f"{before}{shown}{after}"
