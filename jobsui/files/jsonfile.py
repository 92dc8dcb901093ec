"""JSON arrays and JSON Lines: each object is a row, its members are the columns. In
Zendesk's own form of items, each member of `custom_object_fields` becomes a column."""

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from jobsui.files import delimited, encoding_detection, json_text
from jobsui.files import encoding as encodings
from jobsui.files.errors import FileRefused
from jobsui.files.json_text import MAX_ROW, Document
from jobsui.files.json_values import (
    BadJSON,
    NumberText,
    check,
    check_bytes,
    json_of,
    shown,
)
from jobsui.files.layout import Detected, Head, Layout, Notice, Reading, Row
from jobsui.text import counted

if TYPE_CHECKING:
    from jobsui.files.cells import Block

OBJECT = re.compile(r'(?:\[\s*)?\{\s*"[^"\r\n]*"\s*:')
"""The beginning of an object or of an array of objects, which no delimited text has."""
LINES_EXTENSIONS = ("jsonl", "ndjson")
EXTENSIONS = ("json", *LINES_EXTENSIONS)
LISTS = ("job.items", "items", "custom_object_records", "records")
"""Where Zendesk and we keep rows in a document that is an object."""
MAX_DIGITS = 1000
MAX_ITEM = 1 << 20
"""Characters of an item, and of any other value, of a request: web processes read it as a
whole."""
TAIL_BYTES = 256
TRAILING_COMMA = re.compile(rb",[\x00 \t\r\n]*\][\x00 \t\r\n]*\Z")
"""In any encoding."""
MAX_LISTS = 100
MAX_PATH = 200
"""Characters of the path to a list."""


@dataclass(frozen=True, slots=True)
class _List:
    """An array of a document."""

    path: str
    """ "" for a document that is the array."""
    has_objects: bool
    count: int
    has_trailing_comma: bool


TRAILING_COMMA_NOTICE = Notice(
    "trailing_comma",
    "There is a comma behind the last row, where JSON allows none.",
    "If a row is missing there, upload the file again.",
)


def recognizes_document(head: Head) -> bool:
    return _is_json(head) and not _is_lines(head)


def recognizes_lines(head: Head) -> bool:
    return _is_json(head) and _is_lines(head)


def detect_document(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    decided = encoding_detection.find(stream, head.data, chosen.encoding)
    if head.text.startswith("["):
        path = ""
        has_comma = _ends_in_comma(stream)
        notices = []
        paths = []
    else:
        found = _lists(stream, decided.encoding)
        rows = _list_of_rows(found, chosen.sheet)
        path = rows.path
        has_comma = rows.has_trailing_comma
        notices = [] if chosen.sheet else _other_lists(found, path)
        paths = [item.path for item in found if item.has_objects or item == rows]
    if has_comma:
        notices.append(TRAILING_COMMA_NOTICE)
    layout = Layout("json", decided.encoding, sheet=path)
    return Detected(
        layout,
        sheets=tuple(paths[:MAX_LISTS]),
        proposals=decided.proposals,
        notices=tuple(notices),
    )


def detect_lines(stream: BinaryIO, head: Head, chosen: Layout) -> Detected:
    decided = encoding_detection.find(stream, head.data, chosen.encoding)
    return Detected(Layout("jsonl", decided.encoding), proposals=decided.proposals)


def read_document(stream: BinaryIO, layout: Layout) -> Reading:
    """An array, or the one at the path `layout.sheet`. A row's number is its position in
    the array, from 1."""
    header: list[str] = []
    return Reading(header, 0, _document_blocks(stream, layout, header))


def read_lines(stream: BinaryIO, layout: Layout) -> Reading:
    """One object a line. A row's number is that of its line."""
    # pyarrow takes 46 MB, which web processes do not need.
    from jobsui.files.json_blocks import line_blocks  # noqa: PLC0415

    header: list[str] = []
    return Reading(header, 0, line_blocks(stream, layout.encoding, header))


def _document_blocks(
    stream: BinaryIO, layout: Layout, header: list[str]
) -> "Iterator[Block]":
    from jobsui.files.json_blocks import element_blocks  # noqa: PLC0415

    document = Document(stream, layout.encoding)
    broken = ""
    try:
        for path, elements in json_text.arrays(document):
            if path != layout.sheet:
                continue
            yield from element_blocks(elements, header)
            broken = elements.broken
        _require_end(document)
    except BadJSON as error:
        sentence = broken or f"The file {error.what}. {error.fix}"
        raise FileRefused(sentence) from None


def _require_end(document: Document) -> None:
    if document.peek():
        raise _more_follows(document)


def _more_follows(document: Document) -> BadJSON:
    rest = shown(document.window[document.position :])
    where = document.where(document.position)
    return BadJSON(
        "not_json",
        f"is not JSON: {rest} follows the end of the document {where}",
        "Put all rows into one array, or each row on a line of its own.",
    )


def _ends_in_comma(stream: BinaryIO) -> bool:
    """Whether there is a comma before the last bracket of an array."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - TAIL_BYTES))
    return TRAILING_COMMA.search(stream.read()) is not None


def _lists(stream: BinaryIO, encoding: str) -> list[_List]:
    """The arrays of a document that is an object. Raises FileRefused."""
    document = Document(stream, encoding)
    found = []
    try:
        for path, elements in json_text.arrays(document):
            has_objects = document.peek() == "{"
            elements.skip_rest()
            if len(path) <= MAX_PATH:
                comma = elements.has_trailing_comma
                found.append(_List(path, has_objects, elements.number, comma))
        _require_end(document)
    except BadJSON as error:
        raise FileRefused(f"The file {error.what}. {error.fix}") from None
    return found


def _list_of_rows(found: list[_List], chosen: str = "") -> _List:
    """The chosen one, else the best known path first, then arrays of objects. Raises
    FileRefused."""
    for item in found:
        if chosen and item.path == chosen:
            return item
    known = [item for path in LISTS for item in found if item.path == path]
    objects = [item for item in found if item.has_objects]
    filled = [item for item in found if item.count]
    candidates = [*known, *objects, *filled, *found]
    if not candidates:
        raise FileRefused(
            "The file has no list of rows. It must be an array, or an object with an "
            'array, such as {"items": [...]}.'
        )
    return candidates[0]


def _other_lists(found: list[_List], path: str) -> list[Notice]:
    others = [item for item in found if item.has_objects and item.path != path]
    if not others:
        return []
    listed = ", ".join(
        f"{shown(item.path)} ({counted(item.count, 'row')})" for item in others
    )
    return [
        Notice(
            "other_lists",
            f"Only the list {shown(path)} is read. The file also has {listed}.",
            "Choose another list in the file settings if that one is meant.",
            count=len(others),
        )
    ]


def read_items(stream: BinaryIO, path: str) -> Iterator[Row]:
    """The values of the array at `path` ("job.items") of a request body, each as JSON in
    its one cell, numbered from 1. Raises FileRefused, also while rows are read."""
    document = _body(stream, MAX_ITEM)
    try:
        for found, elements in json_text.arrays(document):
            if found != path:
                continue
            while element := elements.next():
                index = elements.number - 1
                yield elements.number, [_item_json(*element, f"{path}[{index}]")]
            if elements.has_trailing_comma:
                last = elements.number - 1
                raise FileRefused(
                    f"{path}[{last}] is followed by a comma and no other item. "
                    "Remove the comma, or add the item."
                )
        _require_end(document)
    except BadJSON as error:
        raise _body_refused(error) from None


def _item_json(value: Any, text: str, name: str) -> str:
    try:
        check_bytes(text, encodings.UTF8)
        if isinstance(value, BadJSON):
            raise value
        check(value)
        _check_numbers(value)
        return json_of(value, ",", ":")
    except BadJSON as error:
        raise FileRefused(f"{name} {error.what}. {error.fix}") from None


def _check_numbers(value: Any) -> None:
    """Raise BadJSON for numbers that programs cannot read."""
    match value:
        case NumberText():
            if len(value) > MAX_DIGITS or math.isinf(float(value)):
                raise BadJSON(
                    "long_number",
                    f"has a number that is too large: {shown(value)}",
                    "Write it as text, in quotation marks.",
                )
        case dict():
            for member in value.values():
                _check_numbers(member)
        case list():
            for member in value:
                _check_numbers(member)


def members(stream: BinaryIO, name: str) -> dict[str, Any]:
    """The members of the object `name` of a request body: plain values as they are, and
    the word "array" or "object" for what is nested. Reads the whole stream; raises
    FileRefused when it is not JSON."""
    document = _body(stream, MAX_ITEM)
    found: dict[str, Any] = {}
    try:
        if document.peek() != "{":
            document.value()
            _require_end(document)
            return {}
        document.take("{")
        for key in json_text.members(document):
            if key == name and document.take("{"):
                for inner in json_text.members(document):
                    found[inner] = _outline(document)
            else:
                _skip(document)
        _require_end(document)
    except BadJSON as error:
        raise _body_refused(error) from None
    return found


def mistake(body: bytes) -> str:
    """What is wrong with a request body that is no JSON, as sentences."""
    document = _body(io.BytesIO(body))
    try:
        value = document.value()
        check_bytes(document.window, document.encoding)
        check(value)
        _require_end(document)
    except BadJSON as error:
        return str(_body_refused(error))
    return "The body is not JSON. Send JSON, encoded as UTF-8."


def _outline(document: Document) -> Any:
    sign = document.peek()
    if sign in {"[", "{"}:
        _skip(document)
        return "array" if sign == "[" else "object"
    return document.value()


def _skip(document: Document) -> None:
    for _ in json_text.arrays(document):
        pass


def _body(stream: BinaryIO, max_value: int = MAX_ROW) -> Document:
    stream.seek(0)
    return Document(stream, encodings.choose(stream.read(4)), max_value)


def _body_refused(error: BadJSON) -> FileRefused:
    return FileRefused(f"The body {error.what}. {error.fix}")


def _is_json(head: Head) -> bool:
    if not head.text:
        return False
    if head.suffix in EXTENSIONS:
        return True
    if head.suffix in delimited.EXTENSIONS:
        return OBJECT.match(head.text) is not None
    return head.text[0] in "[{"


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
