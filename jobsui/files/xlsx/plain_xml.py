"""XML documents as streams of UTF-8 in which every `<` begins a tag, so that they can be cut
into pieces without a parser."""

import codecs
import re
from collections.abc import Iterable, Iterator

from jobsui.files.errors import FileRefused
from jobsui.files.xlsx.parts import DAMAGED, ENTITIES

MAX_SECTION_BYTES = 16 * 1024**2
COMMENT = b"<!--"
COMMENT_END = b"-->"
CDATA = b"<![CDATA["
CDATA_END = b"]]>"
DOCTYPE = b"<!DOCTYPE"
ENCODING = re.compile(rb'<\?xml[^>]*?encoding=["\']([\w.-]+)')
ROOT_PREFIX = re.compile(rb"<([\w.-]+:)?(?:sst|worksheet)\b")
MARK = b"\xef\xbb\xbf"


def plain_xml(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Without comments, and with CDATA as ordinary text. Raises FileRefused for a document
    that declares entities."""
    rest = b""
    for chunk in _as_utf8(chunks):
        plain, rest = _without_sections(rest + chunk)
        if plain:
            yield plain
        if len(rest) > MAX_SECTION_BYTES:
            raise FileRefused(DAMAGED)
    if rest:
        raise FileRefused(DAMAGED)


def _without_sections(data: bytes) -> tuple[bytes, bytes]:
    """(what is before the first section that does not end, the rest)."""
    if b"!" not in data and not data.endswith(b"<"):
        return data, b""
    plain = []
    position = 0
    while (start := data.find(b"<!", position)) >= 0:
        plain.append(data[position:start])
        position = start
        if data.startswith(DOCTYPE, start):
            raise FileRefused(ENTITIES)
        if data.startswith(COMMENT, start):
            end = data.find(COMMENT_END, start)
            if end < 0:
                break
            position = end + len(COMMENT_END)
        elif data.startswith(CDATA, start):
            end = data.find(CDATA_END, start)
            if end < 0:
                break
            plain.append(_escaped(data[start + len(CDATA) : end]))
            position = end + len(CDATA_END)
        else:
            break
    else:
        end = len(data) - data.endswith(b"<")
        plain.append(data[position:end])
        position = end
    return b"".join(plain), data[position:]


def prefix_of(beginning: bytes) -> bytes:
    """The namespace prefix of a part's elements, with its colon; mostly b""."""
    match = ROOT_PREFIX.search(beginning)
    return (match and match[1]) or b""


def without_prefix(piece: bytes, prefix: bytes) -> bytes:
    if not prefix:
        return piece
    return piece.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</")


def _escaped(text: bytes) -> bytes:
    escaped = text.replace(b"&", b"&amp;")
    return escaped.replace(b"<", b"&lt;").replace(b">", b"&gt;")


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
