"""The parts of a workbook: an archive whose parts refer to each other by relationships.

Names and sizes that the archive states are not believed: parts are found by their
relationships, and bytes are counted while they are unpacked."""

import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, cast
from xml.parsers import expat

from isal import isal_zlib

from jobsui.files.errors import FileRefused

MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_SMALL_BYTES = 16 * 1024**2
"""Of parts that are read whole: relationships, the list of sheets, styles."""
MAX_RATIO = 250
"""Of a part's unpacked size to its packed one. Parts that a spreadsheet program writes
reach 50, because the numbers of rows differ."""
MIN_RATIO_BYTES = 32 * 1024**2
"""Smaller parts may have any ratio."""
MAX_SHEETS = 1000
INPUT_BYTES = 1 << 15
OUTPUT_BYTES = 1 << 20

ROOT = "_rels/.rels"
LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, length of the name, length of the extra field."""
DAMAGED = "The workbook is damaged. Open it in a spreadsheet program and save it again."
ENTITIES = (
    "The workbook declares its own XML entities, which no spreadsheet program does. "
    "Save it again."
)
OTHER_ARCHIVES = {
    "mimetype": "an OpenDocument file",
    "word/document.xml": "a Word document",
    "ppt/presentation.xml": "a presentation",
    "index/document.iwa": "a Numbers document",
}
"""Lower-case name of a part -> what has such a part."""

FROM_ARCHIVE: tuple[type[Exception], ...] = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    cast(type[Exception], isal_zlib.error),
)
"""What is raised for archives that are damaged or made up."""


class Element(NamedTuple):
    name: str
    """Without namespace, so that Strict workbooks read like others."""
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    title: str
    part: str
    """"" for a sheet whose part is missing."""
    is_visible: bool


class Package:
    """The archive."""

    def __init__(self, stream: BinaryIO) -> None:
        """Raises FileRefused for a file that is no archive."""
        self._stream = stream
        stream.seek(0)
        try:
            self._archive = zipfile.ZipFile(stream)
        except FROM_ARCHIVE:
            raise FileRefused(DAMAGED) from None
        members = self._archive.infolist()
        self._members = {_normal(member.filename): member for member in members}
        self._bytes_left = MAX_UNPACKED_BYTES

    def names(self) -> set[str]:
        return set(self._members)

    def size(self, part: str) -> int:
        """As the archive states it."""
        return self._members[part].file_size

    def chunks(self, part: str) -> Iterator[bytes]:
        """The part's content. Raises FileRefused for one that is damaged, or that unpacks
        to more than a workbook can have."""
        member = self._members[part]
        if member.flag_bits & 1:
            raise FileRefused(
                "The workbook is protected with a password. Save it without one."
            )
        size = 0
        try:
            for chunk in self._unpacked(member):
                size += len(chunk)
                self._bytes_left -= len(chunk)
                self._require_plausible(member, size)
                yield chunk
        except FROM_ARCHIVE:
            raise FileRefused(
                f"The workbook is damaged: its part {part} cannot be unpacked. Open it "
                "in a spreadsheet program and save it again."
            ) from None

    def content(self, part: str) -> bytes:
        """A part that is never large."""
        chunks = []
        size = 0
        for chunk in self.chunks(part):
            size += len(chunk)
            if size > MAX_SMALL_BYTES:
                raise FileRefused(
                    f"The workbook's part {part} is larger than "
                    f"{MAX_SMALL_BYTES >> 20} MB. Save the sheet as CSV."
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """{id: (the last word of the type, name of the other part)}."""
        folder, _, name = part.rpartition("/")
        relations = _normal(f"{folder}/_rels/{name}.rels" if part else ROOT)
        if relations not in self._members:
            return {}
        found = {}
        for element in elements(self.content(relations)):
            target = element.attributes.get("Target", "")
            if element.name == "Relationship" and target:
                kind = element.attributes.get("Type", "").rpartition("/")[2]
                identity = element.attributes.get("Id", "")
                found[identity] = kind, _resolved(folder, target)
        return found

    def _unpacked(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        """By ISA-L, which is twice as fast as zlib."""
        checksum = 0
        for chunk in self._inflated(member):
            checksum = isal_zlib.crc32(chunk, checksum)
            yield chunk
        if checksum != member.CRC:
            raise zipfile.BadZipFile

    def _inflated(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        if member.compress_type == zipfile.ZIP_STORED:
            yield from self._packed(member)
            return
        if member.compress_type != zipfile.ZIP_DEFLATED:
            raise NotImplementedError
        inflater = isal_zlib.decompressobj(-15)
        for packed in self._packed(member):
            rest = packed
            while rest and not inflater.eof:
                yield inflater.decompress(rest, OUTPUT_BYTES)
                rest = inflater.unconsumed_tail
        yield inflater.flush()
        if not inflater.eof:
            raise EOFError

    def _packed(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        stream = self._stream
        stream.seek(member.header_offset)
        header = stream.read(LOCAL_HEADER.size)
        signature, name_length, extra_length = LOCAL_HEADER.unpack(header)
        if signature != b"PK\x03\x04":
            raise zipfile.BadZipFile
        position = member.header_offset + len(header) + name_length + extra_length
        left = member.compress_size
        while left:
            # Two parts may be read in turns.
            stream.seek(position)
            packed = stream.read(min(left, INPUT_BYTES))
            if not packed:
                raise EOFError
            position += len(packed)
            left -= len(packed)
            yield packed

    def _require_plausible(self, member: zipfile.ZipInfo, size: int) -> None:
        if self._bytes_left < 0:
            raise FileRefused(
                f"The workbook unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB. Save "
                "the sheet as CSV."
            )
        if size > max(MIN_RATIO_BYTES, MAX_RATIO * member.compress_size):
            raise FileRefused(
                f"The workbook's part {member.filename} unpacks to more than "
                f"{MAX_RATIO} times its size, which no spreadsheet program's does. Save "
                "the sheet as CSV."
            )


class Workbook:
    """What the workbook's parts say about each other."""

    def __init__(self, stream: BinaryIO) -> None:
        """Raises FileRefused for a file that is not a workbook."""
        self.package = Package(stream)
        part = _main_part(self.package)
        related = self.package.related(part)
        content = elements(self.package.content(part))
        self.is_1904 = any(
            _is_true(element.attributes.get("date1904", ""))
            for element in content
            if element.name == "workbookPr"
        )
        self.sheets = _sheets(self.package, content, related)
        self.strings = self._first(related, "sharedStrings")
        self.styles = self._first(related, "styles")

    def _first(self, related: dict[str, tuple[str, str]], kind: str) -> str:
        """The related part of this kind; "" for none, or for one that is missing."""
        names = self.package.names()
        found = (
            part for its, part in related.values() if its == kind and part in names
        )
        return next(found, "")


def elements(data: bytes) -> list[Element]:
    """All elements in their order. Raises FileRefused for a document that is damaged or
    declares entities."""
    found: list[Element] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        own = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        found.append(Element(name.rpartition(":")[2], own))

    parser = xml_parser()
    parser.StartElementHandler = start
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise FileRefused(DAMAGED) from None
    return found


def xml_parser(namespace_separator: str | None = None) -> expat.XMLParserType:
    """It raises FileRefused for a document type, without which there are no entities."""
    parser = expat.ParserCreate(namespace_separator=namespace_separator)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.buffer_text = True
    return parser


def _refuse_doctype(*_: object) -> None:
    raise FileRefused(ENTITIES)


def _main_part(package: Package) -> str:
    names = package.names()
    related = package.related("").values()
    stated = [part for kind, part in related if kind == "officeDocument"]
    usual = [name for name in sorted(names) if re.search(r"(^|/)workbook\.xml$", name)]
    for part in [*stated, *usual]:
        if part.endswith(".bin"):
            raise FileRefused(
                "This is a binary workbook (.xlsb). Save it as .xlsx or CSV."
            )
        if part in names and not part.endswith(("/document.xml", "/presentation.xml")):
            return part
    if "xl/workbook.bin" in names:
        raise FileRefused("This is a binary workbook (.xlsb). Save it as .xlsx or CSV.")
    kinds = (kind for name, kind in OTHER_ARCHIVES.items() if name in names)
    kind = next(kinds, "a zip archive")
    raise FileRefused(f"This is {kind}, not a workbook. Save it as .xlsx or CSV.")


def _sheets(
    package: Package, content: list[Element], related: dict[str, tuple[str, str]]
) -> list[Sheet]:
    """Visible ones first. Sheets of charts and of macros have no cells."""
    names = package.names()
    sheets = []
    for element in content:
        if element.name != "sheet":
            continue
        attributes = element.attributes
        kind, part = related.get(attributes.get("id", ""), ("worksheet", ""))
        if kind == "worksheet":
            sheets.append(
                Sheet(
                    title=attributes.get("name", ""),
                    part=part if part in names else "",
                    is_visible=attributes.get("state", "visible") == "visible",
                )
            )
    if len(sheets) > MAX_SHEETS:
        raise FileRefused(
            f"The workbook has more than {MAX_SHEETS:,} sheets. Save the one you need as "
            "CSV."
        )
    return sorted(sheets, key=lambda sheet: not sheet.is_visible)


def _normal(name: str) -> str:
    """Some programs write backslashes, or other capital letters than elsewhere."""
    path = posixpath.normpath("/" + name.replace("\\", "/"))
    return path.lstrip("/").lower()


def _resolved(folder: str, target: str) -> str:
    path = target.replace("\\", "/")
    return _normal(path if path.startswith("/") else f"{folder}/{path}")


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "on"}
