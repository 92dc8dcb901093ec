"""Rows that are read and wait to be planned. Workers only: it imports pyarrow."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import BatchBlob, RowResult
from jobsui.jobs.models.batch import MAX_BATCH_SIZE as MAX_BATCH_SIZE
from jobsui.jobs.preparation.job_blocks import JobBlock

BATCHES_PER_COMMIT = 200
MAX_ROWS_PER_COMMIT = 40_000
"""Reached when many rows are invalid."""


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """A batch that is not stored yet."""

    size: int
    first_row: int
    last_row: int
    payload: bytes
    rows: bytes
    """Both as a BatchBlob has them."""
    own_action: str = ""
    """As a Batch has it."""
    results: Sequence[RowResult] = ()
    """Of its rows, if they are not sent."""
    images: bytes = b""
    """As a BatchImages has them."""

    @classmethod
    def of(
        cls,
        rows: Sequence[int],
        lines: bytes | memoryview,
        *,
        own_action: str = "",
        results: Sequence[RowResult] = (),
        images: bytes = b"",
    ) -> "PlannedBatch":
        """`lines`: the item of each row, with line feeds between."""
        packed = BatchBlob.packed_payload(lines, rows)
        return cls(
            size=len(rows),
            first_row=rows[0],
            last_row=rows[-1],
            payload=packed["payload"],
            rows=packed["rows"],
            own_action=own_action,
            results=results,
            images=images,
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows to commit together."""

    last_row: int
    batches: list[PlannedBatch]
    invalid: list[list[Problem]]
    """The problems of each row that is in no batch."""


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
        chunk = Chunk(last_row, list(self._batches(items)), self._invalid[:invalid])
        del self._rows[:items]
        self._ends = self._ends[items:]
        del self._invalid[:invalid]
        return chunk

    def _batches(self, items: int) -> Iterator[PlannedBatch]:
        """Of the first items."""
        for start in range(0, items, MAX_BATCH_SIZE):
            rows = self._rows[start : min(start + MAX_BATCH_SIZE, items)]
            line_feed = self._ends[start + len(rows)].as_py() - 1
            lines = self._data[self._ends[start].as_py() : line_feed]
            yield PlannedBatch.of(rows, lines)

    def _count_invalid(self, last_row: int) -> int:
        """How many rows up to this one are invalid."""
        return bisect_right(
            self._invalid, last_row, key=lambda problems: problems[0].row
        )


def _between(data: memoryview, ends: pa.Int64Array) -> memoryview:
    """From the first to the last end."""
    return data[ends[0].as_py() : ends[-1].as_py()]
