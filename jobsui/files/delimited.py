"""CSV and its relatives. The first lines decide on the delimiter by a vote; people may
choose another one. A row that cannot be read is odd, and the rows around it are read."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO

from jobsui.files import encoding as encodings
from jobsui.files import encoding_detection
from jobsui.files.delimited_rules import RowRules
from jobsui.files.encoding_detection import Found
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Head, Layout, Reading, Row
from jobsui.files.records import Dialect, Record, Scanner

if TYPE_CHECKING:
    from jobsui.files.cells import Block

EXTENSIONS = ("csv", "tsv", "txt")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
VOTING_LINES = 50
HINT = "sep="
"""A first line such as `sep=;` tells Excel the delimiter. It is not the header."""
PIECE_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 24
HEAD_RECORDS = 1000


def recognizes(_: Head) -> bool:
    return True


def detect(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    if chosen.encoding:
        found = Found(head.encoding)
    else:
        found = encoding_detection.find(stream, head.data)
    text = head.data.decode(found.encoding, "replace").lstrip("\ufeff")
    delimiter = chosen.delimiter or vote(text, is_whole=head.is_whole)
    layout = Layout("csv", found.encoding, delimiter)
    return Detected(layout, proposals=found.proposals)


def vote(text: str, *, is_whole: bool = False) -> str:
    """The delimiter that cuts most of the text's first lines into the same number of
    cells. If the text is only the beginning of the file, its last line may be cut off
    and has no vote."""
    if text.startswith(HINT) and text[len(HINT) : len(HINT) + 1] in DELIMITERS:
        return text[len(HINT)]
    lines = text.splitlines()
    if not is_whole and len(lines) > 1:
        lines = lines[:-1]
    voters = lines[:VOTING_LINES]
    scores = {delimiter: _score(voters, delimiter) for delimiter in DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > (0, 0) else ","


def read_rows(stream: BinaryIO, layout: Layout) -> tuple[list[str], Iterator[Row]]:
    # Web processes know the formats, but only workers read: pyarrow takes 46 MB.
    from jobsui.files.rows import rows_of  # noqa: PLC0415

    reading = read(stream, layout)
    return reading.header, rows_of(reading.blocks)


def read(stream: BinaryIO, layout: Layout) -> Reading:
    """The header and the rows behind it. Row numbers count records as a spreadsheet
    does, blank ones included."""
    from jobsui.files.delimited_blocks import BlockReader  # noqa: PLC0415

    dialect = Dialect(layout.delimiter)
    pieces = encodings.utf8_pieces(stream, layout.encoding, PIECE_BYTES)
    start = _start(pieces, dialect, layout)
    reader = BlockReader(
        chain([start.rest], pieces),
        dialect,
        start.rules,
        start.header_row + 1,
        start.line_end,
    )
    reading = Reading(start.header, start.header_row, iter(()))

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


def _start(pieces: Iterator[bytes], dialect: Dialect, layout: Layout) -> _Start:
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
        found = Scanner(dialect).records(text, is_last=is_whole)
        records = list(islice(found, HEAD_RECORDS))
    header_row = _header_row(records)
    record = records[header_row - 1]
    behind = [other.cells for other in records[header_row:] if any(other.cells)]
    header = _named(record.cells, behind)
    rules = RowRules(
        len(header), _usual_width(behind, at_most=len(header)), layout.encoding
    )
    rest = data[encodings.size_of(text[: record.end], layout.encoding) :]
    return _Start(header, header_row, rules, _usual_line_end(records), rest)


def _header_row(records: list[Record]) -> int:
    for number, record in enumerate(records, 1):
        if any(record.cells) and record.cells != [HINT, ""]:
            return number
    raise FileRefused("The file has no rows.")


def _named(header: list[str], rows: list[list[str]]) -> list[str]:
    """The header without blank names at its end, unless rows have cells there."""
    width = max(index for index, name in enumerate(header, 1) if name)
    for cells in rows:
        filled = [index for index, cell in enumerate(cells[: len(header)], 1) if cell]
        width = max(width, *filled[-1:], 0)
    return header[:width]


def _usual_width(rows: list[list[str]], *, at_most: int) -> int:
    """How many cells most rows have; `at_most` if that is more."""
    widths = Counter(len(cells) for cells in rows)
    if not widths:
        return at_most
    [(width, count)] = widths.most_common(1)
    is_usual = 2 * count > widths.total()
    return min(width, at_most) if is_usual else at_most


def _usual_line_end(records: list[Record]) -> str:
    ends = Counter(record.line_end for record in records if record.line_end)
    return ends.most_common(1)[0][0] if ends else "\n"


def _score(lines: list[str], delimiter: str) -> tuple[int, int]:
    """(lines cut into as many cells as the first one, how many cells that is); (0, 0)
    for a delimiter that cuts nothing."""
    widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    if not widths or widths[0] < 2:
        return 0, 0
    return widths.count(widths[0]), widths[0]
