"""XLSX, read as a stream by openpyxl on defusedxml, after a look at what it would
unpack to (workbookguard)."""

import datetime as dt
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO
from xml.parsers.expat import ExpatError

import openpyxl

from jobsui.files import workbook_limits
from jobsui.files.errors import FileRefused
from jobsui.text import counted

TROUBLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What openpyxl and zipfile raise at files that are damaged or made up."""
EXACT = 10**15
"""From here on a spreadsheet's numbers are rounded."""

if not openpyxl.DEFUSEDXML:
    raise ImportError(
        "openpyxl runs without defusedxml: workbooks could hold XML bombs."
    )


def sheets(stream: BinaryIO) -> dict[str, list[str]]:
    """The names of a workbook's sheets, visible ones first, each with what looks odd
    about it, as sentences.

    Raises FileRefused for what is no workbook or would not fit into memory.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            seen = workbook_limits.look(archive)
    except (*TROUBLE, ExpatError) as error:
        raise _damaged(error) from None
    book = _open(stream)
    visible_first = sorted(
        book.worksheets, key=lambda sheet: sheet.sheet_state != "visible"
    )
    parts = {
        sheet.title: getattr(sheet, "_worksheet_path", "") for sheet in visible_first
    }
    book.close()
    if not parts:
        raise FileRefused("The workbook has no sheet with cells.")
    return {
        title: _oddities(seen.get(part, workbook_limits.Seen()))
        for title, part in parts.items()
    }


def read(
    stream: BinaryIO, sheet: str, most_columns: int
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header (the first row that is not blank) and the rows behind it, by their
    numbers in the sheet. Only for a stream that `sheets` has accepted."""
    rows = _rows(stream, sheet, most_columns)
    header = next(rows, None)
    if header is None:
        raise FileRefused(f"The sheet {sheet!r} is empty. Choose another one.")
    return header[1], rows


def _rows(
    stream: BinaryIO, sheet: str, most_columns: int
) -> Iterator[tuple[int, list[str]]]:
    book = _open(stream)
    try:
        for number, row in enumerate(_values(book, sheet), 1):
            if number > workbook_limits.MOST_ROWS:
                raise FileRefused(
                    "The sheet has rows behind the last one a sheet may have. Save it again, or as CSV."
                )
            cells = [_text(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if len(cells) > most_columns:
                raise FileRefused(
                    f"Row {number:,} has {len(cells):,} cells; {most_columns:,} are the most. Remove some."
                )
            if cells:
                yield number, cells
    except TROUBLE as error:
        raise FileRefused(
            f"The sheet cannot be read: {error}. Save the workbook again, or as CSV."
        ) from None
    finally:
        book.close()


def _values(book: openpyxl.Workbook, title: str) -> Iterator[tuple[Any, ...]]:
    sheet: Any = book[title]
    # The size a sheet says it has is often wrong: too small would cut rows off, too
    # large would pad them all.
    sheet.reset_dimensions()
    yield from sheet.iter_rows(values_only=True)


def _open(stream: BinaryIO) -> openpyxl.Workbook:
    stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", module="openpyxl"
            )  # about styles and other things not read here
            return openpyxl.load_workbook(
                stream, read_only=True, data_only=True, keep_links=False
            )
    except TROUBLE as error:
        raise _damaged(error) from None


def _damaged(error: Exception) -> FileRefused:
    return FileRefused(
        f"The workbook is damaged or protected ({type(error).__name__}). Save it again as .xlsx or CSV."
    )


def _oddities(seen: workbook_limits.Seen) -> list[str]:
    sentences = []
    if seen.unanswered:
        sentences.append(
            f"{counted(seen.unanswered, 'formula')} without a stored result, read as blank. Open the workbook in a "
            "spreadsheet program, save it, and upload it again."
        )
    if seen.hidden:
        sentences.append(f"{counted(seen.hidden, 'hidden row')}, read like all others.")
    return sentences


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.date() | dt.time():
            return value.isoformat()
    return str(value)


def _number(value: float) -> str:
    """With the 15 digits a spreadsheet shows. Larger ones keep their exponent, so that
    nobody takes what was rounded for an id."""
    digits = f"{value:.15G}"
    return digits if abs(value) >= EXACT else format(Decimal(digits), "f")
