from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.files.number_styles import Ambiguous, Mark, judge, mark_of, plain


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("1234", ""),
        ("1.000", "?"),
        ("12.500", "?"),
        ("-1,250", "?"),
        ("0.125", "."),
        ("0,125", ","),
        ("12.5", "."),
        ("12,50", ","),
        ("1234.567", "."),
        (".5", "."),
        ("12.", "."),
        ("1,234.5", "."),
        ("1.234,5", ","),
        ("2.000.000", ","),
        ("2,000,000", "."),
        ("1.250.000,00", ","),
        ("1 234 567", ""),
        ("1 234,5", ","),
        ("1\u202f234.5", "."),
        ("1'234.50", "."),
        ("1.5E+3", "."),
        ("1.234.5", ""),
        ("1,23,456", ""),
        ("1.2.2026", ""),
        ("192.168.1.1", ""),
        (".", ""),
        ("", ""),
        ("A-1.000", ""),
        ("\u0661.\u0660\u0660\u0660", ""),
    ],
)
def test_decimal_mark_of_a_text(text: str, mark: Mark) -> None:
    assert mark_of(text) == mark


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["1.000", "2.000.000", "1.250.000,00"], ","),
        (["1.000", "12.5"], "."),
        (["1.000", "12.500"], "?"),
        (["1,000", "12.5"], "."),
        (["1.5", "1,5", "1.000"], "?"),
        (["7", "1 000"], "?"),
    ],
)
def test_a_column_decides_on_its_decimal_mark(texts: list[str], mark: Mark) -> None:
    assert judge(Counter(map(mark_of, texts))) == mark


def test_numbers_of_a_workbook_have_a_point_unless_texts_contradict() -> None:
    assert judge({}, has_numbers=True) == "."
    assert judge({"?": 3}, has_numbers=True) == "."
    assert judge({",": 1}, has_numbers=True) == "?"


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("1.000", ",", "1000"),
        ("1.000", ".", "1.000"),
        ("1.250.000,00", ",", "1250000.00"),
        ("1,250,000.00", ".", "1250000.00"),
        ("1 234,5", ",", "1234.5"),
        (" 12,5 ", ",", "12.5"),
        ("1'234.50", "?", "1234.50"),
        ("1.234,5", "?", "1234.5"),
        ("12.5", "?", "12.5"),
        ("1 234", "?", "1234"),
        ("1250", "?", "1250"),
    ],
)
def test_numbers_are_written_plainly(text: str, mark: Mark, number: str) -> None:
    assert plain(text, mark) == number


@pytest.mark.parametrize(
    ("text", "mark"), [("12.5", ","), ("1.234,5", "."), ("n/a", ","), ("1.2.3", ".")]
)
def test_what_is_no_number_of_the_column_stays_as_it_is(text: str, mark: Mark) -> None:
    assert plain(text, mark) == text


def test_a_number_that_can_be_read_in_two_ways_is_ambiguous() -> None:
    with pytest.raises(Ambiguous):
        plain("1.000", "?")


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 999),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'")]),
)
def test_a_written_number_is_read_as_it_was(
    whole: int, decimals: int, marks: tuple[Mark, str]
) -> None:
    decimal, thousands = marks
    text = f"{whole:,}".replace(",", thousands) + f"{decimal}{decimals}"

    assert plain(text, decimal) == f"{whole}.{decimals}"
