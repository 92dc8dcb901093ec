import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsui.files.errors import FileRefused
from jobsui.files.layout import Layout
from jobsui.files.safe import RESULT_COLUMNS, csv_line
from jobsui.files.table import detect
from tests.files.tables import read_table


def read(
    content: bytes, name: str = "rows.csv", **chosen: Any
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    stream = io.BytesIO(content)
    table = read_table(stream, detect(stream, name, Layout(**chosen)).layout)
    return table.columns, table.rows


def refusal(content: bytes, name: str = "rows.csv", **chosen: Any) -> str:
    with pytest.raises(FileRefused) as refused:
        read(content, name, **chosen)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_is_read_by_any_delimiter_encoding_and_line_end(
    delimiter: str, encoding: str, end: str
) -> None:
    text = (
        end.join(
            delimiter.join(cells)
            for cells in (["id", "näme"], ["007", "Žluť 漢"], ["8", ""])
        )
        + end
    )

    assert read(text.encode(encoding)) == (
        ["id", "näme"],
        [(2, ["007", "Žluť 漢"]), (3, ["8", ""])],
    )


def test_csv_keeps_cells_as_they_are_written() -> None:
    content = b'id,note\n007,"a ""b"", c\nd"\n12345678901234567890, x \n1.10,=1+1\n'

    assert read(content)[1] == [
        (2, ["007", 'a "b", c\nd']),
        (3, ["12345678901234567890", " x "]),
        (4, ["1.10", "=1+1"]),
    ]


def test_csv_counts_blank_rows_and_leaves_them_out() -> None:
    assert read(b"a,b\n\n1,2\n,\n3,4\n\n") == (
        ["a", "b"],
        [(3, ["1", "2"]), (5, ["3", "4"])],
    )


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (b"id;price\n1;1,5\n2;2,5\n", ";"),
        (b"id,note\n1,a;b;c\n2,d;e;f\n", ","),
        (b'id;note\n1;"a,b\nc,d"\n2;"e,f"\n', ";"),
        (b"name\nDrill, big\n", ","),
        (b"a;b", ";"),
        (b"a\tb c, d\n1\t2\n", "\t"),
    ],
)
def test_delimiter_is_the_one_that_cuts_lines_into_equal_numbers(
    content: bytes, delimiter: str
) -> None:
    layout = detect(io.BytesIO(content), "rows.csv").layout

    assert layout.delimiter == delimiter


def test_delimiter_that_was_chosen_is_used() -> None:
    assert read(b"a;b,c\n1;2,3\n", delimiter=";") == (["a", "b,c"], [(2, ["1", "2,3"])])


def test_csv_sep_hint_for_excel_is_not_the_header() -> None:
    assert read(b"sep=|\na|b\n1,2|3\n") == (["a", "b"], [(3, ["1,2", "3"])])


def test_encoding_that_was_chosen_is_used() -> None:
    assert read("näme\nŠkoda\n".encode("cp1250"), encoding="cp1250") == (
        ["näme"],
        [(2, ["Škoda"])],
    )


@pytest.mark.parametrize("position", [1 << 20, (1 << 20) - 1, (1 << 20) + 1])
def test_encoding_is_decoded_across_chunks(position: int) -> None:
    head = b"name\n"
    lines = (b"x" * 99 + b"\n") * ((position - len(head)) // 100)
    content = (
        head + lines + b"y" * (position - len(head) - len(lines)) + "漢\n".encode()
    )

    assert read(content)[1][-1][1][0].endswith("漢")


def test_chosen_encoding_that_is_not_known_is_refused() -> None:
    assert refusal(b"name\nx\n", encoding="rot13").startswith(
        "The encoding 'rot13' is not known."
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b" \r\n\n", "The file is empty."),
        (b"\xef\xbb\xbf", "The file has no rows."),
        (b",,\n", "The file has no rows."),
        (
            b"\x89PNG\r\n\x1a\nxxx",
            "This is a picture. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines.",
        ),
        (
            b"\x1f\x8b\x08xxx",
            "This is a compressed file; unpack it first. "
            "Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines.",
        ),
        (
            b"<!DOCTYPE html><table>",
            "This is a web page or XML, not a table. Export it as CSV, XLSX or JSON.",
        ),
        (
            b"a,b\n1,\x00\x01\x02\x03\n",
            "This is not a text file: it has bytes that no text contains. "
            "Export it again as CSV (UTF-8).",
        ),
        (
            b"x," * 1000 + b"y\n",
            "The file has 1,001 columns. The maximum is 1,000. Remove some.",
        ),
    ],
)
def test_file_that_is_not_a_table_is_refused_with_its_sentence(
    content: bytes, sentence: str
) -> None:
    assert refusal(content) == sentence


def test_columns_with_the_same_name_refuse_nothing() -> None:
    content = b"a,b,a ,,a (2),a\n1,2,3,4,5,6\n"
    stream = io.BytesIO(content)

    table = read_table(stream, detect(stream, "rows.csv").layout)

    assert table.columns == ["a", "b", "a (3)", "Column D", "a (2)", "a (4)"]
    assert table.rows == [(2, ["1", "2", "3", "4", "5", "6"])]
    assert [notice.message for notice in table.notices] == [
        "Two columns are named a. The one to the right is called a (3) here.",
        "Two columns are named a. The one to the right is called a (4) here.",
    ]


def test_line_that_never_ends_is_refused_before_it_is_in_memory() -> None:
    assert refusal(b"a,b\n" + b"1," * 10_000_000).startswith(
        "Row 2 is longer than 16 MB"
    )


def test_header_without_a_name_is_named_by_its_letters() -> None:
    assert read(b"a,,b\n1,2,3\n")[0] == ["a", "Column B", "b"]
    assert read(b"x" + b"," * 27 + b"y\n1\n")[0][25:] == ["Column Z", "Column AA", "y"]


def test_results_file_is_read_without_what_it_added() -> None:
    columns = ["id", "note", *RESULT_COLUMNS]
    rows = [
        ["7", "=1+1", "2", "failed", "", "x", "+bad"],
        ["8", "'quoted", "3", "created", "9", "", ""],
        ["9", "x;=1+1;'-y", "4", "created", "9", "", ""],
    ]
    content = "".join(map(csv_line, [columns, *rows])).encode("utf-8-sig")

    assert read(content) == (
        ["id", "note"],
        [(2, ["7", "=1+1"]), (3, ["8", "'quoted"]), (4, ["9", "x;=1+1;'-y"])],
    )


def test_results_file_is_not_unescaped_twice() -> None:
    content = csv_line(["note", *RESULT_COLUMNS]) + csv_line(
        ["'=x", "2", "failed", "", "", ""]
    )

    assert read(content.encode())[1] == [(2, ["'=x"])]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)


@settings(max_examples=100)
@given(
    rows=st.lists(
        st.lists(CELLS, min_size=2, max_size=2).filter(any), min_size=1, max_size=5
    ),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8-sig", "utf-16"]),
)
def test_csv_round_trip(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    lines = [["a", "b"], *rows]
    quoted = (
        delimiter.join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n"
        for cells in lines
    )

    assert read("".join(quoted).encode(encoding), delimiter=delimiter)[1] == list(
        enumerate(rows, 2)
    )


@settings(max_examples=100)
@given(
    rows=st.lists(
        st.lists(CELLS, min_size=2, max_size=2).filter(any), min_size=1, max_size=5
    )
)
def test_json_round_trip(rows: list[list[str]]) -> None:
    objects = [dict(zip("ab", cells, strict=True)) for cells in rows]

    assert read(json.dumps(objects).encode(), "rows.json")[1] == list(
        enumerate(rows, 1)
    )
    assert read("\n".join(map(json.dumps, objects)).encode(), "rows.jsonl")[1] == list(
        enumerate(rows, 1)
    )
