"""JSON in blocks of columns: the kinds of cells, and the same cells by whichever way a
piece is read."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.files import json_blocks, json_fast, json_text, jsonfile
from jobsui.files.cells import Block, Kind
from jobsui.files.layout import Layout, Reading
from jobsui.files.rows import rows_of

UTF8 = "utf-8-sig"


def read_lines(content: str | bytes) -> Reading:
    data = content.encode() if isinstance(content, str) else content
    return jsonfile.read_lines(io.BytesIO(data), Layout("jsonl", UTF8))


def read_array(content: str) -> Reading:
    return jsonfile.read_document(io.BytesIO(content.encode()), Layout("json", UTF8))


def kinds(block: Block) -> list[list[str]]:
    """The name of the kind of each cell, by column."""
    return [
        ["TEXT"] * len(block.numbers)
        if column.kinds is None
        else [Kind(kind).name for kind in column.kinds.to_pylist()]
        for column in block.columns
    ]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ('"x"', "TEXT"),
        ('""', "TEXT"),
        ('"1.50"', "TEXT"),
        ("7", "NUMBER"),
        ("1.50", "NUMBER"),
        ("true", "BOOLEAN"),
        ("null", "NULL"),
        ("[1]", "NESTED"),
        ('{"b": 1}', "NESTED"),
    ],
)
@pytest.mark.parametrize("broken", ["", '{"a": }\n'])
def test_json_cell_has_its_kind(value: str, kind: str, broken: str) -> None:
    content = f'{{"k": 1, "a": {value}}}\n{{"k": 2, "a": "x"}}\n{{"k": 3}}\n{broken}'

    reading = read_lines(content)
    [block] = reading.blocks

    assert reading.header == ["k", "a"]
    assert kinds(block) == [["NUMBER"] * 3, [kind, "TEXT", "ABSENT"]]


def test_json_columns_grow_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "FIRST_SIZES", (10, 10))
    reading = read_lines('{"a": 1, "b": 2}\n{"c": 3}\n')

    first, second = reading.blocks

    assert len(first.columns) == 2
    assert kinds(second) == [["ABSENT"], ["ABSENT"], ["NUMBER"]]
    assert reading.header == ["a", "b", "c"]


def test_json_fields_of_zendesk_become_columns() -> None:
    reading = read_lines(
        '{"name": "x", "custom_object_fields": {"a": 1, "b": null}}\n'
        '{"name": "y", "custom_object_fields": null}\n'
    )
    [block] = reading.blocks

    assert reading.header == [
        "name",
        "custom_object_fields.a",
        "custom_object_fields.b",
        "custom_object_fields",
    ]
    assert kinds(block) == [
        ["TEXT", "TEXT"],
        ["NUMBER", "ABSENT"],
        ["NULL", "ABSENT"],
        ["ABSENT", "NULL"],
    ]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner)
    ),
    max_leaves=5,
)
ROWS = st.lists(st.dictionaries(st.sampled_from("abcd"), VALUES), max_size=8)


def expected_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


@given(ROWS, st.integers(1, 60), st.booleans(), st.sampled_from([None, 1]))
def test_json_reads_what_was_written(
    rows: list[dict[str, Any]], size: int, is_slow: bool, indent: int | None
) -> None:
    array = json.dumps(rows, indent=indent, ensure_ascii=False)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    expected = [
        (
            number,
            {
                name: text
                for name, value in row.items()
                if (text := expected_text(value))
            },
        )
        for number, row in enumerate(rows, 1)
    ]
    expected = [(number, cells) for number, cells in expected if cells]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "FIRST_SIZES", (size, size, size))
        patch.setattr(json_text, "SIZE", size)
        if is_slow:
            patch.setattr(json_fast, "objects", lambda _: None)
            patch.setattr(json_fast, "lines", lambda *_: None)
        found = [cells_of(read_array(array)), cells_of(read_lines(lines))]

    assert found == [expected, expected]


def cells_of(reading: Reading) -> list[tuple[int, dict[str, str]]]:
    """(number, {column: text that is not blank})"""
    rows = list(rows_of(reading.blocks))
    return [
        (
            number,
            {
                name: text
                for name, text in zip(reading.header, cells, strict=False)
                if text
            },
        )
        for number, cells in rows
    ]


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ('{"a": 1}, {"a": "2"}', True),
        ('{"a": "says \\": x"}', False),
        ('{"a": "b : c"}', True),
        ('{"a": {"b": [{"c": 1}]}}', True),
        ('{"a": 1, "a": 2}, {"b" : 1}', False),
        ('{"a": -0}', False),
        ('{"a": "2026-01-02"}', True),
        ('{"a": "\\u0000"}', False),
        ('{"a": "\\ud83d"}', False),
        ("1, 2", False),
    ],
)
def test_fast_way_takes_only_plain_objects(text: str, is_plain: bool) -> None:
    try:
        found = json_fast.objects(f"[{text}]".encode())
    except json_fast.CutText:
        found = None

    assert (found is not None) == is_plain


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1},{"a": 2}\n',
        '{"a": 1}{"a": 2}\n\n',
        '{"a": 1} {"a": 2}\n{"a":\n3}',
        '{"a":\n1}\n{"a": 2}',
        '{"a": 1}\n\n{"a": 2}\n',
        '\n{"a": 1}\n',
        "\n",
    ],
)
def test_fast_way_takes_only_one_object_a_line(text: str) -> None:
    data = text.encode()

    assert json_fast.lines(data, data.count(b"\n")) is None


def test_odd_elements_are_skipped_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    monkeypatch.setattr(json_text, "SIZE", 100)
    monkeypatch.setattr(json_fast, "objects", tried.append)
    elements = ", ".join(['{"a": -0}'] * 100)
    document = json_text.Document(io.BytesIO(f"[{elements}]".encode()), UTF8)

    [_] = json_text.arrays(document)

    assert not document.peek()
    assert len(tried) == 10


@pytest.mark.parametrize("broken", ["", "oops\n"])
def test_wide_rows_are_several_blocks(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_blocks, "MAX_BLOCK_CELLS", 4)
    lines = [f'{{"a": "{number}", "b": "x"}}\n' for number in range(5)]
    content = "".join([*lines[:2], broken, *lines[2:4], broken, lines[4], broken])

    blocks = list(read_lines(content).blocks)

    numbers = [number for number, _ in rows_of(blocks)]
    assert len(blocks) == 3
    assert numbers == list(range(1, len(content.splitlines()) + 1))
    assert [cells[0] for _, cells in rows_of(blocks) if len(cells) == 2] == [*"01234"]


TEXT_CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
LIKE_ROWS = st.lists(
    st.fixed_dictionaries(
        {"a": TEXT_CELLS, "b c": SCALARS, "d": st.none() | TEXT_CELLS}
    )
    | st.dictionaries(st.sampled_from(["a", "b c", "e"]), VALUES, max_size=3),
    max_size=12,
)


@given(LIKE_ROWS, st.integers(20, 200), st.booleans())
def test_rows_like_those_before_are_read_as_one_by_one(
    rows: list[dict[str, Any]], size: int, is_ascii: bool
) -> None:
    array = json.dumps(rows, ensure_ascii=is_ascii)
    lines = "".join(json.dumps(row, ensure_ascii=is_ascii) + "\n" for row in rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "FIRST_SIZES", (size, size, size))
        patch.setattr(json_text, "SIZE", size)
        fast = [cells_and_kinds(read_array(array)), cells_and_kinds(read_lines(lines))]
        patch.setattr(json_fast, "objects", lambda _: None)
        patch.setattr(json_fast, "lines", lambda *_: None)
        slow = [cells_and_kinds(read_array(array)), cells_and_kinds(read_lines(lines))]

    assert fast == slow


def cells_and_kinds(reading: Reading) -> dict[int, dict[str, tuple[str, str]]]:
    """{number of a row: {column: (text, kind)}}, {} for rows that cannot be read."""
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for block in reading.blocks:
        found |= {number: {} for number, _ in block.odd}
        numbers = block.numbers.to_pylist()
        texts = [column.texts.to_pylist() for column in block.columns]
        rows = zip(*texts, strict=True)
        rows_kinds = zip(*kinds(block), strict=True)
        for number, row, row_kinds in zip(numbers, rows, rows_kinds, strict=True):
            cells = zip(reading.header, row, row_kinds, strict=False)
            found[number] = {
                name: (text, kind) for name, text, kind in cells if kind != "ABSENT"
            }
    return found


@pytest.mark.parametrize(
    ("text", "is_uniform"),
    [
        ('{"a": "x", "b": 1}', True),
        ('{"b": 2.50, "a": null}, {"a": "", "b": "x"}', True),
        ('{"a": 1, "b": 1}', False),
        ('{"a": "x"}', False),
        ('{"a": "x", "b": 1, "c": 1}', False),
        ('{"a": "x", "a": "y", "b": 1}', False),
        ('{"a": "x", "b": -0}', True),
        ('{"a": "says \\"x\\"", "b": "says \\"y\\""}', True),
        ('{"a": "says \\"x\\u0022", "b": 1}', False),
        ('{"a": "\\u0022", "a": "\\u0022", "b": 1}', False),
        ('{"a": "x", "a" : "x", "b": 1}', False),
    ],
)
def test_decoder_takes_only_rows_like_the_one_it_knows(
    text: str, is_uniform: bool
) -> None:
    decoder = json_fast.decoder_like([{"a": "text", "b": 7}])
    assert decoder

    found = decoder.objects(f"[{text}]".encode())

    assert (found is not None) == is_uniform


@pytest.mark.parametrize(
    "value",
    [
        b'"x"',
        rb'"says \"\n\""',
        b"-0",
        b"1.50",
        b"true",
        b"null",
        b'{"c": 1}',
        b"[1]",
        rb'"\u0000"',
        rb'"\ud83d"',
        b'"\xff"',
    ],
)
def test_value_of_any_kind_is_read_as_by_itself(
    value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = b'{"a": "x", "b": 1}\n'
    monkeypatch.setattr(json_text, "FIRST_SIZES", (len(first),))
    lines = first + b'{"a": "x", "b": %b}\n' % value

    fast = cells_and_kinds(read_lines(lines))
    monkeypatch.setattr(json_fast, "lines", lambda *_: None)
    slow = cells_and_kinds(read_lines(lines))

    assert fast == slow


@pytest.mark.parametrize("size", range(1, 12))
def test_every_line_end_is_one(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "FIRST_SIZES", (size,) * 5)
    content = '{"a": 1}\r\n{"a": 2}\r{"a": 3}\n\n{"a": 5}\r'

    cells = cells_and_kinds(read_lines(content))

    assert cells == {number: {"a": (str(number), "NUMBER")} for number in (1, 2, 3, 5)}


@pytest.mark.parametrize("row", [{}, {'d"': 1}, {"a\n": 1}, {"a": []}, {"a": {}}])
def test_decoder_knows_only_plain_rows(row: dict[str, Any]) -> None:
    assert json_fast.decoder_like([row]) is None
