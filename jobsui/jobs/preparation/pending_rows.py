"""Rows that are read and wait to be planned. Workers only: it imports pyarrow."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

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
    payload: memoryview
    """The JSON of each, with line feeds between."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows to commit together."""

    last_row: int
    rows: list[int]
    """Those with an item."""
    data: memoryview
    """Their items, each with a line feed behind it."""
    ends: pa.Int64Array
    """Where each item begins in `data`, and where the last one ends."""
    invalid: list[list[Problem]]
    """The problems of each other row."""

    def batches(self) -> Iterator[Group]:
        for start in range(0, len(self.rows), MAX_BATCH_SIZE):
            rows = self.rows[start : start + MAX_BATCH_SIZE]
            line_feed = self.ends[start + len(rows)].as_py() - 1
            yield Group(rows, self.data[self.ends[start].as_py() : line_feed])


class PendingRows:
    """Successive rows. The first chunk is one batch, so that sending begins at once."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._data = memoryview(b"")
        self._ends = pa.array([0], pa.int64())
        self._invalid: list[list[Problem]] = []
        self._wanted = MAX_BATCH_SIZE

    def add(self, block: JobBlock, after: int) -> None:
        """Add the rows behind row `after`."""
        lines = block.lines(after)
        self._rows += lines.rows
        self._invalid += block.problems(after)
        # Few are left of the blocks before.
        left = _between(self._data, self._ends)
        self._data = memoryview(b"".join((left, _between(lines.data, lines.ends))))
        ends = pc.subtract(self._ends, self._ends[0])
        more = pc.add(pc.subtract(lines.ends, lines.ends[0]), len(left))
        self._ends = pa.concat_arrays([ends, more[1:]])

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
        last_item = 0
        if len(self._rows) >= self._wanted:
            last_item = self._rows[self._wanted - 1]
            if self._wanted + self._count_invalid(last_item) <= MAX_ROWS_PER_COMMIT:
                return last_item
        if len(self._rows) + len(self._invalid) < MAX_ROWS_PER_COMMIT:
            return last_item
        invalid = (problems[0].row for problems in self._invalid)
        ascending = merge(self._rows, invalid)
        return next(islice(ascending, MAX_ROWS_PER_COMMIT - 1, None))

    def _take(self, last_row: int) -> Chunk:
        items = bisect_right(self._rows, last_row)
        invalid = self._count_invalid(last_row)
        chunk = Chunk(
            last_row,
            rows=self._rows[:items],
            data=self._data,
            ends=self._ends[: items + 1],
            invalid=self._invalid[:invalid],
        )
        del self._rows[:items]
        self._ends = self._ends[items:]
        del self._invalid[:invalid]
        return chunk

    def _count_invalid(self, last_row: int) -> int:
        """How many rows up to this one are invalid."""
        return bisect_right(
            self._invalid, last_row, key=lambda problems: problems[0].row
        )


def _between(data: memoryview, ends: pa.Int64Array) -> memoryview:
    """From the first to the last end."""
    return data[ends[0].as_py() : ends[-1].as_py()]
