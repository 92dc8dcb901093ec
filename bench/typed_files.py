"""The rows of `typed_rows` in other formats than CSV, as the usual programs write them."""

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

from bench.typed_rows import HEADER, rows_of

EXCEL_EPOCH = date(1899, 12, 30)
NUMBERS = frozenset({"count", "price"})
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
CONTENT_TYPES = f"""<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/>
<Override PartName="/xl/sharedStrings.xml" ContentType="{KIND}.sharedStrings+xml"/>
</Types>"""
ROOT_RELATIONS = f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>
</Relationships>"""
WORKBOOK = f"""<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">
<sheets><sheet name="Assets" sheetId="1" r:id="rId1"/></sheets></workbook>"""
WORKBOOK_RELATIONS = f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{RELATIONS}/styles" Target="styles.xml"/>
<Relationship Id="rId3" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>
</Relationships>"""
STYLES = f"""<styleSheet xmlns="{MAIN}">
<fonts count="1"><font/></fonts><fills count="1"><fill/></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>
</styleSheet>"""


def write(path: Path, rows: int) -> None:
    """In the format that the name ends in."""
    WRITERS[path.suffix](path, rows)


def _write_lines(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in _records(rows))


def _write_array(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        for number, line in enumerate(_records(rows)):
            out.write(",\n" if number else "[\n")
            out.write(line)
        out.write("\n]\n")


def _records(rows: int) -> Iterator[str]:
    for cells in rows_of(rows):
        record: dict[str, object] = dict(zip(HEADER, cells, strict=True))
        record["insured"] = record["insured"] == "true"
        for name in NUMBERS:
            with suppress(ValueError):
                record[name] = json.loads(str(record[name]))
        yield json.dumps(record, ensure_ascii=False)


def _write_workbook(path: Path, rows: int) -> None:
    strings: dict[str, int] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", CONTENT_TYPES)
        book.writestr("_rels/.rels", ROOT_RELATIONS)
        book.writestr("xl/workbook.xml", WORKBOOK)
        book.writestr("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONS)
        book.writestr("xl/styles.xml", STYLES)
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{MAIN}"><sheetData>'.encode())
            sheet.write(_row(1, HEADER, strings, is_header=True))
            for number, cells in enumerate(rows_of(rows), 2):
                sheet.write(_row(number, cells, strings))
            sheet.write(b"</sheetData></worksheet>")
        with book.open("xl/sharedStrings.xml", "w") as part:
            part.write(f'<sst xmlns="{MAIN}">'.encode())
            for text in strings:
                part.write(f"<si><t>{escape(text)}</t></si>".encode())
            part.write(b"</sst>")


def _row(
    number: int, cells: list[str], strings: dict[str, int], *, is_header: bool = False
) -> bytes:
    parts = [f'<row r="{number}" spans="1:{len(cells)}">']
    for index, (name, text) in enumerate(zip(HEADER, cells, strict=True)):
        place = f"{chr(ord('A') + index)}{number}"
        is_number = text.replace(".", "", 1).isdigit()
        if not text:
            continue
        if name == "purchased_on" and not is_header:
            days = (date.fromisoformat(text) - EXCEL_EPOCH).days
            parts.append(f'<c r="{place}" s="1"><v>{days}</v></c>')
        elif name == "insured" and not is_header:
            parts.append(f'<c r="{place}" t="b"><v>{int(text == "true")}</v></c>')
        elif name in NUMBERS and is_number:
            parts.append(f'<c r="{place}"><v>{text}</v></c>')
        else:
            index_of_text = strings.setdefault(text, len(strings))
            parts.append(f'<c r="{place}" t="s"><v>{index_of_text}</v></c>')
    parts.append("</row>")
    return "".join(parts).encode()


def _write_opendocument(path: Path, rows: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("mimetype", OPENDOCUMENT_KIND)
        book.writestr("META-INF/manifest.xml", MANIFEST)
        with book.open("content.xml", "w") as part:
            part.write(OPENDOCUMENT.encode())
            for cells in [HEADER, *rows_of(rows)]:
                texts = "".join(map(_opendocument_cell, cells))
                part.write(f"<table:table-row>{texts}</table:table-row>".encode())
            part.write(OPENDOCUMENT_END.encode())


def _opendocument_cell(text: str) -> str:
    paragraphs = "".join(
        f"<text:p>{escape(line)}</text:p>" for line in text.splitlines()
    )
    return (
        f'<table:table-cell office:value-type="string">{paragraphs}</table:table-cell>'
    )


OASIS = "urn:oasis:names:tc:opendocument:xmlns"
OPENDOCUMENT_KIND = "application/vnd.oasis.opendocument.spreadsheet"
MANIFEST = f"""<manifest:manifest xmlns:manifest="{OASIS}:manifest:1.0">
<manifest:file-entry manifest:full-path="/" manifest:media-type="{OPENDOCUMENT_KIND}"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>
</manifest:manifest>"""
OPENDOCUMENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="{OASIS}:office:1.0" xmlns:table="{OASIS}:table:1.0"
 xmlns:text="{OASIS}:text:1.0"><office:body><office:spreadsheet>
<table:table table:name="Assets">"""
OPENDOCUMENT_END = """</table:table></office:spreadsheet></office:body>
</office:document-content>"""
WRITERS: dict[str, Callable[[Path, int], None]] = {
    ".jsonl": _write_lines,
    ".json": _write_array,
    ".xlsx": _write_workbook,
    ".ods": _write_opendocument,
}
