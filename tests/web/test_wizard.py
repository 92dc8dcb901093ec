import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobsui.jobs.control import drafts, retries
from jobsui.jobs.enums import Action, EventKind, FileState, JobState, Weight
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import AccountFacts, File, Job, RunSettings
from tests.conftest import TaskQueue
from tests.factories import make_object
from tests.harness import Harness, gadgets
from tests.web import stages
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
CSV = b"external_id;price\ng-1;1,5\n"


def upload(content: bytes = CSV, name: str = "rows.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def form(thing: Any, **fields: Any) -> dict[str, Any]:
    return {"object": thing.pk, "action": "create", "file": upload()} | fields


def path(job: Job, step: str = "") -> str:
    return f"/jobs/new/{job.code}/{step}"


def launched_meanwhile(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Somebody else launches the draft after the view has read it, before it calls the
    engine."""
    asked: Callable[..., Any] = getattr(drafts, name)

    def late(job: Job, *args: Any, **options: Any) -> Any:
        Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)
        return asked(job, *args, **options)

    monkeypatch.setattr(drafts, name, late)


# Upload


def test_first_step_without_an_object_says_what_to_do(operator: Client) -> None:
    assert "No objects yet" in operator.get("/jobs/new/").text


def test_first_step_offers_the_object_one_came_from(operator: Client) -> None:
    thing = stages.gadget()

    text = operator.get(f"/jobs/new/?object={thing.pk}").text
    odd = operator.get(f"/jobs/new/?object={'9' * 30}").text

    assert f'<option value="{thing.pk}" selected>' in text
    assert f'<option value="{thing.pk}">' in odd


def test_upload_makes_a_draft_whose_file_is_read(
    operator: Client,
    ana: User,
    task_queue: TaskQueue,
    django_capture_on_commit_callbacks: Any,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post("/jobs/new/", form(stages.gadget()))

    job = Job.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == path(job)
    assert job.state == "draft"
    assert job.action == "create"
    assert job.object_key == "gadget"
    assert job.options["compare"] is True
    assert job.created_by == ana
    assert job.file.name == "rows.csv"
    assert job.file.state == FileState.READING
    assert job.file.uploaded_by == ana
    assert Path(default_storage.path(job.file.stored_as)).read_bytes() == CSV
    assert task_queue == [("read_file", (job.file.pk,))]


def test_upload_by_htmx_leads_to_the_whole_page_of_the_draft(operator: Client) -> None:
    answer = operator.post("/jobs/new/", form(stages.gadget()), headers=HTMX)

    assert answer.status_code == 200
    assert answer["HX-Redirect"] == path(Job.objects.get())
    assert answer.content == b""


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"object": "x"}, "object"),
        ({"object": ""}, "object"),
        ({"action": "explode"}, "action"),
        ({"file": ""}, "file"),
    ],
)
def test_upload_by_htmx_that_is_wrong_shows_the_form_again(
    operator: Client, fields: dict[str, Any], wrong: str
) -> None:
    answer = operator.post("/jobs/new/", form(stages.gadget(), **fields), headers=HTMX)
    page = operator.post("/jobs/new/", form(stages.gadget(), **fields))

    assert list(answer.context["form"].errors) == [wrong]
    assert answer.text.lstrip().startswith("<form")
    assert page.text.startswith("<!DOCTYPE html>")
    assert Job.objects.count() == 0
    assert File.objects.count() == 0


def test_empty_upload_is_refused(operator: Client) -> None:
    answer = operator.post("/jobs/new/", form(stages.gadget(), file=upload(b"")))

    assert answer.status_code == 200
    assert "The file is empty. Choose another file." in answer.text


def test_colleague_opens_the_draft(
    operator: Client, administrator: Client, ana: User
) -> None:
    job = stages.draft(created_by=ana)

    assert administrator.get(path(job)).status_code == 200
    assert f'id="d{job.pk}"' in operator.get("/").text
    assert f'id="d{job.pk}"' not in administrator.get("/").text


def test_file_is_shown_as_it_was_read(operator: Client) -> None:
    job = stages.draft()

    text = " ".join(operator.get(path(job)).text.split())

    assert "CSV, UTF-8, comma, 2 columns, 3 rows, 36 bytes" in text
    assert f'href="{path(job, "map/")}"' in text


def test_check_without_problems_says_what_it_covers_and_warns(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,1\n")
    AccountFacts.objects.filter(job=job).update(notices=[])

    text = " ".join(operator.get(path(job, "check/")).text.split())

    assert "Checked 1 row: no invalid rows" in text
    assert "a sample of the records and references in Zendesk" in text
    assert "Zendesk may refuse 1 valid row" in text
    assert "Name is required for new records, and no column is mapped to it." in text


@pytest.mark.parametrize(
    ("action", "scope"),
    [
        (
            Action.UPSERT_BY_EXTERNAL_ID,
            "Checked: types, options, names and keys. Zendesk may still refuse a row for other "
            "reasons.",
        ),
        (
            Action.DELETE_BY_EXTERNAL_ID,
            "Checked: each row identifies a record, no record appears twice.",
        ),
    ],
)
def test_check_says_only_what_it_has_checked(
    operator: Client, action: Action, scope: str
) -> None:
    job = stages.checked("external_id\ng-1\n", action)
    notice = {"code": "not_checked", "message": "Which records exist was not checked."}
    AccountFacts.objects.filter(job=job).update(notices=[notice])

    text = " ".join(operator.get(path(job, "check/")).text.split())

    assert scope in text
    assert notice["message"] in text
    assert "a sample of" not in text


def test_file_that_cannot_be_read_says_why(operator: Client) -> None:
    job = stages.draft()
    File.objects.update(state=FileState.REJECTED, error="This is a picture.")

    text = operator.get(path(job)).text

    assert "This is a picture." in text
    assert "Corrected file" not in text
    assert path(job, "map/") not in text


def test_reading_says_nothing_when_nothing_is_new_and_ends(operator: Client) -> None:
    job = stages.draft()
    File.objects.update(state=FileState.READING, rows_read=20_000)
    page = operator.get(path(job)).text
    address = re.findall(r'hx-get="([^"]+)"', page)

    unchanged = operator.get(address[0], headers=HTMX)
    File.objects.update(rows_read=40_000)
    further = operator.get(address[0], headers=HTMX)
    File.objects.update(state=FileState.READY)
    over = operator.get(address[0], headers=HTMX)

    assert address == [path(job, "file/?v=reading-20000")]
    assert unchanged.status_code == 204
    assert re.findall(r'hx-trigger="([^"]+)"', further.text) == ["every 1s"]
    assert 'id="file"' not in further.text
    assert "40,000 rows so far" in further.text
    assert 'hx-trigger="' not in over.text
    assert over["HX-Retarget"] == "#file"


def test_first_rows_are_shown_while_the_others_are_read(operator: Client) -> None:
    job = stages.draft()
    File.objects.update(state=FileState.READING, rows_read=0)
    unread = operator.get(path(job)).text
    address = re.findall(r'hx-get="([^"]+)"', unread)

    File.objects.update(rows_read=3, columns=["a"], sample=[[2, ["first"]]])
    begun = operator.get(address[0], headers=HTMX)

    assert begun["HX-Retarget"] == "#file"
    assert "<td>first</td>" in begun.text
    assert "aria-busy" not in begun.text
    assert "3 rows so far" in begun.text


@pytest.mark.parametrize("step", ["map/", "check/", "review/"])
def test_steps_wait_for_the_file(operator: Client, step: str) -> None:
    job = stages.draft()
    File.objects.update(state=FileState.READING)

    assert operator.get(path(job, step))["Location"] == path(job)


def test_file_settings_read_the_file_again(operator: Client) -> None:
    job = stages.checked()
    mapping = job.mapping

    answer = operator.post(
        path(job, "layout/"), {"encoding": "cp1252", "delimiter": ";"}
    )

    job.refresh_from_db()
    assert answer["Location"] == path(job)
    assert job.state == JobState.DRAFT
    assert job.mapping == mapping
    assert job.checked_fingerprint == ""
    assert job.file.state == FileState.READING
    assert job.file.encoding == "cp1252"
    assert job.file.delimiter == ";"


def test_file_is_read_in_no_way_that_was_not_offered(operator: Client) -> None:
    job = stages.draft()

    page = operator.post(path(job, "layout/"), {"encoding": "rot13"}, follow=True)

    assert "Choose listed options, and a header row from 1 to 1,000." in page.text
    assert Job.objects.get().file.state == FileState.READY


def test_file_of_another_job_stays_as_it_is_read(operator: Client) -> None:
    parent = stages.settled(stages.ROWS, stages.failed())
    operator.post(f"/jobs/{parent.code}/retry/")
    child = stages.changed(Job.objects.get(parent=parent), state=JobState.DRAFT)

    page = operator.post(path(child, "layout/"), {"delimiter": ";"}, follow=True)

    assert "Another job uses this file too." in page.text
    assert child.file.state == FileState.READY
    assert File.objects.get().delimiter == ","


def test_retry_with_another_file_is_no_retry_any_more(operator: Client) -> None:
    parent = stages.settled(stages.ROWS, stages.failed())
    operator.post(f"/jobs/{parent.code}/retry/")
    child = stages.changed(Job.objects.get(parent=parent), state=JobState.DRAFT)

    operator.post(path(child), form(stages.gadget()))

    child.refresh_from_db()
    assert child.parent is None
    assert child.file != parent.file
    assert default_storage.exists(parent.file.stored_as)


def test_draft_is_pointed_elsewhere_and_keeps_its_file(operator: Client) -> None:
    job = stages.checked()
    vendor = make_object(job.connection, "vendor")

    answer = operator.post(path(job), {"object": vendor.pk, "action": "update"})

    before = job.file
    job.refresh_from_db()
    assert answer["Location"] == path(job)
    assert job.object_key == "vendor"
    assert job.action == "update"
    assert job.mapping == {}
    assert job.state == "draft"
    assert job.file == before


def test_draft_gets_another_file_and_the_old_one_goes(
    operator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    job = stages.checked()
    old = job.file.stored_as

    with django_capture_on_commit_callbacks(execute=True):
        operator.post(
            path(job), form(stages.gadget(), file=upload(b"name\na\n", "other.csv"))
        )

    job.refresh_from_db()
    assert job.file.name == "other.csv"
    assert File.objects.count() == 1
    assert default_storage.exists(old) is False


def test_corrected_file_keeps_the_mapping(
    operator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    job = stages.checked()
    old = job.file.stored_as
    corrected = upload(b"external_id,price\ng-1,1\n", "corrected.csv")

    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post(path(job, "replace-file/"), {"file": corrected})

    after = Job.objects.get(pk=job.pk)
    assert answer["Location"] == f"{path(job)}?follow=1"
    assert after.file.name == "corrected.csv"
    assert after.state == JobState.DRAFT
    assert after.auto_target == JobState.READY
    assert after.mapping == {"external_id": "external_id", "price": "field:price"}
    assert not default_storage.exists(old)


def test_new_file_for_the_same_object_and_action_keeps_the_mapping(
    operator: Client,
) -> None:
    job = stages.checked()
    corrected = upload(b"external_id,price\ng-1,1\n", "corrected.csv")

    operator.post(path(job), form(stages.gadget(), action=job.action, file=corrected))

    after = Job.objects.get(pk=job.pk)
    assert after.file.name == "corrected.csv"
    assert after.mapping == {"external_id": "external_id", "price": "field:price"}


def test_corrected_file_that_is_missing_is_asked_for(operator: Client) -> None:
    job = stages.checked()

    page = operator.post(path(job, "replace-file/"), follow=True)

    assert "This field is required." in page.text
    assert Job.objects.get().file == job.file


def test_long_file_name_is_shortened_with_a_sign(operator: Client) -> None:
    job = stages.draft()
    name = f"begin{'x' * 100}end.csv"
    File.objects.update(name=name)

    text = operator.get(path(job)).text

    short = f"begin{'x' * 25}…{'x' * 22}end.csv"
    assert f'<span title="{name}">{short}</span></h2>' in text


def test_discarding_asks_first(operator: Client) -> None:
    job = stages.draft()

    page = operator.get(path(job, "discard/"))

    assert "Discard this draft?" in page.text
    assert "rows.csv with 3 rows is deleted too." in page.text
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("step", "query"),
    [
        ("", ""),
        ("map/", "?step=map"),
        ("check/", "?step=check"),
        ("compare/", "?step=compare"),
        ("review/", "?step=review"),
    ],
)
def test_every_step_offers_to_discard_the_draft(
    operator: Client, step: str, query: str
) -> None:
    job = stages.checked()
    address = path(job, step)
    question = path(job, f"discard/{query}")

    page = operator.get(address)
    asked = operator.get(question)

    assert f'href="{question}"' in page.text
    assert asked.context["confirmation"].back == address


def test_keeping_a_draft_leads_to_a_step_of_the_wizard(operator: Client) -> None:
    job = stages.draft()

    asked = operator.get(path(job, "discard/?step=launch"))

    assert asked.context["confirmation"].back == path(job)


def test_draft_is_discarded_with_its_file(
    operator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    job = stages.draft()
    stored_as = job.file.stored_as

    with django_capture_on_commit_callbacks(execute=True):
        page = operator.post(path(job, "discard/"), follow=True)

    assert "Draft discarded." in page.text
    assert Job.objects.count() == 0
    assert File.objects.count() == 0
    assert not default_storage.exists(stored_as)


# Check


def test_check_says_nothing_when_nothing_is_new_and_ends(operator: Client) -> None:
    job = stages.draft()
    stages.changed(job, state=JobState.CHECKING, version=7)
    address = re.findall(r'hx-get="([^"]+)"', operator.get(path(job, "check/")).text)

    unchanged = operator.get(address[0], headers=HTMX)
    stages.changed(job, version=8, rows_checked=2)
    further = operator.get(address[0], headers=HTMX)
    stages.changed(job, version=9, state=JobState.READY, rows=3)
    over = operator.get(address[0], headers=HTMX)

    assert address == [path(job, "check/progress/?v=7")]
    assert [unchanged.status_code, further.status_code, over.status_code] == [
        204,
        200,
        200,
    ]
    assert re.findall(r'hx-trigger="([^"]+)"', further.text) == ["every 1s"]
    assert "2 of 3 rows." in further.text
    assert "hx-" not in over.text


def test_poll_of_a_draft_that_was_launched_leads_to_the_job(operator: Client) -> None:
    job = stages.planned()

    polls = [
        operator.get(path(job, step), headers=HTMX)
        for step in ("file/", "check/progress/")
    ]

    assert [(poll.status_code, poll["HX-Redirect"]) for poll in polls] == [
        (200, f"/jobs/{job.code}/")
    ] * 2
    assert operator.get(path(job, "check/"))["Location"] == f"/jobs/{job.code}/"


def test_check_shows_problems_by_cause(operator: Client) -> None:
    job = stages.checked()

    answer = operator.get(path(job, "check/"))

    causes = answer.context["causes"]
    assert [(cause.column, cause.count, cause.sample_rows) for cause in causes] == [
        ("price", 1, [4])
    ]
    assert "1 of 3 rows is invalid" in " ".join(answer.text.split())
    assert f'href="/jobs/{job.code}/problems.csv"' in answer.text


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("skip", "skip"), ("stop", "stop"), ("nonsense", "stop"), ("", "stop")],
)
def test_person_decides_about_rows_with_problems(
    operator: Client, choice: str, kept: str
) -> None:
    job = stages.checked()

    answer = operator.post(path(job, "check/"), {"invalid": choice})

    assert answer["Location"] == path(job, "compare/")
    assert Job.objects.get().options["invalid"] == kept


def test_decision_before_the_check_is_refused(operator: Client) -> None:
    page = operator.post(
        path(stages.draft(), "check/"), {"invalid": "skip"}, follow=True
    )

    assert "This job must be checked first." in page.text


def test_check_begins_again(operator: Client) -> None:
    job = stages.draft(reason="The fields have changed.")
    before = operator.get(path(job, "check/")).text

    again = operator.post(path(job, "check/again/"))

    assert "The fields have changed." in before
    assert again["Location"] == path(job, "check/")
    assert Job.objects.get().state == JobState.CHECKING
    assert (
        "This job is being checked"
        in operator.post(path(job, "check/again/"), follow=True).text
    )


def test_check_is_cancelled(operator: Client) -> None:
    job = stages.draft()
    operator.post(path(job, "check/again/"))
    button = f'action="{path(job, "check/cancel/")}"'
    checking = operator.get(path(job, "check/")).text

    answer = operator.post(path(job, "check/cancel/"), follow=True)

    assert button in checking
    assert button not in answer.text
    assert "The check was cancelled." in answer.text
    assert "Check rows" in answer.text
    assert Job.objects.get().state == JobState.DRAFT


def test_check_that_has_ended_is_not_cancelled(operator: Client) -> None:
    job = stages.checked()

    answer = operator.post(path(job, "check/cancel/"), follow=True)

    assert "This job is no longer being checked." in answer.text
    assert Job.objects.get().state == JobState.READY


# Review and launch


def test_review_says_what_will_be_done(operator: Client) -> None:
    text = operator.get(path(stages.checked(), "review/")).text

    assert "Create or update 2 gadget records, matched by External ID" in text
    assert "2 rows in 1 batch" in text
    assert "1 invalid row will not be sent" in text
    assert "Can be undone only if you keep what the records hold, below" in text
    assert "Object triggers in Zendesk may run for these records" in text
    assert "Launch 2 rows" in text


def test_review_of_a_delete_job_speaks_of_deleting(operator: Client) -> None:
    job = stages.checked(action=Action.DELETE_BY_EXTERNAL_ID)

    text = operator.get(path(job, "review/")).text

    assert "Safe to run again: rows whose record was already deleted will fail" in text
    assert "Can be undone only if you keep what the records hold, below" in text
    assert "Object triggers" not in text


MANY = "external_id\n" + "".join(f"g-{n}\n" for n in range(1, 202))


def test_review_asks_how_to_start_where_there_is_more_than_one_batch(
    operator: Client,
) -> None:
    pages = [
        operator.get(path(stages.checked(content), "review/")).text
        for content in (stages.ROWS, MANY)
    ]

    starts = [
        re.findall(
            r'<input type="radio" name="start" value="(\w+)"[^>]*?( checked)?>', page
        )
        for page in pages
    ]
    assert starts == [[], [("all", " checked"), ("hold_after_first_batch", "")]]


def test_review_shows_the_present_run_settings(operator: Client) -> None:
    job = stages.checked(
        weight=Weight.LOW, stop_percent=5, stop_rows=500, stop_refusals=None
    )

    form = operator.get(path(job, "review/")).context["form"]

    rules = {
        name: form[name].value()
        for name in ("weight", "stop_percent", "stop_rows", "stop_refusals")
    }
    assert rules == {
        "weight": Weight.LOW,
        "stop_percent": 5,
        "stop_rows": 500,
        "stop_refusals": None,
    }


@pytest.mark.parametrize(
    ("fields", "hold_after_first_batch", "rules"),
    [
        ({}, False, RunSettings()),
        (
            {
                "start": "all",
                "weight": "16",
                "stop_percent": "",
                "stop_rows": "",
                "stop_refusals": "",
            },
            False,
            RunSettings(Weight.HIGH),
        ),
        (
            {
                "start": "hold_after_first_batch",
                "weight": "1",
                "stop_percent": "5",
                "stop_rows": "500",
                "stop_refusals": "3",
            },
            True,
            RunSettings(Weight.LOW, stop_percent=5, stop_rows=500, stop_refusals=3),
        ),
    ],
)
def test_job_is_launched_as_it_is_to_run(
    ana: User,
    harness: Harness,
    fields: dict[str, str],
    hold_after_first_batch: bool,
    rules: RunSettings,
) -> None:
    harness.object()
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)

    signed_in(ana).post(path(job, "launch/"), fields)

    job.refresh_from_db()
    assert job.state == JobState.QUEUED
    assert job.hold_after_first_batch == hold_after_first_batch
    assert job.run_settings == rules


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"stop_percent": "0"}, ["stop_percent"]),
        ({"stop_percent": "101", "stop_rows": "-1"}, ["stop_percent", "stop_rows"]),
        ({"stop_refusals": "many"}, ["stop_refusals"]),
        ({"weight": "5"}, ["weight"]),
        ({"start": "never"}, ["start"]),
    ],
)
def test_launch_with_invalid_run_settings_is_asked_again(
    operator: Client, fields: dict[str, str], wrong: list[str]
) -> None:
    job = stages.checked(MANY)

    answer = operator.post(path(job, "launch/"), fields)

    assert answer.status_code == 200
    assert sorted(answer.context["form"].errors) == wrong
    assert Job.objects.get(pk=job.pk).state == JobState.READY


def test_review_before_the_check_leads_back(operator: Client) -> None:
    job = stages.draft()

    assert operator.get(path(job, "review/"))["Location"] == path(job, "check/")


@pytest.mark.parametrize("step", ["check/", "review/"])
def test_invalid_rows_can_be_fixed_or_skipped(operator: Client, step: str) -> None:
    job = stages.checked()
    drafts.set_invalid_rows(job, "stop", by=None)

    text = " ".join(operator.get(path(job, step)).text.split())

    assert f'action="{path(job, "replace-file/")}"' in text
    assert "Upload corrected file" in text
    assert "Skip and send 2<" in text
    assert path(job, "launch/") not in text


def test_skipping_invalid_rows_of_a_create_leads_to_the_launch(
    operator: Client,
) -> None:
    job = stages.checked(
        "name,serial,price\nOne,AB-000001,1\nTwo,AB-000002,x\n", Action.CREATE
    )
    drafts.set_invalid_rows(job, "stop", by=None)

    page = operator.post(path(job, "check/"), {"invalid": "skip"}, follow=True)

    assert path(job, "launch/") in page.text
    assert "1 invalid row will not be sent" in page.text


def test_file_of_invalid_rows_alone_can_only_be_fixed(operator: Client) -> None:
    job = stages.checked("external_id,price\ng-1,x\n")

    text = operator.get(path(job, "check/")).text

    assert "Every row is invalid, so there is nothing to send." in text
    assert "Skip and send" not in text


def test_launching_twice_makes_one_job(ana: User, harness: Harness) -> None:
    operator = signed_in(ana)
    harness.object()
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)

    first, second = (
        operator.post(path(job, "launch/")),
        operator.post(path(job, "launch/")),
    )
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert [answer["Location"] for answer in (first, second)] == [
        f"/jobs/{job.code}/"
    ] * 2
    assert job.state == JobState.COMPLETED
    assert job.created_or_updated == 3
    assert Job.objects.count() == 1
    assert harness.sandbox.applied("gadget") == {"g-1": 1, "g-2": 1, "g-3": 1}
    assert job.events.filter(kind=EventKind.LAUNCHED).count() == 1


def test_delete_asks_for_the_number(ana: User, harness: Harness) -> None:
    operator = signed_in(ana)
    harness.object()
    rows = gadgets(3)
    harness.sandbox.add_records(
        "gadget",
        [
            {
                "external_id": row["external_id"],
                "name": row["name"],
                "custom_object_fields": {"serial": row["serial"]},
            }
            for row in rows
        ],
    )
    ids = [{"external_id": row["external_id"]} for row in rows]
    job = harness.checked(ids, Action.DELETE_BY_EXTERNAL_ID)

    refused = [
        operator.post(path(job, "launch/"), {"confirm": typed})
        for typed in ("", "2", "30", "three", "3.0")
    ]
    untouched = (Job.objects.get().state, len(harness.records()))
    launched = operator.post(path(job, "launch/"), {"confirm": " 3 "})
    harness.task_queue.run_all()

    assert ["Type 3 to delete 3 records." in answer.text for answer in refused] == [
        True
    ] * 5
    assert untouched == (JobState.READY, 3)
    assert launched["Location"] == f"/jobs/{job.code}/"
    assert harness.records() == {}


def test_launch_after_the_fields_changed_goes_back_to_the_check(
    ana: User, harness: Harness
) -> None:
    operator = signed_in(ana)
    thing = harness.object()
    job = harness.checked(gadgets(1), Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.make_object(
        thing.key, fields=[{"key": "serial", "title": "Serial", "type": "integer"}]
    )

    answer = operator.post(path(job, "launch/"))

    job.refresh_from_db()
    assert answer["Location"] == path(job, "check/")
    assert job.state == JobState.DRAFT
    assert harness.sandbox.jobs() == []
    assert (
        "have changed since the check. Check again."
        in operator.get(path(job, "check/")).text
    )


def test_launch_that_cannot_reach_zendesk_says_so(operator: Client) -> None:
    job = stages.checked()

    page = operator.post(path(job, "launch/"), follow=True)

    assert (
        "The object&#x27;s fields could not be refreshed before the launch."
        in page.text
    )
    assert Job.objects.get().state == JobState.READY


def test_launch_without_a_check_is_refused(operator: Client) -> None:
    page = operator.post(path(stages.draft(), "launch/"), follow=True)

    assert "Check this job first." in page.text
    assert Job.objects.get().state == JobState.DRAFT


# Somebody else was first


@pytest.mark.parametrize(
    ("name", "step", "fields"),
    [
        ("set_target", "layout/", {"delimiter": ";"}),
        ("discard", "discard/", {}),
        ("set_target", "", {"action": "update"}),
    ],
)
def test_draft_that_is_launched_meanwhile_is_left_alone(
    operator: Client,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    step: str,
    fields: dict[str, str],
) -> None:
    job = stages.checked()
    launched_meanwhile(monkeypatch, name)

    answer = operator.post(
        path(job, step), fields | {"object": stages.gadget().pk}, follow=True
    )

    after = Job.objects.get(pk=job.pk)
    assert answer.status_code == 200
    assert "This job was already launched. It" in answer.text
    assert after.state == JobState.QUEUED
    assert after.mapping == job.mapping
    assert after.file.state == FileState.READY


@pytest.mark.parametrize(
    "step",
    [
        "",
        "layout/",
        "map/",
        "check/",
        "check/again/",
        "check/cancel/",
        "launch/",
        "discard/",
        "review/",
    ],
)
def test_draft_that_was_launched_is_a_job(operator: Client, step: str) -> None:
    job = stages.planned()

    send = operator.get if step == "review/" else operator.post
    answer = send(path(job, step))

    assert answer.status_code == 302
    assert answer["Location"] == f"/jobs/{job.code}/"
    assert Job.objects.get().state == JobState.QUEUED


def test_file_settings_of_a_launched_job_are_refused() -> None:
    with pytest.raises(NotPossibleNow, match="launched"):
        drafts.set_file_settings(stages.planned(), by=None, delimiter=";")


def test_retry_shows_its_own_rows_and_not_those_of_the_file(operator: Client) -> None:
    job = stages.settled("external_id\ng-1\ng-2\ng-3\n", stages.failed())
    child = retries.create_retry(job, by=None)

    page = operator.get(path(child, "check/"))

    assert "0 of 1 row." in " ".join(page.text.split())


def test_check_counts_rows_and_the_problems_in_them(operator: Client) -> None:
    job = stages.checked("external_id,price\n,x\ng-2,y\n")

    page = " ".join(operator.get(path(job, "check/")).text.split())

    assert "2 of 2 rows are invalid" in page
    assert "3 problems in 2 rows" in page
