"""Rows with problems, corrected on pages."""

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobsui.jobs.control import corrections
from jobsui.jobs.enums import EventKind, JobState
from jobsui.jobs.models import Cause, ColumnFacts, CorrectionUpload, File, Job
from jobsui.jobs.preparation import checker
from tests.factories import make_job
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ROWS = (
    "external_id,serial,price,status\n"
    "g-1,AB-000001,x,retired\n"
    "g-2,AB-000002,2,broken\n"
    "g-3,ab,y,broken\n"
)
PRICE, STATUS = 2, 3


def path(job: Job, rest: str = "") -> str:
    return f"/jobs/new/{job.code}/check/{rest}"


def cause_of(job: Job, column: str) -> Cause:
    return Cause.objects.get(job=job, column=column)


def checked_again(job: Job) -> Job:
    """The whole check, where a correction needs it."""
    job.refresh_from_db()
    if job.state == JobState.CHECKING:
        checker.check(job, stopping=threading.Event())
    return Job.objects.get(pk=job.pk)


def rows_of(text: str) -> list[str]:
    return re.findall(r'<tr id="r(\d+)"', text)


def made(job: Job) -> list[tuple[Any, ...]]:
    stored = job.corrections.order_by("pk")
    return list(stored.values_list("row", "column", "before", "after", "by__username"))


def test_each_cause_leads_to_its_rows(operator: Client) -> None:
    job = stages.checked(ROWS)
    cause = cause_of(job, "price")
    address = path(job, f"rows/?cause={cause.pk}")

    page = operator.get(path(job)).text
    grid = operator.get(address).text

    assert f'href="{address}"' in page
    assert f'href="/jobs/new/{job.code}/map/field:price/"' in page
    assert rows_of(grid) == ["2", "4"]
    assert "2 rows with this problem. 3 of 3 rows are invalid." in visible(grid)
    assert 'aria-label="price of row 2"' in grid
    assert "is not a number" in grid


def test_good_cell_is_opened_by_its_address(operator: Client) -> None:
    job = stages.checked(ROWS)
    cause = cause_of(job, "price")
    closed = operator.get(path(job, f"rows/?cause={cause.pk}")).text
    address = path(job, f"rows/?cause={cause.pk}&row=2&column=0")

    page = operator.get(address).text
    row = operator.get(address, headers=HTMX).text

    assert f"?cause={cause.pk}&amp;row=2&amp;column=0" in closed
    assert 'aria-label="external_id of row 2"' not in closed
    assert 'aria-label="external_id of row 2"' in page
    assert rows_of(row) == ["2"]
    assert row.count("autofocus") == 1


def test_corrected_cell_is_saved_for_its_person(operator: Client) -> None:
    job = stages.checked(ROWS)
    cause = cause_of(job, "price")
    change = {"row": 2, "column": PRICE, "text": "1.5", "cause": cause.pk, "after": ""}

    answer = operator.post(path(job, "rows/correct/"), change)

    job = checked_again(job)
    assert answer.status_code == 302
    assert made(job) == [(2, "price", "x", "1.5", "ana")]
    assert job.rows_invalid == 2


def test_cell_corrected_by_htmx_redraws_its_row_and_the_counts(
    operator: Client,
) -> None:
    job = stages.checked(ROWS)
    cause = cause_of(job, "price")
    change = {"row": 2, "column": PRICE, "text": "1.5", "cause": cause.pk, "after": ""}

    answer = operator.post(path(job, "rows/correct/"), change, headers=HTMX)

    seen = visible(answer.text)
    assert rows_of(answer.text) == ["2"]
    assert "Fixed" in seen
    assert "In the file: x" in seen
    assert "1 row with this problem. 2 of 3 rows are invalid. 1 correction" in seen


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"row": 99}, "The file has no row 99."),
        ({"column": 99}, "The file has no such column."),
    ],
)
def test_cell_that_does_not_exist_is_refused(
    operator: Client, change: dict[str, int], reason: str
) -> None:
    job = stages.checked(ROWS)
    sent = {"row": 2, "column": PRICE, "text": "1"} | change

    operator.post(path(job, "rows/correct/"), sent)

    assert reason in visible(operator.get(path(job)).text)
    assert made(job) == []


def test_line_ends_of_browsers_do_not_change_a_cell(operator: Client) -> None:
    job = stages.checked('external_id,serial,notes\ng-1,ab,"one\ntwo"\n')
    change = {"row": 2, "column": 2, "text": "one\r\ntwo"}

    operator.post(path(job, "rows/correct/"), change)

    assert made(job) == []


def status_facts(job: Job, *values: list[Any]) -> None:
    ColumnFacts.objects.create(
        file=job.file,
        position=STATUS,
        name="status",
        filled=3,
        longest=7,
        distinct=len(values),
        values=list(values),
    )


def fields_of(text: str) -> list[str]:
    return re.findall(r'<(?:select|input)[^>]* name="(value_\w+)"', text)


def test_value_is_replaced_in_all_rows_by_an_option(operator: Client) -> None:
    job = stages.checked(ROWS)
    status_facts(job, ["broken", 2], ["retired", 1])
    address = path(job, f"values/?cause={cause_of(job, 'status').pk}")
    offered = operator.get(address).text
    [name] = fields_of(offered)
    kept = operator.post(address, {name: ""})

    answer = operator.post(address, {name: "in_use"}, follow=True)

    assert re.findall(r'<option value="(\w*)"', offered) == ["", "in_use", "retired"]
    assert "broken 2" in visible(offered)
    assert "retired 1" not in visible(offered)
    assert kept.status_code == 302
    assert "Replaced 1 value." in visible(answer.text)
    assert made(job) == [(None, "status", "broken", "in_use", "ana")]


def test_many_options_for_many_values_are_listed_once(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsui.web.forms.corrections.MAX_CHOICES", 1)
    job = stages.checked(ROWS)
    status_facts(job, ["broken", 2], ["retired", 1])
    address = path(job, f"values/?cause={cause_of(job, 'status').pk}")
    offered = operator.get(address).text
    [name] = fields_of(offered)

    refused = operator.post(address, {name: "unknown"})
    operator.post(address, {name: "in_use"})

    assert re.findall(r'<option value="(\w*)"', offered) == ["in_use", "retired"]
    assert (
        f'name="{name}" class="form-control" autocomplete="off" list="options"'
        in offered
    )
    assert "Choose a listed option." in refused.text
    assert made(job) == [(None, "status", "broken", "in_use", "ana")]


def test_values_are_replaced_together_unless_another_person_did(
    operator: Client, ana: User
) -> None:
    rows = "".join(f"g-{n},{status}\n" for n, status in enumerate("aabbcc"))
    job = stages.checked("external_id,status\n" + rows)
    status_facts(job, ["a", 2], ["b", 2], ["c", 2])
    address = path(job, f"values/?cause={cause_of(job, 'status').pk}")
    names = fields_of(operator.get(address).text)
    corrections.replace_text(job, "status", "a", "retired", by=ana)

    operator.post(address, dict.fromkeys(names, "in_use"))

    changes = [(before, after) for _, _, before, after, _ in made(job)]
    assert changes == [("a", "retired"), ("b", "in_use"), ("c", "in_use")]
    assert Job.objects.get(pk=job.pk).rows_invalid == 0
    replaced = job.events.filter(kind=EventKind.TEXT_REPLACED).first()
    assert replaced is not None
    assert replaced.facts == {"column": "status", "values": 2}


def test_values_are_offered_only_where_they_repeat(operator: Client) -> None:
    job = stages.checked(ROWS)

    text = operator.get(path(job)).text

    offered = re.findall(r"check/values/\?cause=(\d+)", text)
    assert offered == [str(cause_of(job, "status").pk)]


def test_joined_columns_are_shown_and_not_replaced(operator: Client) -> None:
    rule = {"also": ["extra"], "joiner": "-"}
    job = stages.draft("external_id,status,extra\ng-1,a,b\ng-2,a,b\n")
    stages.changed(job, rules={"field:status": rule})
    stages.check(Job.objects.get(pk=job.pk))
    cause = cause_of(job, "status")

    page = operator.get(path(job)).text
    grid = visible(operator.get(path(job, f"rows/?cause={cause.pk}")).text)

    assert "check/values/" not in page
    assert "Row status Status external_id External ID extra joined" in grid


def test_rows_of_a_warning_are_corrected_too(operator: Client) -> None:
    rows = "external_id,serial,price\ng-1,,1\ng-2,AB-000002,x\n"
    job = make_job(rows, stages.UPSERT, to=stages.gadget(), blank="clear")
    stages.check(job)
    cause = Cause.objects.get(job=job, code="clears_required")
    change = {"row": 2, "column": 1, "text": "AB-000001", "cause": cause.pk}

    grid = operator.get(path(job, f"rows/?cause={cause.pk}")).text
    answer = operator.post(path(job, "rows/correct/"), change, headers=HTMX)

    assert rows_of(grid) == ["2"]
    assert 'class="is-bad is-warned"' in grid
    assert "1 row with this warning." in visible(grid)
    assert "Fixed" not in visible(grid)
    assert "0 rows with this warning." in visible(answer.text)
    assert "Fixed" in visible(answer.text)


def test_grid_offers_changes_only_of_rows_that_can_be_corrected(
    operator: Client,
) -> None:
    rows = 'external_id,serial,price,status\ng-1,"AB"x,1,retired\ng-2,ab,2,retired\n'
    job = stages.checked(rows)
    stray, wrong = Cause.objects.filter(job=job).order_by("column")

    unreadable = operator.get(path(job, f"rows/?cause={stray.pk}")).text
    readable = operator.get(path(job, f"rows/?cause={wrong.pk}")).text

    assert "This row cannot be corrected here." in unreadable
    assert "Select a cell to change it" not in unreadable
    assert "Select a cell to change it" in readable


@pytest.mark.parametrize("where", [{"storage_id": "other"}, {"format": "items"}])
def test_rows_that_cannot_be_corrected_here_are_not_offered(
    operator: Client, where: dict[str, str]
) -> None:
    job = stages.checked(ROWS)
    File.objects.filter(pk=job.file_id).update(**where)

    text = operator.get(path(job)).text

    assert "Problems by cause" in text
    assert path(job, "rows/") not in text
    assert path(job, "problems.xlsx") not in text


def test_corrections_are_listed_and_undone(operator: Client, ana: User) -> None:
    job = stages.checked(ROWS)
    corrections.replace_text(job, "status", "broken", "retired", by=ana)
    corrections.correct_cell(job, 2, "price", "1.5", by=ana)
    job = checked_again(job)
    listed = f"/jobs/{job.code}/corrections/"
    seen = visible(operator.get(listed).text)
    newest = job.corrections.latest("pk")

    operator.post(f"/jobs/new/{job.code}/corrections/{newest.pk}/undo/")

    assert "2 corrections." in seen
    assert "2 price x 1.5 ana" in seen
    assert "All rows status broken retired ana" in seen
    assert made(job) == [(None, "status", "broken", "retired", "ana")]
    assert checked_again(job).rows_invalid == 2


def test_pages_without_an_entry_say_what_to_do(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")

    grid = visible(operator.get(path(job, "rows/")).text)
    listed = visible(operator.get(f"/jobs/{job.code}/corrections/").text)

    assert "No row has a problem Go back to the check" in grid
    assert "No corrections Cells that you change on the Check step" in listed
    assert "0 corrections" not in listed


def test_corrections_are_counted_where_one_decides(operator: Client, ana: User) -> None:
    job = stages.checked(ROWS)
    corrections.correct_cell(job, 2, "price", "1.5", by=ana)
    job = checked_again(job)
    pages = [path(job), f"/jobs/new/{job.code}/review/"]

    before = [visible(operator.get(page).text) for page in pages]
    stages.changed(job, state=JobState.COMPLETED)
    after = operator.get(f"/jobs/{job.code}/").text
    listed = operator.get(f"/jobs/{job.code}/corrections/").text

    assert ["1 correction" in text for text in before] == [True, True]
    assert "1 correction" in visible(after)
    assert f"/jobs/{job.code}/corrections/" in after
    assert "Undo" not in listed


def test_workbook_is_downloaded_and_uploaded(operator: Client) -> None:
    job = stages.checked(ROWS)

    downloaded = operator.get(path(job, "problems.xlsx"))
    content = downloaded.getvalue()
    file = SimpleUploadedFile("fixed.xlsx", content)
    operator.post(path(job, "workbook/"), {"file": file})
    polled = operator.get(path(job, "workbook/"), headers=HTMX)

    assert downloaded["Content-Disposition"] == (
        'attachment; filename="rows-problems.xlsx"'
    )
    upload = CorrectionUpload.objects.get(job=job)
    assert upload.is_waiting
    assert upload.file is not None
    assert upload.file.sheet == "Problems"
    assert polled.status_code == 204
    assert "Reading fixed.xlsx" in visible(operator.get(path(job)).text)


def test_result_of_the_workbook_is_shown(operator: Client) -> None:
    job = stages.checked(ROWS)
    CorrectionUpload.objects.create(
        job=job,
        name="fixed.xlsx",
        corrected=2,
        refused=3,
        refusals=[[4, "It differs."]],
    )

    seen = visible(operator.get(path(job)).text)

    assert "fixed.xlsx: 2 cells corrected" in seen
    assert "3 rows not applied Row 4. It differs. These are the first ones." in seen
