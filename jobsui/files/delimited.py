"""CSV and its kin. Encoding and delimiter are found by rules that can be explained, not by guessing at statistics."""

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from jobsui.files.errors import FileRefused

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
ENCODINGS = ("utf-8", "cp1252", "iso-8859-1", "iso-8859-2", "iso-8859-15", "cp1250", "cp1251", "mac-roman", "shift_jis",
             "gb18030", "utf-16")  # fmt: skip
"""What people may choose for a file that is not UTF-8."""
MOST_CELL = 131_072


def check_encoding(stream: BinaryIO, chosen: str = "") -> str:
    """The encoding of a text file: the chosen one, else by its byte order mark, else UTF-8 if all of it is.

    Reads the whole stream. Raises FileRefused when it is none of these, or does not fit the choice.
    """
    stream.seek(0)
    head = stream.read(4)
    encoding = chosen or ("utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig")
    decoder = codecs.getincrementaldecoder(encoding)()
    stream.seek(0)
    position = 0
    while chunk := stream.read(1 << 20):
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise FileRefused(_not_in(encoding, chunk[error.start : error.start + 1], position + error.start)) from None
        if "\x00" in text:
            raise FileRefused("The file holds zero bytes, so it is no text file. Export it again as CSV (UTF-8).")
        position += len(chunk)
    return encoding


def vote(text: str) -> str:
    """The delimiter of a text's first lines: the one that cuts most lines into the same number of cells."""
    lines = text.splitlines()[:-1][:50] or text.splitlines()
    best = max(DELIMITERS, key=lambda delimiter: _score(lines, delimiter))
    return best if _score(lines, best) > (0, 0) else ","


def read(stream: BinaryIO, encoding: str, delimiter: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header and the rows behind it. A row's number counts records as a spreadsheet does, blank ones included."""
    text = io.TextIOWrapper(_Unclosed(stream), encoding=encoding, newline="")
    records = _records(csv.reader(text, delimiter=delimiter, strict=True))
    header = next(records, None)
    if header is None:
        raise FileRefused("The file has no rows.")
    return header[1], records


def _records(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise FileRefused(_csv_trouble(str(error), number)) from None
        if any(cells):
            yield number, cells


def _csv_trouble(error: str, number: int) -> str:
    if "field larger" in error:
        return f"Row {number} has a cell of more than {MOST_CELL:,} characters. Is a quotation mark missing before it?"
    if "unexpected end" in error:
        return f"Row {number} begins a quoted cell that never ends. Close its quotation mark."
    return f"Row {number} cannot be read: {error}. Check its quotation marks; inside a quoted cell they are doubled."


def _score(lines: list[str], delimiter: str) -> tuple[int, int]:
    widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    if not widths or widths[0] < 2:
        return 0, 0
    return sum(width == widths[0] for width in widths), widths[0]


def _not_in(encoding: str, byte: bytes, position: int) -> str:
    name = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16"}.get(encoding, encoding)
    return (
        f"The file is not {name}: byte {position + 1:,} (0x{byte.hex().upper()}) does not fit. Choose its encoding; "
        "files from Excel on Windows are usually Windows-1252 (cp1252). Or save it as CSV UTF-8."
    )


class _Unclosed(io.BufferedReader):
    """The stream, which the text wrapper must not close when it is thrown away: its owner does."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(_Raw(stream), 1 << 16)


class _Raw(io.RawIOBase):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
