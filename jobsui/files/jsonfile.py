"""JSON arrays and JSON Lines: each object is a row, its members are the columns. In
Zendesk's own form of items, each member of `custom_object_fields` becomes a column."""

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import ijson
from ijson.common import JSONError

from jobsui.files import delimited
from jobsui.files import encoding as encodings
from jobsui.files.encoding import utf8_of
from jobsui.files.errors import FileRefused
from jobsui.files.json_limits import refuse_bombs
from jobsui.files.layout import MAX_COLUMNS, Detected, Head, Layout, Row

LINES_EXTENSIONS = ("jsonl", "ndjson")
EXTENSIONS = ("json", *LINES_EXTENSIONS)
NESTED = "custom_object_fields"
LISTS = ("job.items", "items", "custom_object_records", "records")
"""Where a document that is an object may keep its rows."""
VALUE_COLUMN = "value"
"""The column of a list of plain values, such as IDs to delete."""
MAX_LINE_BYTES = 4 * 1024 * 1024
MAX_DIGITS = 400
"""A number with more stays as 1E+999: written out, a few bytes could fill the
memory."""
PARSER_ERRORS = (JSONError, ValueError, ArithmeticError, RecursionError)

Values = Iterable[tuple[int, Any]]
"""(row number, JSON value)"""


def recognizes_document(head: Head) -> bool:
    return _is_json(head) and not _is_lines(head)


def recognizes_lines(head: Head) -> bool:
    return _is_json(head) and _is_lines(head)


def detect_document(stream: BinaryIO, head: Head, _: Layout) -> Detected:
    encodings.check(stream, head.encoding, has_lines=False)
    return Detected(Layout("json", head.encoding))


def detect_lines(stream: BinaryIO, head: Head, _: Layout) -> Detected:
    encodings.check(stream, head.encoding, has_lines=False)
    return Detected(Layout("jsonl", head.encoding))


def read_document(stream: BinaryIO, layout: Layout) -> tuple[list[str], Iterator[Row]]:
    """An array, or an object that contains one (LISTS). A row's number is its position
    in the array, from 1."""
    refuse_bombs(utf8_of(stream, layout.encoding))
    prefix = _rows_prefix(utf8_of(stream, layout.encoding))
    return _read(
        lambda: enumerate(_values(utf8_of(stream, layout.encoding), prefix), 1)
    )


def read_lines(stream: BinaryIO, layout: Layout) -> tuple[list[str], Iterator[Row]]:
    """One value a line. A row's number is that of its line."""
    return _read(lambda: _line_values(utf8_of(stream, layout.encoding)))


def read_items(stream: BinaryIO, prefix: str) -> Iterator[Row]:
    """The values of the array at `prefix` ("job.items"), each as JSON in its one cell,
    numbered from 1. Raises FileRefused, also while rows are read."""
    try:
        values = ijson.items(_rewound(stream), f"{prefix}.item")
        for number, value in enumerate(values, 1):
            yield number, [_whole_characters(_item_json(value))]
    except PARSER_ERRORS as error:
        raise _not_json(error) from None


def members(stream: BinaryIO, prefix: str) -> dict[str, Any]:
    """The members of the object at `prefix`: plain values as they are, and the word
    "array" or "object" for what is nested. Reads the whole stream; raises FileRefused
    when it is not JSON."""
    refuse_bombs(_rewound(stream))
    found: dict[str, Any] = {}
    name = ""
    ignored = {"map_key", "end_map", "end_array"}
    words = {"start_array": "array", "start_map": "object"}
    try:
        for path, event, value in ijson.parse(_rewound(stream)):
            if path == prefix and event == "map_key":
                name = value
            elif name and path == f"{prefix}.{name}" and event not in ignored:
                found[name] = words.get(event, value)
    except PARSER_ERRORS as error:
        raise _not_json(error) from None
    return found


def _is_json(head: Head) -> bool:
    if not head.text:
        return False
    if head.suffix in EXTENSIONS:
        return True
    return head.suffix not in delimited.EXTENSIONS and head.text[0] in "[{"


def _is_lines(head: Head) -> bool:
    if head.suffix in LINES_EXTENSIONS and not head.text.startswith("["):
        return True
    first, _, rest = head.text.partition("\n")
    if not (first.startswith("{") and rest.lstrip().startswith("{")):
        return False
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def _rewound(stream: BinaryIO) -> BinaryIO:
    stream.seek(0)
    return stream


def _rows_prefix(stream: BinaryIO) -> str:
    """Where in the document the rows are, as ijson names it."""
    try:
        for prefix, event, _ in ijson.parse(stream):
            if event == "start_array" and (prefix == "" or prefix in LISTS):
                return f"{prefix}.item" if prefix else "item"
    except PARSER_ERRORS as error:
        raise _not_json(error) from None
    raise FileRefused(
        "The file has no list of rows. It must be an array, or an object with an "
        'array "items".'
    )


def _values(stream: BinaryIO, prefix: str) -> Iterator[Any]:
    try:
        yield from ijson.items(stream, prefix)
    except PARSER_ERRORS as error:
        raise _not_json(error) from None


def _line_values(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(line) == MAX_LINE_BYTES:
            raise FileRefused(
                f"Line {number:,} is longer than 4 MB. Each line must be one record."
            )
        if text := line.strip():
            yield number, _loads(text, number)


def _loads(text: bytes, number: int) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        # Its own text names line 1, which is this line.
        reason = error.msg.removesuffix(" starting at")
        raise FileRefused(
            f"Line {number:,} is not JSON: {reason} (column {error.colno:,})."
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileRefused(f"Line {number:,} is not JSON: {error}.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _not_json(error: Exception) -> FileRefused:
    lines = str(error).splitlines()
    reason = lines[0].rstrip(".") if lines else "it is nested too deeply"
    return FileRefused(f"The file is not JSON: {reason}.")


def _read(values: Callable[[], Values]) -> tuple[list[str], Iterator[Row]]:
    """The columns and the rows. Any row may bring a new column, so `values` is called
    twice: the first pass collects the columns."""
    columns: dict[str, None] = {}
    for number, value in values():
        columns.update(dict.fromkeys(_cells(value, number)))
        if len(columns) > MAX_COLUMNS:
            raise FileRefused(
                f"The rows up to row {number} have more than {MAX_COLUMNS:,} "
                "columns. Remove some."
            )
    if not columns:
        raise FileRefused("The file has no rows.")
    return list(columns), _rows(values(), list(columns))


def _rows(values: Values, columns: list[str]) -> Iterator[Row]:
    for number, value in values:
        found = _cells(value, number)
        cells = [found.get(column, "") for column in columns]
        if any(cells):
            yield number, cells


def _cells(value: Any, number: int) -> dict[str, str]:
    """{column: text}"""
    try:
        cells = _flattened(value, number)
    except RecursionError:
        raise FileRefused(
            f"Row {number} is nested too deeply. Write its values as texts, numbers "
            "or lists."
        ) from None
    if any("\x00" in text for cell in cells.items() for text in cell):
        raise FileRefused(
            f"Row {number} contains a zero character, which no field can take. "
            "Remove it."
        )
    return cells


def _flattened(value: Any, number: int) -> dict[str, str]:
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return {VALUE_COLUMN: _text(value)}
    if not isinstance(value, dict):
        raise FileRefused(
            f"Row {number} is not an object. Each row must be one, such as "
            '{"name": "Drill"}.'
        )
    cells: dict[str, str] = {}
    for key, member in value.items():
        if key == NESTED and isinstance(member, dict):
            for name, inner in member.items():
                cells[_whole_characters(f"{NESTED}.{name}")] = _text(inner)
        else:
            cells[_whole_characters(key)] = _text(member)
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
            return _decimal_text(value)
        case int():
            return str(value)
    text = json.dumps(value, ensure_ascii=False, default=_plain_number)
    return _whole_characters(text)


def _decimal_text(value: Decimal) -> str:
    """As people write it: without an exponent, and 12.0 is 12."""
    if abs(value.adjusted()) > MAX_DIGITS:
        return str(value)
    whole = value.to_integral_value()
    return format(whole if value == whole else value, "f")


def _plain_number(value: Decimal) -> int | float:
    """A number inside a list or an object."""
    is_short = abs(value.adjusted()) <= MAX_DIGITS
    if is_short and value == value.to_integral_value():
        return int(value)
    return float(value)


_item_json = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain_number
).encode


def _whole_characters(text: str) -> str:
    """Halves of characters, which JSON can contain and UTF-8 cannot, become question
    marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()
