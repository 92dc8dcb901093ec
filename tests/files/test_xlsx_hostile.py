"""Workbooks that would fill memory or disk, or keep a worker busy: read or refused, with a
sentence that says what and where."""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest

from jobsui.files import xlsx
from jobsui.files.errors import FileRefused
from jobsui.files.layout import DETECT_ALL, Head, OddCells
from jobsui.files.rows import rows_of
from jobsui.files.xlsx import parts, workbook
from tests.files.corpus.workbooks import (
    Book,
    Sheet,
    archive,
    book_of,
    number,
    shared,
    sheet_data,
    text,
    texts,
)

HEAD = Head(b"PK\x03\x04", "", "xlsx", "utf-8", is_whole=False)
TABLE = sheet_data(texts("id", "name"), texts("A-1", "Drill"))
ASSETS = Sheet("Assets", TABLE)
SHEET = "xl/worksheets/sheet1.xml"


def result_of(content: bytes) -> str:
    """ "2 rows", or the sentence of the refusal."""
    stream = io.BytesIO(content)
    rows = 0
    odd = 0
    try:
        found = xlsx.detect(stream, HEAD, DETECT_ALL)
        for _, cells in rows_of(xlsx.read(stream, found.layout).blocks):
            rows += 1
            odd += isinstance(cells, OddCells)
    except FileRefused as refusal:
        return str(refusal)
    return f"{rows} rows, of them {odd} odd" if odd else f"{rows} rows"


def repeated(row: str, count: int) -> str:
    header = '<row r="1"><c r="A1" t="str"><v>id</v></c></row>'
    return f"<sheetData>{header}{row * count}</sheetData>"


def empty_strings() -> Book:
    """9 million shared strings without text, in 50 kB."""
    book = book_of(texts("id"), [shared(8_999_999)])
    return replace(book, strings="<si/>" * 9_000_000)


def one_long_string() -> Book:
    """3.2 GB of text in a file of 100 kB."""
    cells = [[shared(0)] * 10 for _ in range(10_000)]
    return replace(book_of(texts(*"abcdefghij"), *cells), strings=_string("x" * 32_000))


def _string(text: str) -> str:
    return f"<si><t>{text}</t></si>"


def _many_sheets(count: int) -> str:
    sheets = "".join(f'<sheet name="S{index}" id="rId1"/>' for index in range(count))
    return f"<workbook><sheets>{sheets}</sheets></workbook>"


def declared_entities() -> Book:
    xml = (
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
        f"<worksheet>{TABLE.replace('Drill', '&a;')}</worksheet>"
    )
    return Book([ASSETS], parts={SHEET: xml})


def entities_in_strings() -> Book:
    xml = f'<!DOCTYPE sst [<!ENTITY a "aa">]><sst>{_string("&a;")}</sst>'
    book = book_of(texts("id"), [shared(0)])
    return replace(book, strings="-", parts={"xl/sharedStrings.xml": xml})


CASES: dict[str, tuple[Callable[[], Book], str]] = {
    "9 million empty strings": (
        empty_strings,
        "The workbook's part xl/sharedStrings.xml unpacks to more than 250 times its size, "
        "which no spreadsheet program's does. Save the sheet as CSV.",
    ),
    "a million empty strings": (
        lambda: replace(
            book_of(texts("id"), [shared(999_999)]), strings="<si/>" * 1_000_000
        ),
        "0 rows",
    ),
    "one long string everywhere": (
        one_long_string,
        "Up to row 849 the cells have more than 256 MB of text, far more than a file of "
        "this size usually has. Save the sheet as CSV, or upload it in smaller parts.",
    ),
    "corners": (
        lambda: Book(
            [
                Sheet(
                    "Assets",
                    "<sheetData><row r='1'><c r='A1'><v>1</v></c></row><row r='1048576'>"
                    "<c r='XFD1048576'><v>1</v></c></row></sheetData>",
                )
            ]
        ),
        "0 rows",
    ),
    "row beyond the end": (
        lambda: Book(
            [Sheet("Assets", repeated('<row r="1048577"><c><v>1</v></c></row>', 1))]
        ),
        "The sheet has more than 1,048,576 rows (row 1,048,577). Save it again, or as CSV.",
    ),
    "a million blank rows": (
        lambda: Book([Sheet("Assets", repeated('<row r="2" ht="15"/>', 1_000_000))]),
        "0 rows",
    ),
    "a row of a million cells": (
        lambda: Book(
            [Sheet("Assets", repeated(f'<row r="2">{"<c/>" * 1_000_000}</row>', 1))]
        ),
        "Row 2 has more than 18,278 cells. Remove some, or save the sheet as CSV.",
    ),
    "a cell of 20 MB": (
        lambda: book_of(texts("id"), [text("x" * 20_000_000)], [number(2)]),
        "2 rows, of them 1 odd",
    ),
    "a shared text of 20 MB": (
        lambda: replace(
            book_of(texts("id"), [shared(0)], [shared(1)]),
            strings=_string("x" * 20_000_000) + _string("A-2"),
        ),
        "2 rows, of them 1 odd",
    ),
    "external entity": (declared_entities, parts.ENTITIES),
    "entities in strings": (entities_in_strings, parts.ENTITIES),
    "entities in the list of sheets": (
        lambda: Book([ASSETS], parts={"xl/workbook.xml": "<!DOCTYPE x><workbook/>"}),
        parts.ENTITIES,
    ),
    "20,000 styles": (
        lambda: replace(
            book_of(texts("id"), *([number(1, style)] for style in range(20_000))),
            formats=[f'0"{index}"' for index in range(20_000)],
        ),
        "20000 rows",
    ),
    "a sheet that ends in the middle": (
        lambda: Book([ASSETS], parts={SHEET: f"<worksheet>{TABLE[:-60]}"}),
        "The sheet ends in the middle, behind row 1. Open the workbook in a spreadsheet "
        "program and save it again.",
    ),
    "broken XML": (
        lambda: Book(
            [ASSETS], parts={SHEET: f"<worksheet>{TABLE.replace('</t>', '', 3)}"}
        ),
        "The sheet is damaged behind row 1. Open the workbook in a spreadsheet program and save "
        "it again.",
    ),
    "comments without an end": (
        lambda: Book(
            [ASSETS], parts={SHEET: "<worksheet><sheetData>" + "<!--" * 3_000_000}
        ),
        parts.DAMAGED,
    ),
    "tags without an end": (
        lambda: Book(
            [ASSETS],
            parts={SHEET: "<worksheet><sheetData>" + '<row hidden="1" ' * 500_000},
        ),
        "The sheet is damaged behind row 1. Open the workbook in a spreadsheet program and "
        "save it again.",
    ),
    "attributes without an end": (
        lambda: Book(
            [ASSETS],
            parts={SHEET: "<worksheet><sheetData><row" + ' hidden="1"' * 500_000},
        ),
        "The sheet ends in the middle, before its first row. Open the workbook in a spreadsheet "
        "program and save it again.",
    ),
    "elements within elements": (
        lambda: Book(
            [
                Sheet(
                    "Assets",
                    repeated(f'<row r="2"><c r="A2">{"<t>a" * 500_000}</c></row>', 1),
                )
            ]
        ),
        "The sheet is damaged behind row 2. Open the workbook in a spreadsheet program and "
        "save it again.",
    ),
    "10,000 names of one sheet": (
        lambda: Book([ASSETS], parts={"xl/workbook.xml": _many_sheets(10_000)}),
        "The workbook has more than 1,000 sheets. Save the one you need as CSV.",
    ),
    "a thousand names of a long sheet": (
        lambda: Book(
            [Sheet("Assets", repeated('<row r="2" ht="15"/>', 1_000_000))],
            parts={"xl/workbook.xml": _many_sheets(1000)},
        ),
        "0 rows",
    ),
    "bytes that are not UTF-8": (
        lambda: Book(
            [ASSETS],
            parts={
                SHEET: f"<worksheet>{TABLE}</worksheet>".encode().replace(
                    b"Dr", b"\xff"
                )
            },
        ),
        "The sheet is damaged behind row 2. Open the workbook in a spreadsheet program and "
        "save it again.",
    ),
    "a sheet without cells": (
        lambda: Book([ASSETS], parts={SHEET: "<worksheet/>"}),
        "The sheet is damaged: it has no list of cells. Open the workbook in a "
        "spreadsheet program and save it again.",
    ),
    "a missing sheet": (
        lambda: Book([ASSETS], absent=[SHEET]),
        "The workbook is damaged: the cells of the sheet “Assets” are missing. Choose "
        "another sheet.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_xlsx_that_is_made_to_do_harm(name: str) -> None:
    book, expected = CASES[name]

    assert result_of(book().content()) == expected


def test_xlsx_list_of_sheets_survives_a_damaged_sheet() -> None:
    book = Book([ASSETS, ASSETS], parts={SHEET: "<worksheet/>"})

    found = xlsx.detect(io.BytesIO(book.content()), HEAD, DETECT_ALL)

    assert found.sheets == ("Assets", "Assets")


def test_xlsx_part_that_unpacks_to_a_thousand_times_its_size_is_refused() -> None:
    book = Book(
        [ASSETS], parts={SHEET: "<worksheet><sheetData>" + '<row r="2"/>' * 10_000_000}
    )

    assert result_of(book.content()) == (
        f"The workbook's part {SHEET} unpacks to more than 250 times its size, which no "
        "spreadsheet program's does. Save the sheet as CSV."
    )


def test_xlsx_cells_of_a_small_file_have_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workbook, "MIN_CELL_BYTES", 100)
    monkeypatch.setattr(workbook, "MAX_EXPANSION", 0)
    book = book_of(texts("id"), *([text("x" * 60)] for _ in range(5)))

    assert result_of(book.content()).startswith("Up to row 6 the cells have more than")


def test_xlsx_with_a_password_of_its_archive_is_refused() -> None:
    content = bytearray(Book([ASSETS]).content())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            flags = struct.unpack_from("<H", content, place + offset)[0]
            struct.pack_into("<H", content, place + offset, flags | 1)
            place = content.find(signature, place + 4)

    assert result_of(bytes(content)) == (
        "The workbook is protected with a password. Save it without one."
    )


@pytest.mark.parametrize("kept", [10, 200, 0.3, 0.6, 0.99])
def test_xlsx_that_is_cut_off_is_refused(kept: float) -> None:
    content = Book([ASSETS]).content()
    end = int(kept * len(content)) if kept < 1 else int(kept)

    assert result_of(content[:end]) == parts.DAMAGED


def test_xlsx_with_changed_bytes_is_read_or_refused() -> None:
    content = Book([ASSETS], formats=[0, "00000"]).content()

    for place in range(0, len(content), 3):
        spoiled = bytearray(content)
        spoiled[place] ^= 0x55
        # No other error is raised.
        assert result_of(bytes(spoiled))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rows.csv", "a zip archive"),
        ("mimetype", "an OpenDocument file"),
        ("word/document.xml", "a Word document"),
        ("Index/Document.iwa", "a Numbers document"),
    ],
)
def test_xlsx_other_archives_are_refused_with_their_kind(name: str, kind: str) -> None:
    assert result_of(archive({name: "x"})) == (
        f"This is {kind}, not a workbook. Save it as .xlsx or CSV."
    )


def test_xlsx_binary_workbook_is_refused() -> None:
    related = (
        '<Relationships><Relationship Id="a" Type="x/officeDocument" '
        'Target="xl/workbook.bin"/></Relationships>'
    )

    assert result_of(archive({"_rels/.rels": related, "xl/workbook.bin": "x"})) == (
        "This is a binary workbook (.xlsb). Save it as .xlsx or CSV."
    )


def test_xlsx_with_an_unknown_compression_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as written:
        written.writestr("_rels/.rels", "<Relationships/>")
        written.writestr("xl/workbook.xml", "<workbook/>")

    assert result_of(out.getvalue()).startswith("The workbook is damaged: its part")
