import gzip
import io
import threading
from pathlib import Path

import openpyxl
import pytest
from django.conf import settings as project
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases
from jobsui.jobs.enums import FileState
from jobsui.jobs.errors import UploadRefused
from jobsui.jobs.models import File
from jobsui.jobs.preparation import file_formats, file_reading, uploads
from tests.conftest import TaskQueue
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def received(content: bytes, name: str = "rows.csv") -> File:
    """An upload that was read."""
    file = uploads.receive([content], name, by=None)
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()
    return file


def stored() -> list[str]:
    folder = Path(project.MEDIA_ROOT)
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    )


def test_upload_is_kept_byte_for_byte_and_reading_is_enqueued(
    task_queue: TaskQueue,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ana = make_user()

    with django_capture_on_commit_callbacks(execute=True):
        file = uploads.receive([b"a,b\n1", b",2\n"], "C:\\new\\r\u202eows.csv", by=ana)

    with default_storage.open(file.stored_as) as content:
        assert content.read() == b"a,b\n1,2\n"
    assert file.name == "rows.csv"
    assert file.size == 8
    assert file.state == FileState.READING
    assert file.uploaded_by == ana
    assert task_queue == [("read_file", (file.pk,))]


def test_upload_that_is_too_large_leaves_nothing_behind(settings: Settings) -> None:
    before = stored()
    settings.MAX_UPLOAD_BYTES = 1024 * 1024

    with pytest.raises(UploadRefused, match="larger than 1 MB"):
        uploads.receive([b"x" * 600_000, b"x" * 600_000], "rows.csv", by=None)

    assert stored() == before
    assert File.objects.count() == 0


def test_empty_upload_is_refused() -> None:
    with pytest.raises(UploadRefused, match="The file is empty"):
        uploads.receive([], "rows.csv", by=None)

    assert File.objects.count() == 0


def test_reading_detects_format_and_columns() -> None:
    file = received("\ufeffname;price\nDrill;1,5\n\nSäge;2\n".encode())

    assert file.state == FileState.READY
    assert file.format == "csv"
    assert file.encoding == "utf-8-sig"
    assert file.delimiter == ";"
    assert file.columns == ["name", "price"]
    assert file.rows == 2
    assert file.sample == [[2, ["Drill", "1,5"]], [4, ["Säge", "2"]]]


def test_file_that_cannot_be_read_says_why() -> None:
    file = received(b"\x89PNG\r\n\x1a\n" + b"x" * 100)

    assert file.state == FileState.REJECTED
    assert (
        file.error
        == "This is a picture. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines."
    )


@pytest.mark.usefixtures("task_queue")
def test_file_is_reread_with_chosen_settings() -> None:
    file = received("name\nSäge\n".encode("cp1252"))
    assert file.state == FileState.REJECTED
    assert "as Windows-1252 (Western Europe) it has “Säge” (row 2)" in file.error

    file_reading.reread(file, encoding="cp1252")
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()

    assert file.state == FileState.READY
    assert file.error == ""
    assert file.sample == [[2, ["Säge"]]]


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv"])
def test_packed_file_is_read(name: str) -> None:
    file = received(gzip.compress("name;price\nSäge;2\n".encode()), name)

    assert file.state == FileState.READY
    assert file.format == "csv"
    assert file.sample == [[2, ["Säge", "2"]]]


def test_workbook_warnings_are_kept_with_the_file() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["id", "sum"])
    book.worksheets[0].append([1.5e17, "=A2"])
    out = io.BytesIO()
    book.save(out)

    file = received(out.getvalue(), "rows.xlsx")

    assert file.staged_as
    assert file.warnings[0] == {
        "code": "formula_without_result",
        "message": "1 formula without a stored result in sum, read as blank.",
        "fix": "Open the workbook in a spreadsheet program, save it, and upload it again.",
        "column": "sum",
        "count": 1,
        "rows": [2],
        "values": [""],
    }
    assert [warning["code"] for warning in file.warnings[1:]] == ["rounded"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_columns_with_the_same_name_are_kept_with_a_warning(name: str) -> None:
    contents = {"rows.csv": "a,a\n1,2\n", "rows.jsonl": '{"a": 1, "a ": 2}\n'}

    file = received(contents[name].encode(), name)

    assert file.columns == ["a", "a (2)"]
    assert [warning["message"] for warning in file.warnings] == [
        "Two columns are named a. The one to the right is called a (2) here."
    ]


def test_refused_workbook_can_be_read_from_another_sheet() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["id", "name"])
    book.create_sheet("Data")
    out = io.BytesIO()
    book.save(out)

    file = received(out.getvalue(), "rows.xlsx")

    assert file.state == FileState.REJECTED
    assert file.error == "The file has a header but no rows."
    assert file.sheets == ["Sheet", "Data"]
    assert file_formats.settings_of(file) == {"sheet", "header_row"}


@pytest.mark.parametrize(
    ("content", "name", "settings"),
    [
        (b"PK\x03\x04 this is no workbook", "rows.xlsx", set()),
        (b"\x89PNG", "rows.csv", set()),
        (b"name\nS\xe4ge\n", "rows.csv", {"encoding"}),
        (b"\x1b$B0\x1b(B\n", "rows.csv", {"encoding"}),
        (b"name\n", "rows.csv", {"encoding", "delimiter", "quoting", "header_row"}),
        (b'[{"name": "S\xe4ge"}]', "rows.json", {"encoding"}),
    ],
)
def test_refused_file_offers_only_settings_that_can_help(
    content: bytes, name: str, settings: set[str]
) -> None:
    file = received(content, name)

    assert file.state == FileState.REJECTED
    assert file_formats.settings_of(file) == settings


def test_interrupted_reading_is_done_by_the_next_task() -> None:
    file = uploads.receive([b"a\n1\n2\n3\n"], "rows.csv", by=None)
    stopping = threading.Event()
    stopping.set()

    file_reading.read_file(file, stopping=stopping)
    file.refresh_from_db()
    assert file.state == FileState.READING

    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()
    assert file.state == FileState.READY
    assert file.rows == 3


def test_file_is_read_by_one_process_at_a_time() -> None:
    file = uploads.receive([b"a\n1\n"], "rows.csv", by=None)

    with leases.held(f"read:{file.pk}", owner="somebody else"):
        file_reading.read_file(file, stopping=threading.Event())

    file.refresh_from_db()
    assert file.state == FileState.READING


@pytest.mark.parametrize(
    ("content", "name"),
    [("a,b\n1,2\n", "rows.csv"), ('{"a": 1}\n{"b": 2, "a": 1}', "rows.jsonl")],
)
def test_file_from_before_all_files_were_staged_is_read(
    content: str, name: str
) -> None:
    file = received(content.encode(), name)
    with file_reading.open_rows(file) as table:
        staged = list(table.rows)
    default_storage.delete(file.staged_as)
    file.staged_as = ""

    with file_reading.open_rows(file) as table:
        assert table.columns == ["a", "b"]
        assert list(table.rows) == staged


def test_file_from_before_staged_files_had_blocks_is_read() -> None:
    file = received(b"a\nx\n", "rows.csv")
    lines = b'["a"]\n[2, ["1"]]\n[3, [""], ["row_width", "Why.", "Fix."]]\n'
    file.staged_as = default_storage.save("staged/lines", ContentFile(lines))

    with file_reading.open_rows(file) as table:
        rows = list(table.rows)
    with file_reading.open_rows(file) as table:
        [block] = table.blocks()

    assert rows == [(2, ["1"]), (3, [""])]
    assert block.numbers.to_pylist() == [2]
    assert block.columns[0].texts.to_pylist() == ["1"]
    assert [number for number, _ in block.odd] == [3]


def test_damaged_staged_file_is_refused() -> None:
    file = received(b"a\n1\n")
    with Path(default_storage.path(file.staged_as)).open("r+b") as staged:
        staged.truncate(50)

    with (
        pytest.raises(FileRefused, match="gone or incomplete"),
        file_reading.open_rows(file),
    ):
        pass


def test_rows_of_a_file_whose_content_is_gone_are_refused() -> None:
    file = received(b"a\n1\n")
    file.delete_content()

    with (
        pytest.raises(FileRefused, match="The stored file is gone"),
        file_reading.open_rows(file),
    ):
        pass


def test_file_whose_content_is_gone_is_rejected() -> None:
    file = uploads.receive([b"a\n1\n"], "rows.csv", by=None)
    file.delete_content()

    file_reading.read_file(file, stopping=threading.Event())

    file.refresh_from_db()
    assert file.state == FileState.REJECTED
    assert file.error == file_reading.GONE


def test_reread_file_leaves_no_old_staged_rows() -> None:
    file = received(b'[{"a": 1}]', "rows.json")
    before = stored()
    staged = file.staged_as

    file_reading.reread(file, sheet=file.sheet)
    file_reading.read_file(file, stopping=threading.Event())

    file.refresh_from_db()
    assert file.state == FileState.READY
    assert len(stored()) == len(before)
    assert default_storage.exists(file.staged_as)
    assert not default_storage.exists(staged)


def test_header_row_and_quotation_marks_can_be_corrected() -> None:
    file = received(b'Stock of 2026;\nid;size\n"1";5\n', "rows.csv")
    detected = (file.columns, file.header_row, file.quoting)

    file_reading.reread(file, header_row=1, quoting="none")
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()

    assert detected == (["id", "size"], 2, "double")
    assert file.columns == ["Stock of 2026", "Column B"]
    assert file.header_row == 1
    assert file.sample == [[2, ["id", "size"]], [3, ['"1"', "5"]]]
    assert file_formats.description(file) == (
        "CSV, UTF-8, semicolon, 2 columns, 2 rows, quotation marks without a meaning, "
        "header in row 1"
    )
