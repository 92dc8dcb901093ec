"""Rows that are read and wait to be planned. Workers only: it imports pyarrow."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models.batch import MAX_BATCH_SIZE as MAX_BATCH_SIZE
from jobsui.jobs.preparation.job_blocks import JobBlock

BATCHES_PER_COMMIT = 100
MAX_ROWS_PER_COMMIT = 20_000
"""Reached when many rows are invalid."""


@dataclass(frozen=True, slots=True)
class Group:
    """The items of a batch."""

    rows: list[int]
    payload: bytes
    """The JSON of each, with line feeds between."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows to commit together."""

    last_row: int
    rows: list[int]
    """Those with an item."""
    lines: list[memoryview]
    """Their items, each with a line feed behind it."""
    invalid: list[list[Problem]]
    """The problems of each other row."""

    def batches(self) -> Iterator[Group]:
        for start in range(0, len(self.rows), MAX_BATCH_SIZE):
            stop = start + MAX_BATCH_SIZE
            payload = b"".join(self.lines[start:stop])
            yield Group(self.rows[start:stop], payload[:-1])


class PendingRows:
    """Successive rows. The first chunk is one batch, so that sending begins at once."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._lines: list[memoryview] = []
        self._invalid: list[list[Problem]] = []
        self._wanted = MAX_BATCH_SIZE

    def add(self, block: JobBlock, after: int) -> None:
        """Add the rows behind row `after`."""
        lines = block.lines(after)
        self._rows += lines.rows
        ends = lines.ends
        self._lines += [
            lines.data[ends[index] : ends[index + 1]]
            for index in range(len(lines.rows))
        ]
        self._invalid += block.problems(after)

    def chunks(self) -> Iterator[Chunk]:
        """Rows whose items fill whole batches."""
        while last_row := self._last_row_of_chunk():
            yield self._take(last_row)
            self._wanted = MAX_BATCH_SIZE * BATCHES_PER_COMMIT

    def rest(self) -> Iterator[Chunk]:
        """All rows that are left."""
        yield from self.chunks()
        ends = [*self._rows[-1:], *(each[0].row for each in self._invalid[-1:])]
        if ends:
            yield self._take(max(ends))

    def _last_row_of_chunk(self) -> int:
        """0: there are not enough rows yet."""
        count = len(self._rows) + len(self._invalid)
        has_items = len(self._rows) >= self._wanted
        if not has_items and count < MAX_ROWS_PER_COMMIT:
            return 0
        invalid = (problems[0].row for problems in self._invalid)
        ascending = merge(self._rows, invalid)
        last_row = next(islice(ascending, min(count, MAX_ROWS_PER_COMMIT) - 1, None))
        if has_items:
            return min(last_row, self._rows[self._wanted - 1])
        return last_row

    def _take(self, last_row: int) -> Chunk:
        items = bisect_right(self._rows, last_row)
        invalid = bisect_right(
            self._invalid, last_row, key=lambda problems: problems[0].row
        )
        chunk = Chunk(
            last_row,
            rows=self._rows[:items],
            lines=self._lines[:items],
            invalid=self._invalid[:invalid],
        )
        del self._rows[:items]
        del self._lines[:items]
        del self._invalid[:invalid]
        return chunk
