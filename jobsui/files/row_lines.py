"""Rows as lines of JSON: the staged form of a request's items, which web processes write
without pyarrow. All formats were staged like this before staged files had blocks."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO

from jobsui.files.layout import OddCells, Row

START = b"["
"""The first byte."""


def write(columns: list[str], rows: Iterable[Row], out: BinaryIO) -> None:
    for line in chain([columns], rows):
        out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def read(stream: BinaryIO) -> tuple[list[str], Iterator[Row]]:
    """The columns, and the rows that `write` was given."""
    stream.seek(0)
    columns: list[str] = json.loads(stream.readline())
    return columns, map(_row, stream)


def _row(line: bytes) -> Row:
    number, cells, *odd = json.loads(line)
    if odd:
        code, reason, fix = odd[0]
        cells = OddCells(cells, code=code, reason=reason, fix=fix)
    return number, cells
