"""Whether a job has landed, on its page."""

import pytest
import requests
from django.test import Client

from jobsui.jobs.control import actions, comparisons, proofs
from jobsui.jobs.enums import Action, Purpose, ReadState
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


def path(job: Job, page: str = "proof/") -> str:
    return f"/jobs/{job.code}/{page}"


def proved(harness: Harness, job: Job) -> RecordRead:
    read = proofs.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    return read


def edit(harness: Harness, key: str, price: float) -> None:
    """As another program would."""
    record_id = harness.records()[key]["id"]
    url = f"{harness.sandbox.url}/api/v2/custom_objects/gadget/records/{record_id}"
    signed_in = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    body = {"custom_object_record": {"custom_object_fields": {"price": price}}}
    requests.patch(url, json=body, auth=signed_in, timeout=10)


def test_job_that_has_ended_can_be_proved(operator: Client) -> None:
    job = stages.settled()

    before = operator.get(path(job, "")).text
    answer = operator.post(path(job, "proof/start/"))
    after = operator.get(path(job, "")).text

    assert "Prove" in buttons(before)
    assert answer["Location"] == path(job)
    assert RecordRead.objects.get().job == job
    assert "The records are being read." in visible(after)


def test_page_says_in_which_forms_values_are_stored(operator: Client) -> None:
    job = stages.settled()
    RecordRead.objects.create(
        job=job,
        purpose=Purpose.PROVE,
        state=ReadState.DONE,
        counts={"exact": 1, "other_form": 2},
        other_forms={"price": {"trimmed": [2, "1 ", "1"]}},
    )

    text = visible(operator.get(path(job)).text)

    assert "Without spaces and line breaks at the ends 2 sent 1 holds 1" in text
    assert "such as a date" not in text


def test_running_job_cannot_be_proved(operator: Client) -> None:
    job = stages.planned()

    page = operator.get(path(job, "")).text
    answer = operator.post(path(job, "proof/start/"), follow=True)

    assert "Prove" not in buttons(page)
    assert "Wait until the job has ended." in visible(answer.text)


def test_progress_is_shown_until_there_is_nothing_new(operator: Client) -> None:
    job = stages.settled()
    read = proofs.start(job, by=None)
    RecordRead.objects.update(
        state=ReadState.READING, pages_total=1_200, pages_read=300, version=7
    )
    seen = path(job, f"proof/progress/?v={read.pk}-7")

    text = visible(operator.get(path(job)).text)
    unchanged = operator.get(seen, headers=HTMX)
    RecordRead.objects.update(pages_read=301, version=8)
    changed = operator.get(seen, headers=HTMX)

    assert "300 of 1,200 pages of up to 100 rows read" in text
    assert unchanged.status_code == 204
    assert "301 of 1,200 pages" in visible(changed.text)


def test_failed_proof_says_why(operator: Client) -> None:
    job = stages.settled()
    proofs.start(job, by=None)
    RecordRead.objects.update(state=ReadState.FAILED, reason="The token has expired.")

    page = operator.get(path(job)).text

    assert "The records could not be read. The token has expired." in visible(page)
    assert "Prove again" in buttons(page)


@transactional
def test_proof_of_a_job_that_has_landed(operator: Client, harness: Harness) -> None:
    harness.object()
    job = harness.run(gadgets(3), Action.CREATE)
    proved(harness, job)

    page = operator.get(path(job)).text
    own = visible(operator.get(path(job, "")).text)

    assert "3 of 3 records are exactly as in your file" in visible(page)
    assert counters(page) == {"exactly as sent": "3"}
    assert "Every record is what was sent." in page
    assert "3 of 3 records are exactly as in your file." in own


@transactional
def test_records_that_are_not_as_sent_are_listed(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = harness.run(gadgets(3), Action.CREATE)
    later = harness.run([{"external_id": "g-2", "price": "77"}], UPSERT)
    history_index.add(later)
    edit(harness, "g-3", 88)
    RecordRead.objects.all().delete()
    proved(harness, job)

    answer = operator.get(path(job))

    assert "1 of 3 records is exactly as in your file" in visible(answer.text)
    assert "Price 2" in visible(answer.text)
    found = [
        (
            line.row.row,
            line.row.key,
            [(label, value.old, value.new) for label, value in line.values],
            line.later_job,
        )
        for line in answer.context["lines"]
    ]
    assert found == [
        (3, "g-2", [("Price", "2.5", "77")], later),
        (4, "g-3", [("Price", "3.5", "88")], None),
    ]


@transactional
def test_records_of_a_compared_job_have_the_keys_of_the_file(
    operator: Client, harness: Harness
) -> None:
    """Although the job has sent record IDs, and one of them with a name."""
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = [
        {"external_id": "g-1", "name": "Other", "price": "5"},
        {"external_id": "g-2", "name": "Gadget 2", "price": "6"},
    ]
    job = harness.checked(rows, UPSERT)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    job.refresh_from_db()
    edit(harness, "g-1", 88)
    edit(harness, "g-2", 88)
    proved(harness, job)

    lines = operator.get(path(job)).context["lines"]

    assert [line.row.key for line in lines] == ["g-1", "g-2"]


@pytest.mark.parametrize(
    ("action", "key"),
    [
        (Action.CREATE, "e-1"),
        (Action.UPDATE, ""),
        (Action.UPSERT_BY_EXTERNAL_ID, "e-1"),
        (Action.UPSERT_BY_NAME, "One"),
    ],
)
def test_key_of_an_item_is_that_of_its_action(action: Action, key: str) -> None:
    item = {"id": "01REC", "external_id": "e-1", "name": "One"}

    assert record_keys.of_item(item, action) == key


@transactional
def test_records_are_filtered_by_what_happened(
    operator: Client, harness: Harness
) -> None:
    harness.object()
    job = harness.run(gadgets(2), Action.CREATE)
    harness.run([{"external_id": "g-2"}], Action.DELETE_BY_EXTERNAL_ID)
    proved(harness, job)

    gone = operator.get(path(job, "proof/?landing=gone"))
    altered = operator.get(path(job, "proof/?landing=altered"))
    nonsense = operator.get(path(job, "proof/?landing=nonsense"))

    assert [line.row.row for line in gone.context["lines"]] == [3]
    assert altered.context["lines"] == []
    assert [line.row.row for line in nonsense.context["lines"]] == [3]


@transactional
def test_deletions_are_proved(operator: Client, harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    rows = [{"external_id": "g-1"}, {"external_id": "g-2"}]
    job = harness.run(rows, Action.DELETE_BY_EXTERNAL_ID)
    proved(harness, job)

    text = visible(operator.get(path(job)).text)

    assert "2 of 2 records are deleted" in text
