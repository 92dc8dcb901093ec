"""Single rows of a stored file, without reading all of it.

For workers, and for the requests that show or correct a few rows: it imports pyarrow."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column
from jobsui.files.errors import FileRefused
from jobsui.files.layout import OddCells
from jobsui.files.staging import INCOMPLETE, BlockEntry, Staged
from jobsui.jobs.models import File
from jobsui.jobs.preparation import file_reading


@contextmanager
def open_staged(file: File) -> Iterator[Staged]:
    """The blocks of a file, but not of one with raw items. Raises FileRefused."""
    with file_reading.open_rows(file) as table:
        if table.staged is None:
            raise FileRefused(INCOMPLETE)
        yield table.staged


def blocks_with(staged: Staged, rows: Sequence[int]) -> Iterator[Block]:
    """These rows, in the blocks that have them. `rows` ascend."""
    left = list(reversed(rows))
    for entry in staged.entries:
        wanted = []
        while left and left[-1] <= entry.last_row:
            wanted.append(left.pop())
        if wanted:
            yield only_rows(staged.block(entry), wanted)


def has_any(entry: BlockEntry, rows: Sequence[int]) -> bool:
    """Whether one of these rows, which ascend, may be in a block."""
    place = bisect_left(rows, entry.first_row)
    return place < len(rows) and rows[place] <= entry.last_row


def only_rows(block: Block, rows: Sequence[int]) -> Block:
    is_wanted = pc.is_in(block.numbers, pa.array(rows, pa.int64()))
    chosen = set(rows)
    odd = tuple((number, cells) for number, cells in block.odd if number in chosen)
    return filtered(block, is_wanted, odd)


def filtered(
    block: Block,
    is_wanted: pa.BooleanArray,
    odd: tuple[tuple[int, OddCells], ...] = (),
) -> Block:
    """Some rows of a block, and these odd ones."""
    columns = (
        Column(
            column.texts.filter(is_wanted),
            None if column.kinds is None else column.kinds.filter(is_wanted),
        )
        for column in block.columns
    )
    return Block(block.numbers.filter(is_wanted), tuple(columns), odd)
