"""XLSX, read as a stream by openpyxl on defusedxml, after `workbook_limits` has looked
at what it would unpack to."""

import datetime as dt
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO
from xml.parsers.expat import ExpatError

import openpyxl

from jobsui.files import workbook_limits
from jobsui.files.errors import FileRefused
from jobsui.files.layout import MAX_COLUMNS, Detected, Head, Layout, Row
from jobsui.files.workbook_limits import SheetFacts
from jobsui.text import counted

ZIP = b"PK\x03\x04"
PARSER_ERRORS = (
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
"""What openpyxl and zipfile raise for files that are damaged or made up."""
MAX_EXACT = 10**15
"""From here on a spreadsheet's numbers are rounded."""

if not openpyxl.DEFUSEDXML:
    raise ImportError(
        "openpyxl runs without defusedxml: workbooks could contain XML bombs."
    )


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    is_visible: bool
    facts: SheetFacts


def recognizes(head: Head) -> bool:
    return head.data.startswith(ZIP)


def detect(stream: BinaryIO, _: Head, chosen: Layout) -> Detected:
    """Raises FileRefused for a file that is not a workbook or would not fit into
    memory."""
    sheets = _sheets(stream)
    titles = tuple(sheet.title for sheet in sheets)
    if chosen.sheet and chosen.sheet not in titles:
        raise FileRefused(
            f"There is no sheet {chosen.sheet!r}. "
            f"The workbook has: {', '.join(titles)}."
        )
    title = chosen.sheet or _most_like_a_table(sheets).title
    sheet = sheets[titles.index(title)]
    sentences = _warnings(sheet.facts)
    if not chosen.sheet and sheet is not sheets[0]:
        sentences.insert(0, _choice_warning(sheet, sheets))
    return Detected(Layout("xlsx", sheet=title), titles, tuple(sentences))


def read(stream: BinaryIO, layout: Layout) -> tuple[list[str], Iterator[Row]]:
    """The header is the first row that is not blank. Row numbers are those of the
    sheet."""
    rows = _rows(stream, layout.sheet)
    _, header = next(rows, (0, []))
    if not header:
        raise FileRefused(f"The sheet {layout.sheet!r} is empty. Choose another one.")
    return header, rows


def _sheets(stream: BinaryIO) -> list[Sheet]:
    """Visible ones first."""
    try:
        with zipfile.ZipFile(stream) as archive:
            facts = workbook_limits.inspect(archive)
    except (*PARSER_ERRORS, ExpatError):
        raise _damaged() from None
    book = _open(stream)
    sheets = [
        Sheet(
            sheet.title,
            sheet.sheet_state == "visible",
            facts.get(getattr(sheet, "_worksheet_path", ""), SheetFacts()),
        )
        for sheet in book.worksheets
    ]
    book.close()
    if not sheets:
        raise FileRefused("The workbook has no sheet with cells.")
    return sorted(sheets, key=lambda sheet: not sheet.is_visible)


def _most_like_a_table(sheets: Sequence[Sheet]) -> Sheet:
    """The visible sheet with the most cells below a header of several columns. Without
    such a table, the first sheet that has any rows below its first one."""
    visible = [sheet for sheet in sheets if sheet.is_visible] or list(sheets)
    best = max(visible, key=lambda sheet: sheet.facts.table_cells)
    if best.facts.table_cells:
        return best
    filled = (sheet for sheet in visible if sheet.facts.filled_rows > 1)
    return next(filled, sheets[0])


def _choice_warning(sheet: Sheet, sheets: Sequence[Sheet]) -> str:
    position = f"{sheets.index(sheet) + 1} of {len(sheets)}"
    return (
        f"Sheet “{sheet.title}” ({position}) is read, because it looks most like a "
        "table. Choose another sheet if this is the wrong one."
    )


def _warnings(facts: SheetFacts) -> list[str]:
    sentences = []
    if facts.empty_formulas:
        sentences.append(
            f"{counted(facts.empty_formulas, 'formula')} without a stored result, read "
            "as blank. Open the workbook in a spreadsheet program, save it, and upload "
            "it again."
        )
    if facts.hidden_rows:
        hidden = counted(facts.hidden_rows, "hidden row")
        sentences.append(f"{hidden}, read like visible ones.")
    return sentences


def _rows(stream: BinaryIO, title: str) -> Iterator[Row]:
    book = _open(stream)
    try:
        for number, row in enumerate(_values(book, title), 1):
            if number > workbook_limits.MAX_ROWS:
                raise FileRefused(
                    f"The sheet has more than {workbook_limits.MAX_ROWS:,} rows. "
                    "Save it again, or as CSV."
                )
            cells = [_text(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            if len(cells) > MAX_COLUMNS:
                raise FileRefused(
                    f"Row {number} has {len(cells):,} cells. "
                    f"The maximum is {MAX_COLUMNS:,}. Remove some."
                )
            if cells:
                yield number, cells
    except PARSER_ERRORS as error:
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
            # It warns about styles and other things that are not read here.
            warnings.filterwarnings("ignore", module="openpyxl")
            return openpyxl.load_workbook(
                stream, read_only=True, data_only=True, keep_links=False
            )
    except PARSER_ERRORS:
        raise _damaged() from None


def _damaged() -> FileRefused:
    return FileRefused(
        "The workbook is damaged or protected. Save it again as .xlsx or CSV."
    )


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return _number_text(value)
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.date() | dt.time():
            return value.isoformat()
    return str(value)


def _number_text(value: float) -> str:
    """With the 15 digits a spreadsheet shows. Larger numbers keep their exponent, so
    that a rounded one is not mistaken for an ID."""
    digits = f"{value:.15G}"
    return digits if abs(value) >= MAX_EXACT else format(Decimal(digits), "f")
