"""What a database cannot store in a file is shown as a replacement character."""

import io
import threading

import openpyxl
import pytest

from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File
from jobsui.jobs.preparation import file_reading, uploads

pytestmark = pytest.mark.django_db
GOOD = "".join(f"{number},Zürich {number}\n" for number in range(9)).encode()


def received(content: bytes, name: str) -> File:
    file = uploads.receive([content], name, by=None)
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()
    return file


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["id", "n_x0000_me"])
    book.worksheets[0].append(["1", "a_x0000_b"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "column"),
    [
        (b"id,na\x00me\n1,b\n", "rows.csv", "na�me"),
        (b"id,na\xffme\n" + GOOD, "rows.csv", "na�me"),
        (workbook(), "rows.xlsx", "n�me"),
    ],
)
def test_names_that_cannot_be_stored_are_replaced_and_named(
    content: bytes, name: str, column: str
) -> None:
    file = received(content, name)

    warnings = {warning["code"]: warning for warning in file.warnings}
    assert file.state == FileState.READY
    assert file.columns == ["id", column]
    assert warnings["unreadable_name"]["message"] == (
        f"The name of column B, {column}, has a character that cannot be read."
    )


def test_titles_that_cannot_be_stored_are_replaced() -> None:
    file = received(b"Title \x00 here\nid,name,x\n1,b,2\n2,c,3\n", "rows.csv")

    assert file.state == FileState.READY
    assert "“Title � here”" in file.warnings[0]["message"]


def test_proposed_cells_that_cannot_be_stored_are_replaced() -> None:
    file = received("id;name\n1;Gen\xe8ve\x00\n".encode("cp1252"), "rows.csv")

    assert file.state == FileState.REJECTED
    assert file.proposals[0]["texts"] == ["Genève�"]
    assert "Genève�" in file.error


def test_lists_that_cannot_be_stored_are_replaced() -> None:
    content = b'{"a\\u0000": [{"id": 1}], "b\\ud83d": [{"id": 2}]}'

    file = received(content, "rows.json")

    assert file.sheets == ["a�", "b�"]


def test_sample_of_long_cells_is_short() -> None:
    file = received(b"id,name\n1," + b"x" * 100_000 + b"\n", "rows.csv")

    [[_, [_, cell]]] = file.sample
    assert cell == "x" * 9_999 + "…"
