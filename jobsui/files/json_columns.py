"""Columns from the values of JSON rows. For workers only: it imports pyarrow."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from jobsui.files.cells import Column, Kind, repeated
from jobsui.files.json_fast import SEPARATOR, Values
from jobsui.files.json_values import NestedText, NumberText, json_of

NUMBER_BYTES = b"0123456789+-.eE" + SEPARATOR
BOOLEAN_BYTES = b"truefals" + SEPARATOR
"""Other values have other bytes, too: quotation marks, or the n of null."""
BOOLEANS = pa.array(["false", "true"], pa.string())
SCALARS = {kind: pa.scalar(int(kind), pa.int8()) for kind in Kind}


class Absent(str):
    """A member that a row does not have."""

    __slots__ = ()


ABSENT = Absent("")
KINDS = {
    str: Kind.TEXT,
    int: Kind.NUMBER,
    NumberText: Kind.NUMBER,
    bool: Kind.BOOLEAN,
    type(None): Kind.NULL,
    Absent: Kind.ABSENT,
    dict: Kind.NESTED,
    list: Kind.NESTED,
    NestedText: Kind.NESTED,
}
TEXTS: dict[type, Callable[[Any], str]] = {
    int: str,
    bool: {True: "true", False: "false"}.__getitem__,
    dict: json_of,
    list: json_of,
}
"""How values that are no texts yet become texts."""

_strings_decoder = msgspec.json.Decoder(list[str])


def column_of(values: Sequence[Any]) -> Column:
    """The column of decoded values. Raises BadJSON."""
    types = set(map(type, values))
    return Column(_texts(values, types), _kinds(values, types))


def joined_column(values: Values, count: int) -> Column | None:
    """The column of joined values. `count`: how many values were joined. None if a value needs the
    slower, exact way."""
    texts = pc.split_pattern(pa.array([values.joined], pa.string()), SEPARATOR).values
    # A text with a zero character is two here.
    if len(texts) != count:
        return None
    if values.are_json:
        return _json_column(texts, values.joined)
    if values.nulls is None:
        return Column(texts)
    is_null = pa.array(values.nulls, pa.bool_())
    return Column(texts, pc.if_else(is_null, SCALARS[Kind.NULL], SCALARS[Kind.TEXT]))


def _json_column(texts: pa.StringArray, joined: bytes) -> Column | None:
    """`texts` are values as the file has them, of which the joined ones consist."""
    if not joined.translate(None, NUMBER_BYTES):
        return Column(texts, repeated(Kind.NUMBER, len(texts)))
    if not joined.translate(None, BOOLEAN_BYTES):
        return Column(texts, repeated(Kind.BOOLEAN, len(texts)))
    if _any_begins(texts, "{", joined) or _any_begins(texts, "[", joined):
        return None
    is_text = pc.starts_with(texts, '"')
    unquoted = _unquoted(texts.filter(is_text), joined)
    if unquoted is None:
        return None
    kinds = SCALARS[Kind.NUMBER]
    kinds = pc.if_else(pc.is_in(texts, BOOLEANS), SCALARS[Kind.BOOLEAN], kinds)
    kinds = pc.if_else(pc.equal(texts, "null"), SCALARS[Kind.NULL], kinds)
    kinds = pc.if_else(is_text, SCALARS[Kind.TEXT], kinds)
    texts = pc.if_else(pc.equal(texts, "null"), "", texts)
    texts = pc.replace_with_mask(texts, is_text, unquoted)
    return Column(texts, None if pc.all(is_text).as_py() else kinds)


def _any_begins(texts: pa.StringArray, sign: str, joined: bytes) -> bool:
    if sign.encode() not in joined:
        return False
    return pc.any(pc.starts_with(texts, sign)).as_py() is True


def _unquoted(quoted: pa.StringArray, joined: bytes) -> pa.StringArray | None:
    """What strings of JSON say. None if one may be odd."""
    if b"\\" not in joined:
        return pc.utf8_slice_codeunits(quoted, 1, -1)
    if b"\\u0000" in joined:
        return None
    try:
        found = _strings_decoder.decode(f"[{','.join(quoted.to_pylist())}]")
    except msgspec.DecodeError:
        return None
    return pa.array(found, pa.string())


def _kinds(values: Sequence[Any], types: set[type]) -> pa.Int8Array | None:
    if types == {str}:
        return None
    if len(types) == 1:
        return repeated(KINDS[types.pop()], len(values))
    return pa.array([KINDS[type(value)] for value in values], pa.int8())


def _texts(values: Sequence[Any], types: set[type]) -> pa.StringArray:
    if types == {int}:
        try:
            return pc.cast(pa.array(values, pa.int64()), pa.string())
        except OverflowError:
            pass
    if types == {bool}:
        return pc.cast(pa.array(values, pa.bool_()), pa.string())
    if not types.isdisjoint(TEXTS):
        values = [_text(value) for value in values]
    # JSON's null has no text; its kind says what it is.
    if type(None) in types:
        values = ["" if value is None else value for value in values]
    return pa.array(values, pa.string())


def _text(value: Any) -> Any:
    convert = TEXTS.get(type(value))
    return convert(value) if convert else value
