"""Chosen rows of a job, stored as ranges: a million successive rows are one range."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

RANGE = re.compile(r"([0-9]{1,18})(?:\s*[-–]\s*([0-9]{1,18}))?")


@dataclass(frozen=True, slots=True)
class RowRanges:
    """A set of row numbers."""

    ranges: Sequence[tuple[int, int]]
    """(first, last) of each range, in ascending order. Ranges do not touch each other."""

    @classmethod
    def of(cls, rows: Iterable[int]) -> Self:
        return cls._merged((row, row) for row in rows)

    @classmethod
    def parsed(cls, text: str) -> Self:
        """The rows of a text such as "2-500, 731". Raises ValueError with the part that is no
        range."""
        parts = [part.strip() for part in text.split(",")]
        return cls._merged(_range(part) for part in parts if part)

    @classmethod
    def from_json(cls, stored: Iterable[Sequence[int]]) -> Self:
        return cls([(first, last) for first, last in stored])

    @classmethod
    def _merged(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return cls(merged)

    def to_json(self) -> list[list[int]]:
        return [list(each) for each in self.ranges]

    def __contains__(self, row: object) -> bool:
        assert isinstance(row, int)  # noqa: S101  # As Container has it.
        index = bisect_right(self.ranges, row, key=lambda each: each[0])
        return index > 0 and row <= self.ranges[index - 1][1]

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __str__(self) -> str:
        return ", ".join(
            f"{first}" if first == last else f"{first}-{last}"
            for first, last in self.ranges
        )


def _range(text: str) -> tuple[int, int]:
    found = RANGE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first = int(found[1])
    last = int(found[2] or first)
    if last < first:
        raise ValueError(text)
    return first, last
