"""A look at a JSON document before it is parsed: a parser keeps a whole value, and the
way down to it, in memory, so small files that nest very deeply and values that never
end must not get that far."""

import re
from typing import BinaryIO

from jobsui.files.errors import FileRefused

CHUNK = 1 << 16
MOST_DEPTH = 100
MOST_VALUE = 4 * 1024 * 1024
ESCAPE = re.compile(rb"\\.", re.DOTALL)
LONG_NUMBER = re.compile(rb"[0-9]{1000}")
"""Beyond what Python makes a number of; the parser would not survive it."""
NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def refuse_bombs(stream: BinaryIO) -> None:
    """Read the stream to its end and raise FileRefused for what is nested more than
    MOST_DEPTH deep, or holds a value of more than about MOST_VALUE bytes. Whether it is
    JSON at all is left to the parser."""
    begun, open_brackets, in_text, without_end = b"", b"", False, 0
    while data := stream.read(CHUNK):
        data = begun + data
        begun = b"\\" if _ends_in_escape(data) else b""
        parts = ESCAPE.sub(b"", data.removesuffix(b"\\") if begun else data).split(b'"')
        outside = b",".join(parts[1 if in_text else 0 :: 2])
        ends = len(parts) > 1 or (
            not in_text and any(sign in outside for sign in b",[]{}")
        )
        without_end = 0 if ends else without_end + len(data)
        in_text ^= len(parts) % 2 == 0
        open_brackets = _still_open(
            open_brackets + outside.translate(None, NOT_BRACKETS)
        )
        if len(open_brackets) > MOST_DEPTH:
            raise FileRefused(
                f"The file is nested more than {MOST_DEPTH} levels deep. Its rows must be plain objects."
            )
        if LONG_NUMBER.search(outside):
            raise FileRefused(
                "The file has a number of more than 1,000 digits. Write it as text, in quotation marks."
            )
        if without_end > MOST_VALUE:
            raise FileRefused("The file has a value of more than 4 MB. Shorten it.")


def _still_open(brackets: bytes) -> bytes:
    """Without pairs that close each other. Each round takes the innermost, so what
    nests deeper stays."""
    for _ in range(MOST_DEPTH):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return brackets


def _ends_in_escape(data: bytes) -> bool:
    return (len(data) - len(data.rstrip(b"\\"))) % 2 == 1
