"""CSV and its relatives. A row that cannot be read is odd, and the rows around it are
read."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, BinaryIO

from jobsui.files import dialect, encoding_detection
from jobsui.files import encoding as encodings
from jobsui.files.delimited_rules import RowRules
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Head, Layout, Notice, Reading
from jobsui.files.records import Dialect, Record, Scanner

if TYPE_CHECKING:
    from jobsui.files.cells import Block

EXTENSIONS = ("csv", "tsv", "txt")
PIECE_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 24
HEAD_RECORDS = 1000
QUOTING_NOTICES = {
    "single": "Apostrophes around cells are taken for quotation marks, and are not sent.",
    "none": "Quotation marks have no meaning in this file: they are sent as a part of the "
    "cells.",
    "backslash": "A backslash before a quotation mark makes it a part of the cell, and is "
    "not sent.",
}


def recognizes(_: Head) -> bool:
    return True


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    found = encoding_detection.find(stream, head.data, chosen.encoding)
    text = head.data.decode(found.encoding, "replace")
    guess = dialect.find(
        text,
        is_whole=head.is_whole,
        delimiter=chosen.delimiter,
        quoting=chosen.quoting,
    )
    layout = Layout(
        "csv",
        encoding=found.encoding,
        delimiter=guess.delimiter,
        quoting=guess.quoting,
        header_row=chosen.header_row or guess.header_row,
    )
    return Detected(
        layout,
        proposals=found.proposals,
        notices=tuple(_notices(layout, guess, chosen)),
    )


def read(stream: BinaryIO, layout: Layout) -> Reading:
    """The header and the rows behind it. Row numbers count records as a spreadsheet
    does, blank ones included."""
    # Web processes know the formats, but only workers read: pyarrow takes 46 MB.
    from jobsui.files.delimited_blocks import BlockReader  # noqa: PLC0415

    pieces = encodings.utf8_pieces(stream, layout.encoding, repeat(PIECE_BYTES))
    separation = dialect.of(layout.delimiter, layout.quoting)
    start = _start(pieces, separation, layout)
    reader = BlockReader(
        chain([start.rest], pieces),
        separation,
        start.rules,
        start.header_row + 1,
        start.line_end,
    )
    reading = Reading(start.header, start.header_row, iter(()), start.notices)

    def blocks() -> "Iterator[Block]":
        yield from reader.blocks()
        reading.notices.extend(reader.notices())

    reading.blocks = blocks()
    return reading


@dataclass(frozen=True, slots=True)
class _Start:
    """The beginning of a file."""

    header: list[str]
    header_row: int
    rules: RowRules
    line_end: str
    """How most lines end."""
    rest: bytes
    """What was read behind the header."""
    notices: list[Notice]
    """About the header."""


def _start(pieces: Iterator[bytes], separation: Dialect, layout: Layout) -> _Start:
    data = b""
    is_whole = False
    records: list[Record] = []
    while not is_whole and not any(any(record.cells) for record in records):
        piece = next(pieces, None)
        is_whole = piece is None
        data += piece or b""
        if len(data) > MAX_HEADER_BYTES:
            raise FileRefused(
                "The first 16 MB of the file have no header. Export the file again as CSV."
            )
        text = encodings.marked_text(data, layout.encoding)
        found = Scanner(separation).records(text, is_last=is_whole)
        records = list(islice(found, HEAD_RECORDS))
    header_row = layout.header_row or dialect.header_row(
        [record.cells for record in records]
    )
    if not header_row:
        raise FileRefused("The file has no rows.")
    if header_row > len(records):
        raise FileRefused(f"The file has no row {header_row:,} for the header.")
    record = records[header_row - 1]
    if not any(record.cells):
        raise FileRefused(f"Row {header_row:,} is blank. Choose another header row.")
    behind = [other.cells for other in records[header_row:] if any(other.cells)]
    header = _named(record.cells, behind)
    usual_width = _usual_width(behind, len(header))
    widths = frozenset({len(header), len(record.cells), usual_width})
    rules = RowRules(tuple(header), widths, layout.encoding)
    rest = data[encodings.size_of(text[: record.end], layout.encoding) :]
    notices = list(_header_notices(record, header_row, usual_width))
    return _Start(header, header_row, rules, _usual_line_end(records), rest, notices)


def _named(header: list[str], rows: list[list[str]]) -> list[str]:
    """The header without blank names at its end, unless rows have cells there."""
    width = max(index for index, name in enumerate(header, 1) if name)
    for cells in rows:
        filled = [index for index, cell in enumerate(cells[: len(header)], 1) if cell]
        width = max(width, *filled[-1:], 0)
    return header[:width]


def _usual_width(rows: list[list[str]], header_width: int) -> int:
    """How many cells most rows have; `header_width` if no number is usual. Rows with filled
    cells beyond the header do not count."""
    widths = Counter(len(cells) for cells in rows if not any(cells[header_width:]))
    if not widths:
        return header_width
    [(width, count)] = widths.most_common(1)
    return width if 2 * count > widths.total() else header_width


def _header_notices(record: Record, row: int, usual_width: int) -> Iterator[Notice]:
    if record.fault:
        yield Notice(
            code="header_quote",
            message=f"The header, row {row:,}, has a quotation mark in the wrong place.",
            fix="Check the names of the columns.",
        )
    if usual_width > len(record.cells):
        yield Notice(
            code="header_width",
            message=f"The header has {len(record.cells):,} cells, most rows have "
            f"{usual_width:,}, of which the last ones are blank.",
            fix="If the header lacks a name, add it: the cells below are in the wrong "
            "columns.",
        )


def _usual_line_end(records: list[Record]) -> str:
    ends = Counter(record.line_end for record in records if record.line_end)
    return ends.most_common(1)[0][0] if ends else "\n"


def _notices(layout: Layout, guess: dialect.Found, chosen: Layout) -> Iterator[Notice]:
    if guess.titles and not chosen.header_row:
        titles = ", ".join(f"“{title[:60]}”" for title in guess.titles[:3])
        yield Notice(
            code="rows_above_header",
            message=f"The header is in row {layout.header_row:,}. What is above it is not "
            f"sent: {titles}.",
            fix="If another row is the header, choose it.",
        )
    if guess.data_in_header and not chosen.header_row:
        yield Notice(
            code="value_in_header",
            message=f"The header, row {layout.header_row:,}, has the value "
            f"“{guess.data_in_header[:60]}”, and is not sent.",
            fix="If the file has no header, add one.",
        )
    if layout.quoting in QUOTING_NOTICES and not chosen.quoting:
        yield Notice(
            code="quoting",
            message=QUOTING_NOTICES[layout.quoting],
            fix="If this is not so, choose other quotation marks.",
        )
