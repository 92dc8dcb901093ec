"""Refuses hostile JSON before it is parsed. A parser keeps a whole value, and the path
down to it, in memory, so very deep nesting and endless values must not reach it."""

import re
from dataclasses import dataclass
from typing import BinaryIO

from jobsui.files.errors import FileRefused

CHUNK_BYTES = 1 << 16
MAX_DEPTH = 100
MAX_VALUE_BYTES = 4 * 1024 * 1024
ESCAPE = re.compile(rb"\\.", re.DOTALL)
LONG_NUMBER = re.compile(rb"[0-9]{1000}")
"""Python refuses numbers of more digits, and the parser would crash."""
STRUCTURE = b",[]{}"
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def refuse_bombs(stream: BinaryIO) -> None:
    """Read the stream to its end and raise FileRefused for nesting of more than
    MAX_DEPTH levels, or a value of more than about MAX_VALUE_BYTES. Whether it is JSON
    at all is left to the parser."""
    scan = _Scan()
    while chunk := stream.read(CHUNK_BYTES):
        scan.feed(chunk)


@dataclass(slots=True)
class _Scan:
    escape: bytes = b""
    """The backslash that ended the last chunk, if it begins an escape sequence."""
    is_in_text: bool = False
    open_brackets: bytes = b""
    value_bytes: int = 0
    """How long the value at the end of the last chunk is so far."""

    def feed(self, chunk: bytes) -> None:
        data = self.escape + chunk
        self.escape = b""
        if _ends_in_escape(data):
            self.escape = b"\\"
        complete = data[:-1] if self.escape else data
        parts = ESCAPE.sub(b"", complete).split(b'"')
        outside = b",".join(parts[1 if self.is_in_text else 0 :: 2])
        self._measure_value(len(data), parts, outside)
        if len(parts) % 2 == 0:
            self.is_in_text = not self.is_in_text
        brackets = outside.translate(None, NOT_BRACKETS)
        self.open_brackets = _unclosed(self.open_brackets + brackets)
        if len(self.open_brackets) > MAX_DEPTH:
            raise FileRefused(
                f"The file is nested more than {MAX_DEPTH} levels deep. "
                "Its rows must be plain objects."
            )
        if LONG_NUMBER.search(outside):
            raise FileRefused(
                "The file has a number of more than 1,000 digits. "
                "Write it as text, in quotation marks."
            )
        if self.value_bytes > MAX_VALUE_BYTES:
            raise FileRefused("The file has a value of more than 4 MB. Shorten it.")

    def _measure_value(self, size: int, parts: list[bytes], outside: bytes) -> None:
        ends_text = len(parts) > 1
        ends_value = not self.is_in_text and any(sign in outside for sign in STRUCTURE)
        if ends_text or ends_value:
            self.value_bytes = 0
        else:
            self.value_bytes += size


def _unclosed(brackets: bytes) -> bytes:
    """The brackets without pairs that close each other. Each round removes the
    innermost pairs, so what nests deeper than MAX_DEPTH stays."""
    for _ in range(MAX_DEPTH):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return brackets


def _ends_in_escape(data: bytes) -> bool:
    """Whether the data ends in an odd number of backslashes."""
    return (len(data) - len(data.rstrip(b"\\"))) % 2 == 1
