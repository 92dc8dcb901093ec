"""Blocks of rows that were read one by one."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Block, Column, Kind
from jobsui.files.layout import OddCells, Row

OddRow = tuple[int, OddCells]


def with_rows(
    numbers: pa.Int64Array,
    columns: list[pa.StringArray],
    rows: list[Row],
    width: int,
    odd: list[OddRow],
) -> Block:
    """A block of columns, and of more rows, which go where their numbers say."""
    if not rows:
        return Block(numbers, tuple(map(Column, columns)), tuple(odd))
    more = block_of(rows, width, [])
    both = pa.concat_arrays([numbers, more.numbers])
    order = pc.sort_indices(both)
    missing = width - len(columns)
    absent = pa.array([""] * len(numbers), pa.string())
    padded = [*columns, *[absent] * missing]
    merged = []
    for index, (texts, other) in enumerate(zip(padded, more.columns, strict=True)):
        kinds = None
        if index >= len(columns) or other.kinds is not None:
            kind = Kind.ABSENT if index >= len(columns) else Kind.TEXT
            own = pa.array([kind] * len(numbers), pa.int8())
            added = other.kinds
            if added is None:
                added = pa.array([Kind.TEXT] * len(rows), pa.int8())
            kinds = pa.concat_arrays([own, added]).take(order)
        merged.append(Column(pa.concat_arrays([texts, other.texts]).take(order), kinds))
    return Block(both.take(order), tuple(merged), tuple(odd))


def block_of(rows: list[Row], width: int, odd: Iterable[OddRow]) -> Block:
    """A block of rows alone. Cells that a row does not have are ABSENT."""
    numbers = pa.array([number for number, _ in rows], pa.int64())
    columns = []
    for index in range(width):
        texts = [cells[index] if index < len(cells) else "" for _, cells in rows]
        kinds = None
        if any(len(cells) <= index for _, cells in rows):
            kinds = pa.array(
                [Kind.TEXT if index < len(cells) else Kind.ABSENT for _, cells in rows],
                pa.int8(),
            )
        columns.append(Column(pa.array(texts, pa.string()), kinds))
    return Block(numbers, tuple(columns), tuple(odd))
