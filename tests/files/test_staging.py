import io

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.cells import WITHOUT_TEXT, Block, Column, Kind
from jobsui.files.errors import FileRefused
from jobsui.files.layout import OddCells
from jobsui.files.staging import INCOMPLETE, Staged, Writer
from jobsui.files.table import open_staged

type Cell = tuple[str, Kind]
type Lines = dict[int, list[Cell] | OddCells]
"""{row number: its cells, or what is left of them}."""

ABSENT = ("", Kind.ABSENT)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)


def column_of(cells: list[Cell]) -> Column:
    kinds = [kind for _, kind in cells]
    texts = pa.array([text for text, _ in cells], pa.string())
    if set(kinds) <= {Kind.TEXT}:
        return Column(texts)
    return Column(texts, pa.array(kinds, pa.int8()))


def block_of(lines: Lines) -> Block:
    """Their width is that of the widest row."""
    whole = {
        number: cells
        for number, cells in lines.items()
        if not isinstance(cells, OddCells)
    }
    odd = tuple(
        (number, cells)
        for number, cells in lines.items()
        if isinstance(cells, OddCells)
    )
    width = max(map(len, whole.values()), default=0)
    padded = [cells + [ABSENT] * (width - len(cells)) for cells in whole.values()]
    columns = [column_of([cells[index] for cells in padded]) for index in range(width)]
    return Block(pa.array(whole, pa.int64()), tuple(columns), odd)


def lines_of(blocks: list[Block]) -> Lines:
    lines: Lines = {}
    for block in blocks:
        columns = [cells_of(column) for column in block.columns]
        for index, number in enumerate(block.numbers.to_pylist()):
            lines[number] = [column[index] for column in columns]
        lines.update(block.odd)
    return lines


def cells_of(column: Column) -> list[Cell]:
    texts = column.texts.to_pylist()
    if column.kinds is None:
        return [(text, Kind.TEXT) for text in texts]
    kinds = [Kind(kind) for kind in column.kinds.to_pylist()]
    return list(zip(texts, kinds, strict=True))


def staged(*tables: Lines, columns: list[str]) -> io.BytesIO:
    out = io.BytesIO()
    writer = Writer(out)
    for lines in tables:
        writer.add(block_of(lines))
    writer.finish(columns)
    return out


def odd(*cells: str) -> OddCells:
    return OddCells(cells, code="row_width", reason="It is short.", fix="Fill it in.")


def text(*cells: str) -> list[Cell]:
    return [(cell, Kind.TEXT) for cell in cells]


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    kind = draw(st.sampled_from(Kind))
    return "" if kind in WITHOUT_TEXT else draw(TEXTS), kind


ODD_ROWS = st.lists(TEXTS, max_size=3).map(lambda cells: odd(*cells))
ROWS = st.lists(cells(), min_size=1, max_size=4) | ODD_ROWS
TABLES = st.lists(
    st.dictionaries(st.integers(1, 9), ROWS, min_size=1).map(
        lambda rows: dict(sorted(rows.items()))
    ),
    max_size=4,
)


@settings(max_examples=200)
@given(tables=TABLES)
def test_random_blocks_come_back_cell_for_cell(tables: list[Lines]) -> None:
    columns = ["a", "b", "c", "d"]
    apart = [
        {10 * position + number: row for number, row in table.items()}
        for position, table in enumerate(tables)
    ]
    written = {
        number: row if isinstance(row, OddCells) else row + [ABSENT] * (4 - len(row))
        for table in apart
        for number, row in table.items()
    }

    found = Staged(staged(*apart, columns=columns))

    lines = lines_of(list(found.blocks()))
    assert found.columns == columns
    assert lines == written
    for number, row in written.items():
        if isinstance(row, OddCells):
            kept = lines[number]
            assert isinstance(kept, OddCells)
            assert vars(kept) == vars(row)


def test_every_block_has_every_column() -> None:
    out = staged({1: text("x")}, {2: text("y", "z")}, columns=["a", "b"])

    first, second = Staged(out).blocks()

    assert lines_of([first]) == {1: [("x", Kind.TEXT), ABSENT]}
    assert lines_of([second]) == {2: text("y", "z")}


@pytest.mark.parametrize(
    ("after", "rows"), [(0, [1, 2, 3, 7]), (1, [1, 2, 3, 7]), (2, [3, 7]), (7, [])]
)
def test_only_blocks_with_later_rows_are_read(after: int, rows: list[int]) -> None:
    odd = OddCells(["y"], code="bad", reason="Bad.", fix="Correct it.")
    out = staged({1: text("x"), 2: odd}, {3: text("x")}, {7: odd}, columns=["a"])

    blocks = list(Staged(out).blocks(after))

    assert sorted(lines_of(blocks)) == rows


def test_one_column_is_read_alone() -> None:
    out = staged(
        {2: text("a", "b"), 5: text("c", "d")},
        {6: text("e")},
        columns=["x", "y"],
    )

    found = [
        (numbers.to_pylist(), cells_of(column))
        for numbers, column in Staged(out).column(1)
    ]

    assert found == [([2, 5], text("b", "d")), ([6], [ABSENT])]


def test_index_knows_the_rows_of_each_block() -> None:
    out = staged({2: odd("?"), 3: text("a")}, {4: odd("?")}, columns=["x"])

    entries = Staged(out).entries

    assert [(entry.first_row, entry.last_row) for entry in entries] == [(2, 3), (4, 4)]
    assert [(entry.rows, entry.odd_rows) for entry in entries] == [(1, 1), (0, 1)]


def test_rows_of_a_staged_file_are_padded() -> None:
    out = staged({2: text("a"), 3: odd("b")}, columns=["x", "y"])

    rows = list(open_staged(out).rows)

    assert rows == [(2, ["a", ""]), (3, ["b", ""])]


def test_any_damage_is_refused() -> None:
    content = staged({2: text("a" * 50), 3: odd("b")}, columns=["x"]).getvalue()

    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        is_magic = position < 8
        assert is_magic or is_refused(bytes(damaged))
        assert is_refused(content[:position])


def is_refused(content: bytes) -> bool:
    try:
        for _ in Staged(io.BytesIO(content)).blocks():
            pass
    except FileRefused as refusal:
        return str(refusal) == INCOMPLETE
    return False


def test_empty_file_is_refused() -> None:
    with pytest.raises(FileRefused):
        open_staged(io.BytesIO())


def test_arrow_keeps_no_memory_and_no_threads() -> None:
    assert pa.default_memory_pool().backend_name == "system"
    assert pa.cpu_count() == 1
