"""The records of a workbook stream (BIFF 8)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from jobsui.files.errors import FileRefused
from jobsui.files.xls.compound import DAMAGED
from jobsui.files.xlsx.number_formats import BUILT_IN, GENERAL, NumberFormat, parse

BOF = 0x0809
EOF = 0x000A
CONTINUE = 0x003C
FILEPASS = 0x002F
DATE_MODE = 0x0022
SHEET = 0x0085
STRINGS = 0x00FC
FORMAT = 0x041E
CELL_FORMAT = 0x00E0
VERSION = 0x0600
WORKSHEET = 0
IS_WIDE = 1
HAS_EXTRA = 4
IS_RICH = 8


class Record(NamedTuple):
    kind: int
    data: bytes
    position: int
    """In the stream."""


@dataclass(frozen=True, slots=True)
class SheetEntry:
    title: str
    position: int
    is_visible: bool


@dataclass(slots=True)
class Globals:
    """What holds for all sheets."""

    sheets: list[SheetEntry] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    formats: list[NumberFormat] = field(default_factory=list)
    """By the number of a cell's format."""
    is_1904: bool = False


def records(stream: bytes, position: int = 0) -> Iterator[Record]:
    """The records from `position` on, without what continues them (`parts_at`)."""
    while position + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, position)
        yield Record(kind, stream[position + 4 : position + 4 + length], position)
        position += 4 + length


def read_globals(stream: bytes) -> Globals:
    """Raises FileRefused."""
    found = Globals()
    codes: dict[int, str] = {}
    numbers: list[int] = []
    for kind, data, position in records(stream):
        if kind == BOF:
            _require_version(data)
        elif kind == FILEPASS:
            raise FileRefused(
                "The workbook is protected with a password. Save it without one."
            )
        elif kind == DATE_MODE:
            found.is_1904 = data[:1] == b"\x01"
        elif kind == SHEET and data[5] == WORKSHEET:
            found.sheets.append(_sheet(data))
        elif kind == STRINGS:
            found.strings = Strings(_parts_at(stream, position)).read()
        elif kind == FORMAT:
            codes[struct.unpack_from("<H", data)[0]] = text_of(data, 2)
        elif kind == CELL_FORMAT:
            numbers.append(struct.unpack_from("<H", data, 2)[0])
        elif kind == EOF:
            break
    for number in numbers:
        code = codes.get(number)
        is_built_in = code is None or number in BUILT_IN
        form = BUILT_IN.get(number, GENERAL) if is_built_in else parse(code or "")
        found.formats.append(form)
    found.sheets.sort(key=lambda sheet: not sheet.is_visible)
    return found


def _require_version(data: bytes) -> None:
    if struct.unpack_from("<H", data)[0] != VERSION:
        raise FileRefused(
            "The workbook is older than Excel 97. Save it as .xlsx or CSV."
        )


def _sheet(data: bytes) -> SheetEntry:
    position, hidden = struct.unpack_from("<IB", data)
    length, flags = data[6], data[7]
    title = _decoded(data[8:], length, is_wide=bool(flags & IS_WIDE))
    return SheetEntry(title, position, not hidden & 3)


def text_of(data: bytes, start: int) -> str:
    """A text with a length of two bytes, within one record."""
    length, flags = struct.unpack_from("<HB", data, start)
    return _decoded(data[start + 3 :], length, is_wide=bool(flags & IS_WIDE))


def _decoded(data: bytes, length: int, *, is_wide: bool) -> str:
    if is_wide:
        return data[: 2 * length].decode("utf-16-le", "replace")
    return data[:length].decode("latin-1")


def _parts_at(stream: bytes, position: int) -> list[bytes]:
    """The data of a record and of those that continue it."""
    first, *others = _with_continuations(stream, position)
    return [first.data, *(record.data for record in others)]


def _with_continuations(stream: bytes, position: int) -> Iterator[Record]:
    for index, record in enumerate(records(stream, position)):
        if index and record.kind != CONTINUE:
            return
        yield record


class Strings:
    """The shared strings. A string can go on in the next part, in another width."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = iter(parts)
        self._part = next(self._parts)
        self._position = 8

    def read(self) -> list[str]:
        """Raises FileRefused."""
        _, count = struct.unpack_from("<II", self._part)
        found: list[str] = []
        try:
            while len(found) < count:
                found.append(self._string())
        except (StopIteration, struct.error, IndexError):
            raise FileRefused(DAMAGED) from None
        return found

    def _string(self) -> str:
        length, flags = struct.unpack("<HB", self._bytes(3))
        runs = struct.unpack("<H", self._bytes(2))[0] if flags & IS_RICH else 0
        extra = struct.unpack("<I", self._bytes(4))[0] if flags & HAS_EXTRA else 0
        text = self._characters(length, is_wide=bool(flags & IS_WIDE))
        self._skip(4 * runs + extra)
        return text

    def _characters(self, length: int, *, is_wide: bool) -> str:
        texts = []
        while length:
            if self._position >= len(self._part):
                self._next_part()
                is_wide = bool(self._part[0] & IS_WIDE)
                self._position = 1
            width = 2 if is_wide else 1
            count = min(length, (len(self._part) - self._position) // width)
            if not count:
                raise IndexError
            data = self._part[self._position : self._position + count * width]
            texts.append(
                data.decode("utf-16-le" if is_wide else "latin-1", "surrogatepass")
            )
            self._position += count * width
            length -= count
        text = "".join(texts)
        if text.isascii():
            return text
        # A character of two units can be cut by the end of a part.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _bytes(self, count: int) -> bytes:
        if self._position >= len(self._part):
            self._next_part()
        data = self._part[self._position : self._position + count]
        self._position += count
        return data

    def _skip(self, count: int) -> None:
        while count:
            if self._position >= len(self._part):
                self._next_part()
            step = min(count, len(self._part) - self._position)
            self._position += step
            count -= step

    def _next_part(self) -> None:
        self._part = next(self._parts)
        self._position = 0
        if not self._part:
            raise IndexError
