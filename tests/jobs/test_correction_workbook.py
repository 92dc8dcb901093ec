"""What is changed in problems.xlsx becomes corrections, and nothing else does."""

import io
import threading
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from jobsui.jobs import tasks
from jobsui.jobs.control import correction_uploads
from jobsui.jobs.models import CorrectionUpload, File, Job
from jobsui.jobs.preparation import file_reading
from jobsui.jobs.preparation.correction_workbook import (
    TOO_LONG,
    FileRow,
    RowRefused,
    SheetRow,
    changes,
)
from jobsui.jobs.reports import problem_workbook
from tests.web import stages

ROWS = (
    "external_id,serial,price,notes\n"
    "007,AB-000001,x,\n"
    "008,AB-000002,2,fine\n"
    '009,ab,0042 ,"two\nlines"\n'
    "010,AB-000004,3,x,y\n"
)
HEADER = ["_row", "_problem", "external_id", "serial", "price", "notes"]


def sheet_of(job: Job) -> Any:
    content = b"".join(problem_workbook.problems_xlsx(job))
    book = openpyxl.load_workbook(io.BytesIO(content))
    return book["Problems"]


def saved(sheet: Any) -> bytes:
    out = io.BytesIO()
    sheet.parent.save(out)
    return out.getvalue()


def uploaded(job: Job, content: bytes) -> CorrectionUpload:
    """After it was read and applied."""
    correction_uploads.receive(job, [content], "fixed.xlsx", by=None)
    file = File.objects.get(name="fixed.xlsx")
    file_reading.read_file(file, stopping=threading.Event())
    tasks.apply_corrections(job.pk)
    return CorrectionUpload.objects.get(job=job)


def made(job: Job) -> list[tuple[Any, ...]]:
    corrections = job.corrections.order_by("row", "column")
    return list(corrections.values_list("row", "column", "before", "after"))


@pytest.mark.django_db
def test_workbook_has_the_invalid_rows_as_texts_with_notes() -> None:
    job = stages.checked(ROWS)

    sheet = sheet_of(job)

    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == HEADER
    assert [row[0] for row in rows[1:]] == [2, 4, 5]
    assert rows[1][2:] == ["007", "AB-000001", "x", None]
    assert rows[2][2:] == ["009", "ab", "0042 ", "two\nlines"]
    assert rows[1][1].startswith("price: “x” is not a number. Write digits")
    assert rows[3][1].startswith("The row has 5 cells, the header has 4.")
    assert sheet["C2"].number_format == "@"
    assert sheet["E2"].fill.fgColor.rgb == "FFFFC7CE"
    assert sheet["C2"].fill.fill_type is None


@pytest.mark.django_db
def test_changed_cells_become_corrections() -> None:
    job = stages.checked(ROWS)
    sheet = sheet_of(job)
    sheet["E2"] = "1.5"
    sheet["D3"] = "AB-000003"

    upload = uploaded(job, saved(sheet))

    assert made(job) == [
        (2, "price", "x", "1.5"),
        (4, "serial", "ab", "AB-000003"),
    ]
    assert upload.corrected == 2
    assert upload.refused == 0
    assert upload.error == ""
    assert not upload.is_waiting
    assert not File.objects.filter(name="fixed.xlsx").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            lambda sheet: sheet.__setitem__("F3", "else"),
            [4, "“notes” has no problem, and it is “else” here but “two\nlines”"],
            id="another cell",
        ),
        pytest.param(
            lambda sheet: sheet.__setitem__("A3", 2),
            [2, "Its row number is there twice."],
            id="number twice",
        ),
        pytest.param(
            lambda sheet: sheet.__setitem__("A3", "four"),
            [None, "Row 3 of the workbook: It has no row number in the column _row."],
            id="no number",
        ),
        pytest.param(
            lambda sheet: sheet.__setitem__("A3", 99),
            [99, "The file has no such row."],
            id="no such row",
        ),
        pytest.param(
            lambda sheet: sheet.__setitem__("D3", "=1+1"),
            [4, "“serial” has a formula without a result. Write its value."],
            id="formula",
        ),
        pytest.param(
            lambda sheet: sheet.__setitem__("F4", "z"),
            [5, "It cannot be read as a row of the table."],
            id="unreadable row",
        ),
    ],
)
def test_row_that_does_not_match_is_refused_with_its_reason(
    change: Callable[[Any], None], reason: list[Any]
) -> None:
    job = stages.checked(ROWS)
    sheet = sheet_of(job)
    sheet["E2"] = "1.5"
    change(sheet)

    upload = uploaded(job, saved(sheet))

    refused = [[row, text[: len(reason[1])]] for row, text in upload.refusals]
    assert refused == [reason]
    assert upload.refused == 1
    assert made(job) == [(2, "price", "x", "1.5")]


@pytest.mark.django_db
def test_other_workbook_is_refused_whole() -> None:
    job = stages.checked(ROWS)
    sheet = sheet_of(job)
    sheet.delete_cols(1)

    upload = uploaded(job, saved(sheet))

    assert upload.error == (
        "The workbook has no column _row. Download problems.xlsx, correct it, and upload that."
    )
    assert made(job) == []


NOW = {"a": "1", "b": "2", "c": "x\r\ny", "d": ""}


@pytest.mark.parametrize(
    ("cells", "wrong", "expected"),
    [
        (NOW, {"a"}, {}),
        (NOW | {"a": "3"}, {"a"}, {"a": "3"}),
        (NOW | {"c": "x\ny"}, {"a"}, {}),
        (NOW | {"a": TOO_LONG}, {"a"}, {}),
        (NOW | {"a": ""}, {"a"}, {"a": ""}),
        ({"a": "3"}, {"a"}, {"a": "3"}),
        (NOW | {"b": "3"}, {""}, {"b": "3"}),
        (NOW | {"b": "3"}, {"a"}, None),
        (NOW | {"a": "8", "b": "9"}, {""}, None),
        (NOW | {"b": "3"}, set(), None),
    ],
)
def test_changes_of_a_row(
    cells: dict[str, str], wrong: set[str], expected: dict[str, str] | None
) -> None:
    sheet = SheetRow(line=2, number=7, cells=cells)
    now = FileRow(number=7, cells=NOW, wrong=wrong)

    try:
        found = changes(sheet, now)
    except RowRefused:
        found = None

    assert found == expected
