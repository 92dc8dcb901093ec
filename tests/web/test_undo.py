"""Undoing a job: its question, its plan, and what it has put back."""

from typing import Any

import pytest
import requests
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from jobsui.jobs.control import actions, comparisons, undo
from jobsui.jobs.enums import Action, JobState, ReadState
from jobsui.jobs.live import history_index
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.reports import record_keys
from tests.harness import Harness, gadgets
from tests.web import stages
from tests.web.pages import buttons, counters, visible

pytestmark = pytest.mark.django_db
transactional = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def path(job: Job, page: str = "undo-plan/") -> str:
    return f"/jobs/{job.code}/{page}"


def ended(harness: Harness, job: Job) -> Job:
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    history_index.add(job)
    return Job.objects.get(pk=job.pk)


def updated(harness: Harness, count: int = 3) -> Job:
    """A compared job that has changed the prices of some records."""
    harness.object()
    ended(harness, harness.checked(gadgets(count), Action.CREATE))
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in range(1, count + 1)]
    job = harness.checked(rows, UPSERT)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return ended(harness, job)


def edit(harness: Harness, key: str, **fields: Any) -> None:
    """As another program would."""
    record_id = harness.records()[key]["id"]
    url = f"{harness.sandbox.url}/api/v2/custom_objects/gadget/records/{record_id}"
    signed_in = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    body = {"custom_object_record": {"custom_object_fields": fields}}
    requests.patch(url, json=body, auth=signed_in, timeout=10)


def planned(harness: Harness, job: Job) -> Job:
    draft = undo.create(job, by=None)
    harness.task_queue.run_all()
    return draft


def lines(client: Client, address: str) -> list[tuple[int, list[tuple[str, str]], str]]:
    """(row, its old and new values, reason) of the list that a page shows."""
    return [
        (
            line.grid.row.row,
            [(value.old, value.new) for _, value in line.grid.values],
            " ".join(map(str, line.reasons)),
        )
        for line in client.get(address).context["lines"]
    ]


def test_question_says_what_an_undo_puts_back(operator: Client) -> None:
    job = stages.changed(
        stages.settled(),
        created=1,
        updated=0,
        created_or_updated=1,
    )

    text = visible(operator.get(path(job, "undo/")).text)

    assert "Created records (1) are deleted, unless they were changed since." in text
    assert "1 row cannot be undone. What their records held before was not kept" in text
    assert "Zendesk runs its triggers again" in text


def test_job_that_runs_is_not_undone(operator: Client) -> None:
    job = stages.planned()

    page = operator.get(path(job, ""))
    question = operator.get(path(job, "undo/"))
    answer = operator.post(path(job, "undo/"), follow=True)

    assert path(job, "undo/") not in page.text
    assert question["Location"] == path(job, "")
    assert "Only a job that has ended can be undone." in answer.text


def test_undo_opens_its_plan(operator: Client) -> None:
    job = stages.settled()

    answer = operator.post(path(job, "undo/"))

    draft = job.retries.get()
    assert answer["Location"] == path(draft)
    assert operator.get(f"/jobs/new/{draft.code}/map/")["Location"] == path(draft)


def test_progress_is_shown_until_there_is_nothing_new(operator: Client) -> None:
    draft = undo.create(stages.settled(), by=None)
    RecordRead.objects.update(
        state=ReadState.READING, pages_total=1_200, pages_read=300, version=7
    )
    read = RecordRead.objects.get()
    seen = path(draft, f"undo-plan/progress/?v={read.pk}-7")

    text = visible(operator.get(path(draft)).text)
    unchanged = operator.get(seen, headers=HTMX)
    RecordRead.objects.update(pages_read=301, version=8)
    changed = operator.get(seen, headers=HTMX)

    assert "300 of 1,200 pages of up to 100 rows read" in text
    assert "Launch undo" not in text
    assert unchanged.status_code == 204
    assert "301 of 1,200 pages" in visible(changed.text)


def test_records_that_cannot_be_read_are_read_again(operator: Client) -> None:
    draft = undo.create(stages.settled(), by=None)
    RecordRead.objects.update(state=ReadState.FAILED, reason="The token has expired.")

    text = visible(operator.get(path(draft)).text)
    operator.post(path(draft, "undo-plan/read-again/"))

    assert "The records could not be read. The token has expired." in text
    assert RecordRead.objects.get().state == ReadState.DIVIDING


def test_undo_is_discarded(operator: Client) -> None:
    draft = undo.create(stages.settled(), by=None)

    question = operator.get(f"/jobs/new/{draft.code}/discard/").text
    operator.post(f"/jobs/new/{draft.code}/discard/")

    assert "Nothing changes in Zendesk." in question
    assert f'href="{path(draft)}"' in question
    assert not Job.objects.filter(pk=draft.pk).exists()


@transactional
def test_plan_has_three_lists(operator: Client, harness: Harness) -> None:
    job = updated(harness)
    edit(harness, "g-2", price=77)
    draft = planned(harness, job)

    text = operator.get(path(draft)).text

    assert "Puts back 2 records: 2 to change" in visible(text)
    assert counters(text) == {
        "will be put back": "2",
        "kept because changed since": "1",
        "cannot be undone": "0",
    }
    assert "Launch undo" in buttons(text)
    assert lines(operator, path(draft)) == [
        (2, [("100", "1.5")], ""),
        (4, [("100", "3.5")], ""),
    ]
    [(row, values, reason)] = lines(operator, path(draft, "undo-plan/?list=kept"))
    assert (row, values) == (3, [])
    assert reason.startswith("Changed since")
    assert lines(operator, path(draft, "undo-plan/?list=impossible")) == []


def keys(client: Client, address: str) -> list[tuple[int, str]]:
    """(row, key) of the list that a page shows."""
    shown = client.get(address)
    rows = [line.grid.row for line in shown.context["lines"]]
    assert all(f'data-label="Key">{row.key}<' in shown.text for row in rows)
    return [(row.row, row.key) for row in rows]


@transactional
def test_rows_have_the_keys_of_the_file(operator: Client, harness: Harness) -> None:
    """Although the compared job has sent record IDs, and its undo, too."""
    job = updated(harness)
    edit(harness, "g-2", price=77)
    draft = planned(harness, job)

    before = keys(operator, path(draft))
    kept = keys(operator, path(draft, "undo-plan/?list=kept"))
    second = planned(harness, ended(harness, draft))

    assert before == [(2, "g-1"), (4, "g-3")]
    assert kept == [(3, "g-2")]
    assert keys(operator, path(draft, "")) == before
    assert keys(operator, path(second)) == before


@transactional
def test_rows_of_a_job_without_comparison_have_their_keys(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = ended(harness, harness.checked(gadgets(2), Action.CREATE))

    draft = planned(harness, job)

    assert keys(operator, path(draft)) == [(2, "g-1"), (3, "g-2")]


@transactional
def test_keys_are_found_with_three_queries_however_far_apart_the_rows_are(
    harness: Harness, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = updated(harness, 250)

    with django_assert_num_queries(3):
        found = record_keys.of_rows(job, [2, 150, 251])

    assert [found[row] for row in (2, 150, 251)] == ["g-1", "g-149", "g-250"]


@transactional
def test_launched_undo_shows_what_it_has_put_back(
    operator: Client, harness: Harness
) -> None:
    job = updated(harness)
    edit(harness, "g-2", price=77)
    draft = planned(harness, job)

    answer = operator.post(path(draft, "undo-plan/launch/"), {"start": "all"})
    harness.task_queue.run_all()

    page = operator.get(path(draft, "")).text
    assert answer["Location"] == path(draft, "")
    assert Job.objects.get(pk=draft.pk).state == JobState.COMPLETED
    assert "Put back 2 records: 2 changed" in visible(page)
    assert counters(page)["updated"] == "2"
    assert "Undo of 3 rows of the job of" in visible(page)
    assert "Retry" not in visible(page)
    assert [row for row, _, _ in lines(operator, path(draft, ""))] == [2, 4]
    assert [row for row, _, _ in lines(operator, path(draft, "?list=kept"))] == [3]
    assert "Undo of 3 rows, completed" in visible(operator.get(path(job, "")).text)


@transactional
def test_what_cannot_be_undone_says_why(operator: Client, harness: Harness) -> None:
    harness.object()
    ended(harness, harness.checked(gadgets(1), Action.CREATE))
    rows = [{"external_id": "g-1", "price": "100"}]
    draft = planned(harness, ended(harness, harness.checked(rows, UPSERT)))

    text = operator.get(path(draft)).text
    reasons = [reason for _, _, reason in lines(operator, path(draft))]
    actions.launch(draft, by=None)
    harness.task_queue.run_all()

    assert "Puts back no record" in text
    assert "Launch undo" not in text
    assert "What the record held before was not kept." in reasons[0]
    assert [reason for _, _, reason in lines(operator, path(draft, ""))] == reasons


@transactional
def test_deletions_are_confirmed_by_their_number(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = ended(harness, harness.checked(gadgets(2), Action.CREATE))
    draft = planned(harness, job)
    launch = path(draft, "undo-plan/launch/")

    refused = operator.post(launch, {"start": "all", "confirm": "1"})
    operator.post(launch, {"start": "all", "confirm": "2"})
    harness.task_queue.run_all()

    assert "Type 2 to delete 2 records." in refused.text
    assert harness.records() == {}


@transactional
def test_undo_of_an_undo_has_the_same_button(
    operator: Client, harness: Harness
) -> None:
    undone = ended(harness, planned(harness, updated(harness, 1)))

    page = operator.get(path(undone, "")).text
    operator.post(path(undone, "undo/"))
    harness.task_queue.run_all()

    assert path(undone, "undo/") in page
    again = undone.retries.get()
    assert lines(operator, path(again)) == [(2, [("1.5", "100")], "")]


@transactional
def test_plan_that_a_later_job_outdates_is_not_launched(
    operator: Client, harness: Harness
) -> None:
    draft = planned(harness, updated(harness, 1))
    rows = [{"external_id": "g-1", "price": "7"}]
    actions.launch(harness.checked(rows, UPSERT), by=None)

    page = operator.get(path(draft)).text
    answer = operator.post(path(draft, "undo-plan/launch/"), follow=True)

    assert "Another job of this object has not ended." in visible(page)
    assert "Launch undo" not in buttons(page)
    assert "Another job of this object has not ended." in visible(answer.text)


@transactional
def test_long_plan_has_pages(operator: Client, harness: Harness) -> None:
    draft = planned(harness, updated(harness, 120))

    shown: list[int] = []
    query = ""
    while True:
        answer = operator.get(f"{path(draft)}{query}")
        shown += [line.grid.row.row for line in answer.context["lines"]]
        if not answer.context["older"]:
            break
        query = f"?list=restored&after={answer.context['older']}"

    assert shown == list(range(2, 122))


def two_fields(harness: Harness) -> Job:
    """A compared job that has changed the price of two records, and the name of one."""
    harness.object()
    ended(harness, harness.checked(gadgets(2), Action.CREATE))
    rows = [
        {"external_id": "g-1", "name": "New 1", "price": "100"},
        {"external_id": "g-2", "name": "Gadget 2", "price": "100"},
    ]
    job = harness.checked(rows, UPSERT)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return ended(harness, job)


@transactional
def test_question_offers_the_fields_that_the_job_changed(
    operator: Client, harness: Harness
) -> None:
    job = two_fields(harness)

    text = visible(operator.get(path(job, "undo/")).text)

    assert "Price 2 values changed" in text
    assert "Name 1 value changed" in text


@transactional
def test_chosen_rows_and_fields_are_planned(operator: Client, harness: Harness) -> None:
    job = two_fields(harness)

    operator.post(path(job, "undo/"), {"chosen": "1", "rows": "2", "field": ["name"]})
    harness.task_queue.run_all()

    draft = job.retries.get()
    text = visible(operator.get(path(draft)).text)
    assert lines(operator, path(draft)) == [(2, [("New 1", "Gadget 1")], "")]
    assert "Only the rows 2 are undone." in text
    assert "Name 1 value changed, 1 put back" in text


@transactional
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            {"rows": "two", "field": ["name"]},
            "“two” is neither a row number nor a range such as 2-500.",
        ),
        ({"rows": ""}, "Choose at least one field."),
    ],
)
def test_choice_that_is_not_possible_is_asked_again(
    operator: Client, harness: Harness, sent: dict[str, Any], message: str
) -> None:
    job = two_fields(harness)

    answer = operator.post(path(job, "undo/"), {"chosen": "1", **sent})

    assert message in visible(answer.text)
    assert not job.retries.exists()


@transactional
def test_undo_is_planned_again_with_other_fields(
    operator: Client, harness: Harness
) -> None:
    draft = planned(harness, two_fields(harness))
    fields = path(draft, "undo-plan/fields/")
    both = ["name", "custom_object_fields.price"]

    operator.post(fields, {"chosen": "1", "field": both[:1]})
    harness.task_queue.run_all()
    narrowed = lines(operator, path(draft))
    operator.post(fields, {"chosen": "1", "field": both})
    harness.task_queue.run_all()

    assert narrowed == [(2, [("New 1", "Gadget 1")], "")]
    assert [row for row, _, _ in lines(operator, path(draft))] == [2, 3]
    draft.refresh_from_db()
    assert draft.rows == 2


@transactional
def test_rows_of_a_plan_are_left_out(operator: Client, harness: Harness) -> None:
    harness.object()
    job = ended(harness, harness.checked(gadgets(3), Action.CREATE))
    draft = planned(harness, job)

    answer = operator.post(
        path(draft, "undo-plan/rows/"),
        {"shown": ["2", "3", "4"], "row": ["2", "4"]},
        headers=HTMX,
    )
    operator.post(path(draft, "undo-plan/launch/"), {"start": "all", "confirm": "2"})
    harness.task_queue.run_all()

    assert "Puts back 2 records: 2 to delete" in visible(answer.text)
    assert "Type 2 to delete 2 records" in visible(answer.text)
    assert sorted(harness.records()) == ["g-2"]
    page = operator.get(path(draft, "")).text
    assert counters(page)["left out"] == "1"


@transactional
def test_kept_rows_link_to_the_later_job(operator: Client, harness: Harness) -> None:
    first = updated(harness, 1)
    rows = [{"external_id": "g-1", "price": "200"}]
    later = harness.checked(rows, UPSERT)
    comparisons.start(later, by=None)
    harness.task_queue.run_all()
    later = ended(harness, later)
    draft = planned(harness, first)

    page = operator.get(path(draft, "undo-plan/?list=kept")).text

    assert f'<a href="/jobs/{later.code}/">rows.csv, launched ' in page
    assert "Price is kept: a later job (" in page


def test_ticked_rows_of_a_batch_are_asked_for(operator: Client) -> None:
    job = stages.settled()

    page = operator.get(path(job, "undo/?row=2&row=3&row=9"))

    assert 'value="2-3, 9"' in page.text
