"""The encodings that can be chosen, and bytes to text. What a file has is found in
`encoding_detection.py`."""

import codecs
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import BinaryIO

from jobsui.files.errors import FileRefused

UTF8 = "utf-8-sig"
"""UTF-8, with or without a byte order mark."""
UTF16 = "utf-16"
"""UTF-16 with a byte order mark."""
ENCODINGS = {
    UTF8: "UTF-8",
    "cp1252": "Windows-1252 (Western Europe)",
    "iso-8859-1": "ISO 8859-1 (Western Europe)",
    "iso-8859-15": "ISO 8859-15 (Western Europe)",
    "cp1250": "Windows-1250 (Central Europe)",
    "iso-8859-2": "ISO 8859-2 (Central Europe)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "iso-8859-5": "ISO 8859-5 (Cyrillic)",
    "koi8-r": "KOI8-R (Russian)",
    "koi8-u": "KOI8-U (Ukrainian)",
    "cp1253": "Windows-1253 (Greek)",
    "iso-8859-7": "ISO 8859-7 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "iso-8859-9": "ISO 8859-9 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "iso-8859-8": "ISO 8859-8 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp1257": "Windows-1257 (Baltic)",
    "iso-8859-13": "ISO 8859-13 (Baltic)",
    "cp1258": "Windows-1258 (Vietnamese)",
    "cp874": "Windows-874 (Thai)",
    "mac-roman": "Mac Roman",
    "mac-latin2": "Mac (Central Europe)",
    "mac-cyrillic": "Mac (Cyrillic)",
    "mac-greek": "Mac (Greek)",
    "mac-turkish": "Mac (Turkish)",
    "cp437": "DOS 437 (United States)",
    "cp850": "DOS 850 (Western Europe)",
    "cp852": "DOS 852 (Central Europe)",
    "cp866": "DOS 866 (Cyrillic)",
    "shift_jis": "Shift JIS",
    "cp932": "Windows-932 (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GB 18030",
    "big5": "Big5 (Taiwan)",
    "cp949": "Windows-949 (Korean)",
    UTF16: "UTF-16",
    "utf-16-le": "UTF-16 LE (without byte order mark)",
    "utf-16-be": "UTF-16 BE (without byte order mark)",
}
"""The encodings that can be chosen: Python's name, and the name shown to people."""
OTHER_NAMES = {"utf-8": UTF8, "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030"}
"""Encodings that another one reads as well."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MARK = "jobsui-mark"
"""Decode each byte that does not fit as a lone surrogate, which no text can contain."""
MARKED = re.compile("[\ud800-\udfff]")


def choose(head: bytes, chosen: str = "") -> str:
    """The chosen encoding, else UTF-16 by its byte order mark or by zero bytes beside
    line ends, else UTF-8. Raises FileRefused for an unknown choice."""
    if chosen:
        name = named(chosen)
        if not name:
            raise FileRefused(
                f"The encoding {chosen!r} is not known. Choose one of: "
                f"{', '.join(ENCODINGS)}."
            )
        if name == UTF16 and not head.startswith(UTF16_MARKS):
            return _unmarked_utf16(head) or "utf-16-le"
        return name
    return UTF16 if head.startswith(UTF16_MARKS) else _unmarked_utf16(head) or UTF8


def named(name: str) -> str:
    """The encoding of ENCODINGS with this name or another of its usual names, such as
    "windows-1251" for cp1251; "" for none."""
    if name in ENCODINGS:
        return name
    try:
        python_name = codecs.lookup(name).name
    except (LookupError, ValueError):
        return ""
    return _names_by_codec().get(python_name, "")


def utf8_pieces(
    stream: BinaryIO, encoding: str, sizes: Iterable[int]
) -> Iterator[bytes]:
    """The stream as UTF-8 without a byte order mark, from its beginning. Bytes that do
    not fit the encoding are no UTF-8 there either: `marked_text` finds them. `sizes`: how
    many bytes to read for each piece."""
    pieces = _pieces(stream, sizes)
    if encoding == UTF8:
        yield next(pieces, b"").removeprefix(codecs.BOM_UTF8)
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors=MARK)
    is_first = True
    for piece in pieces:
        text = decoder.decode(piece)
        if is_first:
            text = text.removeprefix("\ufeff")
            is_first = not text
        yield text.encode(errors="surrogatepass")
    yield decoder.decode(b"", final=True).encode(errors="surrogatepass")


def _pieces(stream: BinaryIO, sizes: Iterable[int]) -> Iterator[bytes]:
    stream.seek(0)
    for size in sizes:
        piece = stream.read(size)
        if not piece:
            return
        yield piece


def marked_text(data: bytes, encoding: str) -> str:
    """What `utf8_pieces` gave, as text. The byte 0x81 that does not fit is "\\udc81"."""
    text, _ = utf8_to_marked(data, encoding, is_all=True)
    return text


def utf8_to_marked(data: bytes, encoding: str, *, is_all: bool) -> tuple[str, int]:
    """`marked_text`, and how many bytes it was: not all if the last character is cut, and
    more may follow."""
    errors = MARK if encoding == UTF8 else "surrogatepass"
    return codecs.utf_8_decode(data, errors, is_all)


def utf8_of_marked(text: str, encoding: str) -> bytes:
    """The data that was this `marked_text`."""
    errors = "surrogateescape" if encoding == UTF8 else "surrogatepass"
    return text.encode(errors=errors)


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


@cache
def _names_by_codec() -> dict[str, str]:
    """{Python's own name of a codec: our name}. It imports all codecs, which takes longer than
    reading a small file."""
    names = {name: name for name in ENCODINGS} | OTHER_NAMES
    return {codecs.lookup(other).name: name for other, name in names.items()}


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # A codec of several bytes counts the next character to a wrong byte, perhaps a line
    # end; only a unit of UTF-16 is wrong as a whole.
    is_utf16 = error.encoding.startswith("utf-16")
    end = error.end if is_utf16 else error.start + 1
    wrong = error.object[error.start : end]
    return "".join(chr(0xDC00 + byte) for byte in wrong), end


def _unmarked_utf16(head: bytes) -> str:
    """UTF-16 whose byte order mark is missing; "" for other encodings."""
    if b"\x00" not in head or b"\x00\x00" in head:
        return ""
    size = len(head) // 2 * 2
    first = head[0:size:2]
    second = head[1:size:2]
    little = _line_ends(first, second)
    big = _line_ends(second, first)
    all_ends = head.count(b"\n") + head.count(b"\r")
    if max(little, big) * 2 > all_ends:
        return "utf-16-le" if little > big else "utf-16-be"
    # One line of ASCII: every other byte is zero. Otherwise zero bytes are stray ones.
    if second == bytes(len(second)):
        return "utf-16-le"
    return "utf-16-be" if first == bytes(len(first)) else ""


def _line_ends(low: bytes, high: bytes) -> int:
    """How many units of UTF-16 are line ends."""
    pairs = zip(low, high, strict=True)
    return sum(byte in b"\r\n" and other == 0 for byte, other in pairs)


codecs.register_error(MARK, _mark)
