"""Rows of blocks, for code that reads row by row."""

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import itemgetter

from jobsui.files.cells import Block
from jobsui.files.layout import Row


def rows_of(blocks: Iterable[Block]) -> Iterator[Row]:
    """Each row as texts, in the order of the file."""
    for block in blocks:
        columns = [column.texts.to_pylist() for column in block.columns]
        cells = map(list, zip(*columns, strict=True))
        whole = zip(block.numbers.to_pylist(), cells, strict=True)
        yield from merge(whole, block.odd, key=itemgetter(0)) if block.odd else whole
