"""Cells in blocks of columns: the form in which every format is read.

A cell keeps its text exactly as it is in the file, and its kind: what the file says that
it is. Import this module in workers only: pyarrow takes 46 MB."""

from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa

from jobsui.files.layout import OddCells

# Threads of its own would compete with those of other workers.
pa.set_cpu_count(1)
pa.set_io_thread_count(1)


class Kind(IntEnum):
    """What a cell is in its file."""

    TEXT = 0
    NUMBER = 1
    """The text is the number as the file has it: "1.50" or "1E+3"."""
    BOOLEAN = 2
    """The text is "true" or "false"."""
    DATE = 3
    """A date, a time or both, of a workbook. The text is in ISO 8601, a duration
    "30:15:00"."""
    NULL = 4
    """JSON's null."""
    ABSENT = 5
    """The row has no such member, or ends before this column."""
    NO_RESULT = 6
    """A formula whose result the workbook does not have."""
    ERROR = 7
    """A formula that failed. The text is "#N/A"."""
    NESTED = 8
    """A JSON object or array. The text is its JSON."""


WITHOUT_TEXT = frozenset({Kind.NULL, Kind.ABSENT, Kind.NO_RESULT})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a block."""

    texts: pa.StringArray
    """Without nulls; "" where the kind has no text."""
    kinds: pa.Int8Array | None = None
    """The Kind of each cell; None: all are TEXT."""


def absent_column(length: int) -> Column:
    texts = pa.repeat(pa.scalar("", pa.string()), length)
    return Column(texts, repeated(Kind.ABSENT, length))


def repeated(kind: Kind, length: int) -> pa.Int8Array:
    return pa.repeat(pa.scalar(int(kind), pa.int8()), length)


@dataclass(frozen=True, slots=True)
class Block:
    """Successive rows."""

    numbers: pa.Int64Array
    """The number of each row, as a person sees it on opening the file."""
    columns: tuple[Column, ...]
    """As long as `numbers`. Cells of the table's further columns are ABSENT."""
    odd: tuple[tuple[int, OddCells], ...] = ()
    """(number, cells) of the rows that could not be read, in the order of the file. Their
    numbers are not among `numbers`."""
