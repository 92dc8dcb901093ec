"""Random tables, written in each format, come back from the staged file cell for cell: text
and kind."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import Kind
from jobsui.files.intake import take_in
from jobsui.files.layout import Layout, OddCells
from jobsui.files.staging import Staged
from tests.files.corpus import biff, opendocument, workbooks
from tests.files.test_staging import ABSENT, Cell, lines_of

HEADER = ["id", "second", "third"]
CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
)
TEXT = (
    st.text(CHARACTERS, max_size=6)
    | st.text(",;\"'\t ab=", max_size=6)
    | st.sampled_from(["007", "1.50", "1E+3", "#N/A", " x ", "null", "true", "'=1"])
).map(lambda text: (text, Kind.TEXT))
SAVED_NUMBER = st.sampled_from(["0", "1.5", "-7", "1234567890123456", "1E+30"]).map(
    lambda text: (text, Kind.NUMBER)
)
"""As spreadsheets save them."""
NUMBER = st.just(("1.50", Kind.NUMBER)) | SAVED_NUMBER
SMALL_NUMBER = st.integers(-(10**9), 10**9).map(lambda value: (str(value), Kind.NUMBER))
BOOLEAN = st.sampled_from(["true", "false"]).map(lambda text: (text, Kind.BOOLEAN))
BLANK: st.SearchStrategy[Cell] = st.just(("", Kind.TEXT))
ERROR = st.just(("#N/A", Kind.ERROR))
NO_RESULT = st.just(("", Kind.NO_RESULT))
NULL = st.just(("", Kind.NULL))
NESTED = st.sampled_from(['["a", "b"]', '{"a": 1.50}']).map(
    lambda text: (text, Kind.NESTED)
)

type Table = list[list[Cell]]


def taken_in(content: bytes, name: str, chosen: Layout) -> Table:
    out = io.BytesIO()
    found = take_in(io.BytesIO(content), name, chosen, out, lambda _: None)
    assert found.refusal == ""
    assert found.columns == HEADER
    lines = lines_of(list(Staged(out).blocks()))
    assert found.rows == len(lines)
    return [row for row in lines.values() if not isinstance(row, OddCells)]


def tables(cells: st.SearchStrategy[Cell]) -> st.SearchStrategy[Table]:
    """Their first column is never blank, so that no row is."""
    row = st.tuples(st.just(("A-1", Kind.TEXT)), cells, cells).map(list)
    return st.lists(row, min_size=1, max_size=12)


def written_as_csv(table: Table, delimiter: str, encoding: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(HEADER)
    writer.writerows([text for text, _ in row] for row in table)
    return out.getvalue().encode(encoding)


def written_as_objects(table: Table) -> list[str]:
    lines = []
    for row in table:
        members = [
            f"{json.dumps(name)}: {as_json(cell)}"
            for name, cell in zip(HEADER, row, strict=True)
            if cell != ABSENT
        ]
        lines.append(f"{{{', '.join(members)}}}")
    return lines


def as_json(cell: Cell) -> str:
    text, kind = cell
    if kind == Kind.TEXT:
        return json.dumps(text, ensure_ascii=False)
    return "null" if kind == Kind.NULL else text


def in_workbook(cell: Cell) -> str:
    """The XML of a cell of an XLSX file."""
    text, kind = cell
    match kind:
        case Kind.NUMBER:
            return workbooks.number(text)
        case Kind.BOOLEAN:
            return f' t="b"><v>{int(text == "true")}</v></c>'
        case Kind.ERROR:
            return f' t="e"><v>{text}</v></c>'
        case Kind.NO_RESULT:
            return workbooks.formula("1+1")
    return workbooks.text(text) if text else ""


def in_spreadsheet(cell: Cell) -> str:
    """The XML of a cell of an ODS file."""
    text, kind = cell
    match kind:
        case Kind.NUMBER:
            return opendocument.cell("float", text, shown=text)
        case Kind.BOOLEAN:
            return opendocument.cell("boolean", text, member="boolean-value")
        case Kind.NO_RESULT:
            return opendocument.raw_cell('table:formula="of:=1"')
    # Other spaces at the ends, and several in a row, mean nothing.
    spaced = escape(text).replace(" ", "<text:s/>").replace("\t", "<text:tab/>")
    content = f"<text:p>{spaced}</text:p>"
    return opendocument.raw_cell('office:value-type="string"', content=content)


def in_old_workbook(row: int, column: int, cell: Cell) -> bytes:
    """The record of a cell of an XLS file."""
    text, kind = cell
    match kind:
        case Kind.NUMBER:
            return biff.number(row, column, float(text))
        case Kind.BOOLEAN:
            return biff.boolean(row, column, int(text == "true"))
        case Kind.ERROR:
            return biff.error(row, column, 0x2A)
    return biff.label(row, column, text) if text else b""


def property_test(cells: st.SearchStrategy[Cell], **more: Any) -> Callable[[Any], Any]:
    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        checked = given(table=tables(cells), **more)(test)
        return settings(max_examples=60)(checked)

    return decorated


@property_test(
    TEXT,
    delimiter=st.sampled_from(",;\t|~"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv_comes_back(table: Table, delimiter: str, encoding: str) -> None:
    content = written_as_csv(table, delimiter, encoding)
    chosen = Layout(delimiter=delimiter, quoting="double", header_row=1)

    assert taken_in(content, "rows.csv", chosen) == table


@property_test(TEXT | NUMBER | BOOLEAN | NULL | NESTED | st.just(ABSENT))
def test_json_comes_back(table: Table) -> None:
    # So that columns are in this order.
    table = [[("A-1", Kind.TEXT), ("x", Kind.TEXT), ("y", Kind.TEXT)], *table]
    objects = written_as_objects(table)
    array = f"[{', '.join(objects)}]"

    assert taken_in("\n".join(objects).encode(), "rows.jsonl", Layout()) == table
    assert taken_in(array.encode(), "rows.json", Layout()) == table


@property_test(TEXT | SAVED_NUMBER | BOOLEAN | BLANK | ERROR | NO_RESULT)
def test_xlsx_comes_back(table: Table) -> None:
    rows = [list(map(in_workbook, row)) for row in table]
    book = workbooks.book_of(workbooks.texts(*HEADER), *rows)

    assert taken_in(book.content(), "rows.xlsx", Layout(header_row=1)) == table


@property_test(TEXT | SMALL_NUMBER | BOOLEAN | BLANK | NO_RESULT)
def test_ods_comes_back(table: Table) -> None:
    rows = [opendocument.row(*map(in_spreadsheet, row)) for row in table]
    content = opendocument.ods(opendocument.table(opendocument.texts(*HEADER), *rows))

    assert taken_in(content, "rows.ods", Layout(header_row=1)) == table


@property_test(TEXT | SMALL_NUMBER | BOOLEAN | BLANK | ERROR)
def test_xls_comes_back(table: Table) -> None:
    header = [(name, Kind.TEXT) for name in HEADER]
    cells = [
        in_old_workbook(row, column, cell)
        for row, line in enumerate([header, *table])
        for column, cell in enumerate(line)
    ]
    content = biff.xls(("Sheet1", cells))

    assert taken_in(content, "rows.xls", Layout(header_row=1)) == table
