import datetime as dt
import io
import zipfile
from typing import Any

import openpyxl
import pytest

from jobsui.files.layout import Layout, OddCells
from jobsui.files.table import detect
from jobsui.files.xlsx import parts
from tests.files.tables import ReadTable, read_table
from tests.files.test_table import read, refusal

MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5)  # noqa: DTZ001  # a spreadsheet knows no time zones
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def opened(content: bytes) -> ReadTable:
    stream = io.BytesIO(content)
    return read_table(stream, detect(stream, "rows.xlsx").layout)


def of_rows(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    return saved(book)


def changed(content: bytes, **parts: bytes) -> bytes:
    """The workbook with parts replaced or added; `__` in a name stands for / and
    `_dot_` for a dot."""
    new = {
        name.replace("__", "/").replace("_dot_", "."): part
        for name, part in parts.items()
    }
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in old.namelist():
            if name not in new:
                archive.writestr(name, old.read(name))
        for name, part in new.items():
            archive.writestr(name, part)
    return out.getvalue()


def with_sheet(data: str) -> bytes:
    xml = f'<?xml version="1.0"?><worksheet {NAMESPACE}>{data}</worksheet>'
    return changed(of_rows(["a"], ["b"]), xl__worksheets__sheet1_dot_xml=xml.encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (12, "12"),
        (12.0, "12"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (True, "true"),
        (False, "false"),
        ("007", "007"),
        ("12345678901234567890", "12345678901234567890"),
        (8523014587265, "8523014587265"),
        (1.2345678901234567e17, "1.234567890123457E+17"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (MOMENT, "2024-01-02T03:04:05"),
        (dt.time(3, 4), "03:04:00"),
        ("#N/A", "#N/A"),
        ("a\nb", "a\nb"),
    ],
)
def test_workbook_cells_become_text(value: Any, text: str) -> None:
    assert read(of_rows(["x", "a"], ["-", value]), "rows.xlsx")[1] == [(2, ["-", text])]


def test_workbook_rows_keep_their_numbers_and_blank_ones_are_left_out() -> None:
    content = of_rows([], ["id", None, "name"], [], [7, 8, "x"], ["", None], [9])

    assert read(content, "rows.xlsx") == (
        ["id", "Column B", "name"],
        [(4, ["7", "8", "x"]), (6, ["9", "", ""])],
    )


def test_workbook_is_recognized_by_its_content_not_its_name() -> None:
    assert read(of_rows(["a"], [1]), "rows.csv") == (["a"], [(2, ["1"])])
    assert read(b"a\n1\n", "rows.xlsx") == (["a"], [(2, ["1"])])


def test_workbook_sheet_is_the_first_visible_one_unless_chosen() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].sheet_state = "hidden"
    for title in ("One", "Two"):
        book.create_sheet(title).append([title])
        book[title].append([1])
    content = saved(book)

    assert detect(io.BytesIO(content), "rows.xlsx").sheets == ("One", "Two", "Sheet")
    assert read(content, "rows.xlsx")[0] == ["One"]
    assert read(content, "rows.xlsx", sheet="Two")[0] == ["Two"]
    assert (
        refusal(content, sheet="Six")
        == "There is no sheet “Six”. The workbook has: One, Two, Sheet."
    )
    assert (
        refusal(content, sheet="Sheet")
        == "The sheet “Sheet” is empty. Choose another one."
    )


READ_ME: list[list[Any]] = [
    ["Asset upload, version 3"],
    [],
    *([f"Step {number}: fill in the sheet Assets."] for number in range(1, 20)),
    ["Questions?", "assets@example.com"],
]
ASSETS: list[list[Any]] = [["id", "name", "price"], [1, "Drill", 12.5], [2, "Saw", 7]]
OPTIONS: list[list[Any]] = [["state", "meaning"], ["new", "Unused"]]


def of_sheets(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title.replace("_", " "))
        for row in rows:
            sheet.append(row)
    return saved(book)


def test_workbook_opens_on_the_sheet_that_looks_most_like_a_table() -> None:
    content = of_sheets(Read_me=READ_ME, Assets=ASSETS, Options=OPTIONS)

    found = detect(io.BytesIO(content), "rows.xlsx")

    assert found.layout.sheet == "Assets"
    assert found.sheets == ("Read me", "Assets", "Options")
    assert [str(notice) for notice in found.notices] == [
        "Sheet “Assets” (2 of 3) is read, because it looks most like a table. Choose "
        "another sheet if this is the wrong one."
    ]


def test_workbook_sheet_that_was_chosen_is_read_without_a_warning() -> None:
    content = of_sheets(Read_me=READ_ME, Assets=ASSETS)

    found = detect(io.BytesIO(content), "rows.xlsx", Layout(sheet="Read me"))

    assert found.layout.sheet == "Read me"
    assert found.notices == ()


@pytest.mark.parametrize(
    ("sheets", "chosen"),
    [
        ({"One": ASSETS, "Two": ASSETS}, "One"),
        ({"Empty": [], "Full": ASSETS}, "Full"),
        ({"Cover": [["Assets 2026"]], "Ids": [["id"], [1], [2]]}, "Ids"),
        ({"Ids": [["id"], [1], [2]], "Notes": [["note"], ["x"], ["y"], ["z"]]}, "Ids"),
        ({"Formulas": [["a", "b"], *[["=1", "=2"]] * 9], "Full": ASSETS}, "Full"),
        ({"Empty": []}, "Empty"),
    ],
)
def test_workbook_sheet_is_chosen_by_its_cells(
    sheets: dict[str, list[list[Any]]], chosen: str
) -> None:
    found = detect(io.BytesIO(of_sheets(**sheets)), "rows.xlsx")

    assert found.layout.sheet == chosen


def test_workbook_hidden_sheet_is_not_chosen_for_its_cells() -> None:
    book = openpyxl.Workbook()
    hidden = book.worksheets[0]
    hidden.sheet_state = "hidden"
    for row in ASSETS:
        hidden.append(row)
    visible = book.create_sheet("Visible")
    for row in OPTIONS:
        visible.append(row)

    found = detect(io.BytesIO(saved(book)), "rows.xlsx")

    assert found.layout.sheet == "Visible"


def test_workbook_size_that_a_sheet_claims_is_not_believed() -> None:
    header = '<row r="1"><c t="str"><v>a</v></c><c t="str"><v>b</v></c></row>'
    rows = f'<sheetData>{header}<row r="2"><c><v>1</v></c><c><v>2</v></c></row></sheetData>'

    for size in ("A1", "A1:XFD1048576", "A1:A1"):
        content = with_sheet(f'<dimension ref="{size}"/>{rows}')
        assert read(content, "rows.xlsx") == (["a", "b"], [(2, ["1", "2"])])


def test_workbook_warns_of_formulas_without_results_and_hidden_rows() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["a", "b"])
    sheet.append([1, "=A2+1"])
    sheet.append([1, "=A2+1"])
    sheet.row_dimensions[3].hidden = True

    table = opened(saved(book))

    assert table.rows == [(2, ["1", ""]), (3, ["1", ""])]
    assert [(notice.code, notice.message) for notice in table.notices] == [
        (
            "formula_without_result",
            "2 formulas without a stored result in b, read as blank.",
        ),
        ("hidden_rows", "1 hidden row, read like visible ones."),
    ]


def test_workbook_formula_is_read_as_its_result() -> None:
    data = (
        '<sheetData><row r="1"><c t="str"><v>a</v></c></row><row '
        'r="2"><c><f>1+1</f><v>2</v></c></row></sheetData>'
    )
    content = with_sheet(data)

    assert read(content, "rows.xlsx")[1] == [(2, ["2"])]
    assert detect(io.BytesIO(content), "rows.xlsx").notices == ()


def test_workbook_with_two_cells_at_its_corners_is_read_quickly() -> None:
    header = '<row r="1"><c r="A1" t="str"><v>a</v></c></row>'
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'

    table = opened(with_sheet(f"<sheetData>{header}{far}</sheetData>"))

    assert table.rows == []
    assert [notice.message for notice in table.notices] == [
        "1 cell right of the last column with a name, not read."
    ]


def test_workbook_with_rows_beyond_the_end_is_refused() -> None:
    far = (
        '<sheetData><row r="1"><c t="str"><v>a</v></c></row><row '
        'r="99999999999"><c><v>1</v></c></row></sheetData>'
    )

    assert refusal(with_sheet(far)).startswith("The sheet has more than 1,048,576 rows")


def test_workbook_large_part_that_is_not_a_sheet_decides_nothing() -> None:
    styles = b"<styleSheet>" + b" " * 17_000_000 + b"</styleSheet>"
    content = changed(of_rows(["a"], ["b"]), xl__styles_dot_xml=styles)

    found = detect(io.BytesIO(content), "rows.xlsx")

    assert read(content, "rows.xlsx") == (["a"], [(2, ["b"])])
    assert [notice.code for notice in found.notices] == ["styles_damaged"]


def test_workbook_total_of_all_parts_is_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "MAX_UNPACKED_BYTES", 1500)

    assert refusal(of_rows(["a"], ["b"])).startswith(
        "The workbook unpacks to more than"
    )


def test_workbook_with_xml_entities_is_refused() -> None:
    xml = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]><worksheet '
        f"{NAMESPACE}><sheetData/></worksheet>"
    )
    content = changed(
        of_rows(["a"], ["b"]), xl__worksheets__sheet1_dot_xml=xml.encode()
    )

    assert refusal(content).startswith("The workbook declares its own XML entities")


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:200], lambda c: c[: len(c) // 2], lambda c: c[:-30]]
)
def test_workbook_that_is_cut_off_is_refused(spoil: Any) -> None:
    assert refusal(spoil(of_rows(["a"], ["b"]))).startswith("The workbook is damaged.")


def test_workbook_with_a_broken_sheet_is_refused() -> None:
    content = changed(
        of_rows(["a"], ["b"]), xl__worksheets__sheet1_dot_xml=b"<worksheet><sheetData>"
    )

    assert refusal(content).startswith(
        "The sheet ends in the middle, before its first row."
    )


def test_workbook_row_with_a_text_that_is_not_there_is_odd() -> None:
    content = with_sheet(
        '<sheetData><row r="1"><c r="A1" t="str"><v>a</v></c></row>'
        '<row r="2"><c r="A2" t="s"><v>99</v></c></row>'
        '<row r="3"><c r="A3"><v>3</v></c></row></sheetData>'
    )

    rows = list(opened(content).rows)

    assert [(number, type(cells)) for number, cells in rows] == [
        (2, OddCells),
        (3, list),
    ]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ["mimetype", "content.xml"],
            "This is an OpenDocument file, not a workbook. Save it as .xlsx or CSV.",
        ),
        (
            ["rows.csv"],
            "This is a zip archive, not a workbook. Save it as .xlsx or CSV.",
        ),
        (
            ["xl/workbook.bin"],
            "This is a binary workbook (.xlsb). Save it as .xlsx or CSV.",
        ),
    ],
)
def test_zip_that_is_not_a_workbook_is_refused_with_its_sentence(
    names: list[str], sentence: str
) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")

    assert refusal(out.getvalue(), "rows.xlsx") == sentence
