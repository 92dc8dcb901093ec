"""Rows of blocks, for code that reads row by row, and blocks of rows. Workers only: it
imports pyarrow."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import batched
from operator import itemgetter

import pyarrow as pa

from jobsui.files.cells import Block, Column
from jobsui.files.layout import OddCells, Row

ROWS_PER_BLOCK = 5_000


def rows_of(blocks: Iterable[Block]) -> Iterator[Row]:
    """Each row as texts, in the order of the file."""
    for block in blocks:
        columns = [column.texts.to_pylist() for column in block.columns]
        cells = map(list, zip(*columns, strict=True))
        whole = zip(block.numbers.to_pylist(), cells, strict=True)
        yield from merge(whole, block.odd, key=itemgetter(0)) if block.odd else whole


def padded_rows_of(blocks: Iterable[Block], width: int) -> Iterator[Row]:
    """As `rows_of`. Odd rows have at least `width` cells, too."""
    for number, cells in rows_of(blocks):
        cells += [""] * (width - len(cells))
        yield number, cells


def blocks_of(rows: Iterable[Row], width: int) -> Iterator[Block]:
    """The blocks of rows that have `width` cells each."""
    for found in batched(rows, ROWS_PER_BLOCK):
        whole = [row for row in found if not isinstance(row[1], OddCells)]
        numbers = pa.array([number for number, _ in whole], pa.int64())
        columns = (
            pa.array([cells[index] for _, cells in whole], pa.string())
            for index in range(width)
        )
        odd = [
            (number, cells) for number, cells in found if isinstance(cells, OddCells)
        ]
        yield Block(numbers, tuple(map(Column, columns)), tuple(odd))
