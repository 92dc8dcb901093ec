"""Workbooks whose XML is written by hand: those of other programs than Excel, those that
hide something, and those made to do harm."""

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

GENERAL = 0
FIRST_CUSTOM_FORMAT = 164


@dataclass(frozen=True)
class Sheet:
    name: str
    xml: str
    """What is inside of the worksheet element."""
    state: str = "visible"


@dataclass(frozen=True)
class Book:
    """A workbook that can be written with one thing out of the ordinary."""

    sheets: Sequence[Sheet]
    formats: Sequence[int | str] = (GENERAL,)
    """The number format of each style: a built-in number, or a code."""
    strings: str = ""
    """What is inside of the list of shared strings; "": there is none."""
    is_1904: bool = False
    main: str = MAIN
    office: str = OFFICE
    folder: str = "xl/"
    prefix: str = ""
    """Of the elements' namespace: "x:"."""
    separator: str = "/"
    parts: Mapping[str, str | bytes] = field(default_factory=dict)
    """Replaces or adds parts."""
    absent: Sequence[str] = ()
    """Names of parts that are left out."""

    def content(self) -> bytes:
        parts: dict[str, str | bytes] = {
            "[Content_Types].xml": "<Types/>",
            "_rels/.rels": _relationships(
                [("officeDocument", f"{self.folder}workbook.xml")], self.office
            ),
            f"{self.folder}workbook.xml": self._workbook(),
            f"{self.folder}_rels/workbook.xml.rels": self._related(),
            f"{self.folder}styles.xml": self._styles(),
        }
        for number, sheet in enumerate(self.sheets, 1):
            name = f"{self.folder}worksheets/sheet{number}.xml"
            parts[name] = self._document("worksheet", sheet.xml)
        if self.strings:
            parts[f"{self.folder}sharedStrings.xml"] = self._document(
                "sst", self.strings
            )
        parts |= self.parts
        kept = {name: part for name, part in parts.items() if name not in self.absent}
        return archive(
            {name.replace("/", self.separator): part for name, part in kept.items()}
        )

    def _document(self, root: str, inner: str) -> str:
        if not self.prefix:
            return f'{DECLARATION}<{root} xmlns="{self.main}">{inner}</{root}>'
        name = self.prefix + root
        space = f'xmlns:{self.prefix[:-1]}="{self.main}"'
        prefixed = inner.replace("<", f"<{self.prefix}")
        prefixed = prefixed.replace(f"<{self.prefix}/", f"</{self.prefix}")
        return f"{DECLARATION}<{name} {space}>{prefixed}</{name}>"

    def _workbook(self) -> str:
        sheets = "".join(
            f"<sheet name={quoteattr(sheet.name)} sheetId='{number}' "
            f"state='{sheet.state}' r:id='rId{number}'/>"
            for number, sheet in enumerate(self.sheets, 1)
        )
        system = '<workbookPr date1904="1"/>' if self.is_1904 else ""
        return (
            f'<workbook xmlns="{self.main}" xmlns:r="{self.office}">{system}'
            f"<sheets>{sheets}</sheets></workbook>"
        )

    def _related(self) -> str:
        targets = [
            ("worksheet", f"worksheets/sheet{number}.xml")
            for number in range(1, len(self.sheets) + 1)
        ]
        more = [("styles", "styles.xml"), ("sharedStrings", "sharedStrings.xml")]
        return _relationships([*targets, *more], self.office)

    def _styles(self) -> str:
        codes = [code for code in self.formats if isinstance(code, str)]
        numbers = {code: FIRST_CUSTOM_FORMAT + i for i, code in enumerate(codes)}
        custom = "".join(
            f'<numFmt numFmtId="{number}" formatCode={quoteattr(code)}/>'
            for code, number in numbers.items()
        )
        styles = "".join(
            f'<xf numFmtId="{numbers[form] if isinstance(form, str) else form}"/>'
            for form in self.formats
        )
        return (
            f'<styleSheet xmlns="{self.main}"><numFmts>{custom}</numFmts>'
            f'<cellStyleXfs><xf numFmtId="22"/></cellStyleXfs>'
            f"<cellXfs>{styles}</cellXfs></styleSheet>"
        )


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as written:
        for name, part in parts.items():
            written.writestr(name, part)
    return out.getvalue()


def book_of(*rows: Iterable[str], more: str = "") -> Book:
    """One sheet; each cell is the XML behind its reference, such as `number(5)`."""
    return Book([Sheet("Assets", sheet_data(*rows) + more)])


def sheet_data(
    *rows: Iterable[str], attributes: Mapping[int, str] | None = None
) -> str:
    """`attributes` are those of the row elements, by row."""
    lines = []
    for number, cells in enumerate(rows, 1):
        filled = (
            f'<c r="{letter(index)}{number}"{cell}'
            for index, cell in enumerate(cells)
            if cell
        )
        more = (attributes or {}).get(number, "")
        lines.append(f'<row r="{number}"{more}>{"".join(filled)}</row>')
    return f"<sheetData>{''.join(lines)}</sheetData>"


def letter(index: int) -> str:
    letters = ""
    rest = index + 1
    while rest:
        rest, last = divmod(rest - 1, 26)
        letters = chr(ord("A") + last) + letters
    return letters


def text(value: str) -> str:
    """An inline text."""
    return f' t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def texts(*values: str) -> list[str]:
    return [text(value) for value in values]


def number(value: object, style: int = 0) -> str:
    return f' s="{style}"><v>{value}</v></c>'


def shared(index: int) -> str:
    return f' t="s"><v>{index}</v></c>'


def formula(code: str, value: str = "", kind: str = "") -> str:
    """`kind` is the attribute of the type, such as ` t="str"`."""
    stored = f"<v>{value}</v>" if value else ""
    return f"{kind}><f>{escape(code)}</f>{stored}</c>"


def _relationships(targets: Sequence[tuple[str, str]], office: str) -> str:
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{office}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}">{related}</Relationships>'
