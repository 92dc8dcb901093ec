"""Saving a mapping, and the job of the next file with it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobsui.jobs.control import automation, saved_mappings
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Cause, File, Job, SavedMapping
from tests.conftest import TaskQueue
from tests.factories import make_file
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
NEXT = b"external_id,name,serial,price\ng-7,Drill,AB-000007,7\ng-8,Saw,AB-000008,8\n"
INVALID = NEXT.replace(b",8\n", b",dear\n")
INCOMPLETE = NEXT.replace(b"Saw", b"")
"""Zendesk refuses the row without a name if it is a new record."""
LACKING = NEXT.replace(b"price", b"cost")


def path(job: Job, step: str = "") -> str:
    return f"/jobs/new/{job.code}/{step}"


def saved(job: Job | None = None) -> SavedMapping:
    return saved_mappings.save(job or stages.draft(), "Monthly", by=None)


def upload(content: bytes = NEXT) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("november.csv", content)}


def test_draft_and_job_save_their_mapping(operator: Client, ana: User) -> None:
    draft = stages.draft()
    job = stages.settled()
    address = f"/jobs/{job.code}/save-mapping/"

    first = operator.post(
        f"/jobs/{draft.code}/save-mapping/?from=review", {"name": "Monthly"}
    )
    offered = operator.get(address).text
    second = operator.post(address, {"name": "Monthly"}, follow=True)

    mapping = SavedMapping.objects.get()
    assert first["Location"] == path(draft, "review/")
    assert mapping.created_by == ana
    assert "<option>Monthly</option>" in offered
    assert "Mapping saved as “Monthly”, version 1." in second.text
    assert f'href="/mappings/{mapping.pk}/"' in second.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "This field is required."),
        ("x" * 101, "Ensure this value has at most 100 characters"),
    ],
)
def test_name_of_a_mapping_is_checked(
    operator: Client, name: str, sentence: str
) -> None:
    address = f"/jobs/{stages.draft().code}/save-mapping/"

    text = operator.post(address, {"name": name}).text

    assert sentence in text
    assert not SavedMapping.objects.exists()


def test_mapping_page_saves_its_form_first(operator: Client) -> None:
    job = stages.draft()

    answer = operator.post(
        path(job, "map/"),
        {"source_external_id": "external_id", "blank": "skip", "then": "save_mapping"},
    )

    job.refresh_from_db()
    assert answer["Location"] == f"/jobs/{job.code}/save-mapping/"
    assert job.mapping == {"external_id": "external_id"}
    assert job.state == JobState.DRAFT


def test_mappings_of_an_object_are_listed(operator: Client) -> None:
    thing = stages.gadget()
    empty = visible(operator.get(f"/objects/{thing.pk}/mappings/").text)
    mapping = saved()
    Job.objects.update(mapping={"external_id": "external_id"})
    newest = saved(Job.objects.get())

    listed = operator.get(f"/objects/{thing.pk}/mappings/").text
    shown = visible(operator.get(f"/mappings/{mapping.pk}/").text)

    assert "No saved mappings yet" in empty
    assert f'href="/mappings/{newest.pk}/"' in listed
    assert f'href="/mappings/{mapping.pk}/"' not in listed
    assert "external_id External ID price Price" in shown
    assert "Version 2" in shown


def test_mapping_is_deleted_after_a_question(operator: Client) -> None:
    mapping = saved()
    address = f"/mappings/{mapping.pk}/delete/"

    question = visible(operator.get(address).text)
    answer = operator.post(address)

    assert "1 version of it will be deleted." in question
    assert answer["Location"] == f"/objects/{stages.gadget().pk}/mappings/"
    assert not SavedMapping.objects.exists()
    assert Job.objects.get().mapping


def test_new_job_offers_saved_mappings(operator: Client) -> None:
    stages.gadget()
    without = operator.get("/jobs/new/").text
    mapping = saved()

    text = operator.get("/jobs/new/").text
    chosen = operator.get(f"/jobs/new/?mapping={mapping.pk}")

    assert "Saved mapping" not in without
    assert "Monthly, version 1 · Acme · gadget" in text
    assert chosen["Location"] == f"/mappings/{mapping.pk}/new-job/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "step"),
    [
        (NEXT, "review/"),
        (INCOMPLETE, "check/"),
        (INVALID, "check/"),
        (LACKING, "map/"),
        (b"\x89PNG", ""),
    ],
)
def test_next_file_leads_to_the_step_that_needs_a_person(
    operator: Client, ana: User, task_queue: TaskQueue, content: bytes, step: str
) -> None:
    mapping = saved(stages.draft(NEXT.decode()))

    answer = operator.post(f"/mappings/{mapping.pk}/new-job/", upload(content))
    job = Job.objects.latest("pk")
    before = operator.get(answer["Location"])
    task_queue.run_all()
    after = operator.get(answer["Location"], follow=True)

    assert answer["Location"] == f"{path(job)}?follow=1"
    assert job.created_by == ana
    assert "Then every row is checked with “Monthly”, version 1" in before.text
    assert after.request["PATH_INFO"] == path(job, step)
    assert "Mapping november.csv" not in after.text


@pytest.mark.django_db(transaction=True)
def test_page_follows_the_next_file(operator: Client, task_queue: TaskQueue) -> None:
    mapping = saved()
    answer = operator.post(f"/mappings/{mapping.pk}/new-job/", upload(), headers=HTMX)
    job = Job.objects.latest("pk")
    poll = path(job, "file/?v=reading-0-automatic")

    waiting = operator.get(poll, headers=HTMX)
    task_queue.run_all()
    ready = operator.get(poll, headers=HTMX)

    assert answer["HX-Redirect"] == f"{path(job)}?follow=1"
    assert waiting.status_code == 204
    assert ready["HX-Redirect"] == path(job, "check/?follow=1")


def test_page_follows_a_file_that_is_read_again(operator: Client) -> None:
    job = stages.draft(mapping={}, auto_target=JobState.READY, saved_mapping=saved())
    File.objects.update(
        state="rejected", proposals=[{"encoding": "cp1252", "rows": [], "texts": []}]
    )

    text = operator.get(path(job)).text

    assert 'hx-trigger="' in text
    assert "Which encoding" not in text
    assert "file/?v=rejected-0-automatic" in text


@pytest.mark.django_db(transaction=True)
def test_draft_goes_on_once_its_encoding_is_chosen(
    operator: Client, task_queue: TaskQueue
) -> None:
    mapping = saved()
    content = "external_id,price,note\ng-1,1,Größe\n".encode("cp1252")
    operator.post(f"/mappings/{mapping.pk}/new-job/", upload(content))
    task_queue.run_all()
    job = Job.objects.latest("pk")
    asked = operator.get(path(job)).text

    chosen = operator.post(path(job, "layout/"), {"encoding": "cp1252"}, headers=HTMX)
    task_queue.run_all()

    job.refresh_from_db()
    assert "Which encoding does november.csv have?" in asked
    assert "Then every row is checked with “Monthly”, version 1" in chosen.text
    assert job.state == JobState.READY


def test_check_of_a_repeat_without_problems_leads_to_the_review(
    operator: Client,
) -> None:
    job = stages.checked(NEXT.decode(), saved_mapping=saved())
    poll = path(job, "check/progress/?v=0")

    clean = operator.get(poll, headers=HTMX)
    Cause.objects.create(job=job, phase=Cause.Phase.CHECK, count=1, message="Odd.")
    with_warning = operator.get(poll, headers=HTMX)

    assert clean["HX-Redirect"] == path(job, "review/")
    assert with_warning.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_file_page_offers_mappings_that_fit(
    operator: Client, task_queue: TaskQueue
) -> None:
    mapping = saved()
    job = stages.draft("external_id,price,new\ng-1,1,x\n", mapping={})

    page = visible(operator.get(path(job)).text)
    answer = operator.post(path(job, "use-mapping/"), {"mapping": mapping.pk})
    task_queue.run_all()
    review = visible(operator.get(path(job, "review/")).text)

    job.refresh_from_db()
    assert "Use “Monthly”, version 1, and check" in page
    assert answer["Location"] == f"{path(job)}?follow=1"
    assert job.mapping == mapping.mapping
    assert "Mapped with the saved mapping Monthly, version 1 " in review
    assert "Not imported, and new since it was saved: “new”." in review


def test_differences_are_listed_where_they_are_reviewed(operator: Client) -> None:
    mapping = saved()
    thing = stages.gadget()
    thing.fields = [field for field in thing.fields if field["key"] != "price"]
    thing.save()
    job = stages.draft(mapping={}, saved_mapping=mapping)
    automation.advance(stages.changed(job, auto_target=JobState.READY))

    text = operator.get(path(job, "map/")).text
    upfront = operator.get(f"/mappings/{mapping.pk}/new-job/").text

    assert "<li>Price no longer exists in Zendesk.</li>" in text
    assert "must be reviewed" not in text
    assert "<li>Price no longer exists in Zendesk.</li>" in upfront


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "step", "text"),
    [
        (NEXT, "check/", "Checked 2 rows: no invalid rows"),
        (LACKING, "map/", "The file has no column"),
    ],
)
def test_corrected_file_is_checked_with_the_mapping(
    operator: Client, task_queue: TaskQueue, content: bytes, step: str, text: str
) -> None:
    job = stages.checked()

    answer = operator.post(path(job, "replace-file/"), upload(content))
    task_queue.run_all()
    page = operator.get(answer["Location"], follow=True)

    assert page.request["PATH_INFO"] == path(job, step)
    assert text in visible(page.text)


def test_mapping_for_another_object_is_refused(operator: Client) -> None:
    mapping = saved()
    job = stages.draft()
    Job.objects.filter(pk=job.pk).update(object_key="other")

    answer = operator.post(path(job, "use-mapping/"), {"mapping": mapping.pk})
    unknown = operator.post(path(job, "use-mapping/"), {"mapping": "x"})

    job.refresh_from_db()
    assert job.saved_mapping is None
    assert answer.status_code == 302
    assert unknown.status_code == 302


def test_file_with_other_columns_is_offered_nothing(operator: Client) -> None:
    saved()
    job = stages.draft()
    Job.objects.filter(pk=job.pk).update(file=make_file("a,b\n1,2\n"))

    assert "version 1, and check" not in operator.get(path(job)).text
