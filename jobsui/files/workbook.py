"""XLSX, read as a stream by openpyxl on defusedxml, after a look at what it would unpack to."""

import datetime as dt
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from jobsui.files.errors import FileRefused

MOST_MEMBERS = 2000
MOST_UNPACKED = 4 * 1024**3
MOST_STRINGS = 256 * 1024**2
"""Of shared strings: openpyxl keeps all of them in memory."""

if not openpyxl.DEFUSEDXML:
    raise ImportError("openpyxl runs without defusedxml: workbooks could hold XML bombs.")


def sheets(stream: BinaryIO) -> tuple[str, ...]:
    """The names of a workbook's sheets. Raises FileRefused for what is no workbook or would not fit into memory."""
    book = _open(stream)
    try:
        names = tuple(sheet.title for sheet in book.worksheets)
    finally:
        book.close()
    if not names:
        raise FileRefused("The workbook has no sheet with cells.")
    return names


def read(stream: BinaryIO, sheet: str, most_columns: int) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header (the first row that is not blank) and the rows behind it, by their numbers in the sheet."""
    rows = _rows(stream, sheet, most_columns)
    header = next(rows, None)
    if header is None:
        raise FileRefused("The sheet is empty. Choose another one.")
    return header[1], rows


def _rows(stream: BinaryIO, sheet: str, most_columns: int) -> Iterator[tuple[int, list[str]]]:
    book = _open(stream)
    try:
        values = book[sheet].iter_rows(values_only=True, max_col=most_columns)
        for number, row in enumerate(values, 1):
            cells = [_text(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield number, cells
    except (ValueError, KeyError, SyntaxError) as error:
        raise FileRefused(f"The sheet cannot be read: {error}. Save the workbook again, or as CSV.") from None
    finally:
        book.close()


def _open(stream: BinaryIO) -> openpyxl.Workbook:
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            _refuse_bombs(archive)
        stream.seek(0)
        return openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, SyntaxError, OSError):
        raise FileRefused("The workbook is damaged or protected. Save it again as .xlsx or CSV.") from None


def _refuse_bombs(archive: zipfile.ZipFile) -> None:
    """Sizes are counted by unpacking, in constant memory, because a zip's own figures may lie."""
    members = archive.infolist()
    names = {member.filename for member in members}
    if "xl/workbook.xml" not in names:
        what = "an OpenDocument file" if "mimetype" in names else "a zip archive"
        raise FileRefused(f"This is {what}, not a workbook. Save it as .xlsx or CSV.")
    if len(members) > MOST_MEMBERS:
        raise FileRefused("The workbook holds too many parts. Save the sheet as CSV.")
    total = 0
    for member in members:
        if not member.filename.endswith(".xml"):
            continue
        limit = MOST_STRINGS if member.filename == "xl/sharedStrings.xml" else MOST_UNPACKED - total
        total += _unpacked(archive, member, limit)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> int:
    size = 0
    with archive.open(member) as part:
        while chunk := part.read(1 << 20):
            size += len(chunk)
            if size > limit:
                raise FileRefused("The workbook is too large to be unpacked safely. Save the sheet as CSV.")
    return size


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.date() | dt.time():
            return value.isoformat()
    return str(value)
