"""A table in a file: what kind of file it is, its columns, and its rows one after the
other in constant memory.

Every cell is text; what it means is the business of the field it goes to.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files import delimited, jsonfile, workbook
from jobsui.files import encoding as encodings
from jobsui.files.errors import FileRefused
from jobsui.files.safe import RESULT_COLUMNS, unsafe_cell

Row = tuple[int, list[str]]
"""The row's number as people see it (a CSV's header is row 1), and its cells: at least
one for each column."""

MOST_COLUMNS = 1000
HEAD = 1 << 16
PACKED = "a compressed file; unpack it first"
PICTURE = "a picture"
MAGIC = {
    b"\x89PNG": PICTURE,
    b"\xff\xd8\xff": PICTURE,
    b"GIF8": PICTURE,
    b"RIFF": "a picture or a recording",
    b"%PDF": "a PDF",
    b"\x1f\x8b": PACKED,
    b"7z\xbc\xaf": PACKED,
    b"BZh": PACKED,
    b"\xfd7zXZ": PACKED,
    b"\x28\xb5\x2f\xfd": PACKED,
    b"Rar!": PACKED,
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls) or one with a password; save it as .xlsx or CSV without one",
    b"PAR1": "a Parquet file; export it as CSV",
    b"SQLite format 3": "a database; export its table as CSV",
}
MARKUP = ("<!doctype", "<html", "<?xml", "<table")
ZIP = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a file: `format` is "csv", "xlsx", "json", "jsonl", or "rows" for
    what `stage` wrote."""

    format: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Detected:
    layout: Layout
    sheets: tuple[str, ...] = ()
    """The sheets of a workbook, () for other files."""
    warnings: tuple[str, ...] = ()
    """What looks odd but is no reason to refuse: sentences."""


class Table:
    """Columns, and rows that can be gone through once."""

    def __init__(self, columns: list[str], rows: Iterator[Row]) -> None:
        if len(columns) > MOST_COLUMNS:
            raise FileRefused(
                f"The file has {len(columns)} columns; {MOST_COLUMNS} are the most. Remove some."
            )
        named = [
            name.strip() or f"Column {_letters(place)}"
            for place, name in enumerate(columns)
        ]
        _refuse_doubles(named)
        self._added = (
            len(RESULT_COLUMNS)
            if tuple(named[-len(RESULT_COLUMNS) :]) == RESULT_COLUMNS
            else 0
        )
        self.columns = named[: len(named) - self._added]
        self._width = len(named)
        self._rows = rows

    @property
    def rows(self) -> Iterator[Row]:
        """Blank rows are left out but counted in the numbering. Raises FileRefused
        where reading fails."""
        return self._own_rows() if self._added else self._padded_rows()

    def _padded_rows(self) -> Iterator[Row]:
        width = self._width
        for number, cells in self._rows:
            if len(cells) < width:
                cells += [""] * (width - len(cells))
            yield number, cells

    def _own_rows(self) -> Iterator[Row]:
        """Of a results file: what it added goes, and what was made formula-safe becomes
        itself again."""
        own = len(self.columns)
        for number, cells in self._padded_rows():
            yield (
                number,
                [unsafe_cell(cell) for cell in cells[:own] + cells[self._width :]],
            )


def detect(
    stream: BinaryIO,
    name: str,
    *,
    encoding: str = "",
    delimiter: str = "",
    sheet: str = "",
) -> Detected:
    """Find out what a file is. What a person chose (encoding, delimiter, sheet) is
    taken at its word.

    Reads the whole stream where it must; leaves its position anywhere. Raises
    FileRefused."""
    stream.seek(0)
    head = stream.read(HEAD)
    _refuse_strangers(head)
    if head.startswith(ZIP):
        return _workbook(stream, sheet)
    chosen = encodings.choose(head, encoding)
    text = head.decode(chosen, "replace").lstrip("\ufeff \t\r\n")
    if text.lower().startswith(MARKUP):
        raise FileRefused(
            "This is a web page or XML, no table. Export it as CSV, XLSX or JSON."
        )
    form = _text_format(text, name.lower().rpartition(".")[2])
    encodings.check(stream, chosen, lines=form == "csv")
    if form != "csv":
        return Detected(Layout(form, chosen))
    return Detected(
        Layout(form, chosen, delimiter or delimited.vote(text, whole=len(head) < HEAD))
    )


def open_table(stream: BinaryIO, layout: Layout) -> Table:
    """The table of a seekable stream that `detect` has accepted. Raises FileRefused,
    also while its rows are read."""
    stream.seek(0)
    encoding = layout.encoding or encodings.UTF8
    readers: dict[str, Callable[[], tuple[list[str], Iterator[Row]]]] = {
        "csv": lambda: delimited.read(stream, encoding, layout.delimiter or ","),
        "xlsx": lambda: workbook.read(stream, layout.sheet, MOST_COLUMNS),
        "json": lambda: jsonfile.read_document(
            stream, encoding, most_columns=MOST_COLUMNS
        ),
        "jsonl": lambda: jsonfile.read_lines(
            stream, encoding, most_columns=MOST_COLUMNS
        ),
        "rows": lambda: _staged(stream),
    }
    return Table(*readers[layout.format]())


def stage(table: Table, out: BinaryIO) -> None:
    """Write a table as JSON lines (the layout format "rows"), which read fast and need
    no second unpacking."""
    out.write(json.dumps(table.columns).encode() + b"\n")
    for row in table.rows:
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _refuse_strangers(head: bytes) -> None:
    if not head.strip():
        raise FileRefused("The file is empty.")
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            raise FileRefused(f"This is {kind}. Upload CSV, XLSX, JSON or JSON Lines.")


def _workbook(stream: BinaryIO, sheet: str) -> Detected:
    sheets = workbook.sheets(stream)
    chosen = sheet or next(iter(sheets))
    if chosen not in sheets:
        raise FileRefused(
            f"There is no sheet {sheet!r}. The workbook has: {', '.join(sheets)}."
        )
    return Detected(Layout("xlsx", sheet=chosen), tuple(sheets), tuple(sheets[chosen]))


def _text_format(text: str, suffix: str) -> str:
    is_json = suffix in {"json", "jsonl", "ndjson"} or (
        suffix not in {"csv", "tsv", "txt"} and text[:1] in "[{"
    )
    return jsonfile.kind(text, suffix) if is_json and text else "csv"


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
