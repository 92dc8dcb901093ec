import io
import json

import pytest

from jobsui.files.layout import Layout
from jobsui.files.table import detect
from tests.files.test_table import read, refusal


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_json_is_read_in_unicode_encodings(encoding: str, name: str) -> None:
    text = (
        '{"näme": "漢", "n": 1}\n{"n": 2}\n'
        if name == "rows.jsonl"
        else '[{"näme": "漢", "n": 1}, {"n": 2}]'
    )

    assert read(text.encode(encoding), name) == (
        ["näme", "n"],
        [(1, ["漢", "1"]), (2, ["", "2"])],
    )


def test_json_in_a_chosen_encoding_is_read() -> None:
    assert read('[{"a": "ü"}]'.encode("cp1252"), "rows.json", encoding="cp1252")[1] == [
        (1, ["ü"])
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("null", ""),
        ("true", "true"),
        ("false", "false"),
        ("12", "12"),
        ("12.0", "12"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
        ("0.0", "0"),
        ("-0.5", "-0.5"),
        ("9007199254740993", "9007199254740993"),
        ('"007"', "007"),
        ('["a","ü"]', '["a", "ü"]'),
        ('{"b":[1,2.0,0.5]}', '{"b": [1, 2, 0.5]}'),
        ("1e99999", "1E+99999"),
        ('"2024-01-02T03:04:05Z"', "2024-01-02T03:04:05Z"),
    ],
)
def test_json_values_become_text(value: str, text: str) -> None:
    row = f'{{"x": "-", "a": {value}}}'.encode()

    assert read(b"[" + row + b"]", "rows.json")[1] == [(1, ["-", text])]
    assert read(row, "rows.jsonl")[1] == [(1, ["-", text])]


@pytest.mark.parametrize(
    "wrapped",
    [
        "%s",
        '{"items": %s}',
        '{"job": {"action": "create", "items": %s}}',
        '{"custom_object_records": %s}',
    ],
)
def test_json_rows_are_found_where_zendesk_has_them(wrapped: str) -> None:
    items = [
        {"name": "Drill", "custom_object_fields": {"serial": "AB-1", "tags": ["x"]}},
        {"external_id": "7"},
    ]
    columns = [
        "name",
        "custom_object_fields.serial",
        "custom_object_fields.tags",
        "external_id",
    ]

    rows = [(1, ["Drill", "AB-1", '["x"]', ""]), (2, ["", "", "", "7"])]
    assert read((wrapped % json.dumps(items)).encode(), "rows.json") == (columns, rows)


def test_json_list_of_plain_values_has_one_column() -> None:
    assert read(b'["01A", 7]', "ids.json") == (["value"], [(1, ["01A"]), (2, ["7"])])


def test_json_lines_are_numbered_as_lines_and_blank_ones_left_out() -> None:
    assert read(b'{"a":1}\n\n{"a":null}\n{"a":2}', "rows.jsonl")[1] == [
        (1, ["1"]),
        (4, ["2"]),
    ]


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (b'{"a":1}\n{"a":2}\n', "rows.json", "jsonl"),
        (b'{"a":1}\n{"a":2}\n', "rows", "jsonl"),
        (b'[\n{"a":1},\n{"a":2}]\n', "rows.jsonl", "json"),
        (b'{\n"items": [{"a":1}]}', "rows.json", "json"),
        (b"[a],b\n1,2\n", "rows.csv", "csv"),
    ],
)
def test_json_format_is_recognized_by_content(
    content: bytes, name: str, form: str
) -> None:
    assert detect(io.BytesIO(content), name).layout.format == form


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[]", "The file has no rows."),
        (b"[{}]", "The file has no rows."),
        (
            b'{"a": 1}',
            "The file has no list of rows. It must be an array, or an object "
            'with an array "items".',
        ),
        (
            b"[1, [2]]",
            'Row 2 is not an object. Each row must be one, such as {"name": "Drill"}.',
        ),
        (
            b"[true]",
            'Row 1 is not an object. Each row must be one, such as {"name": "Drill"}.',
        ),
        (
            b'[{"a": "\\u0000"}]',
            "Row 1 contains a zero character, which no field can take. Remove it.",
        ),
        (
            b'[{"a\\u0000": 1}]',
            "Row 1 contains a zero character, which no field can take. Remove it.",
        ),
        (
            b'[{"a": ' + b"[" * 200_000,
            "The file is nested more than 100 levels deep. Its rows must be plain objects.",
        ),
        (
            b"[" + b"9" * 5000 + b"]",
            "The file has a number of more than 1,000 digits. Write it as "
            "text, in quotation marks.",
        ),
        (
            b'["' + b"x" * 5_000_000 + b'"]',
            "The file has a value of more than 4 MB. Shorten it.",
        ),
    ],
)
def test_json_that_cannot_be_rows_is_refused_with_its_own_sentence(
    content: bytes, sentence: str
) -> None:
    assert refusal(content, "rows.json") == sentence


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a": 1}',
        b'[{"a": NaN}]',
        b"[{'a': 1}]",
        b"[1] x",
        b"[1e99999999999999999999]",
    ],
)
def test_json_that_is_broken_is_refused(content: bytes) -> None:
    assert refusal(content, "rows.json").startswith("The file is not JSON: ")


def test_json_line_that_is_broken_is_refused_with_its_number() -> None:
    assert refusal(b'{"a":1}\n{"a":', "rows.jsonl").startswith("Line 2 is not JSON: ")
    assert refusal(b'{"a":' + b"[" * 100_000 + b"\n", "rows.jsonl").startswith(
        "Line 1 is not JSON: "
    )
    assert (
        refusal(b'{"a":NaN}', "rows.jsonl")
        == "Line 1 is not JSON: NaN is not a JSON number."
    )
    assert refusal(b'{"a":"' + b"x" * 5_000_000 + b'"}', "rows.jsonl").startswith(
        "Line 1 is longer than 4 MB."
    )


def test_json_line_that_is_broken_names_one_line_and_the_column() -> None:
    content = b'{"a": 1}\n{"a": 1, "b": "x}\n'

    said = refusal(content, "rows.jsonl")

    assert said == "Line 2 is not JSON: Unterminated string (column 15)."


def test_json_with_too_many_columns_is_refused_early() -> None:
    rows = [{f"column {number}": "x"} for number in range(1200)]

    assert refusal(json.dumps(rows).encode(), "rows.json").startswith(
        "The rows up to row 1001 have more than 1,000"
    )


def test_json_strings_may_hold_brackets_quotes_and_backslashes_anywhere() -> None:
    texts = [
        '[{"' * 50,
        "\\",
        '\\"',
        "]" * 300,
        "x" * 65_530 + '\\"',
        "\\" * 65_536 + "[",
    ]
    content = json.dumps([{"a": text} for text in texts]).encode()

    assert [cells for _, cells in read(content, "rows.json")[1]] == [
        [text] for text in texts
    ]


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
@pytest.mark.parametrize(
    ("content", "columns", "cells"),
    [
        (rb'{"a": "x\ud800y"}', ["a"], ["x?y"]),
        (rb'{"a": ["\ud800"]}', ["a"], ['["?"]']),
        (rb'{"a\ud800": "1"}', ["a?"], ["1"]),
        (
            rb'{"custom_object_fields": {"a\ud8ff": "1"}}',
            ["custom_object_fields.a?"],
            ["1"],
        ),
    ],
)
def test_json_half_a_character_becomes_a_question_mark(
    name: str, content: bytes, columns: list[str], cells: list[str]
) -> None:
    document = content if name.endswith("jsonl") else b"[%s]" % content

    assert read(document, name) == (columns, [(1, cells)])


def test_json_layout_names_its_encoding() -> None:
    assert detect(io.BytesIO(b"[1]"), "rows.json").layout == Layout("json", "utf-8-sig")
