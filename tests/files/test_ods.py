import io

import pytest

from jobsui.files import ods as reader
from jobsui.files.cells import Kind
from jobsui.files.layout import OddCells
from jobsui.files.table import detect
from tests.files.corpus.opendocument import cell, ods, raw_cell, row, table, texts
from tests.files.tables import read_table
from tests.files.test_table import read, refusal

HEADER = texts("id", "value")
NAME = "rows.ods"


def kind_of(content: bytes) -> str:
    """The kind of the first row's second cell."""
    layout = detect(io.BytesIO(content), NAME).layout
    [block] = reader.read(io.BytesIO(content), layout).blocks
    kinds = block.columns[1].kinds
    return "TEXT" if kinds is None else Kind(kinds[0].as_py()).name


def notices(content: bytes) -> dict[str, str]:
    """{code: sentence}"""
    stream = io.BytesIO(content)
    found = read_table(stream, detect(stream, NAME).layout)
    return {notice.code: notice.message for notice in found.notices}


FORMULA = 'table:formula="of:=1"'
CELLS = [
    (cell("string", shown="a & b"), "a & b", "TEXT"),
    (cell("string", shown="007"), "007", "TEXT"),
    (cell("string", "stored", member="string-value"), "stored", "TEXT"),
    (cell("float", "1.5", shown="1.50"), "1.5", "NUMBER"),
    (
        cell("float", "12345678901234567", shown="1.2E+16"),
        "12345678901234567",
        "NUMBER",
    ),
    (cell("float", "0.30000000000000004", shown="0.3"), "0.3", "NUMBER"),
    (cell("currency", "7", shown="7 EUR"), "7", "NUMBER"),
    (cell("percentage", "0.5", shown="50%"), "0.5", "NUMBER"),
    (cell("boolean", "true", member="boolean-value"), "true", "BOOLEAN"),
    (cell("date", "2026-01-02", member="date-value"), "2026-01-02", "DATE"),
    (
        cell("date", "2026-01-02T00:00:00", member="date-value"),
        "2026-01-02",
        "DATE",
    ),
    (
        cell("date", "2026-01-02T03:04:05.123456789", member="date-value"),
        "2026-01-02T03:04:05.123",
        "DATE",
    ),
    (cell("time", "PT30H15M00S", member="time-value"), "30:15:00", "DATE"),
    (
        cell("time", "PT08H05M59.9996S", member="time-value"),
        "08:06:00",
        "DATE",
    ),
    (
        cell("string", shown="#N/A", extra=f'{FORMULA} calcext:value-type="error"'),
        "#N/A",
        "ERROR",
    ),
    (cell("string", shown="Err:508", extra=FORMULA), "Err:508", "ERROR"),
    (raw_cell(FORMULA), "", "NO_RESULT"),
    (
        raw_cell(
            'office:value-type="string"',
            content="<text:p>one<text:s text:c='3'/>two<text:tab/>three"
            "<text:line-break/><text:span>four\n  five</text:span></text:p>"
            "<text:p>six</text:p>",
        ),
        "one   two\tthree\nfour five\nsix",
        "TEXT",
    ),
    (
        raw_cell(
            'office:value-type="string"',
            content="<office:annotation><text:p>note</text:p></office:annotation>"
            "<text:p>text</text:p><draw:frame><text:p>box</text:p></draw:frame>",
        ),
        "text",
        "TEXT",
    ),
]


@pytest.mark.parametrize(("written", "text", "kind"), CELLS)
def test_ods_cell_is_what_the_file_says(written: str, text: str, kind: str) -> None:
    content = ods(table(HEADER, row(cell("string", shown="k"), written)))

    assert read(content, NAME) == (["id", "value"], [(2, ["k", text])])
    assert kind_of(content) == kind


@pytest.mark.parametrize(
    ("written", "shown", "stored"),
    [
        (cell("float", "42", shown="00042"), "00042", "42"),
        (cell("percentage", "0.5", shown="50%"), "50%", "0.5"),
    ],
)
def test_ods_shown_value_can_be_chosen(written: str, shown: str, stored: str) -> None:
    content = ods(table(HEADER, row(cell("string", shown="k"), written)))

    assert read(content, NAME)[1] == [(2, ["k", stored])]
    assert read(content, NAME, values="shown")[1] == [(2, ["k", shown])]
    assert notices(content)["shown_differs"] == (
        f"1 value in value is not shown as stored: {shown} is stored as "
        f"{stored}. The stored value is read."
    )


def test_ods_rows_have_the_numbers_of_the_sheet() -> None:
    blank = row(raw_cell('table:number-columns-repeated="16384"'), count=3)
    rest = row(raw_cell('table:number-columns-repeated="16384"'), count=1_048_570)
    twice = row(cell("string", shown="c"), cell("float", "1"), count=2)
    content = ods(table(blank, HEADER, texts("a", "b"), blank, twice, rest))

    assert read(content, NAME)[1] == [
        (5, ["a", "b"]),
        (9, ["c", "1"]),
        (10, ["c", "1"]),
    ]


def test_ods_repeated_cells_are_read() -> None:
    twice = cell("string", shown="x", extra='table:number-columns-repeated="2"')
    blanks = raw_cell('table:number-columns-repeated="2"')
    content = ods(
        table(texts("a", "b", "c", "d"), row(twice, blanks), row(blanks, twice))
    )

    assert read(content, NAME)[1] == [
        (2, ["x", "x", "", ""]),
        (3, ["", "", "x", "x"]),
    ]


def test_ods_sheet_with_the_table_is_chosen() -> None:
    content = ods(
        table(texts("Report"), name="Cover"),
        table(HEADER, texts("1", "secret"), name="Draft", style="hidden"),
        table(HEADER, texts("1", "a"), texts("2", "b"), name="Assets"),
    )

    found = detect(io.BytesIO(content), NAME)

    assert found.layout.sheet == "Assets"
    assert found.sheets == ("Cover", "Assets", "Draft")
    assert str(found.notices[0]).startswith("Sheet “Assets” (2 of 3) is read")
    assert read(content, NAME, sheet="Draft")[1] == [(2, ["1", "secret"])]


def test_ods_sheet_that_is_missing_or_empty_is_refused() -> None:
    content = ods(table(HEADER, texts("1", "a")), table(name="Empty"))

    assert refusal(content, NAME, sheet="Other") == (
        "There is no sheet “Other”. The workbook has: Sheet1, Empty."
    )
    assert refusal(content, NAME, sheet="Empty") == (
        "The sheet “Empty” is empty. Choose another one."
    )


def test_ods_lines_above_the_header_are_left_out() -> None:
    content = ods(table(texts("Assets of 2026"), row(), HEADER, texts("1", "a")))

    assert detect(io.BytesIO(content), NAME).layout.header_row == 3
    assert read(content, NAME) == (["id", "value"], [(4, ["1", "a"])])


def test_ods_hidden_and_merged_cells_are_named() -> None:
    merged = cell("string", shown="m", extra='table:number-columns-spanned="2"')
    hidden = row(cell("string", shown="1"), cell("float", "1"), visibility="filter")
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/>'
    rows = [HEADER, hidden, row(merged, "<table:covered-table-cell/>")]

    found = notices(ods(table(*rows, columns=columns)))

    assert found == {
        "hidden_rows": "1 hidden row, read like visible ones.",
        "hidden_columns": "1 hidden column (value), read like visible ones.",
        "merged_cells": "1 group of merged cells: only the first cell of each has a "
        "value, the others are blank.",
    }


def test_ods_long_cell_is_a_row() -> None:
    long = texts("1", "x" * 131_073)
    content = ods(table(HEADER, long, texts("2", "b")))

    (number, odd), good = read(content, NAME)[1]

    assert number == 2
    assert isinstance(odd, OddCells)
    assert odd.reason == "A cell has more than 131,072 characters."
    assert good == (3, ["2", "b"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            ods(table(HEADER), prolog="<!DOCTYPE a [<!ENTITY b 'c'>]>"),
            "The workbook declares its own XML entities, which no spreadsheet program "
            "does. Save it again.",
        ),
        (
            ods(table(HEADER), manifest="<manifest:encryption-data/>"),
            "The spreadsheet is protected with a password. Save it without one.",
        ),
        (
            ods(table(HEADER, texts("1", "a"), "</table:table-row>")),
            "The spreadsheet is damaged near row 3 of “Sheet1”. Open it in a spreadsheet "
            "program and save it again.",
        ),
        (ods(), "The spreadsheet has no sheet."),
    ],
    ids=["entities", "password", "damaged", "empty"],
)
def test_ods_that_cannot_be_read_is_refused(content: bytes, sentence: str) -> None:
    assert refusal(content, NAME) == sentence


def test_ods_repeated_cells_without_end_are_refused() -> None:
    many = cell("string", shown="x" * 99, extra='table:number-columns-repeated="1000"')
    content = ods(table(HEADER, row(many, count=1_000_000)))
    stream = io.BytesIO(content)

    layout = detect(stream, NAME).layout

    assert layout.sheet == "Sheet1"
    assert refusal(content, NAME, sheet="Sheet1").startswith("Up to row 2,")


def test_ods_is_recognized_by_its_content() -> None:
    content = ods(table(HEADER, texts("1", "a")))

    assert detect(io.BytesIO(content), "rows.xlsx").layout.format == "ods"
    assert read(content, "rows.xlsx")[1] == [(2, ["1", "a"])]
