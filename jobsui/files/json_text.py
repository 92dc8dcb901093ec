"""JSON text in pieces: the lines of JSON Lines, and the values of a document that is
larger than the memory."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from jobsui.files import json_fast
from jobsui.files.encoding import (
    marked_text,
    utf8_of_marked,
    utf8_pieces,
    utf8_to_marked,
)
from jobsui.files.errors import FileRefused
from jobsui.files.json_values import MISSING_COMMA, BadJSON, decode_at, syntax_error

FIRST_SIZES = (1 << 16, 1 << 18, 1 << 20)
SIZE = 1 << 21
"""Characters. The first pieces are smaller, so that a preview comes at once."""
MAX_ROW = 1 << 24
MAX_TOKEN = 12
"""Characters of a literal or an escape sequence that a piece may cut."""
BLANK_BYTES = b" \t\n"
BLANKS = re.compile(r"[ \t\n]*")
BETWEEN_OBJECTS = re.compile(r"\}[ \t\n]*,[ \t\n]*(?=\{)")
BEFORE_OBJECT = re.compile(rb"\}[ \t\n]*,[ \t\n]*\Z")
LAST_OBJECT = re.compile(r"\}(?=[ \t\n]*\][ \t\n}]*\Z)")
MAX_BETWEEN = 256
"""Bytes between two objects, for the fast way."""
MAX_CHARACTER_BYTES = 4
MAX_CUTS = 200
MAX_PATH = 2
"""Levels of objects around an array of rows."""


def sizes() -> Iterator[int]:
    """Of the pieces, without end."""
    yield from FIRST_SIZES
    while True:
        yield SIZE


def lines(stream: BinaryIO, encoding: str) -> Iterator[tuple[range, bytes]]:
    """Pieces of whole lines, each with the numbers of these, as `encoding.utf8_pieces` gives
    them. A line longer than MAX_ROW is a piece of its own, shortened to more than MAX_ROW
    bytes."""
    pieces = _with_line_ends(utf8_pieces(stream, encoding, sizes()))
    first = 1
    rest = b""
    for data in pieces:
        rest += data
        end = rest.rfind(b"\n") + 1
        if end:
            piece = rest[:end]
            numbers = _numbers(first, piece)
            yield numbers, piece
            first = numbers.stop
            rest = rest[end:]
        elif len(rest) > MAX_ROW:
            behind = _next_line(pieces)
            yield range(first, first + 1), rest
            first += 1
            rest = behind
    if rest:
        yield _numbers(first, rest), rest


def _numbers(first: int, piece: bytes) -> range:
    """Those of the lines of a piece that begins with line `first`."""
    count = piece.count(b"\n")
    is_cut = not piece.endswith(b"\n")
    return range(first, first + count + is_cut)


def _with_line_ends(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, in which every line end is "\\n"."""
    cut = b""
    for piece in pieces:
        whole = cut + piece
        cut = whole[-1:] if whole.endswith(b"\r") else b""
        if b"\r" in whole:
            whole = whole.removesuffix(b"\r")
            whole = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield whole
    if cut:
        yield b"\n"


def _next_line(pieces: Iterable[bytes]) -> bytes:
    """What was read of the next line, after the rest of the present one."""
    for data in pieces:
        _, end, behind = data.partition(b"\n")
        if end:
            return behind
    return b""


class Document:
    """A JSON document, read from its beginning: as text in a window, or as UTF-8 where
    pieces of it can be decoded without that."""

    def __init__(
        self, stream: BinaryIO, encoding: str, max_value: int = MAX_ROW
    ) -> None:
        """`max_value`: characters of a value; longer ones are refused once they are read in
        several pieces."""
        self.encoding = encoding
        self._max_value = max_value
        self._pieces = _with_line_ends(utf8_pieces(stream, encoding, sizes()))
        self._is_read = False
        self._data = b""
        """What was read and is not in the window yet."""
        self._lines_before = 0
        """Line ends before the window."""
        self._column_before = 0
        """Characters of the window's first line before the window."""
        self.window = ""
        self.position = 0
        """In the window."""

    @property
    def is_all(self) -> bool:
        """Whether the window reaches to the end of the document."""
        return self._is_read and not self._data

    def data(self, size: int) -> bytes:
        """All that was read and is left, at least `size` bytes if the document has them:
        UTF-8 of `encoding.utf8_pieces`. The window is empty then."""
        if self.window:
            rest = self._pass_window()
            self._data = utf8_of_marked(rest, self.encoding) + self._data
            self.window = ""
        while len(self._data) < size and not self._is_read:
            self._read()
        return self._data

    def pass_data(self, size: int) -> None:
        """Go past `size` bytes of `data`."""
        start = self._data.rfind(b"\n", 0, size) + 1
        last_line = marked_text(self._data[start:size], self.encoding)
        self._pass(self._data.count(b"\n", 0, size), len(last_line))
        self._data = self._data[size:]

    def fill(self, size: int) -> None:
        """Make at least `size` characters available, or all that are left."""
        if len(self.window) - self.position >= size or self.is_all:
            return
        self.window = self._pass_window()
        while len(self.window) < size and not self.is_all:
            self.grow()

    def grow(self) -> None:
        if len(self._data) < MAX_CHARACTER_BYTES:
            self._read()
        text, used = utf8_to_marked(self._data, self.encoding, is_all=self._is_read)
        self.window += text
        self._data = self._data[used:]

    def _read(self) -> None:
        piece = next(self._pieces, None)
        self._is_read = piece is None
        self._data += piece or b""

    def _pass_window(self) -> str:
        """What is left of the window."""
        start = self.window.rfind("\n", 0, self.position) + 1
        line_ends = self.window.count("\n", 0, self.position)
        self._pass(line_ends, self.position - start)
        rest = self.window[self.position :]
        self.position = 0
        return rest

    def _pass(self, line_ends: int, column: int) -> None:
        """Note what was passed: `line_ends`, and `column` characters after the last one."""
        self._lines_before += line_ends
        self._column_before = column if line_ends else self._column_before + column

    def where(self, position: int) -> str:
        """ "at line 3, column 7" """
        line = 1 + self._lines_before + self.window.count("\n", 0, position)
        start = self.window.rfind("\n", 0, position) + 1
        column = 1 + position - start
        if not start:
            column += self._column_before
        return f"at line {line:,}, column {column:,}"

    def syntax_error(self, message: str) -> BadJSON:
        """The next character is wrong. `message`: Python's decoder's."""
        error = json.JSONDecodeError(message, "", 0)
        error.pos = self.position
        return syntax_error(self.window, error, self.where(self.position))

    def take_until(self, end: int, behind: int) -> str:
        """The text up to `end`, going on at `behind`."""
        text = self.window[self.position : end]
        self.position = behind
        return text

    def peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            self.position = _blanks_end(self.window, self.position)
            if self.position < len(self.window):
                return self.window[self.position]
            if self.is_all:
                return ""
            self.fill(1)

    def take(self, sign: str) -> bool:
        """Go past `sign`, if it comes next."""
        if self.peek() != sign:
            return False
        self.position += 1
        return True

    def value(self) -> Any:
        """The next value. Raises BadJSON, and stays before the value then."""
        self.peek()
        start = self.position
        while True:
            try:
                value, end = decode_at(self.window, start)
            except json.JSONDecodeError as error:
                if self.is_all or not self._may_be_cut(error):
                    where = self.where(error.pos)
                    raise syntax_error(self.window, error, where) from None
            else:
                # A number may go on in the next piece.
                if end < len(self.window) or self.is_all:
                    self.position = end
                    return value
            if len(self.window) - start > self._max_value:
                megabytes = self._max_value >> 20
                raise BadJSON(
                    "long_row", f"is longer than {megabytes} MB", "Shorten it.", start
                ) from None
            self.grow()

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        is_near_end = len(self.window) - error.pos < MAX_TOKEN
        return is_near_end or error.msg.startswith("Unterminated string")


def _blanks_end(text: str, position: int) -> int:
    blanks = BLANKS.match(text, position)
    return blanks.end() if blanks else position


class Elements:
    """The elements of an array, from a document that stands behind its "["."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.number = 0
        """Of the element that was read last, from 1."""
        self.is_over = False
        self.has_trailing_comma = False
        self._is_behind_comma = False
        self.broken = ""
        """Sentences about the first element that was no JSON; "" if there was none."""

    def next(self) -> tuple[Any, str] | None:
        """The next element: its value, or the BadJSON that it is, and its text. None
        behind the last one. Raises FileRefused where elements cannot be told apart."""
        if self.is_over:
            return None
        document = self.document
        if document.peek() == "]":
            document.position += 1
            self.is_over = True
            self.has_trailing_comma = self._is_behind_comma
            return None
        self.number += 1
        start = document.position
        try:
            value = document.value()
        except BadJSON as error:
            return error, self._skipped("", error)
        text = document.window[start : document.position]
        sign = document.peek()
        if sign == "{":
            self._is_behind_comma = False
            missing = document.syntax_error(MISSING_COMMA)
            self.broken = self.broken or self._sentence(missing)
            return missing, text
        if sign not in {",", "]"}:
            missing = document.syntax_error("Expecting ',' delimiter")
            return missing, self._skipped(text, missing)
        self._is_behind_comma = document.take(",")
        return value, text

    def take(self, size: int) -> Iterator[tuple[Any, str]]:
        """`next`, for about `size` characters of elements."""
        length = 0
        while length < size and (found := self.next()):
            _, text = found
            length += len(text) + 1
            yield found

    def peek[T](
        self, size: int, decode: Callable[[bytes], T | None]
    ) -> tuple[T, int] | None:
        """The next elements, of about `size` characters, if `decode` can read them
        (`json_fast.objects`), and what `accept` needs to go past them. None: read them
        with `next`."""
        document = self.document
        if document.window and document.peek() != "{":
            return None
        data = document.data(size)
        start = len(data) - len(data.lstrip(BLANK_BYTES))
        if data[start : start + 1] != b"{":
            return None
        for end, behind in _cuts(data, start, start + size):
            try:
                array = b"".join((b"[", memoryview(data)[start:end], b"]"))
                rows = decode(array)
            except json_fast.CutText:
                continue
            return None if rows is None else (rows, behind)
        return None

    def accept(self, count: int, behind: int) -> None:
        """Go past `count` elements, to the position `behind` them."""
        self.document.pass_data(behind)
        self.number += count
        self._is_behind_comma = True

    def _skipped(self, text: str, error: BadJSON) -> str:
        """Go past a broken element of which `text` was read, and return its text. Raises
        FileRefused where the next element cannot be found."""
        document = self.document
        sentence = self._sentence(error)
        self.broken = self.broken or sentence
        if error.code == "not_json":
            while len(document.window) - document.position < MAX_ROW:
                if found := self._next_object(error.position):
                    return text + document.take_until(*found)
                if document.is_all:
                    break
                document.grow()
        raise FileRefused(sentence)

    def _sentence(self, error: BadJSON) -> str:
        return (
            f"Row {self.number:,} {error.what}. {error.fix} "
            "What follows it cannot be read."
        )

    def _next_object(self, position: int) -> tuple[int, int] | None:
        """(end of the broken element, where to go on)"""
        window = self.document.window
        for between in BETWEEN_OBJECTS.finditer(window, position):
            try:
                decode_at(window, between.end())
            except (json.JSONDecodeError, BadJSON):
                continue
            self._is_behind_comma = True
            return between.start() + 1, between.end()
        if self.document.is_all and (last := LAST_OBJECT.search(window, position)):
            self._is_behind_comma = False
            return last.end(), last.end()
        return None

    def skip_rest(self) -> None:
        """Raises FileRefused."""
        while not self.is_over:
            if found := self.peek(SIZE, json_fast.objects):
                objects, behind = found
                self.accept(len(objects), behind)
            else:
                for _ in self.take(SIZE):
                    pass


def _cuts(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(end of an object, start of the next) where this part of the data can perhaps be cut,
    the last first."""
    for _ in range(MAX_CUTS):
        end = data.rfind(b"{", start + 1, end)
        if end < 0:
            return
        before = data[max(start + 1, end - MAX_BETWEEN) : end]
        if between := BEFORE_OBJECT.search(before):
            yield end - len(before) + between.start() + 1, end


def members(document: Document) -> Iterator[str]:
    """The names of an object, from a document that stands behind its "{". The caller goes
    past each value. Raises BadJSON."""
    if document.take("}"):
        return
    while True:
        if document.peek() != '"':
            message = "Expecting property name enclosed in double quotes"
            raise document.syntax_error(message)
        name = document.value()
        if not document.take(":"):
            raise document.syntax_error("Expecting ':' delimiter")
        yield name
        if document.take("}"):
            return
        if not document.take(","):
            raise document.syntax_error("Expecting ',' delimiter")


def arrays(
    document: Document, path: str = "", depth: int = 0
) -> Iterator[tuple[str, Elements]]:
    """Each array of a document that is no part of another one, with its path: "job.items".
    Elements that the caller leaves are skipped. Raises BadJSON and FileRefused."""
    if document.take("["):
        elements = Elements(document)
        yield path, elements
        elements.skip_rest()
    elif depth < MAX_PATH and document.take("{"):
        for name in members(document):
            inner = f"{path}.{name}" if path else name
            yield from arrays(document, inner, depth + 1)
    else:
        document.value()
