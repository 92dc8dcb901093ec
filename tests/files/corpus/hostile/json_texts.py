"""JSON documents and JSON Lines."""

import gzip
import json
from collections.abc import Callable

from tests.files.corpus.hostile.file import File

ROW = b'{"id": "A-1", "name": "Drill"}'
ROWS = b"[" + ROW + b", " + ROW.replace(b"1", b"2") + b"]"
LINES = ROW + b"\n" + ROW.replace(b"1", b"2") + b"\n"


def document(content: bytes) -> File:
    return File("rows.json", lambda: content)


def lazy(make: Callable[[], bytes], name: str = "rows.json") -> File:
    return File(name, make)


def lines(content: bytes) -> File:
    return File("rows.jsonl", lambda: content)


def numbered(row: int, line: bytes, count: int = 300) -> bytes:
    """Lines of which one is replaced."""
    all_lines = [b'{"id": "A-%d"}' % number for number in range(1, count + 1)]
    all_lines[row - 1] = line
    return b"\n".join(all_lines) + b"\n"


def array(row: int, element: bytes) -> bytes:
    return b"[" + b",\n".join(numbered(row, element).splitlines()) + b"]"


def wide(columns: int) -> bytes:
    return json.dumps([{f"c{index}": index for index in range(columns)}]).encode()


def new_names() -> bytes:
    """Each row has a member that no other has."""
    return b"\n".join(b'{"c%d": 1}' % number for number in range(5_000))


def sparse() -> bytes:
    """A row of 1,000 members, and a million without any."""
    return wide(1_000)[1:-1] + b"\n" + b"{}\n" * 1_000_000


FILES = {
    "json": document(ROWS),
    "json lines": lines(LINES),
    "json lines as txt": File("rows.txt", lambda: LINES),
    "json as csv": File("rows.csv", lambda: ROWS),
    "json lines in gz": File("rows.jsonl.gz", lambda: gzip.compress(LINES)),
    "array without elements": document(b"[]"),
    "object without members": document(b"{}"),
    "rows without members": document(b"[{}, {}]"),
    "null": document(b"null"),
    "number": document(b"12"),
    "text": document(b'"text"'),
    "array of numbers": document(b"[1, 2, 3]"),
    "array of arrays": document(b'[["id", "name"], ["A-1", "Drill"]]'),
    "a number among the rows": lazy(lambda: array(5, b"17")),
    "rows under a key": document(b'{"meta": {"page": 1}, "data": ' + ROWS + b"}"),
    "rows under two keys": document(b'{"a": ' + ROWS + b', "b": ' + ROWS + b"}"),
    "rows under keys in keys": document(b'{"a": {"b": ' + ROWS + b"}}"),
    "one object": document(ROW),
    "brackets without an end": lazy(lambda: b"[" * 1_000_000),
    "a value of 100,000 brackets": lazy(
        lambda: array(5, b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    ),
    "a line of 100,000 brackets": lazy(
        lambda: numbered(5, b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "rows.jsonl",
    ),
    "number of 100,000 digits": lazy(
        lambda: array(5, b'{"id": ' + b"9" * 100_000 + b"}")
    ),
    "numbers beyond all": document(
        b'[{"n": 1e400}, {"n": -0}, {"n": 12345678901234567890}]'
    ),
    "NaN": lazy(lambda: array(5, b'{"id": NaN}')),
    "name twice": document(b'[{"id": "A-1", "id": "A-2"}]'),
    "half a pair": lazy(lambda: array(5, b'{"id": "\\ud83d"}')),
    "half a pair in a line": lazy(
        lambda: numbered(5, b'{"id": "\\ud83d"}'), "rows.jsonl"
    ),
    "escaped zero": lazy(lambda: array(5, b'{"id": "A\\u0000"}')),
    "bytes that are not UTF-8": lazy(
        lambda: numbered(5, b'{"id": "\xff"}') + '{"id": "ü"}\n'.encode(), "rows.jsonl"
    ),
    "trailing comma": document(b"[" + ROW + b",]"),
    "missing comma": lazy(lambda: array(5, b'{"id": "A-5" "name": 1}')),
    "single quotes": document(b"[{'id': 'A-1'}]"),
    "comment": document(b"// rows\n" + ROWS),
    "something behind it": document(ROWS + b" and more"),
    "two documents": document(ROWS + b"\n" + ROWS),
    "cut in a text": document(ROWS[:-8]),
    "cut between rows": document(ROWS[: ROWS.index(b"},") + 2]),
    "not closed": document(ROWS[:-1]),
    "json with mark": document(b"\xef\xbb\xbf" + ROWS),
    "json in UTF-16": document(ROWS.decode().encode("utf-16")),
    "json in Windows-1252": document(ROWS.replace(b"Drill", b"Gr\xfcn")),
    "line that is no JSON": lazy(lambda: numbered(5, b"oops"), "rows.jsonl"),
    "line that is cut": lazy(lambda: numbered(300, b'{"id": "A-3')[:-1], "rows.jsonl"),
    "line that is an array": lazy(lambda: numbered(5, b"[1]"), "rows.jsonl"),
    "two objects in a line": lazy(lambda: numbered(5, ROW + ROW), "rows.jsonl"),
    "object over two lines": lazy(lambda: numbered(5, b'{"id":\n"A-5"}'), "rows.jsonl"),
    "blank lines": lines(b"\n\n" + LINES + b"\r\n\n"),
    "lines of arrays": lines(b'["id", "name"]\n["A-1", "Drill"]\n'),
    "20,000 members": lazy(lambda: wide(20_000)),
    "a new member each row": lazy(new_names, "rows.jsonl"),
    "a million rows without members": lazy(sparse, "rows.jsonl"),
    "text of 10 MB": lazy(lambda: array(5, b'{"id": "' + b"x" * 10_000_000 + b'"}')),
    "JSON line of 100 MB": lazy(
        lambda: numbered(5, b'{"id": "' + b"x" * 100_000_000 + b'"}'), "rows.jsonl"
    ),
    "row of 100 MB": lazy(lambda: array(5, b'{"id": "' + b"x" * 100_000_000 + b'"}')),
    "row of a million members": lazy(
        lambda: array(5, b'{"a": [' + b"1," * 1_000_000 + b"1]}")
    ),
    "nested values": document(b'[{"id": "A-1", "tags": ["a", {"b": null}]}]'),
}
