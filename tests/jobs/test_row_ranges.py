import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.jobs.live.row_ranges import RowRanges


@given(rows=st.sets(st.integers(min_value=1, max_value=60)))
def test_ranges_have_their_rows_and_no_others(rows: set[int]) -> None:
    ranges = RowRanges.of(rows)

    again = RowRanges.parsed(str(ranges))

    assert {row for row in range(70) if row in ranges} == rows
    assert again == ranges
    assert RowRanges.from_json(ranges.to_json()) == ranges


def test_text_with_ranges_is_parsed() -> None:
    ranges = RowRanges.parsed(" 7, 2-4,3 – 5 ,")

    assert str(ranges) == "2-5, 7"


@pytest.mark.parametrize("text", ["x", "5-2", "1-2-3", "-4", "2.5"])
def test_text_that_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        RowRanges.parsed(text)
