"""The texts of a workbook: escapes, and the shared strings to which its cells refer by
number."""

import re
from collections.abc import Iterable, Iterator
from xml.parsers import expat

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.errors import FileRefused
from jobsui.files.xlsx.parts import DAMAGED, xml_parser
from jobsui.files.xlsx.plain_xml import plain_xml, prefix_of, without_prefix

PIECE_BYTES = 1 << 20
MAX_TEXT_BYTES = 512 * 1024**2
MAX_STRING_BYTES = 16 * 1024**2
MAX_CELL = 131_072
"""Characters."""
KEPT_OF_LONG = 200

MAX_DEPTH = 50
MAX_TAG_BYTES = 100
TAG = re.compile("<[^>]*>")
ENTITY = re.compile("&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
HEX_ESCAPE = re.compile(
    "_x([Dd][89ABab][0-9A-Fa-f]{2})__x([Dd][C-Fc-f][0-9A-Fa-f]{2})_|_x([0-9A-Fa-f]{4})_"
)
NO_TEXTS = pa.array([], pa.string())

PLAIN_START = "<t>"
PLAIN_END = "</t></si>"
EMPTY = pa.array(["</si>", "<t/></si>"])
STRING = r'^(?s:<t(?: xml:space="preserve")?(?:/>|>(?P<text>[^<]*)</t>))?</si>\s*(?:</sst>.*)?$'


class SharedStrings:
    """The texts, unpacked as far as they are asked for."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.too_long: set[int] = set()
        """Numbers of those of which only the first characters are kept."""
        self._pieces = _pieces(chunks)
        self._texts = NO_TEXTS
        self._lengths = pa.array([], pa.int32())
        self._longest = 0

    @property
    def longest(self) -> int:
        """Bytes of the longest one so far."""
        return self._longest

    def at_least(self, count: int) -> pa.StringArray:
        """The texts, this many if the workbook has them. Raises FileRefused."""
        if count > len(self._texts):
            # Twice as many as before, so that each text is copied only a few times.
            self._load(max(count, 2 * len(self._texts)))
        return self._texts

    def lengths(self, numbers: pa.Int32Array) -> list[int]:
        """Bytes of the texts with these numbers; 0 for null."""
        self.at_least((pc.max(numbers).as_py() or 0) + 1)
        is_known = pc.less(numbers, len(self._lengths))
        known = pc.if_else(is_known, numbers, None)
        lengths: list[int] = pc.fill_null(self._lengths.take(known), 0).to_pylist()
        return lengths

    def _load(self, count: int) -> None:
        arrays = [self._texts]
        total = len(self._texts)
        size = self._texts.nbytes
        for texts in self._pieces:
            arrays.append(self._shortened(texts, total))
            total += len(texts)
            size += arrays[-1].nbytes
            if size > MAX_TEXT_BYTES:
                raise FileRefused(
                    f"The workbook has more than {MAX_TEXT_BYTES >> 20} MB of different "
                    f"texts (behind text {total:,}). Save the sheet as CSV."
                )
            if total >= count:
                break
        self._texts = pa.concat_arrays(arrays)
        self._lengths = pc.binary_length(self._texts)
        self._longest = pc.max(self._lengths).as_py() or 0

    def _shortened(self, texts: pa.StringArray, first: int) -> pa.StringArray:
        is_long = pc.greater(pc.utf8_length(texts), MAX_CELL)
        if not pc.any(is_long).as_py():
            return texts
        places = pc.indices_nonzero(is_long).to_pylist()
        self.too_long.update(first + place for place in places)
        beginning = pc.utf8_slice_codeunits(texts, 0, KEPT_OF_LONG)
        return pc.if_else(is_long, beginning, texts)


def text_array(piece: bytes) -> pa.StringArray:
    """One text: the piece. Raises pa.ArrowInvalid for bytes that are not UTF-8."""
    return pa.array([piece], pa.binary()).cast(pa.string())


def decoded(texts: pa.StringArray, *, is_xml: bool) -> pa.StringArray:
    """The texts without XML's escapes (`is_xml`) and without those of workbooks
    (`_x000D_`)."""
    escaped = pc.match_substring(texts, "_x")
    if is_xml:
        for sign in ("&", "\r"):
            escaped = pc.or_(escaped, pc.match_substring(texts, sign))
    if not pc.any(escaped).as_py():
        return texts
    found = texts.filter(escaped).to_pylist()
    plain = [hex_decoded(xml_decoded(text) if is_xml else text) for text in found]
    return pc.replace_with_mask(texts, escaped, pa.array(plain, pa.string()))


def xml_decoded(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return ENTITY.sub(_entity, plain) if "&" in plain else plain


def hex_decoded(text: str) -> str:
    """Escapes of half a surrogate pair stay, because no text can have one."""
    return HEX_ESCAPE.sub(_character, text) if "_x" in text else text


def _entity(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return ENTITIES[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    is_character = code <= 0x10FFFF and not 0xD800 <= code < 0xE000
    return chr(code) if is_character else match[0]


def _character(match: re.Match[str]) -> str:
    codes = "".join(filter(None, match.groups()))
    try:
        return bytes.fromhex(codes).decode("utf-16-be")
    except UnicodeDecodeError:
        return match[0]


def _pieces(chunks: Iterable[bytes]) -> Iterator[pa.StringArray]:
    """The texts, some thousands at a time."""
    rest = b""
    prefix: bytes | None = None
    is_skipping = False
    for chunk in plain_xml(chunks):
        rest += chunk
        if is_skipping:
            start = rest.find(b"<" + (prefix or b"") + b"si")
            is_skipping = start < 0
            rest = rest[start:] if start >= 0 else rest[-MAX_TAG_BYTES:]
        if is_skipping or len(rest) < PIECE_BYTES:
            continue
        if prefix is None:
            prefix = prefix_of(rest)
        end = rest.rfind(b"<" + prefix + b"si")
        if end > 0:
            yield _texts(without_prefix(rest[:end], prefix))
            rest = rest[end:]
        elif len(rest) > MAX_STRING_BYTES:
            # Its end is not known, so it stands for itself until the next one begins.
            yield _long_text(rest)
            rest = b""
            is_skipping = True
    if not is_skipping:
        yield _texts(
            without_prefix(rest, prefix_of(rest) if prefix is None else prefix)
        )


def _long_text(beginning: bytes) -> pa.StringArray:
    """A text that counts as too long, with its first letters."""
    kept = beginning[: 4 * KEPT_OF_LONG].decode("utf-8", "ignore")
    letters = xml_decoded(TAG.sub("", kept))
    return pa.array([letters.ljust(MAX_CELL + 1)], pa.string())


def _texts(piece: bytes) -> pa.StringArray:
    """The texts of a piece that begins and ends between two strings."""
    piece = piece.replace(b"<si/>", b"<si></si>")
    try:
        whole = text_array(piece)
    except pa.ArrowInvalid:
        raise FileRefused(DAMAGED) from None
    fragments = pc.split_pattern(whole, "<si>").values[1:]
    if not len(fragments):
        return NO_TEXTS
    inner = pc.utf8_slice_codeunits(fragments, len(PLAIN_START), -len(PLAIN_END))
    are_plain = pc.and_(
        pc.and_(
            pc.starts_with(fragments, PLAIN_START), pc.ends_with(fragments, PLAIN_END)
        ),
        pc.invert(pc.match_substring(inner, "<")),
    )
    if pc.all(are_plain).as_py():
        return decoded(inner, is_xml=True)
    others = pc.invert(pc.or_(are_plain, pc.is_in(fragments, EMPTY)))
    texts = decoded(pc.if_else(are_plain, inner, ""), is_xml=True)
    return pc.replace_with_mask(texts, others, _others(fragments.filter(others)))


def _others(fragments: pa.StringArray) -> pa.StringArray:
    """Texts with attributes, without letters, of several runs."""
    found = pc.extract_regex(fragments, STRING)
    texts = decoded(pc.fill_null(pc.struct_field(found, "text"), ""), is_xml=True)
    if not found.null_count:
        return texts
    are_rich = found.is_null()
    elements = map(_element, fragments.filter(are_rich).to_pylist())
    document = f"<x>{''.join(elements)}</x>"
    rich = pa.array(_by_parser(document.encode()), pa.string())
    if len(rich) != found.null_count:
        raise FileRefused(DAMAGED)
    return pc.replace_with_mask(texts, are_rich, rich)


def _element(fragment: str) -> str:
    """The element of a fragment behind its start tag, without what follows it."""
    content, _, _ = fragment.rpartition("</si>")
    return f"<si>{content}</si>"


def _by_parser(document: bytes) -> list[str]:
    """The text of each string: all its runs, without phonetic guides."""
    texts: list[str] = []
    runs: list[str] = []
    open_elements: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        open_elements.append(name.rpartition(":")[2])
        if len(open_elements) > MAX_DEPTH:
            raise FileRefused(DAMAGED)
        if open_elements[-1] == "si":
            runs.clear()

    def end(_: str) -> None:
        if open_elements.pop() == "si":
            texts.append(hex_decoded("".join(runs)))

    def characters(text: str) -> None:
        if open_elements[-1] == "t" and "rPh" not in open_elements:
            runs.append(text)

    parser = xml_parser()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(document, True)
    except expat.ExpatError:
        raise FileRefused(DAMAGED) from None
    return texts
