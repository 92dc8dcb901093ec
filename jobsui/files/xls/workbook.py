"""Old workbooks: which sheet is read, where its table begins, and its rows."""

import struct
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from jobsui.files.cells import Block
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Head, Layout, Reading
from jobsui.files.xls.compound import DAMAGED, CompoundFile
from jobsui.files.xls.records import Globals, SheetEntry, read_globals
from jobsui.files.xls.sheet import SheetReader
from jobsui.files.xlsx.grid import Grid, find_header, head_rows
from jobsui.files.xlsx.parts import Sheet
from jobsui.files.xlsx.sheet_cells import Budget
from jobsui.files.xlsx.workbook import (
    SHOWN,
    STORED,
    Candidate,
    max_text_bytes,
    most_like_a_table,
    sheet_choice,
    start,
)

WORKBOOK = "Workbook"
OLD_WORKBOOK = "Book"
MAX_TEXT_BYTES = 512 * 1024**2
"""A sheet is kept in memory."""
ENCRYPTED = "EncryptedPackage"


def detect(stream: BinaryIO, _: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a workbook."""
    book = _Book(stream)
    titles = tuple(sheet.title for sheet in book.sheets)
    if chosen.sheet and chosen.sheet not in titles:
        return Detected(_layout(chosen, chosen.sheet, 0), titles)
    candidates = [book.candidate(entry) for entry in book.sheets]
    named = (one for one in candidates if one.sheet.title == chosen.sheet)
    best = next(named, None) or most_like_a_table(candidates)
    header = find_header(best.head)
    header_row = chosen.header_row or (header.number if header else 0)
    sheets = [candidate.sheet for candidate in candidates]
    notices = []
    if not chosen.sheet and best.sheet is not sheets[0]:
        notices.append(sheet_choice(best.sheet, sheets))
    layout = _layout(chosen, best.sheet.title, header_row)
    return Detected(layout, titles, notices=tuple(notices))


def read(stream: BinaryIO, layout: Layout) -> Reading:
    book = _Book(stream)
    reader = book.reader(layout.sheet)
    pieces = iter(reader.cells())
    header, first = start(pieces, layout)
    if header is None:
        raise FileRefused(f"The sheet “{layout.sheet}” is empty. Choose another one.")
    names = header.texts()
    while names and not names[-1].strip():
        names.pop()
    grid = Grid(names, header.number, is_shown=layout.values == SHOWN)
    reading = Reading(names, header.number, iter(()))

    def blocks() -> Iterator[Block]:
        yield from grid.blocks(chain(first, pieces))
        reading.notices += grid.notices(reader.hidden_columns, reader.merged_rows)

    reading.blocks = blocks()
    return reading


class _Book:
    def __init__(self, stream: BinaryIO) -> None:
        """Raises FileRefused."""
        compound = CompoundFile(stream)
        names = compound.names()
        if ENCRYPTED in names:
            raise FileRefused(
                "The workbook is protected with a password. Save it without one."
            )
        if WORKBOOK not in names:
            raise FileRefused(
                "The workbook is older than Excel 97. Save it as .xlsx or CSV."
                if OLD_WORKBOOK in names
                else "This is no workbook, but another old Office document. "
                "Save its table as .xlsx or CSV."
            )
        self._max_bytes = min(max_text_bytes(stream), MAX_TEXT_BYTES)
        self._stream = compound.content(WORKBOOK)
        try:
            self._globals: Globals = read_globals(self._stream)
        except (struct.error, IndexError):
            raise FileRefused(DAMAGED) from None
        self.sheets = self._globals.sheets
        if not self.sheets:
            raise FileRefused("The workbook has no sheet with cells.")

    def reader(self, title: str) -> SheetReader:
        for sheet in self.sheets:
            if sheet.title == title:
                budget = Budget(self._max_bytes)
                position = sheet.position
                return SheetReader(self._stream, position, self._globals, budget)
        titles = ", ".join(sheet.title for sheet in self.sheets)
        raise FileRefused(f"There is no sheet “{title}”. The workbook has: {titles}.")

    def candidate(self, entry: SheetEntry) -> Candidate:
        """Without rows if they cannot be read."""
        sheet = Sheet(entry.title, WORKBOOK, entry.is_visible)
        try:
            pieces = self.reader(entry.title).cells()
        except FileRefused:
            return Candidate(sheet, [], 1)
        head = head_rows(pieces)
        if not head:
            return Candidate(sheet, head, 1)
        last = max(piece.rows[-1].as_py() for piece in pieces if len(piece.rows))
        return Candidate(sheet, head, max(1, last / head[-1].number))


def _layout(chosen: Layout, sheet: str, header_row: int) -> Layout:
    return Layout(
        "xls", sheet=sheet, header_row=header_row, values=chosen.values or STORED
    )
