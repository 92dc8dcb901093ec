"""Inspects what a workbook would unpack to, in constant memory, before openpyxl opens
it. The sizes that a zip declares may be false, so everything is counted while it is
unpacked."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from jobsui.files.errors import FileRefused

MAX_MEMBERS = 2000
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_STRINGS_BYTES = 128 * 1024**2
"""Of shared strings: openpyxl keeps all of them in memory."""
MAX_PART_BYTES = 16 * 1024**2
"""Of other parts, which openpyxl may read whole."""
MAX_ROWS = 1_048_576
MAX_ROW_BYTES = 16 * 1024**2
MAX_ROW_ELEMENTS = 500_000
"""From one row to the next, or after the last one: openpyxl keeps these elements until
the next row begins."""
CHUNK_BYTES = 1 << 20

SHEETS = "xl/worksheets/"
STRINGS = "xl/sharedStrings.xml"
TYPES = "[Content_Types].xml"
TOO_LARGE = "The workbook is too large to be unpacked safely. Save the sheet as CSV."


@dataclass(slots=True)
class SheetFacts:
    """Facts of a sheet's XML that its rows do not show."""

    rows: int = 0
    filled_rows: int = 0
    header_width: int = 0
    """Filled cells of the first row that is not blank."""
    table_cells: int = 0
    """Filled cells of the rows below, as far as a header of several columns reaches.
    Rows with one filled cell are text, not part of a table."""
    hidden_rows: int = 0
    empty_formulas: int = 0
    """Formulas without a stored result, which read as blank."""

    def add_row(self, filled: int) -> None:
        """Count a row that has this many filled cells."""
        if not filled:
            return
        self.filled_rows += 1
        if not self.header_width:
            self.header_width = filled
        elif self.header_width > 1 and filled > 1:
            self.table_cells += min(filled, self.header_width)


def inspect(archive: zipfile.ZipFile) -> dict[str, SheetFacts]:
    """{name of a sheet's part: its facts}. Raises FileRefused for a file that is not a
    workbook or would not fit into memory."""
    members = archive.infolist()
    _refuse_other_archives({member.filename for member in members})
    if len(members) > MAX_MEMBERS:
        raise FileRefused("The workbook has too many parts. Save the sheet as CSV.")
    _refuse_disguises(archive)
    facts = {}
    left = MAX_UNPACKED_BYTES
    for member in members:
        scan = _SheetScan() if _is_sheet(member.filename) else None
        limit = min(left, _max_bytes(member.filename))
        for chunk in _unpacked(archive, member, limit):
            left -= len(chunk)
            if scan:
                scan.feed(chunk)
        if scan:
            facts[member.filename] = scan.close()
    return facts


def _refuse_other_archives(names: set[str]) -> None:
    if "xl/workbook.bin" in names:
        raise FileRefused("This is a binary workbook (.xlsb). Save it as .xlsx or CSV.")
    if "xl/workbook.xml" not in names or TYPES not in names:
        kind = "an OpenDocument file" if "mimetype" in names else "a zip archive"
        raise FileRefused(f"This is {kind}, not a workbook. Save it as .xlsx or CSV.")


def _refuse_disguises(archive: zipfile.ZipFile) -> None:
    """The limits go by the names of parts, openpyxl by their declared types. The two
    must agree."""

    def require_agreement(_: str, attributes: dict[str, str]) -> None:
        part = attributes.get("PartName", "").removeprefix("/")
        declared = attributes.get("ContentType", "")
        if not declared.endswith(_expected_type(part)):
            raise FileRefused(
                "The workbook's parts have misleading names. "
                "Save it again as .xlsx or CSV."
            )

    parser = _parser()
    parser.StartElementHandler = require_agreement
    for chunk in _unpacked(archive, archive.getinfo(TYPES), MAX_PART_BYTES):
        parser.Parse(chunk)
    parser.Parse(b"", True)


def _expected_type(part: str) -> str:
    """The required end of a part's content type."""
    if _is_sheet(part):
        return ".worksheet+xml"
    return ".sharedStrings+xml" if part == STRINGS else ""


def _is_sheet(name: str) -> bool:
    return name.startswith(SHEETS) and name.endswith(".xml")


def _max_bytes(name: str) -> int:
    if _is_sheet(name):
        return MAX_UNPACKED_BYTES
    return MAX_STRINGS_BYTES if name == STRINGS else MAX_PART_BYTES


def _unpacked(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int
) -> Iterator[bytes]:
    size = 0
    with archive.open(member) as part:
        while chunk := part.read(CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise FileRefused(TOO_LARGE)
            yield chunk


def _parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise FileRefused(
        "The workbook declares its own XML entities, which no spreadsheet program does. "
        "Save it again as .xlsx."
    )


@dataclass(slots=True)
class _SheetScan:
    """Goes through a sheet's XML, and refuses one that would fill the memory between
    two rows."""

    facts: SheetFacts = field(default_factory=SheetFacts)
    parser: expat.XMLParserType = field(default_factory=_parser)
    bytes_fed: int = 0
    row_start: int = 0
    """Byte where the current row begins."""
    row_elements: int = 0
    row_filled: int = 0
    in_value: bool = False
    """Inside the value of a cell, which has no text so far."""
    in_formula_cell: bool = False
    """Inside a cell whose formula has no result so far."""

    def __post_init__(self) -> None:
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> None:
        self.bytes_fed += len(chunk)
        self.parser.Parse(chunk)
        if self.bytes_fed - self.row_start > MAX_ROW_BYTES:
            raise FileRefused(TOO_LARGE)

    def close(self) -> SheetFacts:
        self.parser.Parse(b"", True)
        self.facts.add_row(self.row_filled)
        return self.facts

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.row_elements += 1
        if self.row_elements > MAX_ROW_ELEMENTS:
            raise FileRefused(TOO_LARGE)
        match tag.rpartition(":")[2]:
            case "v":
                self.in_value = True
            case "c":
                self.in_value = False
                self.in_formula_cell = False
            case "f":
                self.in_formula_cell = True
                self.facts.empty_formulas += 1
            case "is":
                self.row_filled += 1
            case "row":
                self._start_row(attributes)

    def _end(self, tag: str) -> None:
        if self.in_value and tag.rpartition(":")[2] == "v":
            self.in_value = False

    def _text(self, _: str) -> None:
        if not self.in_value:
            return
        self.in_value = False
        self.row_filled += 1
        if self.in_formula_cell:
            self.in_formula_cell = False
            self.facts.empty_formulas -= 1

    def _start_row(self, attributes: dict[str, str]) -> None:
        self.facts.add_row(self.row_filled)
        self.row_filled = 0
        self.row_elements = 0
        self.row_start = self.parser.CurrentByteIndex
        self.facts.rows += 1
        self.facts.hidden_rows += attributes.get("hidden") in {"1", "true"}
        if self.facts.rows > MAX_ROWS:
            raise FileRefused(TOO_LARGE)
