"""A table in a file: what kind of file it is, its columns, and its rows one after the other in constant memory.

Every cell is text; what it means is the business of the field it goes to.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files import delimited, jsonfile, workbook
from jobsui.files.errors import FileRefused
from jobsui.files.safe import RESULT_COLUMNS, unsafe_cell

Row = tuple[int, list[str]]
"""The row's number as people see it (a CSV's header is row 1), and its cells: at least one for each column."""

MOST_COLUMNS = 1000
MAGIC = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a compressed file; unpack it first",
    b"7z\xbc\xaf": "a compressed file; unpack it first",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); save it as .xlsx or CSV",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file: `format` is "csv", "xlsx", "json", "jsonl", or "rows" for what `stage` wrote."""

    format: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Detected:
    layout: Layout
    sheets: tuple[str, ...] = ()
    """The sheets of a workbook, () for other files."""


class Table:
    """Columns, and rows that can be gone through once."""

    def __init__(self, columns: list[str], rows: Iterator[Row]) -> None:
        if len(columns) > MOST_COLUMNS:
            raise FileRefused(f"The file has {len(columns)} columns; {MOST_COLUMNS} are the most. Remove some.")
        named = [name.strip() or f"Column {_letters(place)}" for place, name in enumerate(columns)]
        _refuse_doubles(named)
        self._added = len(RESULT_COLUMNS) if tuple(named[-len(RESULT_COLUMNS) :]) == RESULT_COLUMNS else 0
        self.columns = named[: len(named) - self._added]
        self._width = len(named)
        self._rows = rows

    @property
    def rows(self) -> Iterator[Row]:
        """Blank rows are left out but counted in the numbering. Raises FileRefused where reading fails."""
        return self._own_rows() if self._added else self._padded_rows()

    def _padded_rows(self) -> Iterator[Row]:
        width = self._width
        for number, cells in self._rows:
            if len(cells) < width:
                cells += [""] * (width - len(cells))
            yield number, cells

    def _own_rows(self) -> Iterator[Row]:
        """Of a results file: what it added goes, and what was made formula-safe becomes itself again."""
        own = len(self.columns)
        for number, cells in self._padded_rows():
            yield number, [unsafe_cell(cell) for cell in cells[:own] + cells[self._width :]]


def detect(
    stream: BinaryIO, name: str, *, encoding: str = "", delimiter: str = "", sheet: str = ""
) -> Detected:  # fmt: skip
    """Find out what a file is. What a person chose (encoding, delimiter, sheet) is taken at its word.

    Reads the whole stream where it must; leaves its position anywhere. Raises FileRefused.
    """
    stream.seek(0)
    head = stream.read(65536)
    if not head.strip():
        raise FileRefused("The file is empty.")
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            raise FileRefused(f"This is {kind}. Upload CSV, XLSX, JSON or JSON Lines.")
    if head.startswith(b"PK\x03\x04"):
        sheets = workbook.sheets(stream)
        if sheet and sheet not in sheets:
            raise FileRefused(f"There is no sheet {sheet!r}. The workbook has: {', '.join(sheets)}.")
        return Detected(Layout("xlsx", sheet=sheet or sheets[0]), sheets)
    encoding = delimited.check_encoding(stream, encoding)
    suffix = name.lower().rpartition(".")[2]
    text = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    if suffix in {"json", "jsonl", "ndjson"} or (suffix not in {"csv", "tsv", "txt"} and text[:1] in "[{"):
        return Detected(Layout(jsonfile.kind(text, suffix), encoding))
    return Detected(Layout("csv", encoding, delimiter or delimited.vote(text)))


def open_table(stream: BinaryIO, layout: Layout) -> Table:
    """The table of a seekable stream. Raises FileRefused, also while its rows are read."""
    stream.seek(0)
    readers: dict[str, Callable[[], tuple[list[str], Iterator[Row]]]] = {
        "csv": lambda: delimited.read(stream, layout.encoding or "utf-8-sig", layout.delimiter or ","),
        "xlsx": lambda: workbook.read(stream, layout.sheet, MOST_COLUMNS + 1),
        "json": lambda: jsonfile.read_document(stream),
        "jsonl": lambda: jsonfile.read_lines(stream),
        "rows": lambda: _staged(stream),
    }
    return Table(*readers[layout.format]())


def stage(table: Table, out: BinaryIO) -> None:
    """Write a table as JSON lines (the layout format "rows"), which read fast and need no second unpacking."""
    out.write(json.dumps(table.columns).encode() + b"\n")
    for row in table.rows:
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _staged(stream: BinaryIO) -> tuple[list[str], Iterator[Row]]:
    columns: list[str] = json.loads(stream.readline())
    return columns, ((number, cells) for number, cells in map(json.loads, stream))


def _refuse_doubles(names: list[str]) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise FileRefused(
            f"Two columns have the same name: {', '.join(doubles)}. Rename one, so they can be told apart."
        )


def _letters(place: int) -> str:
    """A spreadsheet's letters for a column: 0 is A, 26 is AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
