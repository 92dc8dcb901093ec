"""Strict JSON: values with their numbers as they are written, and sentences about text
that is no JSON."""

import json
import re
from typing import Any

from jobsui.files.encoding import name_of, without_marks, wrong_byte
from jobsui.files.layout import MAX_COLUMNS

MAX_CELL = 131_072
"""Characters."""
MAX_DEPTH = 100
MAX_NAME = 1000
MAX_SHOWN = 30
ZENDESK_FIELDS = "custom_object_fields"
"""In Zendesk's own form of items, its members become columns."""
VALUE_COLUMN = "value"
"""The column of a list of plain values, such as IDs to delete."""
HALF = re.compile("[\ud800-\udfff]")
MISSING_COMMA = "Missing comma between elements"
"""A message like those of Python's decoder."""
WRITE_OBJECT = 'Write each row as an object, such as {"name": "Drill"}.'


class BadJSON(Exception):
    """Text that cannot be used as a JSON value."""

    def __init__(self, code: str, what: str, fix: str, position: int = 0) -> None:
        """`what` completes a sentence that begins with the row. `position` is that in
        the decoded text."""
        super().__init__(what)
        self.code = code
        self.what = what
        self.fix = fix
        self.position = position


class NumberText(str):
    """A number as it is written."""

    __slots__ = ()


class NestedText(str):
    """The JSON of an object or array."""

    __slots__ = ()


class _Constant(str):
    """NaN or Infinity, which JSON does not have."""

    __slots__ = ()


class _Repeated(dict[str, Any]):
    """An object that has a member twice."""

    name = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    repeated = _Repeated(members)
    repeated.name = next(name for name in names if names.count(name) > 1)
    return repeated


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=NumberText,
    parse_int=NumberText,
    parse_constant=_Constant,
)
_string_json = json.JSONEncoder(ensure_ascii=False).encode


def decode_at(text: str, position: int) -> tuple[Any, int]:
    """The value that begins at `position`, and where it ends. Raises JSONDecodeError, and
    BadJSON for what no reader could accept.

    The value may contain what `check` refuses."""
    try:
        return _decoder.raw_decode(text, position)
    except RecursionError:
        raise too_deep(position) from None


def decode(text: str) -> Any:
    """The value of a text. Raises BadJSON."""
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = decode_at(text, start)
    except json.JSONDecodeError as error:
        raise syntax_error(text, error, f"in column {error.pos + 1:,}") from None
    if rest := text[end:].strip(" \t\r\n"):
        position = text.index(rest, end)
        raise BadJSON(
            "not_json",
            f"is not JSON: {shown(rest)} follows a complete value in column "
            f"{position + 1:,}",
            "Remove the comma at the end of the line."
            if rest == ","
            else "Remove it, or put it on a line of its own.",
            position,
        )
    return value


def syntax_error(text: str, error: json.JSONDecodeError, where: str) -> BadJSON:
    """What `error` found in `text`, in our words. `where`: "in column 7"."""
    position = error.pos
    rest = text[position : position + MAX_SHOWN + 1]
    found = shown(rest) if rest.strip() else "the text ends"
    what, fix = _mistake(error.msg, found, rest)
    if not rest.strip():
        fix = "It was probably cut off before its end."
    return BadJSON("not_json", f"is not JSON: {what} {where}", fix, position)


def _mistake(message: str, found: str, rest: str) -> tuple[str, str]:
    """(what is wrong, how to fix it) for a message of Python's decoder."""
    if message == MISSING_COMMA:
        return (
            f"{found} follows without a comma",
            "Write a comma between the rows.",
        )
    if message.startswith("Unterminated string"):
        return (
            "there is no closing quotation mark for the text that begins",
            'Add the ". Write a quotation mark inside a text as \\".',
        )
    if message.startswith("Invalid control character"):
        return (
            "a text contains a line end, a tab or another control character",
            'Add the closing ", or write these characters as \\n and \\t.',
        )
    if message.startswith("Invalid \\"):
        return (
            f"{found} is no escape sequence",
            "Write a backslash as \\\\ and other characters as themselves.",
        )
    if "trailing comma" in message or (rest[:1] in ("}", "]") and "Expec" in message):
        return _closing_mistake(message, found)
    if message.startswith("Expecting property name"):
        return (
            f"{found} where a name should begin",
            'Write names in double quotation marks, such as "name".',
        )
    if message.startswith("Expecting ',' delimiter"):
        return (
            f"{found} where a comma or a closing bracket should be",
            'Write a quotation mark inside a text as \\", and a comma between members.',
        )
    if message.startswith("Expecting ':' delimiter"):
        return f"{found} where a colon should be", "Write a colon behind each name."
    return (
        f"{found} where a value should be",
        'Write texts in double quotation marks, such as "Drill".',
    )


def _closing_mistake(message: str, found: str) -> tuple[str, str]:
    if message.startswith("Expecting ',' delimiter"):
        return f"{found} closes another bracket than is open", "Correct the brackets."
    return (
        f"{found} where another value should be",
        "Remove the comma before the bracket, or add the value.",
    )


def too_deep(position: int = 0) -> BadJSON:
    return BadJSON(
        "too_deep",
        f"is nested more than {MAX_DEPTH} levels deep",
        "Write its values as texts, numbers or lists.",
        position,
    )


def shown(text: str) -> str:
    """The beginning of a text in a sentence."""
    line = text.split("\n", 1)[0]
    clean = printable(line[:MAX_SHOWN])
    return f"“{clean}…”" if len(text) > len(line[:MAX_SHOWN]) else f"“{clean}”"


def printable(text: str) -> str:
    """The text with U+FFFD for what cannot be stored."""
    return without_marks(text).replace("\x00", "\ufffd")


def json_of(value: Any, comma: str = ", ", colon: str = ": ", depth: int = 0) -> str:
    """A decoded value as JSON again, each number as it was written. Raises BadJSON for
    more than MAX_DEPTH levels."""
    if depth > MAX_DEPTH:
        raise too_deep()
    match value:
        case NumberText():
            return value
        case str():
            return _string_json(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case dict():
            members = (
                f"{_string_json(name)}{colon}{json_of(member, comma, colon, depth + 1)}"
                for name, member in value.items()
            )
            return f"{{{comma.join(members)}}}"
    elements = (json_of(member, comma, colon, depth + 1) for member in value)
    return f"[{comma.join(elements)}]"


def check(value: Any, name: str = "", depth: int = 0) -> None:
    """Raise BadJSON for what a decoded value must not contain. `name` is that of the
    member that has it."""
    if depth > MAX_DEPTH:
        raise too_deep()
    match value:
        case _Constant():
            raise BadJSON(
                "not_a_number",
                f"has {value}{_in(name)}, which is not a JSON number",
                "Write null, or the number.",
            )
        case str():
            _check_text(value, name)
        case dict():
            if isinstance(value, _Repeated):
                raise repeated_member(value.name)
            for key, member in value.items():
                _check_text(key, "")
                check(member, name or key, depth + 1)
        case list():
            for member in value:
                check(member, name, depth + 1)


def repeated_member(name: str) -> BadJSON:
    return BadJSON(
        "repeated_member",
        f"has the member {shown(name)} twice",
        "Keep the one that is right.",
    )


def _check_text(text: str, name: str) -> None:
    if "\x00" in text:
        raise BadJSON(
            "zero_character",
            f"contains a zero character{_in(name)}, which no field can take",
            "Remove it.",
        )
    if text.isascii():
        return
    if half := HALF.search(text):
        raise BadJSON(
            "half_character",
            f"has half of a character (\\u{ord(half[0]):04x}){_in(name)}",
            "Write the whole character, or remove the half. The text was probably cut "
            "off.",
        )


def check_bytes(text: str, encoding: str) -> None:
    """Raise BadJSON for decoded text with marks of bytes that do not fit its
    encoding."""
    if not text.isascii() and (byte := wrong_byte(text)):
        raise BadJSON(
            "bad_bytes",
            f"has a byte ({byte}) that is not {name_of(encoding)}",
            "Correct the text, or choose the encoding of the file.",
        )


def _in(name: str) -> str:
    return f" in {shown(name)}" if name else ""


def row_members(value: Any) -> dict[str, Any]:
    """The cells of a row by column. Raises BadJSON."""
    check(value)
    cells = {name: _cell(member) for name, member in _members(value).items()}
    for name, cell in cells.items():
        if len(name) > MAX_NAME:
            raise BadJSON(
                "long_name",
                f"has a member with a name of {len(name):,} characters: {shown(name)}. "
                f"The maximum is {MAX_NAME:,}",
                "Shorten the name.",
            )
        if isinstance(cell, str):
            _check_length(name, cell)
    return cells


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {VALUE_COLUMN: value}
    if not isinstance(value, dict):
        raise BadJSON(
            "not_an_object",
            f"is {shown(json_of(value))} and not an object",
            WRITE_OBJECT,
        )
    cells: dict[str, Any] = {}
    for name, member in value.items():
        is_nested = name == ZENDESK_FIELDS and isinstance(member, dict)
        inner = _prefixed(member) if is_nested else {name: member}
        for column, cell in inner.items():
            if column in cells:
                raise repeated_member(column)
            cells[column] = cell
    if len(cells) > MAX_COLUMNS:
        raise BadJSON(
            "too_many_members",
            f"has {len(cells):,} members. The maximum is {MAX_COLUMNS:,}",
            "Remove some.",
        )
    return cells


def _prefixed(fields: dict[str, Any]) -> dict[str, Any]:
    return {f"{ZENDESK_FIELDS}.{name}": member for name, member in fields.items()}


def _cell(value: Any) -> Any:
    return NestedText(json_of(value)) if isinstance(value, dict | list) else value


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_CELL:
        raise BadJSON(
            "long_cell",
            f"has {len(text):,} characters in {shown(name)}. "
            f"The maximum is {MAX_CELL:,}",
            "Shorten the text.",
        )
