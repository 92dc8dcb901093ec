from hypothesis import given
from hypothesis import strategies as st

from jobsui.jobs.ledger.row_sets import ROWS_PER_PART, RowCollector, RowSet

ROWS = st.sets(
    st.integers(0, 200) | st.integers(ROWS_PER_PART - 9, 3 * ROWS_PER_PART), max_size=30
)


@given(ROWS, ROWS)
def test_row_sets_are_sets_of_numbers(some: set[int], others: set[int]) -> None:
    rows = RowSet.of(some)
    other_rows = RowSet.of(others)

    assert list(rows) == sorted(some)
    assert len(rows) == len(some)
    assert set(rows | other_rows) == some | others
    assert set(rows & other_rows) == some & others
    assert set(rows - other_rows) == some - others
    assert set(rows ^ other_rows) == some ^ others
    assert {row for row in others if row in rows.contains()} == some & others


@given(ROWS, st.integers(0, 3 * ROWS_PER_PART))
def test_rows_behind_a_row_are_found(some: set[int], row: int) -> None:
    assert list(RowSet.of(some).after(row)) == sorted(n for n in some if n > row)


@given(st.lists(st.integers(0, 3 * ROWS_PER_PART), max_size=30))
def test_collected_rows_are_stored_and_read_back(rows: list[int]) -> None:
    collector = RowCollector()
    for row in rows:
        collector.add(row)

    stored = RowSet.unpacked(collector.packed())
    assert set(stored) == set(rows)
    assert RowSet.unpacked(stored.packed()) == stored


def test_a_million_rows_take_little() -> None:
    packed = RowSet.of(range(2, ROWS_PER_PART)).packed()

    assert len(packed[0]) < 2_000
