import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.safe import csv_line, safe_cell, unsafe_cell


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-x", "'-x"),
        ("\tx", "'\tx"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("\n=1", "'\n'=1"),
        ("a;=1", "a;'=1"),
        ("a;-1", "a;'-1"),
        ('a\t"@x";\uff0bx', "a\t'\"@x\";'\uff0bx"),
        ("a;'=1", "a;''=1"),
        ("a;b", "a;b"),
        ("a;'b", "a;'b"),
        ("a,=1 ;x=1", "a,=1 ;x=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("+\u0663", "'+\u0663"),
        ("-5", "-5"),
        ("+4.5e3", "+4.5e3"),
        ("-5\n", "'-5\n"),
        ("'=1", "''=1"),
        ("'-5", "''-5"),
        ("it's", "it's"),
        ("'quoted'", "'quoted'"),
        ("", ""),
        ("007", "007"),
    ],
)
def test_safe_cell_is_not_a_formula(text: str, safe: str) -> None:
    assert safe_cell(text) == safe
    assert unsafe_cell(safe) == text


@settings(max_examples=300)
@given(st.text("'\"=+-@;\t\r\n19.eE٣x", max_size=8))
def test_unsafe_cell_restores_the_original(text: str) -> None:
    assert unsafe_cell(safe_cell(text)) == text


@settings(max_examples=300)
@given(st.text("'=+-@\t\r\n19.eEx", max_size=6))
def test_safe_cell_never_begins_like_a_formula_unless_it_is_a_number(text: str) -> None:
    safe = safe_cell(text)

    assert not safe.startswith(("=", "@", "\t", "\r"))
    if safe.startswith(("+", "-")):
        float(safe)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@settings(max_examples=300)
@given(st.text("'\"=+-@;\t\r\n,1x", max_size=8))
def test_no_formula_begins_where_another_delimiter_is_expected(
    delimiter: str, text: str
) -> None:
    line = io.StringIO(csv_line(["x", text]), newline="")

    cells = [cell for row in csv.reader(line, delimiter=delimiter) for cell in row]

    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


@settings(max_examples=100)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=4)
)
def test_csv_line_contains_the_cells(cells: list[str]) -> None:
    line = io.StringIO(csv_line(cells, raw=True), newline="")

    assert list(csv.reader(line, strict=True)) == [cells]
