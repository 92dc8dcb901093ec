"""A table in a file: what kind of file it is, its columns, and its rows one after the
other in constant memory.

Every cell is text. The field that it is mapped to decides what it means."""

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from jobsui.files import encoding as encodings
from jobsui.files import row_lines
from jobsui.files.errors import FileRefused
from jobsui.files.formats import LABELS, Format, format_of
from jobsui.files.layout import DETECT_ALL, Detected, Head, Layout, Row

if TYPE_CHECKING:
    from jobsui.files.cells import Block
    from jobsui.files.staging import Staged

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
TAR_PLACE = 257
UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
MARKUP = ("<!doctype", "<html", "<?xml", "<table")


class Table:
    """Columns, and rows that can be gone through once: as blocks, or one by one."""

    def __init__(
        self,
        columns: list[str],
        rows: Iterator[Row],
        staged: "Staged | None" = None,
    ) -> None:
        """`staged` has the same rows."""
        self.columns = columns
        self.rows = rows
        """Each has at least one cell for each column. Blank rows are left out, but they
        count in the numbering. Raises FileRefused if the file is damaged."""
        self.staged = staged
        """None: the rows are in lines, or in no file."""

    def blocks(self, after: int = 0) -> "Iterator[Block]":
        """Those with rows behind row `after`; the first one may have others, too. Each has
        exactly one Column for each of `columns`. Raises FileRefused if the file is damaged.
        Workers only."""
        if self.staged is not None:
            return self.staged.blocks(after)
        from jobsui.files.rows import blocks_of  # noqa: PLC0415

        rows = (row for row in self.rows if row[0] > after)
        return blocks_of(rows, len(self.columns))


def recognize(stream: BinaryIO, name: str, chosen: Layout = DETECT_ALL) -> str:
    """The name of a file's format. Raises FileRefused for formats we do not read."""
    return _format_of(_head(stream, name, chosen)).name


def detect(stream: BinaryIO, name: str, chosen: Layout = DETECT_ALL) -> Detected:
    """Detect the layout of a file. An encoding, delimiter or sheet that a person chose
    is used as it is.

    May read the whole stream. Raises FileRefused."""
    head = _head(stream, name, chosen)
    return _format_of(head).detect(stream, head, chosen)


def open_staged(stream: BinaryIO) -> Table:
    """The table of a staged file: blocks (`staging.py`), or lines (`row_lines.py`). Raises
    FileRefused if the file is damaged, also while its rows are read."""
    stream.seek(0)
    if stream.read(1) == row_lines.START:
        return Table(*row_lines.read(stream))
    # Web processes import this module, and staged files need pyarrow, which takes 46 MB.
    from jobsui.files.rows import padded_rows_of  # noqa: PLC0415
    from jobsui.files.staging import Staged  # noqa: PLC0415

    staged = Staged(stream)
    rows = padded_rows_of(staged.blocks(), len(staged.columns))
    return Table(staged.columns, rows, staged)


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
    if head.data[TAR_PLACE:].startswith(b"ustar"):
        raise FileRefused(f"This is a tar archive; unpack it first. Upload {LABELS}.")
    if head.data.startswith(UTF32_MARKS):
        raise FileRefused("The file is in UTF-32. Save it as UTF-8.")
    if head.text.lower().startswith(MARKUP):
        raise FileRefused(
            "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON."
        )
