"""Rows of JSON files that cannot be read, among rows that can."""

import json

import pytest

from jobsui.files.layout import OddCells
from tests.files.test_table import read

GOOD = b'{"a": "x"}'
LONG = b'{"a": "%s"}' % (b"x" * 131_073)
MAX_ROW = 1 << 24

ODD = [
    (b"[2]", "not_an_object", "is “[2]” and not an object."),
    (b"true", "not_an_object", "is “true” and not an object."),
    (
        b'{"a": NaN}',
        "not_a_number",
        "has NaN in “a”, which is not a JSON number.",
    ),
    (b'{"a": 1, "a": 2}', "repeated_member", "has the member “a” twice."),
    (b'{"a" : 1, "a" :2}', "repeated_member", "has the member “a” twice."),
    (
        b'{"b": 1, "c": {"a": 1, "a": 2}}',
        "repeated_member",
        "has the member “a” twice.",
    ),
    (
        b'{"custom_object_fields.a": 1, "custom_object_fields": {"a": 1}}',
        "repeated_member",
        "has the member “custom_object_fields.a” twice.",
    ),
    (
        rb'{"a": "\u0000"}',
        "zero_character",
        "contains a zero character in “a”, which no field can take.",
    ),
    (
        rb'{"a": "Cut \ud83d"}',
        "half_character",
        "has half of a character (\\ud83d) in “a”.",
    ),
    (rb'{"a\udc80": 1}', "half_character", "has half of a character (\\udc80)."),
    (
        rb'{"a": ["\ud83d"]}',
        "half_character",
        "has half of a character (\\ud83d) in “a”.",
    ),
    (b'{"a": "\xff"}', "bad_bytes", "has a byte (0xFF) that is not UTF-8."),
    (
        b'{"a": %s1%s}' % (b"[" * 150, b"]" * 150),
        "too_deep",
        "is nested more than 100 levels deep.",
    ),
    (
        LONG,
        "long_cell",
        "has 131,073 characters in “a”. The maximum is 131,072.",
    ),
    (
        json.dumps({f"m{number}": 1 for number in range(1001)}).encode(),
        "too_many_members",
        "has 1,001 members. The maximum is 1,000.",
    ),
    (
        b'{"%s": 1}' % (b"n" * 2000),
        "long_name",
        f"has a member with a name of 2,000 characters: “{'n' * 30}…”. "
        "The maximum is 1,000.",
    ),
]
BROKEN = [
    (b'{"a": 12" pipe}', '“" pipe}…” where a comma or a closing bracket should be'),
    (b"{'a': 1}", "“'a': 1}…” where a name should begin"),
    (b'{"a": tru}', "“tru}…” where a value should be"),
    (b'{"a" 1}', "“1}…” where a colon should be"),
    (b'{"a": 1,}', "“}…” where another value should be"),
    (
        rb'{"a": "\x"}',
        r"“\x"
        '"}…” is no escape sequence',
    ),
    (
        b'{"a": "x\ty"}',
        "a text contains a line end, a tab or another control character",
    ),
]


def odd_rows(content: bytes, name: str) -> tuple[dict[int, OddCells], list[int]]:
    """The odd rows, and the numbers of the others."""
    rows = read(content, name, encoding="utf-8")[1]
    odd = {number: cells for number, cells in rows if isinstance(cells, OddCells)}
    return odd, [number for number, _ in rows if number not in odd]


@pytest.mark.parametrize(("row", "code", "sentence"), ODD)
def test_json_line_that_is_odd_is_a_row(row: bytes, code: str, sentence: str) -> None:
    odd, others = odd_rows(b"\n".join([GOOD, row, b"", GOOD]), "rows.jsonl")

    assert list(odd) == [2]
    assert odd[2].code == code
    assert odd[2].reason == f"Line 2 {sentence}"
    assert odd[2].fix.endswith(".")
    assert others == [1, 4]


@pytest.mark.parametrize(("row", "code", "sentence"), ODD)
@pytest.mark.parametrize("between", [b",", b",\n  "])
def test_json_element_that_is_odd_is_a_row(
    row: bytes, code: str, sentence: str, between: bytes
) -> None:
    document = b'{"data": [%s], "total": 3}' % between.join([GOOD, row, GOOD])

    odd, others = odd_rows(document, "rows.json")

    assert list(odd) == [2]
    assert odd[2].code == code
    assert odd[2].reason == f"Row 2 {sentence}"
    assert others == [1, 3]


@pytest.mark.parametrize(("row", "what"), BROKEN)
def test_json_line_that_is_broken_is_a_row(row: bytes, what: str) -> None:
    odd, others = odd_rows(b"\n".join([GOOD, row, GOOD]), "rows.jsonl")

    beginning, _, end = what.partition("…”")
    assert list(odd) == [2]
    assert odd[2].reason.startswith(f"Line 2 is not JSON: {beginning}")
    assert f"{end} in column " in odd[2].reason
    assert odd[2][0] == row.decode()
    assert others == [1, 3]


@pytest.mark.parametrize(("row", "what"), BROKEN)
@pytest.mark.parametrize("between", [b",", b",\n"])
def test_json_element_that_is_broken_is_a_row(
    row: bytes, what: str, between: bytes
) -> None:
    odd, others = odd_rows(b"[%s]" % between.join([GOOD, row, GOOD]), "rows.json")

    line = between.count(b"\n") + 1
    beginning, _, end = what.partition("…”")
    assert list(odd) == [2]
    assert odd[2].reason.startswith(f"Row 2 is not JSON: {beginning}")
    assert f"{end} at line {line}, column " in odd[2].reason
    assert odd[2][0] == row.decode()
    assert others == [1, 3]


def test_json_last_element_that_is_broken_is_a_row() -> None:
    odd, others = odd_rows(b'[{"a": 1},\n{"a": 12" pipe}\n]', "rows.json")

    assert list(odd) == [2]
    assert others == [1]


def test_json_missing_comma_is_a_problem_of_the_row_before() -> None:
    odd, others = odd_rows(b'[{"a": 1}\n{"a": 2},\n{"a": 3}]', "rows.json")

    assert odd[1].reason == (
        'Row 1 is not JSON: “{"a": 2},…” follows without a comma at line 2, column 1.'
    )
    assert others == [2, 3]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_json_odd_line_has_its_number_with_any_line_end(line_end: str) -> None:
    lines = ['{"a": 1}', "", '{"a": }', '{"a": 2}', ""]

    odd, others = odd_rows(line_end.join(lines).encode(), "rows.jsonl")

    assert list(odd) == [3]
    assert others == [1, 4]


def test_json_line_that_is_longer_than_16_mb_is_a_row() -> None:
    long = b'{"a": "%s"}' % (b"x" * (MAX_ROW + 1))

    odd, others = odd_rows(b"\n".join([GOOD, long, GOOD]), "rows.jsonl")

    assert odd[2].reason == "Line 2 is longer than 16 MB."
    assert odd[2][0] == '{"a": "' + "x" * 193
    assert others == [1, 3]
