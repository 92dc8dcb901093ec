import io
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from jobsui.files import xls as reader
from jobsui.files.cells import Kind
from jobsui.files.errors import FileRefused
from jobsui.files.table import detect
from tests.files.corpus import biff
from tests.files.corpus.biff import label, number, xls
from tests.files.tables import read_table
from tests.files.test_table import read, refusal

NAME = "rows.xls"
HEADER = [label(0, 0, "id"), label(0, 1, "value")]


def book(
    *records: bytes, formats: tuple[str, ...] = (), is_1904: bool = False
) -> bytes:
    """A workbook whose second row has these cells."""
    rows = [*HEADER, label(1, 0, "k"), *records]
    return xls(("Sheet1", rows), strings=["shared"], formats=formats, is_1904=is_1904)


def kind_of(content: bytes) -> str:
    """The kind of the first row's second cell."""
    layout = detect(io.BytesIO(content), NAME).layout
    [block] = reader.read(io.BytesIO(content), layout).blocks
    kinds = block.columns[1].kinds
    return "TEXT" if kinds is None else Kind(kinds[0].as_py()).name


def notices(content: bytes) -> dict[str, str]:
    """{code: sentence}"""
    stream = io.BytesIO(content)
    table = read_table(stream, detect(stream, NAME).layout)
    return {notice.code: notice.message for notice in table.notices}


@pytest.mark.parametrize(
    ("written", "text", "kind"),
    [
        (label(1, 1, "漢 ü"), "漢 ü", "TEXT"),
        (biff.shared(1, 1, 0), "shared", "TEXT"),
        (biff.text_formula(1, 1, "made"), "made", "TEXT"),
        (number(1, 1, 1.5), "1.5", "NUMBER"),
        (number(1, 1, 0.1 + 0.2), "0.3", "NUMBER"),
        (number(1, 1, 4012345678901.0), "4012345678901", "NUMBER"),
        (biff.small_number(1, 1, (42 << 2) | 2), "42", "NUMBER"),
        (biff.small_number(1, 1, (-7 << 2 | 2) & 0xFFFFFFFF), "-7", "NUMBER"),
        (biff.small_number(1, 1, (1234 << 2) | 3), "12.34", "NUMBER"),
        (biff.small_number(1, 1, 0x3FF80000), "1.5", "NUMBER"),
        (biff.small_numbers(1, 1, [(9 << 2) | 2]), "9", "NUMBER"),
        (biff.formula(1, 1, struct.pack("<d", 2.5)), "2.5", "NUMBER"),
        (biff.boolean(1, 1, 1), "true", "BOOLEAN"),
        (biff.formula(1, 1, b"\1\0\0\0\0\0\xff\xff"), "false", "BOOLEAN"),
        (biff.error(1, 1, 0x2A), "#N/A", "ERROR"),
        (biff.formula(1, 1, b"\2\0\7\0\0\0\xff\xff"), "#DIV/0!", "ERROR"),
    ],
)
def test_xls_cell_is_what_the_file_says(written: bytes, text: str, kind: str) -> None:
    content = book(written)

    assert read(content, NAME) == (["id", "value"], [(2, ["k", text])])
    assert kind_of(content) == kind


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("yyyy-mm-dd", 46024.0, "2026-01-02"),
        ("yyyy-mm-dd hh:mm", 46024.5, "2026-01-02T12:00:00"),
        ("[h]:mm", 1.25, "30:00:00"),
        ("hh:mm", 0.25, "06:00:00"),
    ],
)
def test_xls_date_is_read_by_its_format(code: str, value: float, text: str) -> None:
    content = book(number(1, 1, value, form=1), formats=(code,))

    assert read(content, NAME)[1] == [(2, ["k", text])]


def test_xls_date_of_the_1904_system_is_read() -> None:
    content = book(number(1, 1, 1.0, form=1), formats=("yyyy-mm-dd",), is_1904=True)

    assert read(content, NAME)[1] == [(2, ["k", "1904-01-02"])]


def test_xls_padded_number_can_be_read_as_shown() -> None:
    content = book(number(1, 1, 42, form=1), formats=("00000",))

    assert read(content, NAME)[1] == [(2, ["k", "42"])]
    assert read(content, NAME, values="shown")[1] == [(2, ["k", "00042"])]
    assert "00042 is stored as 42" in notices(content)["shown_differs"]


def test_xls_long_strings_continue_in_the_next_record() -> None:
    strings = ["ä" * 3000, "x", "漢" * 9000, "", "😀" * 5000, "last"]
    cells = [biff.shared(row, 0, row) for row in range(len(strings))]
    content = xls(
        ("A", [*cells, *(number(row, 1, 1) for row in range(6))]), strings=strings
    )

    header, rows = read(content, NAME)

    assert header[0] == strings[0]
    assert [cells[0] for _, cells in rows] == strings[1:]


def test_xls_rows_keep_their_numbers_in_any_order() -> None:
    rows = [label(9, 0, "c"), number(9, 1, 3), label(4, 1, "b"), label(4, 0, "a")]
    content = xls(("A", [*HEADER, *rows]))

    assert read(content, NAME)[1] == [(5, ["a", "b"]), (10, ["c", "3"])]


def test_xls_sheet_with_the_table_is_chosen() -> None:
    table = [*HEADER, label(1, 0, "1"), label(1, 1, "a")]
    content = xls(
        ("Cover", [label(0, 0, "Report")]),
        ("Old", table),
        ("Assets", table),
        hidden=["Old"],
    )

    found = detect(io.BytesIO(content), NAME)

    assert found.layout.sheet == "Assets"
    assert found.sheets == ("Cover", "Assets", "Old")
    assert read(content, NAME, sheet="Old")[1] == [(2, ["1", "a"])]


def test_xls_text_that_fills_the_memory_is_refused() -> None:
    cells = [biff.shared(row, 0, 0) for row in range(9000)]
    content = xls(("A", cells), strings=["x" * 32_000])

    assert refusal(content, NAME, sheet="A").startswith("Up to row 8,")


def test_xls_header_row_can_be_chosen() -> None:
    rows = [label(1, 0, "id"), label(1, 1, "value"), label(2, 0, "1"), number(2, 1, 5)]
    content = xls(("A", [label(0, 0, "b"), label(0, 1, "c"), *rows]))

    assert read(content, NAME, header_row=2) == (["id", "value"], [(3, ["1", "5"])])


def test_xls_hidden_and_merged_cells_are_named() -> None:
    content = book(
        biff.hidden_row(1),
        label(1, 1, "v"),
        biff.hidden_columns(1, 1),
        biff.merged((1, 2, 0, 0), (0, 0, 0, 1)),
    )

    assert set(notices(content)) == {"hidden_rows", "hidden_columns", "merged_cells"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            xls(("A", HEADER), extra=biff.record(0x002F, b"\0" * 6)),
            "The workbook is protected with a password. Save it without one.",
        ),
        (
            biff.compound("EncryptedPackage", b"x"),
            "The workbook is protected with a password. Save it without one.",
        ),
        (
            biff.compound("WordDocument", b"x"),
            "This is no workbook, but another old Office document. "
            "Save its table as .xlsx or CSV.",
        ),
        (
            xls(("A", HEADER), version=0x0500),
            "The workbook is older than Excel 97. Save it as .xlsx or CSV.",
        ),
        (
            xls(("A", HEADER))[:3000],
            "The workbook is damaged. Open it in a spreadsheet program and save it again.",
        ),
        (
            xls(("A", [*HEADER, biff.shared(1, 0, 7)])),
            "The workbook is damaged. Open it in a spreadsheet program and save it again.",
        ),
    ],
    ids=["password", "encrypted", "document", "old", "cut off", "missing text"],
)
def test_xls_that_cannot_be_read_is_refused(content: bytes, sentence: str) -> None:
    assert refusal(content, NAME) == sentence


@given(st.binary(min_size=1, max_size=40), st.integers(0, 6000))
def test_xls_with_random_damage_is_read_or_refused(damage: bytes, place: int) -> None:
    whole = xls(
        ("A", [*HEADER, *(number(1, 1, 1.5), label(2, 0, "x"))]), strings=["a"] * 9
    )
    start = 8 + place % (len(whole) - 8)
    content = (whole[:start] + damage + whole[start + len(damage) :])[: len(whole)]

    with suppress(FileRefused):
        read(content, NAME)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(
    st.lists(st.tuples(TEXTS, st.integers(-(10**9), 10**9)), min_size=1, max_size=20)
)
def test_xls_reads_what_another_reader_reads(rows: list[tuple[str, int]]) -> None:
    cells = list(HEADER)
    for index, (_, value) in enumerate(rows, 1):
        cells += [biff.shared(index, 0, index - 1), number(index, 1, value)]
    content = xls(("A", cells), strings=[text for text, _ in rows])

    found = read(content, NAME, sheet="A")[1]
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
    others = list(sheet.iter_rows())[1:]

    assert [cells for _, cells in found] == [[text, str(value)] for text, value in rows]
    assert [[text, int(str(value).partition(".")[0])] for text, value in others] == [
        [text, value] for text, value in rows
    ]
