"""Cuts the XML of cells into their parts, by patterns in Arrow. No pattern looks beyond the next
"<", so none takes a time that is quadratic."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.xlsx.strings import decoded, text_array

KEY_WIDTH = 1 << 20
PLAIN_START = "<v>"
PLAIN_END = "</v></c>"
TAIL = r"\s*(?:</row>(?:\s*(?:<row [^>]*>|</row>))*\s*)?$"
"""What may follow a cell, up to the next one."""
CONTENT = (
    r"^(?P<formula><f)?(?:(?: [^>]*)?(?:/>|>[^<]*</f>))?"
    r"(?:<v/>|<is><t/></is>"
    r'|(?:<v>|<v xml:space="preserve">|<is><t>|<is><t xml:space="preserve">)'
    r"(?P<text>[^<]*)(?:</v>|</t></is>))?</c>"
) + TAIL
BETWEEN_ROWS = re.compile(r"(?:\s*(?:<row [^>]*>|</row>))*+\s*")
"""A row without a number is left to the parser."""
ATTRIBUTE = re.compile(r' (?:s="([0-9]{1,6})"|t="([A-Za-z]+)"|(?:cm|vm|ph)="[^"]*")')
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
COLUMN_LETTERS = re.compile("[A-Z]{1,3}")


@dataclass(frozen=True, slots=True)
class RawCells:
    """Cells as the XML has them."""

    rows: pa.Int64Array
    columns: pa.Int32Array
    styles: pa.StringArray
    types: pa.StringArray
    formulas: pa.BooleanArray
    texts: pa.StringArray
    """Without escapes. The number of the text in a cell of type "s"."""

    def filter(self, mask: pa.BooleanArray) -> "RawCells":
        return self._with(lambda array: array.filter(mask))

    def slice(self, start: int, end: int) -> "RawCells":
        return self._with(lambda array: array.slice(start, end - start))

    def _with(self, change: Callable[[pa.Array], pa.Array]) -> "RawCells":
        return RawCells(
            change(self.rows),
            change(self.columns),
            change(self.styles),
            change(self.types),
            change(self.formulas),
            change(self.texts),
        )


def by_patterns(piece: bytes) -> RawCells | None:
    """None for a piece that is written in an unusual way."""
    try:
        parts = pc.split_pattern(text_array(piece), '<c r="').values
        fragments = parts[1:]
        if not BETWEEN_ROWS.fullmatch(parts[0].as_py()):
            return None
        # Each is: A2" s="1" t="s"><v>0</v></c>
        heads, bodies = _split(fragments, ">")
        references, attributes = _split(heads, '"')
        rows, columns = _positions(references)
        styles, types, are_closed = _attributes(attributes)
        texts, formulas = _contents(bodies, are_closed)
    except (_Unusual, pa.ArrowInvalid):
        return None
    texts = decoded(texts, is_xml=True)
    raw = RawCells(rows, columns, styles, types, formulas, texts)
    return raw if _is_in_order(raw) else None


def rows_with_doubles(raw: RawCells) -> set[int]:
    """Rows in which two cells are in the same place."""
    counts = pc.value_counts(_keys(raw))
    doubles = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    return {key // KEY_WIDTH for key in doubles.to_pylist()}


def _keys(raw: RawCells) -> pa.Int64Array:
    """One number for each place of a cell, in the order of places."""
    starts = pc.multiply(raw.rows, pa.scalar(KEY_WIDTH, pa.int64()))
    return pc.add(starts, raw.columns.cast(pa.int64()))


def column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


class _Unusual(Exception):
    """The patterns do not know this way of writing a cell."""


def _split(texts: pa.StringArray, mark: str) -> tuple[pa.StringArray, pa.StringArray]:
    """What is before and behind the first mark. Each text has one."""
    parts = pc.split_pattern(texts, mark, max_splits=1)
    return pc.list_element(parts, 0), pc.list_element(parts, 1)


def _positions(references: pa.StringArray) -> tuple[pa.Int64Array, pa.Int32Array]:
    """(row, column) of references such as A2."""
    letters = pc.ascii_rtrim(references, DIGITS).dictionary_encode()
    names = letters.dictionary.to_pylist()
    if not all(map(COLUMN_LETTERS.fullmatch, names)):
        raise _Unusual
    columns = pa.array(map(column_number, names), pa.int32())
    digits = pc.ascii_ltrim(references, LETTERS)
    if pc.all(pc.ascii_is_decimal(digits)).as_py() is False:
        raise _Unusual
    return digits.cast(pa.int64()), columns.take(letters.indices)


def _attributes(
    attributes: pa.StringArray,
) -> tuple[pa.StringArray, pa.StringArray, pa.BooleanArray]:
    """(style, type, whether the tag closes itself) by the attributes behind the reference,
    of which there are few kinds."""
    encoded = attributes.dictionary_encode()
    styles = []
    types = []
    are_closed = []
    for text in encoded.dictionary.to_pylist():
        found = ATTRIBUTE.findall(text)
        rest = ATTRIBUTE.sub("", text).strip()
        if rest not in {"", "/"}:
            raise _Unusual
        styles.append("".join(style for style, _ in found))
        types.append("".join(name for _, name in found))
        are_closed.append(rest == "/")
    places = encoded.indices
    return (
        pa.array(styles, pa.string()).take(places),
        pa.array(types, pa.string()).take(places),
        pa.array(are_closed, pa.bool_()).take(places),
    )


def _contents(
    bodies: pa.StringArray, are_closed: pa.BooleanArray
) -> tuple[pa.StringArray, pa.BooleanArray]:
    """(text, whether there is a formula) by what follows the start tag."""
    parts = pc.split_pattern(bodies, PLAIN_END, max_splits=1)
    values = pc.list_element(parts, 0)
    are_plain = pc.and_(
        pc.starts_with(values, PLAIN_START), pc.equal(pc.list_value_length(parts), 2)
    )
    texts = pc.utf8_slice_codeunits(values, len(PLAIN_START))
    formulas = pa.repeat(pa.scalar(False), len(texts))
    if pc.all(are_plain).as_py() is False:
        parts = parts.filter(are_plain)
        _require_tails(bodies.filter(are_closed))
        others = pc.invert(pc.or_(are_plain, are_closed))
        found = pc.extract_regex(bodies.filter(others), CONTENT)
        if found.null_count:
            raise _Unusual
        texts = pc.if_else(are_plain, texts, "")
        other_texts = pc.struct_field(found, "text")
        texts = pc.replace_with_mask(texts, others, other_texts)
        have_formula = pc.not_equal(pc.struct_field(found, "formula"), "")
        formulas = pc.replace_with_mask(formulas, others, have_formula)
    _require_tails(pc.list_element(parts, 1))
    if pc.any(pc.match_substring(texts, "<")).as_py():
        raise _Unusual
    return texts, formulas


def _require_tails(tails: pa.StringArray) -> None:
    written = tails.filter(pc.not_equal(tails, ""))
    are_usual = pc.match_substring_regex(written, "^" + TAIL)
    if pc.all(are_usual).as_py() is False:
        raise _Unusual


def _is_in_order(raw: RawCells) -> bool:
    """Whether each cell is right of or below the one before."""
    keys = _keys(raw)
    return len(keys) < 2 or pc.all(pc.greater(keys[1:], keys[:-1])).as_py()
