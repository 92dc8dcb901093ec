"""Blocks of cells, and what a BlockReader makes of them."""

from collections.abc import Sequence

import pyarrow as pa

from jobsui.files.cells import Block, Column, Kind
from jobsui.jobs.mapping.block_reader import ReadBlock
from jobsui.jobs.mapping.row_reader import Item, Problem

FIRST_ROW = 7


def block_of(
    rows: Sequence[Sequence[str]], kinds: Sequence[Sequence[Kind]] = ()
) -> Block:
    """Rows of one width, numbered from FIRST_ROW. `kinds`: those of the cells; all TEXT
    where they are missing."""
    width = len(rows[0]) if rows else 0
    columns = []
    for index in range(width):
        texts = pa.array([row[index] for row in rows], pa.string())
        kinds_of_column = [row[index] for row in kinds if row]
        columns.append(
            Column(texts, pa.array(kinds_of_column, pa.int8()))
            if kinds_of_column
            else Column(texts)
        )
    numbers = pa.array(range(FIRST_ROW, FIRST_ROW + len(rows)), pa.int64())
    return Block(numbers, tuple(columns))


def results_of(read: ReadBlock) -> list[Item | list[Problem]]:
    """The item of each row, or its problems."""
    lines = read.lines(read.is_good)
    ends = lines.ends.to_pylist()
    numbers = read.numbers.to_pylist()
    found: dict[int, Item | list[Problem]] = {
        numbers[index]: problems for index, problems in read.problems.items()
    }
    for index, row in enumerate(lines.rows):
        line = bytes(lines.data[ends[index] : ends[index + 1]])
        place = numbers.index(row)
        keys = {target: keys[place].as_py() for target, keys in read.keys.items()}
        filled = tuple((target, key) for target, key in keys.items() if key is not None)
        found[row] = Item(row, line.decode().removesuffix("\n"), filled)
    return [found[row] for row in numbers]
