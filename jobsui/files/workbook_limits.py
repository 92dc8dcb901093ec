"""A look at what a workbook would unpack to, in constant memory, before openpyxl sees
it. A zip's own figures may lie, so everything is counted by unpacking it."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from jobsui.files.errors import FileRefused

MOST_MEMBERS = 2000
MOST_UNPACKED = 4 * 1024**3
MOST_STRINGS = 128 * 1024**2
"""Of shared strings: openpyxl keeps all of them in memory."""
MOST_PART = 16 * 1024**2
"""Of other parts, which openpyxl may read whole."""
MOST_ROWS = 1_048_576
MOST_BETWEEN_ROWS = 16 * 1024**2
MOST_ELEMENTS = 500_000
"""From one row to the next, or behind the last one: openpyxl keeps them until the next
row begins."""
CHUNK = 1 << 20

SHEETS = "xl/worksheets/"
STRINGS = "xl/sharedStrings.xml"
TYPES = "[Content_Types].xml"
TOO_LARGE = "The workbook is too large to be unpacked safely. Save the sheet as CSV."


@dataclass(slots=True)
class Seen:
    """What was seen in a sheet that its rows will not tell."""

    rows: int = 0
    hidden: int = 0
    unanswered: int = 0
    """Formulas without a stored result, which read as blank."""


def look(archive: zipfile.ZipFile) -> dict[str, Seen]:
    """What was seen, by the name of the sheet's part. Raises FileRefused for what is no
    workbook or would not fit into memory."""
    members = archive.infolist()
    _refuse_strangers({member.filename for member in members})
    if len(members) > MOST_MEMBERS:
        raise FileRefused("The workbook holds too many parts. Save the sheet as CSV.")
    _refuse_disguises(archive)
    seen, left = {}, MOST_UNPACKED
    for member in members:
        scan = _SheetScan() if _is_sheet(member.filename) else None
        for chunk in _unpacked(archive, member, min(left, _limit(member.filename))):
            left -= len(chunk)
            if scan:
                scan.feed(chunk)
        if scan:
            seen[member.filename] = scan.end()
    return seen


def _refuse_strangers(names: set[str]) -> None:
    if "xl/workbook.bin" in names:
        raise FileRefused("This is a binary workbook (.xlsb). Save it as .xlsx or CSV.")
    if "xl/workbook.xml" not in names or TYPES not in names:
        what = "an OpenDocument file" if "mimetype" in names else "a zip archive"
        raise FileRefused(f"This is {what}, not a workbook. Save it as .xlsx or CSV.")


def _refuse_disguises(archive: zipfile.ZipFile) -> None:
    """The limits go by the names of parts, openpyxl goes by their declared types: the
    two must agree."""

    def agree(_: str, attributes: dict[str, str]) -> None:
        part = attributes.get("PartName", "").removeprefix("/")
        expected = (
            ".worksheet+xml"
            if _is_sheet(part)
            else ".sharedStrings+xml"
            if part == STRINGS
            else ""
        )
        if not attributes.get("ContentType", "").endswith(expected):
            raise FileRefused(
                "The workbook's parts have misleading names. Save it again as .xlsx or CSV."
            )

    parser = _parser()
    parser.StartElementHandler = agree
    for chunk in _unpacked(archive, archive.getinfo(TYPES), MOST_PART):
        parser.Parse(chunk)
    parser.Parse(b"", True)


def _is_sheet(name: str) -> bool:
    return name.startswith(SHEETS) and name.endswith(".xml")


def _limit(name: str) -> int:
    if _is_sheet(name):
        return MOST_UNPACKED
    return MOST_STRINGS if name == STRINGS else MOST_PART


def _unpacked(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int
) -> Iterator[bytes]:
    size = 0
    with archive.open(member) as part:
        while chunk := part.read(CHUNK):
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
        "The workbook declares its own XML entities, as no spreadsheet does. Save it again as .xlsx."
    )


@dataclass(slots=True)
class _SheetScan:
    """Goes through a sheet's XML and refuses one that would fill the memory between two
    rows."""

    seen: Seen = field(default_factory=Seen)
    parser: expat.XMLParserType = field(default_factory=_parser)
    elements: int = 0
    row_at: int = 0
    fed: int = 0
    formula: bool = False
    """In a cell whose formula has shown no result so far."""
    value: bool = False
    """In the result of such a cell."""

    def __post_init__(self) -> None:
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> None:
        self.fed += len(chunk)
        self.parser.Parse(chunk)
        if self.fed - self.row_at > MOST_BETWEEN_ROWS:
            raise FileRefused(TOO_LARGE)

    def end(self) -> Seen:
        self.parser.Parse(b"", True)
        return self.seen

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.elements += 1
        if self.elements > MOST_ELEMENTS:
            raise FileRefused(TOO_LARGE)
        match tag.rpartition(":")[2]:
            case "f":
                self.formula = True
                self.seen.unanswered += 1
            case "v":
                self.value = self.formula
            case "c":
                self.formula = self.value = False
            case "row":
                self._row(attributes)

    def _end(self, tag: str) -> None:
        if self.value and tag.rpartition(":")[2] == "v":
            self.value = False

    def _text(self, _: str) -> None:
        if self.value:
            self.formula = self.value = False
            self.seen.unanswered -= 1

    def _row(self, attributes: dict[str, str]) -> None:
        self.elements, self.row_at = 0, self.parser.CurrentByteIndex
        self.seen.rows += 1
        self.seen.hidden += attributes.get("hidden") in {"1", "true"}
        if self.seen.rows > MOST_ROWS:
            raise FileRefused(TOO_LARGE)
