"""Workbooks of other programs, and what their cells are."""

import io
from dataclasses import replace
from typing import Any

import pytest

from jobsui.files import xlsx
from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.layout import DETECT_ALL, Head, Layout, OddCells, Reading
from jobsui.files.rows import rows_of
from jobsui.files.xlsx import sheet as sheets
from tests.files.corpus import workbooks
from tests.files.corpus.workbooks import (
    Book,
    Sheet,
    book_of,
    formula,
    number,
    shared,
    sheet_data,
    text,
    texts,
)

HEAD = Head(b"PK\x03\x04", "", "xlsx", "utf-8", is_whole=False)
TABLE = sheet_data(
    texts("external_id", "name", "note"),
    texts("P-1", "Projector", "hall"),
    texts("P-2", "Beamer", "room 4"),
)
IN_RUNS = TABLE.replace("<is>", "<is><r>").replace("</is>", "</r></is>")
ASSETS = Sheet("Assets", TABLE)
COLUMNS = ["external_id", "name", "note"]
ROWS = [(2, ["P-1", "Projector", "hall"]), (3, ["P-2", "Beamer", "room 4"])]


def reading_of(book: Book, chosen: Layout = DETECT_ALL) -> Reading:
    stream = io.BytesIO(book.content())
    found = xlsx.detect(stream, HEAD, chosen)
    return xlsx.read(stream, found.layout)


def rows(book: Book, chosen: Layout = DETECT_ALL) -> list[tuple[int, list[str]]]:
    return list(rows_of(reading_of(book, chosen).blocks))


def cells(book: Book, column: int = 0) -> list[tuple[str, Kind]]:
    """(text, kind) of each cell of a column."""
    found: list[tuple[str, Kind]] = []
    for block in reading_of(book).blocks:
        one = block.columns[column]
        kinds = one.kinds.to_pylist() if one.kinds else [Kind.TEXT] * len(one.texts)
        found += zip(one.texts.to_pylist(), map(Kind, kinds), strict=True)
    return found


def notices(book: Book, chosen: Layout = DETECT_ALL) -> dict[str, str]:
    """code -> message, of the sheet that was read."""
    reading = reading_of(book, chosen)
    list(reading.blocks)
    return {notice.code: notice.message for notice in reading.notices}


@pytest.mark.parametrize(
    "book",
    [
        Book([ASSETS]),
        Book([ASSETS], folder=""),
        Book([ASSETS], folder="Data/Book/"),
        Book([ASSETS], separator="\\"),
        Book([ASSETS], main=workbooks.STRICT_MAIN, office=workbooks.STRICT_OFFICE),
        Book([ASSETS], prefix="x:"),
        Book([ASSETS], absent=["xl/styles.xml"]),
        Book([ASSETS], absent=["[Content_Types].xml"]),
        Book([ASSETS], absent=["_rels/.rels"]),
        Book([ASSETS], parts={"xl/styles.xml": "<styleSheet><fills><fill/></fills>"}),
        Book([ASSETS], parts={"xl/vbaProject.bin": b"macro"}),
        Book([ASSETS], parts={"inner.zip": workbooks.archive({"a": "b"})}),
        Book([Sheet("Cover", "<sheetData/>"), ASSETS]),
        Book([Sheet("Cover", sheet_data()), ASSETS]),
        Book([Sheet("Lists", TABLE, state="hidden"), ASSETS]),
        Book([Sheet("Assets", TABLE.replace("<row", "\r\n  <row"))]),
        Book([Sheet("Assets", TABLE.replace("<c ", "\n<c "))]),
        Book([Sheet("Assets", TABLE.replace("</c>", "</c><!-- a > b -->"))]),
        Book([Sheet("Assets", TABLE.replace("hall", "<![CDATA[hall]]>"))]),
        Book([Sheet("Assets", TABLE.replace("hall", "&#104;a&#x6C;l"))]),
        Book([Sheet("Assets", TABLE.replace("<t xml", "<t  xml"))]),
        Book([Sheet("Assets", IN_RUNS)]),
    ],
)
def test_xlsx_of_any_program_is_read(book: Book) -> None:
    reading = reading_of(book)

    assert list(rows_of(reading.blocks)) == ROWS
    assert reading.header == COLUMNS
    assert reading.header_row == 1


def test_xlsx_part_names_may_differ_in_case() -> None:
    book = Book(
        [ASSETS],
        parts={"XL/Worksheets/Sheet1.xml": f"<worksheet>{TABLE}</worksheet>"},
        absent=["xl/worksheets/sheet1.xml"],
    )

    assert rows(book) == ROWS


def test_xlsx_in_utf_16_is_read() -> None:
    xml = f'<?xml version="1.0" encoding="UTF-16"?><worksheet>{TABLE}</worksheet>'
    book = Book([ASSETS], parts={"xl/worksheets/sheet1.xml": xml.encode("utf-16")})

    assert rows(book) == ROWS


def test_xlsx_cells_without_references_follow_each_other() -> None:
    data = (
        '<sheetData><row><c t="str"><v>a</v></c><c t="str"><v>b</v></c></row><row/>'
        "<row><c/><c><v>2</v></c></row></sheetData>"
    )

    assert rows(Book([Sheet("Assets", data)])) == [(3, ["", "2"])]


@pytest.mark.parametrize("size", [64, 300, 1 << 20])
def test_xlsx_pieces_of_any_size_give_the_same_rows(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "FIRST_PIECE_BYTES", size)
    monkeypatch.setattr(sheets, "PIECE_BYTES", size)
    body = [texts(f"A-{index}", f"name {index}", "x & y") for index in range(200)]
    book = Book([Sheet("Assets", sheet_data(texts(*COLUMNS), *body))])

    expected = [
        (index + 2, [f"A-{index}", f"name {index}", "x & y"]) for index in range(200)
    ]
    assert rows(book) == expected


@pytest.mark.parametrize(
    ("style", "serial", "stored"),
    [
        *((form, "46237", "2026-08-03") for form in (14, 15, 17, 22, 27, 30, 31, 36)),
        *((form, "46237", "2026-08-03") for form in (50, 54, 57, 58)),
        ("dd.mm.yyyy", "46237", "2026-08-03"),
        ('[$-409]d" of "mmmm\\ yyyy;@', "46237", "2026-08-03"),
        ("yyyy-mm-dd hh:mm", "46237.5", "2026-08-03T12:00:00"),
        ("[Red]General", "46237", "46237"),
        ('0" days"', "46237", "46237"),
        ('"d"0', "46237", "46237"),
        ("\\d0", "46237", "46237"),
        ("0.00E+00", "46237", "46237"),
        ("#,##0", "46237", "46237"),
        (18, "0.5", "12:00:00"),
        (45, "0.0104166666666667", "00:15:00"),
        (46, "1.26041666666667", "30:15:00"),
        ("[h]:mm", "1.26041666666667", "30:15:00"),
        ("[mm]:ss", "0.0104166666666667", "00:15:00"),
        ("h:mm AM/PM", "0.75", "18:00:00"),
        (14, "46236.9999999999", "2026-08-03"),
        (22, "46236.999444444", "2026-08-02T23:59:12"),
        (14, "59", "1900-02-28"),
        (14, "60", "1900-02-29"),
        (14, "61", "1900-03-01"),
        (14, "1", "1900-01-01"),
        (14, "-1", "-1"),
        (14, "2958466", "2958466"),
        (14, "2958465", "9999-12-31"),
    ],
)
def test_xlsx_number_format_says_what_a_number_is(
    style: int | str, serial: str, stored: str
) -> None:
    book = book_of(texts("when"), [number(serial, style=1)])
    book = replace(book, formats=[0, style])

    assert [value for value, _ in cells(book)] == [stored]


def test_xlsx_dates_of_the_1904_system_are_four_years_later() -> None:
    book = book_of(texts("when"), [number(0, 1)], [number(44775, 1)])
    book = replace(book, formats=[0, 14], is_1904=True)

    assert cells(book) == [("1904-01-01", Kind.DATE), ("2026-08-03", Kind.DATE)]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("12", "12"),
        ("12.0", "12"),
        ("1.50", "1.5"),
        ("-0.25", "-0.25"),
        ("0.30000000000000004", "0.3"),
        ("9.9999999999999995E-8", "0.0000001"),
        ("4.012345678901E12", "4012345678901"),
        ("1.234567890123457E+16", "1.234567890123457E+16"),
        ("12345678901234567", "12345678901234567"),
        ("007", "7"),
    ],
)
def test_xlsx_number_has_the_digits_that_a_spreadsheet_shows(
    stored: str, expected: str
) -> None:
    book = book_of(texts("count"), [number(stored)])

    assert cells(book) == [(expected, Kind.NUMBER)]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (' t="b"><v>1</v></c>', ("true", Kind.BOOLEAN)),
        (' t="b"><v>0</v></c>', ("false", Kind.BOOLEAN)),
        (' t="e"><v>#N/A</v></c>', ("#N/A", Kind.ERROR)),
        (' t="e"><f>1/0</f><v>#DIV/0!</v></c>', ("#DIV/0!", Kind.ERROR)),
        (' t="d"><v>2026-08-03T00:00:00</v></c>', ("2026-08-03", Kind.DATE)),
        (' t="d"><v>2026-08-03T09:30:00</v></c>', ("2026-08-03T09:30:00", Kind.DATE)),
        (formula("A1", "x", ' t="str"'), ("x", Kind.TEXT)),
        (formula("1+1", "2"), ("2", Kind.NUMBER)),
        (formula("1+1"), ("", Kind.NO_RESULT)),
        ("><f>1+1</f><v></v></c>", ("", Kind.NO_RESULT)),
        ('><f t="shared" si="0"/><v>3</v></c>', ("3", Kind.NUMBER)),
        (' cm="1"><f t="array" ref="B2">A1</f><v>4</v></c>', ("4", Kind.NUMBER)),
        (text("007"), ("007", Kind.TEXT)),
        (text(" A-2 "), (" A-2 ", Kind.TEXT)),
        (text("tab_x0009_here"), ("tab\there", Kind.TEXT)),
        (text("literal _x005F_x000D_"), ("literal _x000D_", Kind.TEXT)),
        (text("emoji _xD83D__xDE00_"), ("emoji 😀", Kind.TEXT)),
        (text("half _xD83D_"), ("half _xD83D_", Kind.TEXT)),
        (text("a & <b>"), ("a & <b>", Kind.TEXT)),
        (shared(0), ("plain", Kind.TEXT)),
        (shared(1), ("two runs", Kind.TEXT)),
        (shared(2), ("東京", Kind.TEXT)),
        (shared(3), ("line\r\nline", Kind.TEXT)),
        (shared(4), ("R&D", Kind.TEXT)),
    ],
)
def test_xlsx_cell_has_the_text_and_kind_of_its_type(
    cell: str, expected: tuple[str, Kind]
) -> None:
    strings = (
        "<si><t>plain</t></si>"
        "<si><r><t>two </t></r><r><rPr><b/></rPr><t>runs</t></r></si>"
        '<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si>'
        "<si><t>line_x000D_\nline</t></si>"
        "<si><t>R&amp;D</t></si>"
        "<si/>"
    )
    book = book_of(texts("id", "value"), [number(1), cell])

    assert cells(replace(book, strings=strings), column=1) == [expected]


def test_xlsx_shared_strings_of_other_namespaces_and_pieces_are_the_same() -> None:
    strings = "".join(f"<si><t>name {index}</t></si>" for index in range(5000))
    body = [[number(index), shared(index)] for index in range(5000)]
    data = sheet_data(texts("id", "name"), *body)

    for prefix in ("", "s:"):
        book = Book([Sheet("Assets", data)], strings=strings, prefix=prefix)
        assert rows(book)[4321] == (4323, ["4321", "name 4321"])


@pytest.mark.parametrize(
    ("style", "stored", "shown"),
    [
        ("00000", "42", "00042"),
        ("000-000", "42", "000-042"),
        ('"A"0000', "42", "A0042"),
        (9, "0.25", "25%"),
        ("0.00%", "0.12345", "12.35%"),
        (21, "46237.5", "12:00:00"),
        (14, "46237.5", "2026-08-03"),
        ("0000", "12345", "12345"),
        ("0.00", "42", "42"),
    ],
)
def test_xlsx_shown_value_is_read_where_it_is_chosen(
    style: int | str, stored: str, shown: str
) -> None:
    book = replace(book_of(texts("id"), [number(stored, 1)]), formats=[0, style])

    assert rows(book, Layout(values="shown")) == [(2, [shown])]


def test_xlsx_notices_where_shown_differs_from_stored() -> None:
    book = book_of(texts("id"), [number(42, 1)], [number(7, 1)], [number(12345, 1)])
    book = replace(book, formats=[0, "00000"])

    reading = reading_of(book)
    list(reading.blocks)

    [notice] = reading.notices
    assert notice.code == "shown_differs"
    assert notice.count == 2
    assert notice.samples == (
        (2, "00042 is stored as 42"),
        (3, "00007 is stored as 7"),
    )
    assert notice.message == (
        "2 values in id are not shown as stored: 00042 is stored as 42. The "
        "stored value is read."
    )


def test_xlsx_notices_of_what_a_sheet_hides() -> None:
    data = sheet_data(
        texts("id", "name"),
        [number(1), text("a")],
        [number(2), text("b"), text("beyond")],
        [],
        attributes={2: ' hidden="1"', 4: ' hidden="1"'},
    )
    columns = '<cols><col min="2" max="3" width="9" hidden="1"/></cols>'
    merged = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
    book = Book([Sheet("Assets", columns + data + merged)])

    assert notices(book) == {
        "hidden_rows": "1 hidden row, read like visible ones.",
        "hidden_columns": "1 hidden column (name), read like visible ones.",
        "merged_cells": "1 group of merged cells: only the first cell of each has a "
        "value, the others are blank.",
        "cells_beyond_header": "1 cell right of the last column with a name, not read.",
    }


def test_xlsx_notices_of_errors_and_formulas_without_results() -> None:
    error = ' t="e"><v>#REF!</v></c>'
    book = book_of(texts("id", "name"), [number(1), error], [number(2), formula("A1")])

    assert notices(book) == {
        "formula_without_result": "1 formula without a stored result in name, read as "
        "blank.",
        "error_cell": "1 error such as #REF! in name.",
    }


def test_xlsx_hidden_sheets_are_listed_and_noticed() -> None:
    book = Book([Sheet("Lists", TABLE, state="veryHidden"), ASSETS])

    found = xlsx.detect(io.BytesIO(book.content()), HEAD, DETECT_ALL)

    assert found.layout.sheet == "Assets"
    assert found.sheets == ("Assets", "Lists")
    assert [str(notice) for notice in found.notices] == [
        "1 hidden sheet: Lists. Choose one if it is meant."
    ]


TITLED: list[tuple[list[list[str]], int]] = [
    ([texts("Assets 2026"), [], texts("id", "name"), [number(1), text("x")]], 3),
    ([texts("Table 1"), texts("id", "name"), texts("P-1", "a"), texts("P-2", "b")], 2),
    ([texts("id", "name"), texts("P-1", "a"), texts("P-2", "b")], 1),
    ([[], [text("id"), "", text("name")], [number(1)] * 3], 2),
    ([[number(1), number(2)], [number(3), number(4)]], 1),
    ([texts("a", "b"), [number(1)], [number(2)], [number(3), number(4)]], 1),
    ([texts("Report"), texts("id"), texts("A-1")], 1),
]


@pytest.mark.parametrize(("lines", "header_row"), TITLED)
def test_xlsx_header_is_below_the_title_lines(
    lines: list[list[str]], header_row: int
) -> None:
    assert reading_of(book_of(*lines)).header_row == header_row


def test_xlsx_rows_above_the_header_are_named() -> None:
    book = book_of(texts("Table 1"), texts(*COLUMNS), texts("P-1", "a", "b"))

    found = xlsx.detect(io.BytesIO(book.content()), HEAD, DETECT_ALL)

    assert [str(notice) for notice in found.notices] == [
        "The header is in row 2. What is above it is not sent: “Table 1”. Choose another "
        "header row if that is wrong."
    ]


def test_xlsx_header_row_that_was_chosen_is_used() -> None:
    book = book_of(texts("a", "b"), texts("id", "name"), [number(1), text("x")])

    reading = reading_of(book, Layout(header_row=2))

    assert list(rows_of(reading.blocks)) == [(3, ["1", "x"])]
    assert reading.header == ["id", "name"]


def test_xlsx_cell_that_is_too_long_makes_its_row_odd() -> None:
    long = "x" * 140_000
    strings = f"<si><t>{long}</t></si>"
    body: list[list[Any]] = [
        [number(1), text("a")],
        [number(2), text(long)],
        [number(3), shared(0)],
        [number(4), text("b")],
    ]
    book = replace(book_of(texts("id", "name"), *body), strings=strings)

    found = rows(book)

    assert [number for number, _ in found] == [2, 3, 4, 5]
    odd = [cells for _, cells in found if isinstance(cells, OddCells)]
    assert [(cells.code, list(cells)) for cells in odd] == [
        ("cell_length", ["2", "x" * 200]),
        ("cell_length", ["3", "x" * 200]),
    ]


def test_xlsx_rows_and_cells_may_be_in_any_order() -> None:
    data = (
        '<sheetData><row r="1"><c r="B1" t="str"><v>b</v></c><c r="A1" t="str"><v>a</v></c>'
        '</row><row r="3"><c r="A3"><v>3</v></c></row>'
        '<row r="2"><c r="B2"><v>20</v></c><c r="A2"><v>2</v></c></row></sheetData>'
    )

    assert rows(Book([Sheet("Assets", data)])) == [(3, ["3", ""]), (2, ["2", "20"])]


def test_xlsx_row_with_two_cells_in_one_place_is_odd() -> None:
    data = sheet_data(texts("a", "b"), [number(1), number(2)], [number(3)])
    data = data.replace('r="B2"', 'r="A2"')

    found = rows(Book([Sheet("Assets", data)]))

    assert found[1] == (3, ["3", ""])
    assert isinstance(found[0][1], OddCells)
    assert found[0][1].code == "double_cell"


def test_xlsx_row_whose_only_text_is_missing_is_odd() -> None:
    book = replace(book_of(texts("a"), [shared(5)]), strings="<si><t>x</t></si>")

    [(row, cells)] = rows(book)

    assert row == 2
    assert isinstance(cells, OddCells)
    assert cells.code == "missing_text"


def test_xlsx_of_too_many_columns_is_refused_with_its_row() -> None:
    names = texts(*(f"column {index}" for index in range(1001)))

    with pytest.raises(FileRefused, match="Row 1 names more than 1,000 columns"):
        reading_of(book_of(names, [number(1)]))


def test_xlsx_far_cells_without_a_value_are_no_cells() -> None:
    row = [number(1), *[""] * 1200, ' s="1"/>']

    assert notices(book_of(texts("id"), row)) == {}
