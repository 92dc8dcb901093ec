"""How a file was read, and how a person corrects it."""

import io
import re
import threading
from typing import Any

import openpyxl
import pytest
from django.test import Client

from jobsui.jobs.enums import FileState
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import file_reading, uploads
from tests.factories import make_warning
from tests.web import stages

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
WESTERN = "name;city\nMüller;Zürich\nMeyer;Genève\n".encode("cp1252")


def draft(content: bytes, name: str = "rows.csv") -> Job:
    """A draft whose file was read."""
    job = stages.draft()
    job.file = uploads.receive([content], name, by=None)
    job.save()
    read(job)
    return job


def read(job: Job) -> None:
    file_reading.read_file(job.file, stopping=threading.Event())
    job.file.refresh_from_db()


def path(job: Job, step: str = "") -> str:
    return f"/jobs/new/{job.code}/{step}"


def page(client: Client, job: Job) -> str:
    return " ".join(client.get(path(job)).text.split())


def workbook(*sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet {number}")
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_proposed_encodings_are_shown_with_differing_cells(operator: Client) -> None:
    job = draft(WESTERN)

    text = page(operator, job)

    assert "Which encoding does rows.csv have?" in text
    assert "Found so far: CSV, semicolon, 37 bytes" in text
    assert "<strong>Windows-1252</strong>" in text
    assert 'data-label="Row 3">Genève</td>' in text
    assert "Use Windows-1252" in text
    assert 'data-label="Row 3">Genčve</td>' in text
    assert '<option value="cp1251">' in text
    assert "Delimiter" not in text
    assert "Choose the encoding of the file." in text


def test_confirmed_encoding_is_used(operator: Client) -> None:
    job = draft(WESTERN)

    answer = operator.post(path(job, "layout/"), {"encoding": "cp1252"}, headers=HTMX)
    job.file.refresh_from_db()
    state = job.file.state
    read(job)
    text = page(operator, job)

    assert state == FileState.READING
    assert 'id="reading"' in answer.text
    assert 'tabindex="-1" autofocus' in answer.text
    assert "CSV, Windows-1252, semicolon, 2 columns, 2 rows, header in row 1" in text
    assert "<td>Zürich</td>" in text
    assert job.file.proposals == []


def test_confirmed_encoding_stays_when_another_setting_changes(
    operator: Client,
) -> None:
    job = draft(WESTERN)
    file_reading.reread(job.file, encoding="cp1252")
    read(job)

    text = page(operator, job)

    assert '<option value="cp1252" selected>' in text
    assert '<option value="" selected>Auto-detect (semicolon)</option>' in text
    assert 'placeholder="Auto-detect (1)"' in text


def test_settings_are_refused_while_the_file_is_read(operator: Client) -> None:
    job = draft(WESTERN)
    file_reading.reread(job.file, encoding="cp1252")

    answer = operator.post(path(job, "layout/"), {"delimiter": ","}, headers=HTMX)

    job.file.refresh_from_db()
    assert "The file is being read." in answer.text
    assert job.file.chosen == {"encoding": "cp1252"}


def test_bad_setting_is_shown_beside_its_field(operator: Client) -> None:
    job = draft(b"a;b\n1;2\n")

    answer = operator.post(path(job, "layout/"), {"header_row": "0"}, headers=HTMX)

    assert 'id="layout_header_row_error"' in answer.text
    assert File.objects.get(pk=job.file.pk).state == FileState.READY


def test_table_stays_while_the_file_is_read_again(operator: Client) -> None:
    job = draft(b"a;b\nleft;2\nright;3\n")

    answer = operator.post(path(job, "layout/"), {"header_row": "2"}, headers=HTMX)
    progress = re.findall(r'hx-get="([^"]+)"', answer.text)[0]
    read(job)
    over = operator.get(progress, {"changed": "1"}, headers=HTMX)

    assert 'aria-busy="true"' in answer.text
    assert "<td>left</td>" in answer.text
    assert 'id="layout_header_row"' in answer.text
    assert "aria-busy" not in over.text
    assert "header in row 2" in over.text
    assert "<details open>" in over.text


def test_refused_sheet_offers_the_others(operator: Client) -> None:
    job = draft(workbook([["id"]], [["id"], ["1"]]), "rows.xlsx")
    file_reading.reread(job.file, sheet="Sheet 1")
    read(job)

    text = page(operator, job)

    assert "rows.xlsx cannot be read" in text
    assert (
        "Found so far: XLSX, 1 column, header in row 1, sheet Sheet 1 (1 of 2)" in text
    )
    assert "Read it with other settings" in text
    assert '<option value="Sheet 2">' in text
    assert "Encoding" not in text


def test_workbook_with_one_sheet_offers_no_sheet(operator: Client) -> None:
    job = draft(workbook([["id"], ["1"]]), "rows.xlsx")

    text = page(operator, job)

    assert 'name="header_row"' in text
    assert 'name="sheet"' not in text
    assert 'name="values"' not in text


def test_shown_values_can_be_chosen() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["id"])
    sheet.append([42])
    sheet["A2"].number_format = "00000"
    out = io.BytesIO()
    book.save(out)
    job = draft(out.getvalue(), "rows.xlsx")
    stored = job.file.sample

    file_reading.reread(job.file, values="shown")
    read(job)

    assert stored == [[2, ["42"]]]
    assert job.file.sample == [[2, ["00042"]]]
    assert job.file.warnings[0]["fix"] == (
        "Choose the stored values in the file settings if those are meant."
    )


def test_shown_values_are_offered_where_they_differ(operator: Client) -> None:
    job = draft(workbook([["id"], ["1"]]), "rows.xlsx")
    File.objects.update(warnings=[make_warning(code="shown_differs")])

    text = page(operator, job)

    assert (
        '<option value="shown">As a spreadsheet shows them, such as 00042</option>'
        in text
    )


def test_list_of_a_json_document_can_be_chosen(operator: Client) -> None:
    job = draft(b'{"a": [{"x": 1}], "b": [{"y": 1}, {"y": 2}]}', "rows.json")

    text = page(operator, job)

    assert "JSON, UTF-8, 1 column, 1 row, list a (1 of 2)" in text
    assert "List of rows" in text
    assert '<option value="b">b</option>' in text


def test_preview_shows_rows_that_cannot_be_read(operator: Client) -> None:
    job = draft(b"a,b\n1,2\n3,4,5,6\n7,8\n")

    text = page(operator, job)

    rows = re.findall(r'<td class="num">(\d+)</td>', text)
    assert rows == ["2", "3", "4"]
    assert '<td colspan="2">' in text
    assert "The row has 4 cells, the header has 2." in text
    assert "3, 4, 5, 6</q>" in text


def test_preview_marks_cells_without_a_text(operator: Client) -> None:
    job = draft(b'[{"a": null, "b": "x"}, {"a": "1"}]', "rows.json")

    text = page(operator, job)

    null = '<td class="text-nowrap"> <span class="kind null">null</span> </td>'
    assert f"{null} <td>x</td>" in text
    assert (
        '<td>1</td> <td class="text-nowrap"> <span class="kind absent">missing</span> </td>'
        in text
    )


def test_preview_marks_errors_of_a_workbook(operator: Client) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook([["a", "b"], [None, 1]])))
    cell = book.worksheets[0]["A2"]
    cell.value = "#N/A"
    cell.data_type = "e"
    out = io.BytesIO()
    book.save(out)
    job = draft(out.getvalue(), "rows.xlsx")

    text = page(operator, job)

    assert '#N/A</span> <span class="kind error">error</span>' in text


def test_preview_of_many_columns_stays_small(operator: Client) -> None:
    columns = [f"c{number}" for number in range(900)]
    content = f"{','.join(columns)}\n{','.join('x' * 900)}\n"
    job = draft(content.encode())

    text = page(operator, job)

    assert text.count("<td>x</td>") == 100
    assert "800 more columns" in text
