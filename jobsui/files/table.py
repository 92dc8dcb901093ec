"""A table in a file: what kind of file it is, its columns, and its rows one after the
other in constant memory.

Every cell is text. The field that it is mapped to decides what it means."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import BinaryIO

from jobsui.files import encoding as encodings
from jobsui.files.errors import FileRefused
from jobsui.files.formats import LABELS, Format, format_named, format_of
from jobsui.files.layout import (
    DETECT_ALL,
    MAX_COLUMNS,
    Detected,
    Head,
    Layout,
    Notice,
    OddCells,
    Reading,
    Row,
)
from jobsui.files.safe import RESULT_COLUMNS, unsafe_cell

HEAD_BYTES = 1 << 16
COMPRESSED = "a compressed file; unpack it first"
PICTURE = "a picture"
MAGIC = {
    b"\x89PNG": PICTURE,
    b"\xff\xd8\xff": PICTURE,
    b"GIF8": PICTURE,
    b"RIFF": "a picture or a recording",
    b"%PDF": "a PDF",
    b"\x1f\x8b": COMPRESSED,
    b"7z\xbc\xaf": COMPRESSED,
    b"BZh": COMPRESSED,
    b"\xfd7zXZ": COMPRESSED,
    b"\x28\xb5\x2f\xfd": COMPRESSED,
    b"Rar!": COMPRESSED,
    b"PK\x05\x06": "an empty zip archive",
    b"PAR1": "a Parquet file; export it as CSV",
    b"SQLite format 3": "a database; export its table as CSV",
}
MARKUP = ("<!doctype", "<html", "<?xml", "<table")


class Table:
    """Columns, and rows that can be gone through once."""

    def __init__(
        self,
        header: list[str],
        rows: Iterator[Row],
        found: Sequence[Notice] = (),
    ) -> None:
        """`found` is complete after the last row."""
        if len(header) > MAX_COLUMNS:
            raise FileRefused(
                f"The file has {len(header):,} columns. "
                f"The maximum is {MAX_COLUMNS:,}. Remove some."
            )
        names = _column_names(header)
        self._renamed = _renamed(header, names)
        self._found = found
        self._is_results_file = tuple(names[-len(RESULT_COLUMNS) :]) == RESULT_COLUMNS
        added = len(RESULT_COLUMNS) if self._is_results_file else 0
        self.columns = names[: len(names) - added]
        self._width = len(names)
        self._rows = rows

    @property
    def notices(self) -> list[Notice]:
        """What people should know, after the last row."""
        return [*self._renamed, *self._found]

    @property
    def rows(self) -> Iterator[Row]:
        """Blank rows are left out, but they count in the numbering. Raises FileRefused
        where reading fails."""
        return self._original_rows() if self._is_results_file else self._padded_rows()

    def _padded_rows(self) -> Iterator[Row]:
        width = self._width
        for number, cells in self._rows:
            if len(cells) < width:
                cells += [""] * (width - len(cells))
            yield number, cells

    def _original_rows(self) -> Iterator[Row]:
        """The rows of a results file, without the columns that Jobs UI added, and with
        escaped formulas restored."""
        width = len(self.columns)
        for number, cells in self._padded_rows():
            if isinstance(cells, OddCells):
                yield number, cells
                continue
            original = cells[:width] + cells[self._width :]
            yield number, [unsafe_cell(cell) for cell in original]


def recognize(stream: BinaryIO, name: str, chosen: Layout = DETECT_ALL) -> str:
    """The name of a file's format. Raises FileRefused for formats we do not read."""
    return _format_of(_head(stream, name, chosen)).name


def detect(stream: BinaryIO, name: str, chosen: Layout = DETECT_ALL) -> Detected:
    """Detect the layout of a file. An encoding, delimiter or sheet that a person chose
    is used as it is.

    May read the whole stream. Raises FileRefused."""
    head = _head(stream, name, chosen)
    return _format_of(head).detect(stream, head, chosen)


def open_table(stream: BinaryIO, layout: Layout) -> Table:
    """The table of a seekable stream that `detect` has accepted. Raises FileRefused,
    also while its rows are read."""
    stream.seek(0)
    reading = format_named(layout.format).read(stream, layout)
    if not isinstance(reading, Reading):
        header, rows = reading
        return Table(header, rows)
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.files.rows import rows_of  # noqa: PLC0415

    return Table(reading.header, rows_of(reading.blocks), reading.notices)


def stage(columns: list[str], rows: Iterable[Row], out: BinaryIO) -> None:
    """Write a table in a form that is fast to read: a JSON array a line, the header
    first."""
    out.write(json.dumps(columns).encode() + b"\n")
    for number, cells in rows:
        line: list[object] = [number, cells]
        if isinstance(cells, OddCells):
            line.append([cells.code, cells.reason, cells.fix])
        out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def open_staged(stream: BinaryIO) -> Table:
    """The table that `stage` has written."""
    stream.seek(0)
    columns: list[str] = json.loads(stream.readline())
    return Table(columns, map(_staged_row, stream))


def _staged_row(line: bytes) -> Row:
    number, cells, *odd = json.loads(line)
    if odd:
        code, reason, fix = odd[0]
        cells = OddCells(cells, code=code, reason=reason, fix=fix)
    return number, cells


def _head(stream: BinaryIO, name: str, chosen: Layout) -> Head:
    stream.seek(0)
    data = stream.read(HEAD_BYTES)
    encoding = encodings.choose(data, chosen.encoding)
    return Head(
        data=data,
        text=data.decode(encoding, "replace").lstrip("\ufeff \t\r\n"),
        suffix=name.lower().rpartition(".")[2],
        encoding=encoding,
        is_whole=len(data) < HEAD_BYTES,
    )


def _format_of(head: Head) -> Format:
    _refuse_other_formats(head)
    return format_of(head)


def _refuse_other_formats(head: Head) -> None:
    if not head.data.strip():
        raise FileRefused("The file is empty.")
    for magic, kind in MAGIC.items():
        if head.data.startswith(magic):
            raise FileRefused(f"This is {kind}. Upload {LABELS}.")
    if head.text.lower().startswith(MARKUP):
        raise FileRefused(
            "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
        )


def _column_names(header: list[str]) -> list[str]:
    """A name for each column. No two are equal."""
    given = [name.strip() for name in header]
    taken = set(given)
    names: list[str] = []
    for index, name in enumerate(given):
        is_new = name and name not in names
        wanted = name or f"Column {_letters(index)}"
        names.append(wanted if is_new else _free_name(wanted, {*taken, *names}))
    return names


def _free_name(wanted: str, taken: set[str]) -> str:
    """This name, or with a number behind it the first one that is not taken."""
    numbered = (f"{wanted} ({number})" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)


def _renamed(header: list[str], names: list[str]) -> list[Notice]:
    """A notice for each column whose name occurs twice."""
    return [
        Notice(
            code="duplicate_column",
            message=f"Two columns are named {given.strip()}. The one to the right is "
            f"called {name} here.",
            fix="Map the one that you mean.",
            column=name,
        )
        for given, name in zip(header, names, strict=True)
        if given.strip() and given.strip() != name
    ]


def _letters(index: int) -> str:
    """A spreadsheet's letters for a column: 0 is A, 26 is AA."""
    letters = ""
    rest = index + 1
    while rest:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
