"""Blocks of columns from JSON rows. For workers only: it imports pyarrow."""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files import json_fast, json_text
from jobsui.files.cells import Block, Column, absent_column
from jobsui.files.encoding import marked_text
from jobsui.files.errors import FileRefused
from jobsui.files.json_columns import ABSENT, column_of, joined_column
from jobsui.files.json_text import MAX_ROW, Elements
from jobsui.files.json_values import (
    MAX_CELL,
    MAX_NAME,
    ZENDESK_FIELDS,
    BadJSON,
    check_bytes,
    decode,
    printable,
    row_members,
)
from jobsui.files.layout import MAX_COLUMNS, MAX_ODD_LENGTH, OddCells

MAX_LESSONS = 5
"""In a file whose rows differ, more would only cost time."""
MAX_BLOCK_CELLS = 1 << 20
"""Where many rows lack most of many columns, a block would be much larger than its text."""
Members = dict[str, Any]
"""The cells of a row by column."""


def line_blocks(stream: BinaryIO, encoding: str, header: list[str]) -> Iterator[Block]:
    """The blocks of JSON Lines. Adds to the header."""
    table = _Table(header, "Line", encoding)
    for numbers, piece in json_text.lines(stream, encoding):
        with _collector_paused():
            blocks = _fast_line_blocks(numbers, piece, table)
            if blocks is None:
                blocks = table.blocks(_line_rows(numbers, piece, encoding))
        yield from blocks


def _fast_line_blocks(
    numbers: range, piece: bytes, table: "_Table"
) -> list[Block] | None:
    if table.decoder and (rows := table.decoder.lines(piece, len(numbers))):
        return table.uniform_blocks(numbers, rows)
    objects = json_fast.lines(piece, len(numbers))
    if objects is None:
        return None
    table.learn(objects)
    return table.fast_blocks(numbers, objects)


def element_blocks(elements: Elements, header: list[str]) -> Iterator[Block]:
    """The blocks of an array. Adds to the header. Raises FileRefused."""
    table = _Table(header, "Row", elements.document.encoding)
    for size in json_text.sizes():
        with _collector_paused():
            blocks = _fast_element_blocks(elements, table, size)
            if blocks is None:
                rows = list(_element_rows(elements, size))
                blocks = table.blocks(rows) if rows else None
        if blocks is None:
            return
        yield from blocks


def _fast_element_blocks(
    elements: Elements, table: "_Table", size: int
) -> list[Block] | None:
    first = elements.number + 1
    if table.decoder and (uniform := elements.peek(size, table.decoder.objects)):
        rows, behind = uniform
        blocks = table.uniform_blocks(range(first, first + rows.count), rows)
        if blocks is not None:
            elements.accept(rows.count, behind)
        return blocks
    found = elements.peek(size, json_fast.objects)
    if found is None:
        return None
    objects, behind = found
    table.learn(objects)
    blocks = table.fast_blocks(range(first, first + len(objects)), objects)
    if blocks is not None:
        elements.accept(len(objects), behind)
    return blocks


_Row = tuple[int, Any, str]
"""(number, value or BadJSON, text)"""


def _line_rows(numbers: range, piece: bytes, encoding: str) -> Iterator[_Row]:
    for number, line in zip(numbers, piece.split(b"\n"), strict=False):
        if not line.strip(b" \t"):
            continue
        text = marked_text(line, encoding)
        try:
            value: Any = BadJSON("long_row", "is longer than 16 MB", "Shorten it.")
            if len(line) <= MAX_ROW:
                value = decode(text)
        except BadJSON as error:
            value = error
        yield number, value, text


def _element_rows(elements: Elements, size: int) -> Iterator[_Row]:
    for value, text in elements.take(size):
        yield elements.number, value, text


@contextmanager
def _collector_paused() -> Iterator[None]:
    """The garbage collector would go through the objects of a block again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Table:
    def __init__(self, header: list[str], noun: str, encoding: str) -> None:
        """`noun`: what the numbers of rows count."""
        self._header = header
        self._noun = noun
        self._encoding = encoding
        self._names = dict.fromkeys(header)
        self.decoder: json_fast.RowDecoder | None = None
        """Reads pieces whose rows are like those before."""
        self._lessons = 0

    def learn(self, objects: list[Members]) -> None:
        """Expect more rows like these, unless that has failed several times in a row."""
        self._lessons += 1
        self.decoder = None
        if self._lessons <= MAX_LESSONS:
            self.decoder = json_fast.decoder_like(objects)

    def uniform_blocks(
        self, numbers: range, rows: json_fast.UniformRows
    ) -> list[Block] | None:
        """None if one of them may be odd."""
        self._lessons = 0
        columns = {}
        for name, values in rows.columns.items():
            column = joined_column(values, rows.count)
            if column is None:
                return None
            columns[name] = column
        block = self._fast_block(numbers, columns)
        return None if block is None else [block]

    def fast_blocks(self, numbers: range, objects: list[Members]) -> list[Block] | None:
        """The blocks of plain objects (`json_fast`); None if one of them may be odd."""
        blocks = []
        step = self._rows_per_block(objects)
        for start in range(0, len(objects), step):
            end = start + step
            values = _values_of(objects[start:end])
            if values is None:
                return None
            try:
                columns = {name: column_of(found) for name, found in values.items()}
            except BadJSON:
                return None
            block = self._fast_block(numbers[start:end], columns)
            if block is None:
                return None
            blocks.append(block)
        return blocks

    def _fast_block(
        self,
        numbers: range,
        columns: Mapping[str, Column],
    ) -> Block | None:
        if any(len(name) > MAX_NAME for name in columns):
            return None
        if len(self._names | dict.fromkeys(columns)) > MAX_COLUMNS:
            return None
        longest = (_longest(column.texts) for column in columns.values())
        if max(longest, default=0) > MAX_CELL:
            return None
        self._add(columns)
        return self._built(pa.arange(numbers.start, numbers.stop), columns)

    def blocks(self, rows: Iterable[_Row]) -> list[Block]:
        """The blocks of any rows. Raises FileRefused for too many columns."""
        numbers: list[int] = []
        whole: list[Members] = []
        odd: list[tuple[int, OddCells]] = []
        for number, value, text in rows:
            try:
                check_bytes(text, self._encoding)
                members = _checked(value)
                self._add_within_limit(number, members)
            except BadJSON as error:
                odd.append((number, self._odd_cells(number, text, error)))
                continue
            numbers.append(number)
            whole.append(members)
        blocks = []
        step = self._rows_per_block(whole)
        for start in range(0, len(whole) or 1, step):
            end = start + step
            odd_here = odd
            if end < len(whole):
                odd_here = [row for row in odd if row[0] < numbers[end]]
            odd = odd[len(odd_here) :]
            found = whole[start:end]
            columns = {
                name: column_of([row.get(name, ABSENT) for row in found])
                for name in dict.fromkeys(chain.from_iterable(found))
            }
            block = self._built(pa.array(numbers[start:end], pa.int64()), columns)
            blocks.append(Block(block.numbers, block.columns, tuple(odd_here)))
        return blocks

    def _rows_per_block(self, objects: list[Members]) -> int:
        names = dict.fromkeys(chain.from_iterable(objects))
        return max(1, MAX_BLOCK_CELLS // max(1, len(names)))

    def _odd_cells(self, number: int, text: str, error: BadJSON) -> OddCells:
        return OddCells(
            [printable(text.strip()[:MAX_ODD_LENGTH])],
            code=error.code,
            reason=f"{self._noun} {number:,} {error.what}.",
            fix=error.fix,
        )

    def _add(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._names:
                self._names[name] = None
                self._header.append(name)

    def _add_within_limit(self, number: int, names: Iterable[str]) -> None:
        self._add(names)
        if len(self._header) > MAX_COLUMNS:
            raise FileRefused(
                f"The rows up to row {number:,} have more than {MAX_COLUMNS:,} "
                "columns. Remove some."
            )

    def _built(
        self,
        numbers: pa.Int64Array,
        columns: Mapping[str, Column],
    ) -> Block:
        """The block without its blank rows."""
        filled = _filled(columns.values(), len(numbers))
        if filled is not None:
            numbers = numbers.filter(filled)
            columns = {
                name: Column(
                    column.texts.filter(filled),
                    None if column.kinds is None else column.kinds.filter(filled),
                )
                for name, column in columns.items()
            }
        absent = absent_column(len(numbers))
        return Block(numbers, tuple(columns.get(name, absent) for name in self._header))


def _values_of(objects: list[Members]) -> dict[str, list[Any]] | None:
    """{column: the value of each object}; None if an object may have a column twice."""
    names = dict.fromkeys(chain.from_iterable(objects))
    columns: dict[str, list[Any]] = {}
    for name in names:
        values = _member(objects, name)
        if name != ZENDESK_FIELDS:
            columns[name] = values
            continue
        fields = [value if type(value) is dict else {} for value in values]
        for inner in dict.fromkeys(chain.from_iterable(fields)):
            column = f"{ZENDESK_FIELDS}.{inner}"
            if column in names:
                return None
            columns[column] = _member(fields, inner)
        if not all(type(value) is dict or value is ABSENT for value in values):
            columns[name] = [
                ABSENT if type(value) is dict else value for value in values
            ]
    return columns


def _member(objects: list[Members], name: str) -> list[Any]:
    try:
        return list(map(itemgetter(name), objects))
    except KeyError:
        return [members.get(name, ABSENT) for members in objects]


def _checked(value: Any) -> Members:
    """Raises BadJSON."""
    if isinstance(value, BadJSON):
        raise value
    return row_members(value)


def _longest(texts: pa.StringArray) -> int:
    """In bytes."""
    return pc.max(pc.binary_length(texts)).as_py() or 0


def _filled(columns: Iterable[Column], count: int) -> pa.BooleanArray | None:
    """Which rows have any text; None if all have."""
    filled = None
    for column in columns:
        has_text = pc.greater(pc.binary_length(column.texts), 0)
        filled = has_text if filled is None else pc.or_(filled, has_text)
        if pc.all(filled).as_py():
            return None
    if filled is None and count:
        return pa.repeat(pa.scalar(value=False), count)
    return filled
