"""Random tables, written by hand and by openpyxl, come back cell for cell; the two ways to
read a piece of a sheet agree."""

import io
import random
import zipfile
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files import xlsx
from jobsui.files.errors import FileRefused
from jobsui.files.layout import Head, Layout
from jobsui.files.rows import rows_of
from jobsui.files.xlsx.piece_parser import PieceParser
from jobsui.files.xlsx.raw_cells import by_patterns
from tests.files.corpus.workbooks import (
    Book,
    Sheet,
    archive,
    book_of,
    formula,
    number,
    shared,
    sheet_data,
    text,
    texts,
)

HEAD = Head(b"PK\x03\x04", "", "xlsx", "utf-8", is_whole=False)
CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
)
TEXTS = st.text(CHARACTERS | st.sampled_from("&<>\"'_x\n\t "), min_size=1, max_size=12)
TABLES = st.lists(
    st.lists(TEXTS | st.just(""), min_size=3, max_size=3), min_size=1, max_size=8
)
USUAL = [
    "/>",
    number(5),
    number("1.50", 2),
    ' s="1"/>',
    '  s="1"><v>7</v></c>',
    ' s="1" ><v>7</v></c>',
    ' t="b" s="1"><v>1</v></c>',
    ' t="e"><v>#N/A</v></c>',
    formula("1+1", "2"),
    formula("A1 & B1"),
    formula("A1", "x", ' t="str"'),
    shared(1),
    text("a & b"),
    text("_x000D_"),
    ' t="str"><v xml:space="preserve"> x </v></c>',
    ' t="inlineStr"><is><t/></is></c>',
]
UNUSUAL = [
    " s='1'><v>7</v></c>",
    "><v>7</v><f>1</f></c>",
    "><v >7</v></c>",
    ' t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>',
]
CELLS = st.lists(st.lists(st.sampled_from(USUAL), min_size=1, max_size=4), min_size=1)


def rows_from(content: bytes, header_row: int = 1) -> list[tuple[int, list[str]]]:
    stream = io.BytesIO(content)
    sheet = xlsx.detect(stream, HEAD, Layout()).layout.sheet
    reading = xlsx.read(stream, Layout("xlsx", sheet=sheet, header_row=header_row))
    return list(rows_of(reading.blocks))


def expected(table: list[list[str]]) -> list[tuple[int, list[str]]]:
    """Blank rows are left out."""
    return [(index, row) for index, row in enumerate(table, 2) if any(row)]


@settings(max_examples=150)
@given(TABLES)
def test_xlsx_inline_texts_come_back_as_they_were(table: list[list[str]]) -> None:
    lines = [[text(cell) if cell else "" for cell in row] for row in table]
    book = book_of(texts("a", "b", "c"), *lines)

    assert rows_from(book.content()) == expected(table)


@settings(max_examples=50)
@given(TABLES)
def test_xlsx_texts_that_openpyxl_wrote_come_back(table: list[list[str]]) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["a", "b", "c"])
    for number_of_row, row in enumerate(table, 2):
        for index, value in enumerate(row, 1):
            if value:
                cell: Any = sheet.cell(number_of_row, index)
                cell.value = value
                cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)

    assert rows_from(out.getvalue()) == expected(table)


@settings(max_examples=200)
@given(CELLS)
def test_xlsx_patterns_and_parser_agree_on_every_piece(table: list[list[str]]) -> None:
    piece = piece_of(table)

    assert _as_rows(by_patterns(piece)) == _as_rows(PieceParser(0).parse(piece))


@pytest.mark.parametrize("cell", UNUSUAL)
def test_xlsx_patterns_leave_unusual_cells_to_the_parser(cell: str) -> None:
    piece = piece_of([[number(1), cell], [number(2)]])

    assert by_patterns(piece) is None
    assert _as_rows(PieceParser(0).parse(piece))[1][-1] in {"7", "ab"}


def piece_of(table: list[list[str]]) -> bytes:
    data = sheet_data(*table)
    return data.removeprefix("<sheetData>").removesuffix("</sheetData>").encode()


def _as_rows(raw: Any) -> list[tuple[Any, ...]]:
    arrays: list[pa.Array] = [
        raw.rows,
        raw.columns,
        raw.styles,
        raw.types,
        raw.formulas,
        raw.texts,
    ]
    return list(zip(*(array.to_pylist() for array in arrays), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_xlsx_numbers_come_back_with_fifteen_digits(seed: int) -> None:
    chance = random.Random(seed)
    values = [chance.uniform(-1, 1) * 10 ** chance.randint(-9, 14) for _ in range(500)]
    data = sheet_data(texts("id"), *([number(repr(value))] for value in values))

    found = rows_from(Book([Sheet("Assets", data)]).content())

    assert [float(cell) for _, [cell] in found] == [
        float(f"{value:.15G}") for value in values
    ]


MUTATIONS = [b"<", b">", b'"', b"&", b"</c>", b"<row ", b"<v>", b"99999999999", b"\xff"]
WITH_ALL = Book(
    [
        Sheet(
            "Assets",
            '<cols><col min="2" max="2" hidden="1"/></cols>'
            + sheet_data(
                texts("id", "name", "when"),
                [number(1), shared(0), number(46237.5, 1)],
                [number("1.5E3", 2), shared(1), formula("A1")],
                [text("a_x000D_"), shared(2), ' t="b"><v>1</v></c>'],
                attributes={3: ' hidden="1"'},
            )
            + '<mergeCells><mergeCell ref="A2:A3"/></mergeCells>',
        )
    ],
    formats=[0, 14, "00000"],
    strings="<si><t>plain</t></si><si><r><t>a </t></r><r><t>b</t></r></si><si/>",
)


@pytest.mark.parametrize("seed", range(200))
def test_xlsx_with_changed_xml_is_read_in_whole_blocks_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(WITH_ALL.content())) as written:
        parts = {name: written.read(name) for name in written.namelist()}
    name = chance.choice(sorted(parts))
    changed = bytearray(parts[name])
    place = chance.randrange(len(changed))
    changed[place : place + chance.randrange(6)] = chance.choice(MUTATIONS)
    parts[name] = bytes(changed)
    stream = io.BytesIO(archive(parts))

    try:
        reading = xlsx.read(stream, xlsx.detect(stream, HEAD, Layout()).layout)
        blocks = list(reading.blocks)
    except FileRefused:
        return

    widths = {len(block.columns) for block in blocks}
    assert widths <= {len(reading.header)}
    for block in blocks:
        for column in block.columns:
            assert len(column.texts) == len(block.numbers)
            assert column.texts.null_count == 0
