"""Delimiter, quotation marks and header row of the beginnings of files."""

import io

import pytest

from jobsui.files import dialect
from jobsui.files.layout import Layout
from jobsui.files.table import detect
from tests.files.corpus.heads import HEADS, HeadCase
from tests.files.tables import read_table

MERGED = (
    'external_id\tname\tnote\nI-1\t"Weird pump\tx\nI-2\tPlain\ty\nI-3\tthe end"\tw\n'
)
STRAY = 'id|name|note\n1|Doe|"box 5\n2|Baz|street 1\n3|Q|the "end"\n'
ESCAPED = 'id,note\n1,"a \\"big\\" one, red"\n2,"x"\n'


@pytest.mark.parametrize("case", HEADS, ids=[case.name for case in HEADS])
def test_delimiter_and_header_row_are_found(case: HeadCase) -> None:
    found = dialect.find(case.text, is_whole=True)

    assert found.delimiter == case.delimiter
    assert found.header_row == case.header_row


@pytest.mark.parametrize(
    ("text", "delimiter", "quoting"),
    [
        ('a,b\n1,"x, y"\n', ",", "double"),
        ('a,b\n1,"x\ny, z"\n3,4\n', ",", "double"),
        ('a,b\n1,"x\n3,4\n', ",", "double"),
        ('a,b\n1,5" pipe\n2,6" pipe\n', ",", "double"),
        ("id,name\n1,'x, y'\n2,'z, w'\n", ",", "single"),
        ("id,name\n1,it's\n2,'tis\n", ",", "double"),
        ("id,name\n1,'x'\n2,'y'\n", ",", "double"),
        (MERGED, "\t", "none"),
        (STRAY, "|", "none"),
        (ESCAPED, ",", "backslash"),
    ],
)
def test_meaning_of_quotation_marks_is_found(
    text: str, delimiter: str, quoting: str
) -> None:
    found = dialect.find(text, is_whole=True)

    assert found.delimiter == delimiter
    assert found.quoting == quoting


def read(text: str, layout: Layout | None = None) -> tuple[list[str], list[list[str]]]:
    stream = io.BytesIO(text.encode())
    found = detect(stream, "rows.csv", layout or Layout())
    table = read_table(stream, found.layout)
    return list(map(str, found.notices)), [
        table.columns,
        *(list(cells) for _, cells in table.rows),
    ]


def test_rows_that_quotation_marks_would_merge_are_read() -> None:
    warnings, rows = read(MERGED)

    assert rows[1:] == [
        ["I-1", '"Weird pump', "x"],
        ["I-2", "Plain", "y"],
        ["I-3", 'the end"', "w"],
    ]
    assert warnings == [
        "Quotation marks have no meaning in this file: they are sent as a part of the "
        "cells. If this is not so, choose other quotation marks."
    ]


def test_backslash_before_a_quotation_mark_is_no_part_of_the_cell() -> None:
    warnings, rows = read(ESCAPED)

    assert rows[1:] == [["1", 'a "big" one, red'], ["2", "x"]]
    assert len(warnings) == 1


def test_rows_above_the_header_are_named() -> None:
    warnings, rows = read("Assets of 2026;;\n\nid;name;price\n1;Drill;1,5\n2;Saw;2,5\n")

    assert rows == [["id", "name", "price"], ["1", "Drill", "1,5"], ["2", "Saw", "2,5"]]
    assert warnings == [
        "The header is in row 3. What is above it is not sent: “Assets of 2026”. "
        "If another row is the header, choose it."
    ]


def test_cells_in_apostrophes_are_read_without_them() -> None:
    warnings, rows = read("id,name\n1,'x, it''s'\n2,'z, w'\n")

    assert rows[1:] == [["1", "x, it's"], ["2", "z, w"]]
    assert warnings == [
        "Apostrophes around cells are taken for quotation marks, and are not sent. "
        "If this is not so, choose other quotation marks."
    ]


def test_header_that_looks_like_data_is_named() -> None:
    warnings, rows = read("A-1,Drill,5\nA-2,Saw,6\n")

    assert rows[0] == ["A-1", "Drill", "5"]
    assert warnings == [
        "The header, row 1, has the value “5”, and is not sent. If the file has no "
        "header, add one."
    ]


def test_header_row_and_meaning_of_quotes_can_be_chosen() -> None:
    text = 'x,y\na,b\n1,"2\n'
    chosen = Layout(header_row=2, quoting="none")

    warnings, rows = read(text, chosen)

    assert rows == [["a", "b"], ["1", '"2']]
    assert warnings == []
