"""Workbooks and what pretends to be one. `test_xlsx_hostile.py` has more."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.files.corpus import biff, opendocument
from tests.files.corpus.hostile.file import File
from tests.files.corpus.opendocument import ods, row, table
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

TABLE = sheet_data(
    texts("external_id", "name"), texts("A-1", "Drill"), texts("A-2", "Saw")
)
ASSETS = Sheet("Assets", TABLE)
SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
BLOWUP = '<!DOCTYPE sst [<!ENTITY a "' + "a" * 50_000 + '">]>'
LAUGHS = (
    "<!DOCTYPE sst ["
    + '<!ENTITY l0 "lol">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
TEXT_CELL = opendocument.cell("string", shown="A-1")
HEADER = opendocument.texts("external_id", "name")


def plain() -> bytes:
    return Book([ASSETS]).content()


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


def strings_with(prolog: str, value: str) -> bytes:
    xml = f"{prolog}<sst><si><t>{value}</t></si></sst>"
    book = book_of(texts("external_id"), [shared(0)])
    return replace(book, strings="-", parts={STRINGS: xml}).content()


def sheet_with(xml: str | bytes) -> bytes:
    return Book([ASSETS], parts={SHEET: xml}).content()


def empty_strings() -> bytes:
    """9 million shared strings without text."""
    book = book_of(texts("external_id"), [shared(8_999_999)])
    return replace(book, strings="<si/>" * 9_000_000).content()


def one_string_everywhere() -> bytes:
    """3.2 GB of text."""
    cells = [[shared(0)] * 10 for _ in range(10_000)]
    book = book_of(texts(*"abcdefghij"), *cells)
    return replace(book, strings=f"<si><t>{'x' * 32_000}</t></si>").content()


def short_string_everywhere() -> bytes:
    """500 MB of text, in cells that are no longer than people's."""
    cells = [[shared(0)] * 20 for _ in range(25_000)]
    header = [f"c{index}" for index in range(20)]
    book = book_of(texts(*header), *cells)
    return replace(book, strings=f"<si><t>{'x' * 1_000}</t></si>").content()


def wide(columns: int) -> bytes:
    header = [f"c{index}" for index in range(columns)]
    return book_of(texts(*header), texts(*header)).content()


def corners() -> bytes:
    return sheet_with(
        "<worksheet><sheetData><row r='1'><c r='A1' t='str'><v>id</v></c></row>"
        "<row r='1048576'><c r='XFD1048576'><v>1</v></c></row></sheetData></worksheet>"
    )


def with_macros() -> bytes:
    return Book([ASSETS], parts={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"}).content()


def with_links() -> bytes:
    """Formulas that call other programs, and links to other workbooks."""
    cell = " t=\"str\"><f>cmd|'/c calc'!A0</f><v>A-1</v></c>"
    parts = {"xl/externalLinks/externalLink1.xml": "<externalLink/>"}
    book = book_of(texts("external_id"), [cell])
    return replace(book, parts=parts).content()


def odd_numbers() -> bytes:
    cells = ["1e999", "-1e-999", "NaN", "INF", "--1", "0x10", "1,5", ""]
    return book_of(texts("value"), *([number(value)] for value in cells)).content()


def odd_dates() -> bytes:
    serials = ["-1", "0", "60", "2958465", "2958466", "1e300"]
    book = book_of(texts("day"), *([number(serial, 1)] for serial in serials))
    return replace(book, formats=[0, 14]).content()


def strings_out_of_range() -> bytes:
    indexes = [0, 1, -1, 1 << 40]
    rows = [[shared(index), text("x")] for index in indexes]
    book = book_of(texts("external_id", "name"), *rows)
    return replace(book, strings="<si><t>A-1</t></si>").content()


def rows_out_of_order() -> bytes:
    return sheet_with(
        "<worksheet><sheetData>"
        "<row r='1'><c r='A1' t='str'><v>external_id</v></c></row>"
        "<row r='5'><c r='A5' t='str'><v>A-5</v></c></row>"
        "<row r='3'><c r='A3' t='str'><v>A-3</v></c></row>"
        "</sheetData></worksheet>"
    )


def same_cell_twice() -> bytes:
    return sheet_with(
        "<worksheet><sheetData>"
        "<row r='1'><c r='A1' t='str'><v>external_id</v></c></row>"
        "<row r='2'><c r='A2' t='str'><v>A-1</v></c>"
        "<c r='A2' t='str'><v>A-9</v></c></row></sheetData></worksheet>"
    )


def odd_references() -> bytes:
    cells = "".join(
        f"<c r='{reference}' t='str'><v>{reference}</v></c>"
        for reference in ("A2", "", "a2", "A0", "2A", "ÄÄ2", "XFE2", "AAAAAAAA2")
    )
    return sheet_with(
        "<worksheet><sheetData><row r='1'><c r='A1' t='str'><v>id</v></c></row>"
        f"<row r='2'>{cells}</row></sheetData></worksheet>"
    )


def sheet_in_utf_16() -> bytes:
    xml = f'<?xml version="1.0" encoding="UTF-16"?><worksheet>{TABLE}</worksheet>'
    return sheet_with(xml.encode("utf-16"))


def sheet_in_latin_1() -> bytes:
    xml = f'<?xml version="1.0" encoding="ISO-8859-1"?><worksheet>{TABLE}</worksheet>'
    return sheet_with(xml.replace("Drill", "Bohrmaschine Größe 5").encode("latin-1"))


def encrypted() -> bytes:
    return biff.compound("EncryptedPackage", bytes(5000))


def old_table(**given: object) -> bytes:
    cells = [biff.label(0, 0, "external_id"), biff.label(1, 0, "A-1")]
    return biff.xls(("Assets", cells), **given)  # type: ignore[arg-type]


def old_encrypted() -> bytes:
    return old_table(extra=biff.record(0x002F, bytes(54)))


def chain_without_end() -> bytes:
    """The sectors of the workbook form a circle."""
    content = bytearray(old_table())
    table_sector = len(content) - 512
    content[table_sector : table_sector + 4] = bytes(4)
    return bytes(content)


def repeated(rows: int, columns: int) -> bytes:
    cell = TEXT_CELL.replace(
        "<table:table-cell",
        f'<table:table-cell table:number-columns-repeated="{columns}"',
    )
    return ods(table(HEADER, row(cell, count=rows)))


def blank_repeats() -> bytes:
    blank = '<table:table-cell table:number-columns-repeated="16384"/>'
    return ods(
        table(
            HEADER,
            opendocument.texts("A-1", "Drill"),
            row(blank, count=1_048_000),
            opendocument.texts("A-2", "Saw"),
        )
    )


def deep_ods() -> bytes:
    return ods(table(HEADER, "<table:table-row-group>" * 100_000))


def word() -> bytes:
    return archive({"[Content_Types].xml": "<Types/>", "word/document.xml": "<x/>"})


def made(content: bytes) -> Callable[[], bytes]:
    return lambda: content


SPREADSHEET_2003 = (
    b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
    b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">'
    b"<Worksheet><Table><Row><Cell><Data>A-1</Data></Cell></Row></Table></Worksheet>"
    b"</Workbook>"
)
HTML = b"<html><body><table><tr><td>external_id</td></tr></table></body></html>"
CSV = b"external_id,name\nA-1,Drill\n"
TSV = "external_id\tname\r\nA-1\tGrün\r\n".encode("utf-16")

FILES = {
    "xlsx as csv": File("rows.csv", plain),
    "xlsx as xls": File("rows.xls", plain),
    "xlsx as json": File("rows.json", plain),
    "xlsx with macros": File("rows.xlsm", with_macros),
    "xlsx with programs in formulas": File("rows.xlsx", with_links),
    "xlsx with a password": File("rows.xlsx", encrypted),
    "xlsx cut at 5 %": File("rows.xlsx", lambda: cut(plain(), 0.05)),
    "xlsx cut at 50 %": File("rows.xlsx", lambda: cut(plain(), 0.5)),
    "xlsx cut at 95 %": File("rows.xlsx", lambda: cut(plain(), 0.95)),
    "xlsx without its last byte": File("rows.xlsx", lambda: plain()[:-1]),
    "xlsx with 9 million empty strings": File("rows.xlsx", empty_strings),
    "xlsx with a long string everywhere": File("rows.xlsx", one_string_everywhere),
    "xlsx with a string everywhere": File("rows.xlsx", short_string_everywhere),
    "xlsx with quadratic blowup": File(
        "rows.xlsx", partial(strings_with, BLOWUP, "&a;" * 50_000)
    ),
    "xlsx with a billion laughs": File(
        "rows.xlsx", partial(strings_with, LAUGHS, "&l9;")
    ),
    "xlsx with a file as entity": File(
        "rows.xlsx", partial(strings_with, OUTSIDE, "&x;")
    ),
    "xlsx with 20,000 columns": File("rows.xlsx", partial(wide, 20_000)),
    "xlsx with 1,001 columns": File("rows.xlsx", partial(wide, 1_001)),
    "xlsx with 1,000 columns": File("rows.xlsx", partial(wide, 1_000)),
    "xlsx with cells in its corners": File("rows.xlsx", corners),
    "xlsx with a cell of 10 MB": File(
        "rows.xlsx",
        lambda: book_of(texts("id"), [text("x" * 10_000_000)], [text("A")]).content(),
    ),
    "xlsx with odd numbers": File("rows.xlsx", odd_numbers),
    "xlsx with odd dates": File("rows.xlsx", odd_dates),
    "xlsx with strings that do not exist": File("rows.xlsx", strings_out_of_range),
    "xlsx with rows out of order": File("rows.xlsx", rows_out_of_order),
    "xlsx with a cell twice": File("rows.xlsx", same_cell_twice),
    "xlsx with odd references": File("rows.xlsx", odd_references),
    "xlsx in UTF-16": File("rows.xlsx", sheet_in_utf_16),
    "xlsx in Latin-1": File("rows.xlsx", sheet_in_latin_1),
    "xlsx without rows": File("rows.xlsx", lambda: book_of(texts("id")).content()),
    "xlsx without cells": File("rows.xlsx", lambda: book_of().content()),
    "Word document": File("rows.xlsx", word),
    "Excel 2003 XML": File("rows.xls", made(SPREADSHEET_2003)),
    "web page as xls": File("rows.xls", made(HTML)),
    "csv as xls": File("rows.xls", made(CSV)),
    "csv as xlsx": File("rows.xlsx", made(CSV)),
    "UTF-16 text as xls": File("rows.xls", made(TSV)),
    "xls": File("rows.xls", old_table),
    "xls as xlsx": File("rows.xlsx", old_table),
    "xls with a password": File("rows.xls", old_encrypted),
    "xls cut at 10 %": File("rows.xls", lambda: cut(old_table(), 0.1)),
    "xls cut at 60 %": File("rows.xls", lambda: cut(old_table(), 0.6)),
    "xls of 1995": File("rows.xls", lambda: old_table(version=0x0500)),
    "xls in a circle": File("rows.xls", chain_without_end),
    "compound file without a workbook": File(
        "rows.xls", lambda: biff.compound("WordDocument", bytes(5000))
    ),
    "ods": File("rows.ods", lambda: ods(table(HEADER, opendocument.texts("A", "B")))),
    "ods as xlsx": File(
        "rows.xlsx", lambda: ods(table(HEADER, opendocument.texts("A", "B")))
    ),
    "ods with a row a million times": File("rows.ods", partial(repeated, 1_000_000, 2)),
    "ods with a sheet of one cell": File(
        "rows.ods", partial(repeated, 1_048_575, 16_384)
    ),
    "ods with a cell 20,000 times": File("rows.ods", partial(repeated, 1, 20_000)),
    "ods with blank repeats": File("rows.ods", blank_repeats),
    "ods with a password": File(
        "rows.ods",
        lambda: ods(table(HEADER), manifest="<manifest:encryption-data/>"),
    ),
    "ods with an entity": File(
        "rows.ods", lambda: ods(table(HEADER, TEXT_CELL), prolog=OUTSIDE)
    ),
    "ods cut at 60 %": File(
        "rows.ods", lambda: cut(ods(table(HEADER, opendocument.texts("A", "B"))), 0.6)
    ),
    "ods of groups in groups": File("rows.ods", deep_ods),
    "flat ods": File(
        "rows.fods", lambda: b'<?xml version="1.0"?><office:document></office:document>'
    ),
}
