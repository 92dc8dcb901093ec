"""Rows that cannot be read as rows of the table, among rows that can."""

import io

import pyarrow as pa

from jobsui.files.cells import Block, Column
from jobsui.files.layout import OddCells, Row
from jobsui.files.rows import rows_of
from jobsui.files.table import detect
from jobsui.jobs.mapping.row_reader import odd_row
from tests.files.tables import read_table

COLUMNS = ["external_id", "name"]


def odd(*cells: str) -> OddCells:
    return OddCells(cells, code="row_width", reason="It is short.", fix="Fill it in.")


def reasons(rows: list[Row]) -> dict[int, str]:
    return {
        number: cells.reason for number, cells in rows if isinstance(cells, OddCells)
    }


def test_rows_of_blocks_come_in_the_order_of_the_file() -> None:
    columns = (
        Column(pa.array(["1", "4"], pa.string())),
        Column(pa.array(["a", "d"], pa.string())),
    )
    numbers = pa.array([2, 5], pa.int64())
    block = Block(numbers, columns, odd=((3, odd("2")), (4, odd("3", "c", "x"))))

    rows = list(rows_of([block]))

    assert [number for number, _ in rows] == [2, 3, 4, 5]
    assert [list(cells) for _, cells in rows] == [
        ["1", "a"],
        ["2"],
        ["3", "c", "x"],
        ["4", "d"],
    ]
    assert reasons(rows) == {3: "It is short.", 4: "It is short."}


def test_odd_rows_of_a_results_file_stay_odd() -> None:
    results = ["_row", "_outcome", "_record_id", "_error_code", "_error"]
    content = [
        ",".join([*COLUMNS, *results]),
        "1,'=a,2,created,r,,",
        "2",
    ]
    stream = io.BytesIO("\n".join(content).encode())

    table = read_table(stream, detect(stream, "results.csv").layout)

    assert table.columns == COLUMNS
    assert table.rows[0] == (2, ["1", "=a"])
    assert table.rows[1] == (3, ["2", ""])
    assert list(reasons(table.rows)) == [3]


def test_an_odd_row_is_a_problem_with_its_text() -> None:
    problem = odd_row(7, odd("2", "", "b"))

    assert problem[:3] == (7, "", "2, b")
    assert problem.code == "row_width"
    assert problem.message == "It is short."
    assert problem.fix == "Fill it in."


def test_odd_cells_are_short() -> None:
    cells = odd(*["x" * 1000] * 50)

    assert len(cells) == 20
    assert {len(cell) for cell in cells} == {200}
