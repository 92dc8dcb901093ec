"""Blocks of delimited text against Python's own reader, and rows that cannot be read."""

import csv
import io
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.delimited import read
from jobsui.files.delimited_blocks import BlockReader
from jobsui.files.delimited_rules import RowRules
from jobsui.files.encoding import UTF8, wrong_byte
from jobsui.files.layout import Layout, OddCells, Row
from jobsui.files.line_ends import last_record_end
from jobsui.files.records import Dialect
from jobsui.files.rows import rows_of

LINE_ENDS = ("\n", "\r\n", "\r")
ALPHABET = ["a", "b", "é", "漢", " ", '"', "\n", "\r", "\r\n", "1"]


def rows(content: bytes, *, encoding: str = UTF8, delimiter: str = ",") -> list[Row]:
    layout = Layout("csv", encoding, delimiter)
    return list(rows_of(read(io.BytesIO(content), layout).blocks))


def good(found: list[Row]) -> list[Row]:
    return [row for row in found if not isinstance(row[1], OddCells)]


def codes(found: list[Row]) -> dict[int, str]:
    return {
        number: cells.code for number, cells in found if isinstance(cells, OddCells)
    }


def random_table(chance: random.Random) -> tuple[str, str, int]:
    """(text, delimiter, width) of a table with rows of every kind."""
    width = chance.randint(1, 5)
    delimiter = chance.choice(",;\t|")
    line_ends = chance.choice([[end] for end in LINE_ENDS] + [list(LINE_ENDS)])
    text = ""
    for _ in range(chance.randint(0, 30)):
        is_ragged = chance.random() < 0.1
        count = chance.randint(1, 7) if is_ragged else width
        cells = [random_cell(chance, delimiter) for _ in range(count)]
        text += delimiter.join(cells) + chance.choice(line_ends)
    if chance.random() < 0.3:
        text = text.rstrip("\r\n")
    return text, delimiter, width


def random_cell(chance: random.Random, delimiter: str) -> str:
    length = chance.choice([0, 0, 1, 2, 3, 8])
    text = "".join(chance.choice([*ALPHABET, delimiter]) for _ in range(length))
    kind = chance.random()
    if kind < 0.25:
        return '"' + text.replace('"', '""') + '"'
    plain = "".join(
        sign for sign in text if sign not in {"\r\n", "\n", "\r", delimiter}
    )
    plain = plain.replace("\r", "").replace("\n", "")
    return f"x{plain}" if kind < 0.4 else plain.replace('"', "")


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    return iter([data[start : start + size] for start in range(0, len(data), size)])


@settings(max_examples=300)
@given(
    seed=st.integers(0, 1 << 40),
    block_bytes=st.sampled_from([16, 32, 64, 200, 1000, 1 << 16]),
    piece_bytes=st.sampled_from([1, 3, 7, 50, 1000]),
    line_end=st.sampled_from(LINE_ENDS),
)
def test_blocks_have_the_cells_that_csv_reader_reads(
    seed: int, block_bytes: int, piece_bytes: int, line_end: str
) -> None:
    text, delimiter, width = random_table(random.Random(seed))
    records = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    expected = [
        (number, cells) for number, cells in enumerate(records, 1) if any(cells)
    ]

    reader = BlockReader(
        pieces_of(text.encode(), piece_bytes),
        Dialect(delimiter),
        RowRules(("",) * width, frozenset({width}), UTF8),
        1,
        line_end,
        block_bytes,
    )
    found = list(rows_of(reader.blocks()))

    assert [number for number, _ in found] == [number for number, _ in expected]
    for (_, cells), (_, reference) in zip(found, expected, strict=True):
        is_row = len(reference) == width
        if isinstance(cells, OddCells):
            assert list(cells) == reference
            assert not is_row or cells.code == "stray_line_end"
        else:
            assert cells == reference[:width]
            assert is_row


@pytest.mark.parametrize(
    ("text", "kept", "odd"),
    [
        ('3,"4\n5,6\n7,8\n', {3: "5", 4: "7"}, {2: "unclosed_quote"}),
        ('3,4\n5,"6', {2: "3"}, {3: "unclosed_quote"}),
        ('"x"y,2\n3,4\n', {3: "3"}, {2: "stray_quote"}),
        ('1,5" pipe\n2,6" pipe\n', {2: "1", 3: "2"}, {}),
        (
            '1,"x\ny "z" c\nd",2\n3,4\n',
            {5: "3"},
            {2: "stray_quote", 3: "short_row", 4: "after_fault"},
        ),
        ("1\n1,2,3\n5,6\n", {4: "5"}, {2: "short_row", 3: "row_width"}),
        ("1,2,,\n3,4\n", {3: "3"}, {2: "row_width"}),
        ("1,2,\n3,4,\n5,6\n", {2: "1", 3: "3", 4: "5"}, {}),
        ("1,2,\n3,4,\n,5,6,\n", {2: "1", 3: "3"}, {4: "row_width"}),
        ("1,2,\n3,4,\n5,6,,\n", {2: "1", 3: "3"}, {4: "row_width"}),
        ("a,b\n3,4\n", {3: "3"}, {2: "repeated_header"}),
        ("a,c\n3,4\n", {2: "a", 3: "3"}, {}),
        (f"1,{'x' * 131_073}\n3,4\n", {3: "3"}, {2: "cell_too_long"}),
        (f'1,"{"x\n" * 100_000}"\n3,4\n', {3: "3"}, {2: "cell_too_long"}),
        (f'1,"{"x" * 200_000}\n3,4\n', {3: "3"}, {2: "unclosed_quote"}),
        ("1,\x00\n3,4\n", {3: "3"}, {2: "null_byte"}),
    ],
)
def test_rows_that_cannot_be_read_are_odd_among_others(
    text: str, kept: dict[int, str], odd: dict[int, str]
) -> None:
    found = rows(f"a,b\n{text}".encode())

    assert {number: cells[0] for number, cells in good(found)} == kept
    assert codes(found) == odd


def test_row_of_a_million_cells_is_one_odd_row() -> None:
    found = rows(b"a,b\n" + b"1," * 1_000_000 + b"\n3,4\n")

    assert codes(found) == {2: "row_width"}
    assert good(found) == [(3, ["3", "4"])]


def test_one_bad_row_in_the_middle_of_blocks_is_the_only_odd_one() -> None:
    lines = [f'{number},"x, {number}"\n' for number in range(200_000)]
    lines[100_000] = '100000,"x, 100000\n'

    found = rows(f"a,b\n{''.join(lines)}".encode())

    assert codes(found) == {100_002: "stray_quote"}
    assert len(found) == 200_000
    assert found[-1] == (200_001, ["199999", "x, 199999"])


@pytest.mark.parametrize(
    ("encoding", "byte"), [("utf-8-sig", b"\xff"), ("cp1252", b"\x81")]
)
def test_wrong_bytes_make_one_row_odd(encoding: str, byte: bytes) -> None:
    text = "a,b\n1,ä\n2,ö{}\n3,ü\n".encode(encoding.removesuffix("-sig"))

    found = rows(text.replace(b"{}", byte), encoding=encoding)

    assert good(found) == [(2, ["1", "ä"]), (4, ["3", "ü"])]
    [odd] = [cells for _, cells in found if isinstance(cells, OddCells)]
    assert odd == ["2", "ö\ufffd"]
    assert f"(0x{byte.hex().upper()})" in odd.reason


def test_line_break_unlike_the_others_makes_both_parts_odd() -> None:
    found = rows(b"a,b,c\n1,x,first\rsecond,y\n2,x,z\n")

    assert codes(found) == {2: "stray_line_end", 3: "short_row"}
    assert good(found) == [(4, ["2", "x", "z"])]


def test_rows_shorter_than_the_header_are_read_when_most_are() -> None:
    found = rows(b"a,b,c\n1,2\n3,4\n5,6\n7,8,9\n0\n")

    assert codes(found) == {6: "short_row"}
    assert good(found) == [
        (2, ["1", "2", ""]),
        (3, ["3", "4", ""]),
        (4, ["5", "6", ""]),
        (5, ["7", "8", "9"]),
    ]


def test_cells_that_a_short_row_lacks_are_absent() -> None:
    reading = read(io.BytesIO(b"a,b\n1\n2\n3,4\n"), Layout("csv", UTF8, ","))

    [block] = reading.blocks

    kinds = block.columns[1].kinds
    assert kinds is not None
    assert kinds.to_pylist() == [5, 5, 0]


def test_blank_names_at_the_end_of_the_header_are_dropped() -> None:
    without = read(io.BytesIO(b"a,b,\n1,2,\n3,4\n"), Layout("csv", UTF8, ","))
    filled = read(io.BytesIO(b"a,b,\n1,2,x\n3,4,y\n"), Layout("csv", UTF8, ","))

    assert without.header == ["a", "b"]
    assert filled.header == ["a", "b", ""]


@pytest.mark.parametrize(
    ("text", "code", "count", "sample"),
    [
        ('a,b\n1,"x\ny, z"\n3,4\n', "merged_rows", 1, (2, "x\ny, z")),
        ("a,b\n1,2\n3,4\r\n5,6\n", "mixed_line_ends", 1, None),
    ],
)
def test_what_may_be_wrong_with_rows_is_a_notice(
    text: str, code: str, count: int, sample: tuple[int, str] | None
) -> None:
    reading = read(io.BytesIO(text.encode()), Layout("csv", UTF8, ","))

    kept = list(rows_of(reading.blocks))

    [notice] = reading.notices
    assert codes(kept) == {}
    assert notice.code == code
    assert notice.count == count
    assert notice.samples[:1] == ((sample,) if sample else ())


def test_rows_that_are_short_like_most_are_a_notice() -> None:
    reading = read(io.BytesIO(b"a,b,c\n1,2\n3,4\n5,6,7\n"), Layout("csv", UTF8, ","))

    list(reading.blocks)

    [notice] = reading.notices
    assert notice.code == "short_rows"
    assert notice.count == 2


DAMAGE = (
    b'"',
    b'""',
    b"\r",
    b"\n",
    b"\x00",
    b"\xff",
    b",",
    b";",
    b"\\",
    b"\xed\xa0\x80",
)


@settings(max_examples=300)
@given(
    damage=st.lists(st.tuples(st.floats(0, 1), st.sampled_from(DAMAGE)), max_size=8),
    encoding=st.sampled_from([UTF8, "cp1252", "gb18030", "shift_jis", "utf-16-le"]),
    quoting=st.sampled_from(["", "double", "backslash", "single", "none"]),
    delimiter=st.sampled_from([",", ";", "§"]),
)
def test_damage_makes_rows_odd_and_refuses_no_file(
    damage: list[tuple[float, bytes]], encoding: str, quoting: str, delimiter: str
) -> None:
    content = bytearray("".join(f'{n},"x, {n}\ny",z\r\n' for n in range(50)).encode())
    for position, data in damage:
        index = int(position * len(content))
        content[index:index] = data
    layout = Layout("csv", encoding, delimiter, quoting=quoting, header_row=1)

    found = list(rows_of(read(io.BytesIO(b"a,b,c\n" + content), layout).blocks))

    numbers = [number for number, _ in found]
    texts = [cell for _, cells in found for cell in cells]
    assert numbers == sorted(set(numbers))
    assert [text for text in texts if "\x00" in text] == []
    assert wrong_byte("".join(texts)) == ""


def test_delimiter_of_several_bytes_is_read() -> None:
    assert rows("a§b\n1§2\n".encode(), delimiter="§") == [(2, ["1", "2"])]


@pytest.mark.parametrize(
    ("data", "line_end", "end"),
    [
        (b"a,b\n1,2", "\n", 4),
        (b'a,"b\n1,2', "\n", 0),
        (b'a,"b\n1",2\nx', "\n", 10),
        (b"a\rb\r", "\r", 2),
        (b"a\r\nb\nc", "\r\n", 3),
    ],
)
def test_pieces_end_with_a_record(data: bytes, line_end: str, end: int) -> None:
    assert last_record_end(data, '"', line_end) == end


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a,b\n1,2\n", []),
        ("a,b\n1,2,\n3,4,\n", ["header_width"]),
        ("a,b,\n1,2,\n3,4,\n", []),
        ('"a"x,b\n1,2\n3,4\n', ["header_quote"]),
        ('a,b\n1,5" pipe\n2,6" pipe\n', ["unpaired_quote"]),
        ('a,b\n1,"5"" pipe"\n', []),
    ],
)
def test_what_may_have_moved_cells_is_named(text: str, codes: list[str]) -> None:
    reading = read(io.BytesIO(text.encode()), Layout("csv", UTF8, ","))

    found = list(rows_of(reading.blocks))

    assert [notice.code for notice in reading.notices] == codes
    assert len(found) == text.count("\n") - 1


@pytest.mark.parametrize(
    ("end", "count"),
    [
        (b"1;2\n;\n;\n", 2),
        (b'1;2\r\n\r\n"";""\r\n\r\n', 3),
        (b"1;2\n\n\n", 0),
        (b"1;\n\n", 0),
        (b";\n1;2\n", 0),
    ],
)
def test_blank_rows_at_the_end_are_noticed(end: bytes, count: int) -> None:
    layout = Layout(encoding=UTF8, delimiter=";", quoting="double", header_row=1)
    reading = read(io.BytesIO(b"a;b\n" + end), layout)
    list(reading.blocks)

    found = {notice.code: notice.count for notice in reading.notices}

    assert found.get("trailing_blank_rows", 0) == count


def test_rows_with_and_without_the_headers_last_delimiter_are_read() -> None:
    found = rows(b"a,b,\n1,2,\n3,4,\n5,6\n7,8\n")

    assert [cells[:2] for _, cells in found] == [
        ["1", "2"],
        ["3", "4"],
        ["5", "6"],
        ["7", "8"],
    ]
    assert good(found) == found
