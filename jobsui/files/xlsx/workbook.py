"""Workbooks: which sheet is read, where its table begins, and its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from jobsui.files.cells import Block
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS, Detected, Head, Layout, Notice, Reading
from jobsui.files.xlsx.grid import Grid, HeadRow, find_header, head_rows
from jobsui.files.xlsx.number_formats import NumberFormat, formats_of
from jobsui.files.xlsx.parts import Sheet, Workbook, elements
from jobsui.files.xlsx.sheet import SheetReader
from jobsui.files.xlsx.sheet_cells import Budget, Cells
from jobsui.files.xlsx.strings import SharedStrings
from jobsui.text import counted

SHOWN = "shown"
STORED = "stored"
MAX_HEADS_BYTES = 64 * 1024**2
"""Of all sheets, read to choose one. Sheets behind that are not chosen."""
MAX_CELL_BYTES = 4 * 1024**3
MIN_CELL_BYTES = 256 * 1024**2
MAX_EXPANSION = 200
"""Bytes of text per byte of the file, beyond MIN_CELL_BYTES. A few long texts can be
referred to by a million cells."""


def detect(stream: BinaryIO, _: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a workbook. A sheet that cannot be read is
    refused by `read`, so that the list of sheets survives."""
    book = _Book(stream)
    sheets = book.sheets
    titles = tuple(sheet.title for sheet in sheets)
    if not sheets:
        raise FileRefused("The workbook has no sheet with cells.")
    if chosen.sheet and chosen.sheet not in titles:
        return Detected(_layout(chosen, chosen.sheet, 0), titles)
    if chosen.sheet:
        index = titles.index(chosen.sheet)
        best = book.candidate(sheets[index])
    else:
        best = most_like_a_table([book.candidate(sheet) for sheet in sheets])
    header = find_header(best.head)
    header_row = chosen.header_row or (header.number if header else 0)
    notices = book.notices()
    if header and not chosen.header_row:
        notices += rows_above(header, best.head)
    if not chosen.sheet and best.sheet is not sheets[0]:
        notices.insert(0, sheet_choice(best.sheet, sheets))
    layout = _layout(chosen, best.sheet.title, header_row)
    return Detected(layout, titles, notices=tuple(notices))


def read(stream: BinaryIO, layout: Layout) -> Reading:
    book = _Book(stream)
    sheet = book.sheet(layout.sheet)
    reader = book.reader(sheet)
    pieces = reader.cells()
    header, first = start(pieces, layout)
    if header is None:
        raise FileRefused(f"The sheet “{sheet.title}” is empty. Choose another one.")
    if any(header.number in piece.far for piece in first):
        raise FileRefused(
            f"Row {header.number:,} names more than {MAX_COLUMNS:,} columns. Remove some."
        )
    names = header.texts()
    while names and not names[-1].strip():
        names.pop()
    grid = Grid(names, header.number, is_shown=layout.values == SHOWN)
    reading = Reading(names, header.number, iter(()))

    def blocks() -> Iterator[Block]:
        yield from grid.blocks(chain(first, pieces))
        found = grid.notices(reader.hidden_columns, reader.merged_rows)
        reading.notices += found

    reading.blocks = blocks()
    return reading


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sheet that may be the one to read."""

    sheet: Sheet
    head: list[HeadRow]
    scale: float
    """How much larger the sheet is than its head."""

    @property
    def table_cells(self) -> float:
        """About how many cells are below a header of several columns. Rows with one
        filled cell are text, not part of a table."""
        header = find_header(self.head)
        if header is None or header.filled < 2:
            return 0
        below = (row for row in self.head if row.number > header.number)
        counts = (min(row.filled, header.filled) for row in below if row.filled > 1)
        return self.scale * sum(counts)

    @property
    def filled_rows(self) -> int:
        return sum(row.filled > 0 for row in self.head)


class _Book:
    def __init__(self, stream: BinaryIO) -> None:
        self._workbook = Workbook(stream)
        self._package = self._workbook.package
        self.sheets = self._workbook.sheets
        self._are_styles_damaged = False
        self._formats = self._read_formats()
        self._strings = self._read_strings()
        self._max_bytes = max_text_bytes(stream)
        self._head_bytes = 0

    def sheet(self, title: str) -> Sheet:
        for sheet in self.sheets:
            if sheet.title == title:
                return sheet
        titles = ", ".join(sheet.title for sheet in self.sheets)
        raise FileRefused(f"There is no sheet “{title}”. The workbook has: {titles}.")

    def reader(self, sheet: Sheet) -> SheetReader:
        if not sheet.part:
            raise FileRefused(
                f"The workbook is damaged: the cells of the sheet “{sheet.title}” are "
                "missing. Choose another sheet."
            )
        return SheetReader(
            self._package.chunks(sheet.part),
            self._strings,
            self._formats,
            Budget(self._max_bytes),
            is_1904=self._workbook.is_1904,
        )

    def candidate(self, sheet: Sheet) -> Candidate:
        """Without rows if they cannot be read."""
        try:
            reader = self.reader(sheet)
            head = head_rows(self._beginning(reader))
        except FileRefused:
            return Candidate(sheet, [], 1)
        self._head_bytes += reader.bytes_read
        if not head or not reader.bytes_read:
            return Candidate(sheet, head, 1)
        rows_per_head = reader.rows_end / max(head[-1].number, 1)
        heads = self._package.size(sheet.part) / reader.bytes_read
        return Candidate(sheet, head, max(rows_per_head * heads, 1))

    def _beginning(self, reader: SheetReader) -> Iterator[Cells]:
        if self._head_bytes > MAX_HEADS_BYTES:
            return
        for cells in reader.cells():
            yield cells
            if self._head_bytes + reader.bytes_read > MAX_HEADS_BYTES:
                return

    def notices(self) -> list[Notice]:
        """What is known without reading a sheet."""
        found = []
        hidden = [sheet.title for sheet in self.sheets if not sheet.is_visible]
        if hidden and len(hidden) < len(self.sheets):
            found.append(
                Notice(
                    "hidden_sheets",
                    f"{counted(len(hidden), 'hidden sheet')}: {', '.join(hidden[:5])}.",
                    "Choose one if it is meant.",
                    count=len(hidden),
                )
            )
        if self._are_styles_damaged:
            found.append(
                Notice(
                    "styles_damaged",
                    "The workbook's number formats cannot be read, so its dates are "
                    "numbers.",
                    "Open the workbook in a spreadsheet program and save it again.",
                )
            )
        return found

    def _read_formats(self) -> list[NumberFormat]:
        part = self._workbook.styles
        if not part:
            return []
        try:
            return formats_of(elements(self._package.content(part)))
        except FileRefused:
            self._are_styles_damaged = True
            return []

    def _read_strings(self) -> SharedStrings:
        part = self._workbook.strings
        return SharedStrings(self._package.chunks(part) if part else ())


def max_text_bytes(stream: BinaryIO) -> int:
    """How much text the cells of a file may have."""
    size = stream.seek(0, 2)
    return min(MAX_CELL_BYTES, max(MIN_CELL_BYTES, MAX_EXPANSION * size))


def start(
    pieces: Iterator[Cells], layout: Layout
) -> tuple[HeadRow | None, list[Cells]]:
    """The header, and the pieces that were read to find it. Raises FileRefused."""
    if layout.header_row:
        return _start_at(layout.header_row, pieces)
    first: list[Cells] = []

    def recorded() -> Iterator[Cells]:
        for piece in pieces:
            first.append(piece)
            yield piece

    return find_header(head_rows(recorded())), first


def _start_at(
    number: int, pieces: Iterator[Cells]
) -> tuple[HeadRow | None, list[Cells]]:
    for piece in pieces:
        if len(piece.rows) and piece.rows[-1].as_py() >= number:
            rows = head_rows([piece.row(number)])
            if rows:
                return rows[0], [piece]
            break
    raise FileRefused(
        f"Row {number:,} of the sheet is blank, so it has no names of columns. Choose "
        "another header row."
    )


def _layout(chosen: Layout, sheet: str, header_row: int) -> Layout:
    return Layout(
        "xlsx", sheet=sheet, header_row=header_row, values=chosen.values or STORED
    )


def most_like_a_table(candidates: list[Candidate]) -> Candidate:
    """The visible sheet with the most cells below a header of several columns. Without
    such a table, the first sheet that has any rows below its first one, or any rows."""
    visible = [one for one in candidates if one.sheet.is_visible] or candidates
    best = max(visible, key=lambda one: one.table_cells)
    if best.table_cells:
        return best
    with_rows = [one for one in visible if one.filled_rows > 1]
    with_cells = [one for one in visible if one.filled_rows]
    return [*with_rows, *with_cells, *candidates][0]


def rows_above(header: HeadRow, head: list[HeadRow]) -> Iterator[Notice]:
    """A notice of what is above the header."""
    above = [row for row in head if row.number < header.number]
    if above:
        lines = (" ".join(filter(None, row.texts())) for row in above)
        titles = ", ".join(f"“{line[:60]}”" for line in islice(lines, 3))
        yield Notice(
            "rows_above_header",
            f"The header is in row {header.number:,}. What is above it is not sent: "
            f"{titles}.",
            "Choose another header row if that is wrong.",
            count=len(above),
        )


def sheet_choice(sheet: Sheet, sheets: list[Sheet]) -> Notice:
    position = f"{sheets.index(sheet) + 1} of {len(sheets)}"
    return Notice(
        "sheet_chosen",
        f"Sheet “{sheet.title}” ({position}) is read, because it looks most like a table.",
        "Choose another sheet if this is the wrong one.",
    )
