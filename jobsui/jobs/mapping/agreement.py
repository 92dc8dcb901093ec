"""Whether records are those that rows mean, by what both hold. That the keys exist proves
little: another account has the same numbers."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from jobsui.jobs.mapping.comparison import Likeness, likeness
from jobsui.zendesk.payloads import Json

MAX_PAIRS = 200
MAX_SHIFTS = 20
"""How often the rows are compared with the records of other rows."""
DEVIATIONS = 6
MAX_BY_CHANCE = 2
MIN_DISTINCT = 0.5
"""A column with less different texts, as a share, cannot show that records are others: a file
may change the status of all records."""
MIN_KEY_INSIDE = 5
"""Shorter keys count only where they are whole words."""
BLANK: Sequence[Json] = (None, "", [])
TOKENS = re.compile(r"[^\W_]+")


class Agreement(Enum):
    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNKNOWN = "unknown"
    """There are too few values, or they are too much alike."""


@dataclass(slots=True)
class Compared:
    """A column of the file beside the field that it fills."""

    type: str
    """Of the field, as Zendesk names it."""
    sent: list[Json] = field(default_factory=list)
    held: list[Json] = field(default_factory=list)
    """What the record of each row holds."""

    def add(self, key: str, sent: Json, held: Json) -> None:
        """Blank cells, blank fields, which a file may fill, and texts in which the key itself
        occurs, say nothing."""
        if sent in BLANK or held in BLANK or _has_key(sent, key):
            return
        if len(self.sent) < MAX_PAIRS:
            self.sent.append(sent)
            self.held.append(held)

    @property
    def count(self) -> int:
        """How many rows are compared."""
        return len(self.sent)

    @property
    def equal(self) -> int:
        """In how many of them the record holds what the row has."""
        return _equal_cells(self, shift=0)

    @property
    def varies(self) -> bool:
        """Whether most rows, and most records, have a value of their own."""
        return _varies(self.sent) and _varies(self.held)


def agreement(columns: Iterable[Compared]) -> Agreement:
    """One column whose values cannot be equal by chance is enough, because a file may change
    all others."""
    is_known = False
    for column in columns:
        threshold = _threshold(_chance(column), column.count)
        if column.equal > threshold:
            return Agreement.AGREES
        is_known = is_known or (column.varies and column.count > threshold)
    return Agreement.DISAGREES if is_known else Agreement.UNKNOWN


def _threshold(chance: float, count: int) -> float:
    """More equal cells than these are not explained by chance."""
    expected = count * chance
    deviation = math.sqrt(expected * (1 - chance))
    return max(MAX_BY_CHANCE, expected + DEVIATIONS * deviation)


def _chance(column: Compared) -> float:
    """The share of cells that are equal to those of other rows."""
    count = column.count
    shifts = _shifts(count)
    if not shifts:
        return 1.0
    equal = sum(_equal_cells(column, shift) for shift in shifts)
    return equal / (count * len(shifts))


def _shifts(count: int) -> Sequence[int]:
    """Spread over all, because neighbours are often alike."""
    step = max(1, (count - 1) // MAX_SHIFTS)
    return range(1, count, step)[:MAX_SHIFTS]


def _equal_cells(column: Compared, shift: int) -> int:
    """Of rows beside the records of the rows that stand so far behind them."""
    held = column.held[shift:] + column.held[:shift]
    return sum(
        likeness(ours, theirs, column.type) >= Likeness.EQUAL
        for ours, theirs in zip(column.sent, held, strict=True)
    )


def _varies(values: Sequence[Json]) -> bool:
    return len(set(map(str, values))) >= MIN_DISTINCT * len(values)


def _has_key(value: Json, key: str) -> bool:
    """Such a text would be the same in every account that has the key."""
    text = str(value).lower()
    core = _core(key)
    if len(core) >= MIN_KEY_INSIDE and core in text:
        return True
    return any(_core(token) == core for token in TOKENS.findall(text))


def _core(text: str) -> str:
    return text.lstrip("0").lower()
