"""Bytes to text. The encoding is found by rules that can be explained, not by guessing
at statistics."""

import codecs
import io
from typing import BinaryIO

from jobsui.files.errors import FileRefused

UTF8 = "utf-8-sig"
"""UTF-8, with or without a byte order mark."""
ENCODINGS = (
    UTF8,
    "cp1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "cp1250",
    "cp1251",
    "mac-roman",
    "shift_jis",
    "gb18030",
    "utf-16",
)
"""What people may choose for a file that is not UTF-8."""
CHUNK = 1 << 20
MOST_CHUNKS_A_LINE = 16


def choose(head: bytes, chosen: str = "") -> str:
    """The chosen encoding, else UTF-16 by its byte order mark, else UTF-8. Raises
    FileRefused for an unknown choice."""
    if chosen:
        name = UTF8 if chosen.lower() in {"utf-8", "utf8"} else chosen.lower()
        if name not in ENCODINGS:
            raise FileRefused(
                f"The encoding {chosen!r} is not known. Choose one of: {', '.join(ENCODINGS)}."
            )
        return name
    return (
        "utf-16"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        else UTF8
    )


def check(stream: BinaryIO, encoding: str, *, lines: bool) -> None:
    """Read the whole stream and raise FileRefused unless all of it is text in this
    encoding, in lines of a sane length if it is to be read by `lines`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.seek(0)
    line, without_end = 1, 0
    while True:
        chunk = stream.read(CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise FileRefused(_does_not_fit(error, encoding, line, chunk)) from None
        except (
            UnicodeError
        ):  # Python says so, without a place, when the byte order mark is missing.
            raise FileRefused(
                "The file is not UTF-16: it has no byte order mark. Choose another encoding."
            ) from None
        if "\x00" in text:
            raise FileRefused(
                "The file holds zero bytes, so it is no text file. Export it again as CSV (UTF-8)."
            )
        if not chunk:
            return
        line += chunk.count(b"\n")
        without_end = 0 if b"\n" in chunk or b"\r" in chunk else without_end + 1
        if lines and without_end == MOST_CHUNKS_A_LINE:
            raise FileRefused(
                f"Line {line:,} is longer than 16 MB, so this is no table. Export the file again as CSV."
            )


def text_of(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The stream as text from its beginning, line ends as they are. Its owner still has
    to close it."""
    stream.seek(0)
    return io.TextIOWrapper(
        io.BufferedReader(_Raw(stream), 1 << 16), encoding=encoding, newline=""
    )


def utf8_of(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The stream as UTF-8 without a byte order mark, from its beginning."""
    if encoding != UTF8:
        return io.BufferedReader(_Recoded(text_of(stream, encoding)), 1 << 16)
    stream.seek(0)
    if stream.read(3) != codecs.BOM_UTF8:
        stream.seek(0)
    return stream


def _does_not_fit(
    error: UnicodeDecodeError, encoding: str, line: int, chunk: bytes
) -> str:
    name = {UTF8: "UTF-8", "utf-16": "UTF-16"}.get(encoding, encoding)
    # The decoder may have kept the begun character of the chunk before.
    line += chunk.count(b"\n", 0, max(0, error.start - len(error.object) + len(chunk)))
    byte = error.object[error.start : error.start + 1].hex().upper()
    return (
        f"The file is not {name}: line {line:,} has a byte (0x{byte}) that does not fit. Choose its encoding; "
        "files from Excel on Windows are usually Windows-1252 (cp1252). Or save it as CSV UTF-8."
    )


class _Raw(io.RawIOBase):
    """The stream, which a text wrapper must not close when it is thrown away."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Recoded(io.RawIOBase):
    """Text as UTF-8 bytes."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self._left = text, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._left or self._text.read(1 << 14).encode()
        self._left = data[len(buffer) :]
        data = data[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)
