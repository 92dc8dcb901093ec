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
        ("-0", "-0"),
        ("12.0", "12.0"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("-0.5", "-0.5"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"007"', "007"),
        ('["a","ü"]', '["a", "ü"]'),
        ('{"b":[1,2.0,0.5]}', '{"b": [1, 2.0, 0.5]}'),
        ("1e99999", "1e99999"),
        ('"2024-01-02T03:04:05Z"', "2024-01-02T03:04:05Z"),
    ],
)
def test_json_values_keep_their_text(value: str, text: str) -> None:
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
        '{"meta": {"total": 2}, "data": %s, "links": []}',
        '{"response": {"data": %s}}',
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
            'with an array, such as {"items": [...]}.',
        ),
        (
            b"[[2]]",
            "No row can be read. Row 1 is “[2]” and not an object. "
            'Write each row as an object, such as {"name": "Drill"}.',
        ),
        (
            b'[{"a": ' + b"[" * 200_000,
            "Row 1 is nested more than 100 levels deep. Write its values as texts, "
            "numbers or lists. What follows it cannot be read.",
        ),
        (
            b'[{"a": 1}, {"a"',
            "Row 2 is not JSON: the text ends where a colon should be at line 1, "
            "column 16. It was probably cut off before its end. "
            "What follows it cannot be read.",
        ),
        (
            b"[1] x",
            "The file is not JSON: “x” follows the end of the document at line 1, "
            "column 5. Put all rows into one array, or each row on a line of its own.",
        ),
        (
            b'[{"a": "x" y", "l": [{"n": 1}, {"n": 2}, {"n": 3}]}, {"a": 3}]',
            'Row 1 is not JSON: “y", "l": [{"n": 1}, {"n": 2}, …” where a comma or a '
            "closing bracket should be at line 1, column 12. Write a quotation mark "
            'inside a text as \\", and a comma between members. '
            "What follows it cannot be read.",
        ),
    ],
)
def test_json_without_reliable_rows_is_refused(content: bytes, sentence: str) -> None:
    assert refusal(content, "rows.json") == sentence


def test_json_with_too_many_columns_is_refused() -> None:
    rows = [{f"column {number}": "x"} for number in range(1200)]

    said = refusal(json.dumps(rows).encode(), "rows.json")

    assert said == (
        "The rows up to row 1,001 have more than 1,000 columns. Remove some."
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


def test_json_layout_names_its_encoding() -> None:
    assert detect(io.BytesIO(b"[1]"), "rows.json").layout == Layout("json", "utf-8-sig")


def test_json_layout_names_the_list_of_rows() -> None:
    content = b'{"tags": ["x"], "data": [{"a": 1}], "more": [{"b": 1}, {"b": 2}]}'

    found = detect(io.BytesIO(content), "rows.json")

    assert found.layout == Layout("json", "utf-8-sig", sheet="data")
    assert [str(notice) for notice in found.notices] == [
        "Only the list “data” is read. The file also has “more” (2 rows). "
        "Choose another list in the file settings if that one is meant."
    ]


def test_json_list_of_rows_can_be_chosen() -> None:
    content = b'{"tags": ["x"], "data": [{"a": 1}], "more": [{"b": 1}, {"b": 2}]}'

    found = detect(io.BytesIO(content), "rows.json", Layout(sheet="more"))

    assert found.layout.sheet == "more"
    assert found.sheets == ("data", "more")
    assert found.notices == ()


@pytest.mark.parametrize("content", ['[{"a": 1},\n]', '{"data": [{"a": 1},]}'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_json_trailing_comma_is_a_warning(content: str, encoding: str) -> None:
    data = content.encode(encoding)

    found = detect(io.BytesIO(data), "rows.json")

    assert [str(notice) for notice in found.notices] == [
        "There is a comma behind the last row, where JSON allows none. "
        "If a row is missing there, upload the file again."
    ]
    assert read(data, "rows.json") == (["a"], [(1, ["1"])])
