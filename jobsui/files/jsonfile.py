"""JSON arrays and JSON Lines: each object a row, its members the columns. Zendesk's own item form is read, too:
`custom_object_fields` becomes one column for each of its members."""

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import ijson
from ijson.common import JSONError

from jobsui.files.errors import FileRefused

NESTED = "custom_object_fields"
LISTS = ("job.items", "items", "custom_object_records", "records")
"""Where a document that is an object may keep its rows."""
ONLY = "value"
"""The column of a list of plain values, such as ids to delete."""
MOST_LINE = 4 * 1024 * 1024


def kind(text: str, suffix: str) -> str:
    """ "json" or "jsonl" for a file that begins with this text."""
    if suffix in {"jsonl", "ndjson"}:
        return "jsonl"
    first, _, rest = text.partition("\n")
    if text.startswith("{") and rest.lstrip().startswith("{"):
        try:
            json.loads(first)
        except ValueError:
            return "json"
        return "jsonl"
    return "json"


def read_document(stream: BinaryIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """An array, or an object with an array in it (LISTS). A row's number is its place in the array, from 1."""
    prefix = _prefix(stream)
    return _read(lambda: enumerate(_items(stream, prefix), 1))


def read_lines(stream: BinaryIO) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """One value a line. A row's number is its line's."""
    return _read(lambda: _lines(stream))


def _read(values: Callable[[], Iterable[tuple[int, Any]]]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    columns: dict[str, None] = {}
    for number, value in values():
        columns.update(dict.fromkeys(_flat(value, number)))
    if not columns:
        raise FileRefused("The file has no rows.")
    names = list(columns)
    return names, ((n, [cells.get(name, "") for name in names]) for n, v in values() if (cells := _flat(v, n)))


def _flat(value: Any, number: int) -> dict[str, str]:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return {ONLY: _text(value)}
    if not isinstance(value, dict):
        raise FileRefused(f'Row {number} is not an object. Each row must be one, such as {{"name": "Drill"}}.')
    cells: dict[str, str] = {}
    for key, member in value.items():
        if key == NESTED and isinstance(member, dict):
            cells |= {f"{NESTED}.{name}": _text(inner) for name, inner in member.items()}
        else:
            cells[key] = _text(member)
    return cells


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _prefix(stream: BinaryIO) -> str:
    """Where in the document the rows are, as ijson names it."""
    stream.seek(0)
    try:
        for prefix, event, _ in ijson.parse(stream):
            if event == "start_array" and (prefix == "" or prefix in LISTS):
                return f"{prefix}.item" if prefix else "item"
    except JSONError as error:
        raise FileRefused(_trouble(error)) from None
    raise FileRefused('The file has no list of rows. It must be an array, or an object with an array "items".')


def _items(stream: BinaryIO, prefix: str) -> Iterator[Any]:
    stream.seek(0)
    try:
        yield from ijson.items(stream, prefix)
    except (JSONError, RecursionError) as error:
        raise FileRefused(_trouble(error)) from None


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    stream.seek(0)
    number = 0
    while line := stream.readline(MOST_LINE):
        number += 1
        if len(line) == MOST_LINE:
            raise FileRefused(f"Line {number} is longer than 4 MB. Each line must be one record.")
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if text:
            yield number, _loads(text, number)


def _loads(text: bytes, number: int) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"Line {number} is not JSON: {error}.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _trouble(error: Exception) -> str:
    return f"The file is not JSON: {str(error).splitlines()[0] if str(error) else 'it is nested too deeply'}."
