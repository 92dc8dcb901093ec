"""Decodes pieces of plain JSON objects, much faster than `json`. Whatever could be
read in another way than by `json_values` is left to it."""

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from jobsui.files.json_values import NumberText

COLON_BEHIND_BLANK = re.compile(rb'"[ \t\n]+:')
MINUS_ZERO = re.compile(rb"-0(?=[ \t\n,}\]])")
"""An integer, which would lose its sign."""

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=NumberText)

ESCAPED = re.compile(r'[\x00-\x1f"\\]')
MAX_LEARNED_NAMES = 200
"""Rows with more members have mostly few of them."""
SEPARATOR = b"\x00"
"""No text may contain it."""

Objects = list[dict[str, Any]]
"""Integers are int, other numbers NumberText."""


class CutText(Exception):
    """The text ends inside an object."""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one member, in all rows."""

    joined: bytes
    """With SEPARATOR between two of them, and "" for a null among texts."""
    are_json: bool
    """As the file has them, or else texts."""
    nulls: list[bool] | None = None
    """Which are null; None: no text is."""

    def quotation_marks(self, count: int) -> int:
        """How many the file has in these `count` values, if none is written "\\u0022"."""
        inside = self.joined.count(b'"')
        if self.are_json:
            return inside
        texts = count - sum(self.nulls or ())
        return 2 * texts + inside


@dataclass(frozen=True, slots=True)
class UniformRows:
    """Rows that all have the same members."""

    count: int
    columns: dict[str, Values]


class RowDecoder:
    """Decodes rows that have exactly these members: without looking at the names and types
    of each row."""

    def __init__(self, names: Sequence[str], texts: Container[str]) -> None:
        """`texts`: those that have nothing but texts and nulls."""
        self._names = tuple(names)
        fields = {f"field_{index}": name for index, name in enumerate(names)}
        kinds: list[tuple[str, Any]] = [
            (field, str | None if name in texts else msgspec.Raw)
            for field, name in fields.items()
        ]
        struct = msgspec.defstruct(
            "Row", kinds, rename=fields, forbid_unknown_fields=True, gc=False
        )
        self._decoder = msgspec.json.Decoder(
            list[struct]  # type: ignore[valid-type]
        )
        self._readers = [_column_reader(field) for field in fields]

    def lines(self, data: bytes, count: int) -> UniformRows | None:
        """`lines`, of such rows."""
        try:
            rows = self.objects(_array(data))
        except CutText:
            return None
        return rows if rows and rows.count == count else None

    def objects(self, data: bytes) -> UniformRows | None:
        """`objects`, of such rows. Raises CutText."""
        try:
            rows = self._decoder.decode(data)
        except msgspec.ValidationError:
            return None
        except msgspec.DecodeError as error:
            if "truncated" in str(error):
                raise CutText from None
            return None
        except RecursionError:
            return None
        if not rows:
            return None
        columns = {}
        for name, read in zip(self._names, self._readers, strict=True):
            values = _joined(read(rows))
            if values is None:
                return None
            columns[name] = values
        uniform = UniformRows(len(rows), columns)
        return None if _may_have_repeated_members(uniform, data) else uniform


def _column_reader(field: str) -> Callable[[list[Any]], list[Any]]:
    """Reads one field of all rows. Python runs it twice as fast as it turns rows into
    tuples, and four times as fast as an attrgetter."""
    source = f"lambda rows: [row.{field} for row in rows]"
    reader: Callable[[list[Any]], list[Any]] = eval(source)  # noqa: S307  # `field` is ours
    return reader


def _joined(values: list[Any]) -> Values | None:
    """None for bytes that are not UTF-8."""
    if isinstance(values[0], msgspec.Raw):
        joined = SEPARATOR.join(values)
        return Values(joined, are_json=True) if _is_utf8(joined) else None
    separator = SEPARATOR.decode()
    try:
        return Values(separator.join(values).encode(), are_json=False)
    except TypeError:
        nulls = [value is None for value in values]
        texts = separator.join([value or "" for value in values])
        return Values(texts.encode(), are_json=False, nulls=nulls)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _may_have_repeated_members(rows: UniformRows, data: bytes) -> bool:
    """Whether there are more quotation marks than the members have. Each has two around its
    name. The last of repeated members is decoded, so that the marks of others are left."""
    marks = 2 * rows.count * len(rows.columns)
    may_be_escaped = False
    for values in rows.columns.values():
        marks += values.quotation_marks(rows.count)
        may_be_escaped |= not values.are_json and b'"' in values.joined
    if data.count(b'"') != marks:
        return True
    return may_be_escaped and b"\\u0022" in data


def decoder_like(rows: Objects) -> RowDecoder | None:
    """Of rows with the members of these. None if they have objects or lists in them, very
    many members, or names that msgspec does not take."""
    names = list(rows[0]) if rows else []
    if not 0 < len(names) <= MAX_LEARNED_NAMES or any(map(ESCAPED.search, names)):
        return None
    texts = set()
    for name in names:
        types = {type(row.get(name)) for row in rows}
        if types & {dict, list}:
            return None
        if str in types and types <= {str, type(None)}:
            texts.add(name)
    return RowDecoder(names, texts)


def objects(data: bytes) -> Objects | None:
    """The objects of an array, which is UTF-8. None for anything that is not plain. Raises
    CutText."""
    try:
        values = _decoder.decode(data)
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise CutText from None
        return None
    except RecursionError:
        return None
    return values if _are_plain(values, data) else None


def lines(data: bytes, count: int) -> Objects | None:
    """The objects of `count` whole lines, one a line. None for anything that is not
    plain."""
    try:
        values = objects(_array(data))
    except CutText:
        return None
    return values if values and len(values) == count else None


def _array(lines: bytes) -> bytes:
    """The lines as an array. A line end inside an object is no JSON then."""
    end = len(lines) - lines.endswith(b"\n")
    array = b"".join((b"[", memoryview(lines)[:end], b"]"))
    return array.replace(b"\n", b",")


def _are_plain(values: list[Any], data: bytes) -> bool:
    if set(map(type, values)) != {dict}:
        return False
    return not _is_odd(data) and _have_no_repeated_members(values, data)


def _is_odd(data: bytes) -> bool:
    """Whether `json_values` may read the text in another way, or colons cannot be counted."""
    if b"\\u0000" in data or (b"-0" in data and MINUS_ZERO.search(data)):
        return True
    has_blanks = b" :" in data or b"\t:" in data or b"\n:" in data
    return has_blanks and COLON_BEHIND_BLANK.search(data) is not None


def _have_no_repeated_members(values: Objects, data: bytes) -> bool:
    """Whether there are as many members as names before a colon. Strings can contain
    such colons, but then there are only more of these."""
    names = data.count(b'":')
    return names == sum(map(len, values)) or names == sum(map(_members, values))


def _members(value: Any) -> int:
    """Also the members of members."""
    if type(value) is dict:
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if type(value) is list else 0
