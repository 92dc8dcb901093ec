"""The history of a record."""

from datetime import datetime

import pytest
from django.test import Client

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, comparisons
from jobsui.jobs.enums import Action
from jobsui.jobs.live import history_index
from jobsui.jobs.models import Job
from jobsui.jobs.reports import record_history
from tests.harness import Harness, gadgets
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db
transactional = pytest.mark.django_db(transaction=True)
UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def path(custom_object: CustomObject, key: str = "") -> str:
    return f"/objects/{custom_object.pk}/records/?key={key}"


def indexed(job: Job) -> Job:
    history_index.add(job)
    return Job.objects.get(pk=job.pk)


def changed(harness: Harness, price: str) -> Job:
    """A compared job that has changed the price of a record."""
    job = harness.checked([{"external_id": "g-1", "price": price}], UPSERT)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    return indexed(job)


def test_page_asks_for_a_key(operator: Client) -> None:
    gadget = stages.gadget()

    text = visible(operator.get(path(gadget)).text)

    assert "Enter the ID of a record" in text
    assert "In Zendesk now" not in text


def test_object_leads_to_its_records(operator: Client) -> None:
    gadget = stages.gadget()

    page = operator.get(f"/objects/{gadget.pk}/").text

    assert f'href="/objects/{gadget.pk}/records/"' in page


def test_account_that_cannot_be_read_is_reported(operator: Client) -> None:
    gadget = stages.gadget()

    text = visible(operator.get(path(gadget, "g-1")).text)

    assert "The record could not be read." in text
    assert "No job has touched this record" in text


def test_job_leads_to_the_history_of_a_record(operator: Client) -> None:
    job = stages.settled()
    gadget = CustomObject.objects.get()

    batch = operator.get(f"/jobs/{job.code}/batches/1/").text
    answer = operator.get(f"/jobs/{job.code}/record/?key=01REC")

    assert f"/jobs/{job.code}/record/?key=01REC" in batch
    assert answer["Location"] == path(gadget, "01REC")


@transactional
@pytest.mark.parametrize("by", ["id", "external_id"])
def test_jobs_and_present_values_are_shown(
    operator: Client, harness: Harness, by: str
) -> None:
    gadget = harness.object()
    made = indexed(harness.run(gadgets(2), Action.CREATE))
    later = changed(harness, "100")
    record = harness.records()["g-1"]

    answer = operator.get(path(gadget, record[by]))

    seen = [
        (line.touch.job, line.touch.row, line.has_old)
        for line in answer.context["lines"]
    ]
    assert seen == [(later, 2, True), (made, 2, False)]
    first = answer.context["lines"][0]
    values = [(label, each.old, each.new) for label, each in first.values]
    assert values == [("Price", "1.5", "100")]
    assert ("Price", "100") in answer.context["now"].values
    changed_at = datetime.fromisoformat(record["updated_at"])
    text = visible(answer.text)
    assert f"Record {record['id']}" in text
    assert f"last changed {changed_at:%-d %b %Y, %H:%M UTC}" in text


@transactional
def test_unknown_record_has_no_history(operator: Client, harness: Harness) -> None:
    gadget = harness.object()

    text = visible(operator.get(path(gadget, "g-9")).text)

    assert "No record has this ID" in text
    assert "No job has touched this record" in text


@transactional
def test_long_history_has_pages(
    operator: Client, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_history, "SIZE", 2)
    gadget = harness.object()
    indexed(harness.run(gadgets(1), Action.CREATE))
    jobs = [changed(harness, price) for price in ("10", "20", "30")]

    newest = operator.get(path(gadget, "g-1"))
    older = operator.get(f"{path(gadget, 'g-1')}&after={newest.context['older']}")

    first = [line.touch.job for line in newest.context["lines"]]
    assert first == [jobs[2], jobs[1]]
    assert older.context["lines"][0].touch.job == jobs[0]
    assert len(older.context["lines"]) == 2
    assert older.context["older"] == ""
