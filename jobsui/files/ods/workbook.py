"""OpenDocument spreadsheets: which sheet is read, where its table begins, and its rows."""

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from jobsui.files.cells import Block
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Detected, Head, Layout, Notice, Reading
from jobsui.files.ods.content import Content, Row, Table, cells_of
from jobsui.files.xlsx.grid import MAX_HEAD_ROWS, Grid, find_header, head_rows
from jobsui.files.xlsx.parts import Package, Sheet
from jobsui.files.xlsx.sheet_cells import Budget, Cells
from jobsui.files.xlsx.workbook import (
    SHOWN,
    STORED,
    Candidate,
    max_text_bytes,
    most_like_a_table,
    sheet_choice,
    start,
)

CONTENT = "content.xml"
MANIFEST = "meta-inf/manifest.xml"


def detect(stream: BinaryIO, _: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a spreadsheet. A sheet that cannot be read
    is refused by `read`, so that the list of sheets survives."""
    package = _package(stream)
    candidates = _candidates(package)
    if not candidates:
        raise FileRefused("The spreadsheet has no sheet.")
    sheets = [candidate.sheet for candidate in candidates]
    titles = tuple(sheet.title for sheet in sheets)
    if chosen.sheet and chosen.sheet not in titles:
        return Detected(_layout(chosen, chosen.sheet, 0), titles)
    named = (one for one in candidates if one.sheet.title == chosen.sheet)
    best = next(named, None) or most_like_a_table(candidates)
    header = find_header(best.head)
    header_row = chosen.header_row or (header.number if header else 0)
    notices = []
    if not chosen.sheet and best.sheet is not sheets[0]:
        notices.append(sheet_choice(best.sheet, sheets))
    layout = _layout(chosen, best.sheet.title, header_row)
    return Detected(layout, titles, notices=tuple(notices))


def read(stream: BinaryIO, layout: Layout) -> Reading:
    package = _package(stream)
    content = Content(lambda table: table.title == layout.sheet)
    budget = Budget(max_text_bytes(stream))
    pieces = _cells(package, content, budget)
    header, first = start(pieces, layout)
    if header is None:
        _require_sheet(content.tables, layout.sheet)
        raise FileRefused(f"The sheet “{layout.sheet}” is empty. Choose another one.")
    names = header.texts()
    while names and not names[-1].strip():
        names.pop()
    grid = Grid(names, header.number, is_shown=layout.values == SHOWN)
    reading = Reading(names, header.number, iter(()))

    def blocks() -> Iterator[Block]:
        yield from grid.blocks(chain(first, pieces))
        table = _require_sheet(content.tables, layout.sheet)
        reading.notices += grid.notices(table.hidden_columns, table.merged_rows)
        reading.notices += _far_cells(table)

    reading.blocks = blocks()
    return reading


def _package(stream: BinaryIO) -> Package:
    """Raises FileRefused."""
    package = Package(stream)
    names = package.names()
    if CONTENT not in names:
        raise FileRefused(
            "The spreadsheet is damaged: it has no content.xml. Open it in a "
            "spreadsheet program and save it again."
        )
    if MANIFEST in names and b"encryption-data" in package.content(MANIFEST):
        raise FileRefused(
            "The spreadsheet is protected with a password. Save it without one."
        )
    return package


def _rows(package: Package, content: Content) -> Iterator[tuple[Table, Row]]:
    for chunk in package.chunks(CONTENT):
        content.feed(chunk)
        yield from content.take()
    content.feed(b"", is_last=True)


def _cells(package: Package, content: Content, budget: Budget) -> Iterator[Cells]:
    return cells_of((row for _, row in _rows(package, content)), budget)


def _candidates(package: Package) -> list[Candidate]:
    """Every sheet with its first rows."""
    heads: dict[str, list[Row]] = {}
    ends: dict[str, int] = {}

    def is_wanted(table: Table) -> bool:
        return len(heads.get(table.title, ())) < MAX_HEAD_ROWS

    content = Content(is_wanted)
    for table, row in _rows(package, content):
        rows = heads.setdefault(table.title, [])
        if len(rows) < MAX_HEAD_ROWS:
            rows.append(
                Row(row.number, min(row.count, MAX_HEAD_ROWS), row.cells, False)
            )
            ends[table.title] = content.byte
    found = []
    for table in content.tables:
        budget = Budget(max_bytes=1 << 30)
        head = head_rows(cells_of(heads.get(table.title, []), budget))
        size = table.last_byte - table.first_byte
        head_size = ends.get(table.title, table.last_byte) - table.first_byte
        scale = max(1, size / head_size) if head_size > 0 else 1
        sheet = Sheet(table.title, CONTENT, table.is_visible)
        found.append(Candidate(sheet, head, scale))
    return sorted(found, key=lambda one: not one.sheet.is_visible)


def _require_sheet(tables: list[Table], title: str) -> Table:
    for table in tables:
        if table.title == title:
            return table
    titles = ", ".join(table.title for table in tables)
    raise FileRefused(f"There is no sheet “{title}”. The workbook has: {titles}.")


def _far_cells(table: Table) -> Iterator[Notice]:
    if table.far:
        yield Notice(
            "cells_beyond_header",
            f"{table.far:,} cells beyond the last column that can be read.",
            "Remove columns that do not belong to the table.",
            count=table.far,
        )


def _layout(chosen: Layout, sheet: str, header_row: int) -> Layout:
    return Layout(
        "ods", sheet=sheet, header_row=header_row, values=chosen.values or STORED
    )
