"""JSON arrays and JSON Lines: each object a row, its members the columns. Zendesk's own
item form is read, too: `custom_object_fields` becomes one column for each of its
members."""

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import ijson
from ijson.common import JSONError

from jobsui.files.encoding import UTF8, utf8_of
from jobsui.files.errors import FileRefused
from jobsui.files.json_limits import refuse_bombs

NESTED = "custom_object_fields"
LISTS = ("job.items", "items", "custom_object_records", "records")
"""Where a document that is an object may keep its rows."""
ONLY = "value"
"""The column of a list of plain values, such as ids to delete."""
MOST_LINE = 4 * 1024 * 1024
NOT_JSON = (JSONError, ValueError, ArithmeticError, RecursionError)
MOST_DIGITS = 400
"""A number with more is left as 1E+999: written out, a few bytes could fill the
memory."""


def kind(text: str, suffix: str) -> str:
    """ "json" or "jsonl" for a file that begins with this text."""
    if suffix in {"jsonl", "ndjson"} and not text.startswith("["):
        return "jsonl"
    first, _, rest = text.partition("\n")
    if text.startswith("{") and rest.lstrip().startswith("{"):
        try:
            json.loads(first)
        except ValueError:
            return "json"
        return "jsonl"
    return "json"


def read_document(
    stream: BinaryIO, encoding: str = UTF8, *, most_columns: int
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """An array, or an object with an array in it (LISTS). A row's number is its place
    in the array, from 1."""
    refuse_bombs(utf8_of(stream, encoding))
    prefix = _prefix(utf8_of(stream, encoding))
    return _read(
        lambda: enumerate(_items(utf8_of(stream, encoding), prefix), 1), most_columns
    )


def read_lines(
    stream: BinaryIO, encoding: str = UTF8, *, most_columns: int
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """One value a line. A row's number is its line's."""
    return _read(lambda: _lines(utf8_of(stream, encoding)), most_columns)


def read_items(stream: BinaryIO, prefix: str) -> Iterator[tuple[int, list[str]]]:
    """The values of the array at `prefix` ("job.items"), each as JSON in its one cell,
    numbered from 1. Raises FileRefused, also while rows are read."""
    stream.seek(0)
    try:
        for number, value in enumerate(ijson.items(stream, f"{prefix}.item"), 1):
            yield number, [_whole_characters(_item(value))]
    except NOT_JSON as error:
        raise FileRefused(_trouble(error)) from None


def members(stream: BinaryIO, prefix: str) -> dict[str, Any]:
    """What the object at `prefix` holds: its plain values, and for each array or object
    of it the word "array" or "object". One pass over the whole stream, which shows that
    it is JSON; raises FileRefused when it is not."""
    refuse_bombs(_rewound(stream))
    found: dict[str, Any] = {}
    name = ""
    try:
        for at, event, value in ijson.parse(_rewound(stream)):
            if at == prefix and event == "map_key":
                name = value
            elif (
                name
                and at == f"{prefix}.{name}"
                and event not in {"map_key", "end_map", "end_array"}
            ):
                found[name] = {"start_array": "array", "start_map": "object"}.get(
                    event, value
                )
    except NOT_JSON as error:
        raise FileRefused(_trouble(error)) from None
    return found


def _rewound(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    return stream


def _read(
    values: Callable[[], Iterable[tuple[int, Any]]], most_columns: int
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Two passes, as any row may bring a column: the first for the columns, the second
    gives the rows."""
    columns: dict[str, None] = {}
    for number, value in values():
        columns.update(dict.fromkeys(_flat(value, number)))
        if len(columns) > most_columns:
            raise FileRefused(
                f"The rows up to row {number:,} have more than {most_columns:,} columns. Remove some."
            )
    if not columns:
        raise FileRefused("The file has no rows.")
    return list(columns), _rows(values(), list(columns))


def _rows(
    values: Iterable[tuple[int, Any]], columns: list[str]
) -> Iterator[tuple[int, list[str]]]:
    for number, value in values:
        members = _flat(value, number)
        cells = [members.get(column, "") for column in columns]
        if any(cells):
            yield number, cells


def _flat(value: Any, number: int) -> dict[str, str]:
    try:
        cells = _cells(value, number)
    except RecursionError:
        raise FileRefused(
            f"Row {number:,} is nested too deeply. Write its values as texts, numbers or lists."
        ) from None
    if any("\x00" in cell for cell in cells.values()):
        raise FileRefused(
            f"Row {number:,} holds a zero character, which no field can take. Remove it."
        )
    return cells


def _cells(value: Any, number: int) -> dict[str, str]:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return {ONLY: _text(value)}
    if not isinstance(value, dict):
        raise FileRefused(
            f'Row {number:,} is not an object. Each row must be one, such as {{"name": "Drill"}}.'
        )
    cells: dict[str, str] = {}
    for key, member in value.items():
        if key == NESTED and isinstance(member, dict):
            cells |= {
                f"{NESTED}.{name}": _text(inner) for name, inner in member.items()
            }
        else:
            cells[key] = _text(member)
    return cells


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return _whole_characters(value)
        case bool():
            return "true" if value else "false"
        case Decimal():
            return _number(value)
        case int():
            return str(value)
    return json.dumps(value, ensure_ascii=False, default=_plain_number)


def _number(value: Decimal) -> str:
    """As people write it: without an exponent, and 12.0 is 12."""
    if abs(value.adjusted()) > MOST_DIGITS:
        return str(value)
    return format(
        value.to_integral_value() if value == value.to_integral_value() else value, "f"
    )


def _plain_number(value: Decimal) -> int | float:
    """A number inside a list or an object."""
    return (
        int(value)
        if abs(value.adjusted()) <= MOST_DIGITS and value == value.to_integral_value()
        else float(value)
    )


_item = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain_number
).encode


def _whole_characters(text: str) -> str:
    """Halves of characters, which JSON can write and UTF-8 cannot, become question
    marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _prefix(stream: BinaryIO) -> str:
    """Where in the document the rows are, as ijson names it."""
    try:
        for prefix, event, _ in ijson.parse(stream):
            if event == "start_array" and (prefix == "" or prefix in LISTS):
                return f"{prefix}.item" if prefix else "item"
    except NOT_JSON as error:
        raise FileRefused(_trouble(error)) from None
    raise FileRefused(
        'The file has no list of rows. It must be an array, or an object with an array "items".'
    )


def _items(stream: BinaryIO, prefix: str) -> Iterator[Any]:
    try:
        yield from ijson.items(stream, prefix)
    except NOT_JSON as error:
        raise FileRefused(_trouble(error)) from None


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    number = 0
    while line := stream.readline(MOST_LINE):
        number += 1
        if len(line) == MOST_LINE:
            raise FileRefused(
                f"Line {number:,} is longer than 4 MB. Each line must be one record."
            )
        if text := line.strip():
            yield number, _loads(text, number)


def _loads(text: bytes, number: int) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"Line {number:,} is not JSON: {error}.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _trouble(error: Exception) -> str:
    return f"The file is not JSON: {str(error).splitlines()[0] if str(error) else 'it is nested too deeply'}."
