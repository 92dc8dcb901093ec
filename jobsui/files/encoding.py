"""Bytes to text. The encoding is found by rules that can be explained, not by guessing
from statistics."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from jobsui.files.errors import FileRefused

UTF8 = "utf-8-sig"
"""UTF-8, with or without a byte order mark."""
UTF16 = "utf-16"
ENCODINGS = {
    UTF8: "UTF-8",
    "cp1252": "Windows-1252 (Western Europe)",
    "iso-8859-1": "ISO 8859-1 (Western Europe)",
    "iso-8859-2": "ISO 8859-2 (Central Europe)",
    "iso-8859-15": "ISO 8859-15 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "mac-roman": "Mac Roman",
    "shift_jis": "Shift JIS",
    "gb18030": "GB 18030",
    UTF16: "UTF-16",
}
"""The encodings that can be chosen: Python's name, and the name shown to people."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
CHUNK_BYTES = 1 << 20
BUFFER_BYTES = 1 << 16
MAX_LINE_CHUNKS = 16
MARK = "jobsui-mark"
"""Decode each byte that does not fit as a lone surrogate, which no text can contain."""
MARKED = re.compile("[\ud800-\udfff]")


def choose(head: bytes, chosen: str = "") -> str:
    """The chosen encoding, else UTF-16 by its byte order mark, else UTF-8. Raises
    FileRefused for an unknown choice."""
    if chosen:
        return _known(chosen.lower())
    return UTF16 if head.startswith(UTF16_MARKS) else UTF8


def check(stream: BinaryIO, encoding: str, *, has_lines: bool) -> None:
    """Read the whole stream and raise FileRefused unless all of it is text in this
    encoding. With `has_lines`, endless lines are refused too."""
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.seek(0)
    line = 1
    chunks_in_line = 0
    while True:
        chunk = stream.read(CHUNK_BYTES)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise FileRefused(_does_not_fit(error, encoding, line, chunk)) from None
        except UnicodeError:  # Raised without a position when the mark is missing.
            raise FileRefused(
                "The file is not UTF-16: it has no byte order mark. "
                "Choose another encoding."
            ) from None
        if "\x00" in text:
            raise FileRefused(
                "The file contains zero bytes, so it is not a text file. "
                "Export it again as CSV (UTF-8)."
            )
        if not chunk:
            return
        line += chunk.count(b"\n")
        chunks_in_line += 1
        if b"\n" in chunk or b"\r" in chunk:
            chunks_in_line = 0
        if has_lines and chunks_in_line == MAX_LINE_CHUNKS:
            raise FileRefused(
                f"Line {line:,} is longer than 16 MB, so this is not a table. "
                "Export the file again as CSV."
            )


def text_of(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The stream as text from its beginning, line ends as they are. Its owner still has
    to close it."""
    stream.seek(0)
    buffered = io.BufferedReader(_Unclosed(stream), BUFFER_BYTES)
    return io.TextIOWrapper(buffered, encoding=encoding, newline="")


def utf8_pieces(stream: BinaryIO, encoding: str, size: int) -> Iterator[bytes]:
    """The stream as UTF-8 without a byte order mark, from its beginning. Bytes that do
    not fit the encoding are no UTF-8 there either: `marked_text` finds them."""
    stream.seek(0)
    if encoding == UTF8:
        yield stream.read(size).removeprefix(codecs.BOM_UTF8)
        while piece := stream.read(size):
            yield piece
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=MARK)
    is_first = True
    while piece := stream.read(size):
        text = decoder.decode(piece)
        if is_first:
            text = text.removeprefix("\ufeff")
            is_first = not text
        yield text.encode(errors="surrogatepass")
    yield decoder.decode(b"", final=True).encode(errors="surrogatepass")


def marked_text(data: bytes, encoding: str) -> str:
    """What `utf8_pieces` gave, as text. The byte 0x81 that does not fit is "\\udc81"."""
    errors = MARK if encoding == UTF8 else "surrogatepass"
    return data.decode(errors=errors)


def size_of(text: str, encoding: str) -> int:
    """How many bytes of `utf8_pieces` the marked text was."""
    if encoding != UTF8:
        return len(text.encode(errors="surrogatepass"))
    whole, marks = MARKED.subn("", text)
    return len(whole.encode()) + marks


def wrong_byte(text: str) -> str:
    """The first byte of a marked text that does not fit its encoding: "0x81"; "" for
    none."""
    match = MARKED.search(text)
    return f"0x{ord(match[0]) - 0xDC00:02X}" if match else ""


def without_marks(text: str) -> str:
    return MARKED.sub("\ufffd", text)


def name_of(encoding: str) -> str:
    """Without its region: "Windows-1252"."""
    return ENCODINGS[encoding].partition(" (")[0]


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # A codec of several bytes counts the next character to a wrong byte, perhaps a line
    # end; only a unit of UTF-16 is wrong as a whole.
    is_utf16 = error.encoding.startswith("utf-16")
    end = error.end if is_utf16 else error.start + 1
    wrong = error.object[error.start : end]
    return "".join(chr(0xDC00 + byte) for byte in wrong), end


def utf8_of(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The stream as UTF-8 without a byte order mark, from its beginning."""
    if encoding != UTF8:
        return io.BufferedReader(_Recoded(text_of(stream, encoding)), BUFFER_BYTES)
    stream.seek(0)
    if stream.read(3) != codecs.BOM_UTF8:
        stream.seek(0)
    return stream


def _known(name: str) -> str:
    if name in {"utf-8", "utf8"}:
        return UTF8
    if name not in ENCODINGS:
        raise FileRefused(
            f"The encoding {name!r} is not known. Choose one of: "
            f"{', '.join(ENCODINGS)}."
        )
    return name


def _does_not_fit(
    error: UnicodeDecodeError, encoding: str, line: int, chunk: bytes
) -> str:
    """`line`: the one in which `chunk` begins."""
    # The decoder may have kept the first bytes of a character from the chunk before.
    kept = len(error.object) - len(chunk)
    line += chunk.count(b"\n", 0, max(0, error.start - kept))
    name = ENCODINGS[encoding].partition(" (")[0]
    byte = error.object[error.start : error.start + 1].hex().upper()
    return (
        f"The file is not {name}: line {line:,} has a byte (0x{byte}) that does not "
        "fit. Choose its encoding; files from Excel on Windows are usually "
        "Windows-1252 (cp1252). Or save it as CSV UTF-8."
    )


class _Unclosed(io.RawIOBase):
    """A stream that stays open when the wrapper around it is discarded."""

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
        self._text = text
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._rest or self._text.read(1 << 14).encode()
        self._rest = data[len(buffer) :]
        data = data[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)


codecs.register_error(MARK, _mark)
