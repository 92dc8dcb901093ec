"""XML documents as streams of UTF-8 in which every `<` begins a tag, so that they can be cut
into pieces without a parser."""

import codecs
import re
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from jobsui.files.errors import FileRefused
from jobsui.files.xlsx.parts import DAMAGED, ENTITIES

MAX_SECTION_BYTES = 16 * 1024**2
SECTION = re.compile(rb"<!--.*?-->|<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
DOCTYPE = b"<!DOCTYPE"
ENCODING = re.compile(rb'<\?xml[^>]*?encoding=["\']([\w.-]+)')
ROOT_PREFIX = re.compile(rb"<([\w.-]+:)?(?:sst|worksheet)\b")
MARK = b"\xef\xbb\xbf"


def plain_xml(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Without comments, and with CDATA as ordinary text. Raises FileRefused for a document
    that declares entities."""
    rest = b""
    for chunk in _as_utf8(chunks):
        rest += chunk
        end = rest.find(b"<!")
        if end >= 0:
            rest = SECTION.sub(_plain_section, rest)
            end = rest.find(b"<!")
        if end < 0:
            end = len(rest) - rest.endswith(b"<")
        elif rest.startswith(DOCTYPE, end):
            raise FileRefused(ENTITIES)
        if end:
            yield rest[:end]
        rest = rest[end:]
        if len(rest) > MAX_SECTION_BYTES:
            raise FileRefused(DAMAGED)
    if rest:
        raise FileRefused(DAMAGED)


def prefix_of(beginning: bytes) -> bytes:
    """The namespace prefix of a part's elements, with its colon; mostly b""."""
    match = ROOT_PREFIX.search(beginning)
    return (match and match[1]) or b""


def without_prefix(piece: bytes, prefix: bytes) -> bytes:
    if not prefix:
        return piece
    return piece.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</")


def _plain_section(match: re.Match[bytes]) -> bytes:
    text = match[1]
    return (
        escape(text.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )
        if text
        else b""
    )


def _as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    stream = iter(chunks)
    first = next(stream, b"")
    encoding = _encoding(first)
    if encoding == "utf-8":
        yield first.removeprefix(MARK)
        yield from stream
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in stream:
            yield decoder.decode(chunk).encode()
    except UnicodeError:
        raise FileRefused(DAMAGED) from None


def _encoding(beginning: bytes) -> str:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    match = ENCODING.match(beginning.removeprefix(MARK))
    try:
        return codecs.lookup(match[1].decode() if match else "utf-8").name
    except LookupError:
        raise FileRefused(DAMAGED) from None
