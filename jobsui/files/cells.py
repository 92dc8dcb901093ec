"""Cells in blocks of columns: the form in which every format is read.

A cell keeps its text exactly as it is in the file, and its kind: what the file says that
it is. Import this module in workers only: pyarrow takes 46 MB."""

from dataclasses import dataclass

import pyarrow as pa

from jobsui.files.kinds import WITHOUT_TEXT, Kind
from jobsui.files.layout import OddCells

__all__ = ["WITHOUT_TEXT", "Block", "Column", "Kind", "content_of"]

# Threads of its own would compete with those of other workers.
pa.set_cpu_count(1)
pa.set_io_thread_count(1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a block."""

    texts: pa.StringArray
    """Without nulls; "" where the kind has no text."""
    kinds: pa.Int8Array | None = None
    """The Kind of each cell; None: all are TEXT."""


def content_of(texts: pa.StringArray) -> bytes:
    """The bytes of all texts, one behind the other."""
    if not len(texts):
        return b""
    _, offsets, data = texts.buffers()
    ends = memoryview(offsets).cast("i")
    first = ends[texts.offset]
    last = ends[texts.offset + len(texts)]
    return bytes(memoryview(data)[first:last]) if last > first else b""


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
