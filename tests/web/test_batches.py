import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobsui.jobs.enums import Action, BatchState, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job, RowResult
from jobsui.jobs.models.batch import pack
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db
MANY = "external_id,price\n" + "".join(f"g-{n},{n}\n" for n in range(1, 251))


def listed(client: Client, job: Job, query: str = "") -> list[int]:
    text = client.get(f"/jobs/{job.code}/batches/{query}").text
    return [
        int(seq)
        for seq in re.findall(rf'href="/jobs/{job.code}/batches/([0-9]+)/"', text)
    ]


def test_batches_are_listed_in_the_order_of_the_file(operator: Client) -> None:
    job = stages.settled(MANY, *[stages.failed()] * 101)
    Batch.objects.filter(job=job, seq=3).update(state=BatchState.PLANNED, done_at=None)

    everything = listed(operator, job)
    narrowed = [
        listed(operator, job, f"?state={state}")
        for state in ("failed", "done", "planned", "uncertain")
    ]

    assert everything == [1, 2, 3]
    assert narrowed == [[1, 2], [1, 2], [3], []]


@pytest.mark.parametrize(
    "query", ["?state=nonsense", "?state=a%26b", "?after=x", "?after=" + "9" * 5000]
)
def test_batches_ignore_invalid_filters(operator: Client, query: str) -> None:
    assert listed(operator, stages.settled(MANY), query) == [1, 2, 3]


@pytest.mark.parametrize("rows", [100, 300])
def test_batches_take_as_many_queries_for_many_batches(
    operator: Client, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = stages.settled("external_id\n" + "".join(f"g-{n}\n" for n in range(rows)))

    with django_assert_num_queries(5):  # session, user, roles, job, batches
        operator.get(f"/jobs/{job.code}/batches/")


def test_many_batches_are_paged(operator: Client) -> None:
    job = stages.settled()
    Batch.objects.bulk_create(
        Batch(job=job, seq=n, size=1, first_row=n, last_row=n) for n in range(2, 121)
    )

    pages = [listed(operator, job, query) for query in ("", "?after=50", "?after=100")]

    assert pages == [list(range(1, 51)), list(range(51, 101)), list(range(101, 121))]
    assert (
        "?after=50&amp;state=planned"
        not in operator.get(f"/jobs/{job.code}/batches/").text
    )
    assert (
        "?after=51&amp;state=planned"
        in operator.get(f"/jobs/{job.code}/batches/?state=planned").text
    )


def test_batch_shows_request_and_response_as_sent(operator: Client) -> None:
    job = stages.settled(stages.ROWS, stages.failed("Because.", "C"))
    batch = Batch.objects.get(job=job)
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=1,
        at=timezone.now(),
        items=2,
        result="accepted",
        http_status=200,
        elapsed_ms=70,
        response_body=pack(b'{"job_status": {"id": "01S"}}'),
    )
    BatchBlob.objects.filter(batch=batch).update(
        job_status_body=pack(b'{"job_status": {"status": "completed"}}')
    )

    answer = operator.get(f"/jobs/{job.code}/batches/1/")

    details = answer.context["details"]
    assert details.url == f"http://{stages.NOWHERE}/api/v2/custom_objects/gadget/jobs"
    assert [
        (row.row, row.outcome, row.record_id, row.error) for row in details.rows
    ] == [
        (2, "failed", "", "Because."),
        (3, "created_or_updated", "01REC", ""),
    ]
    for shown in (
        "Basic ********",
        "200 in 70 ms",
        "&quot;id&quot;: &quot;01S&quot;",
        "C: Because.",
        "$ZENDESK_TOKEN",
    ):
        assert shown in answer.text
    assert "token-of-acme" not in answer.text


def test_batch_of_a_delete_job_says_deleted(operator: Client) -> None:
    job = stages.settled(
        "external_id\ng-1\ng-2\n",
        stages.failed(),
        action=Action.DELETE_BY_EXTERNAL_ID,
    )

    text = operator.get(f"/jobs/{job.code}/batches/1/").text

    assert "1 of 2 rows deleted, 1 failed" in visible(text)


def test_batch_that_was_split_says_which_rows_each_attempt_carried(
    operator: Client,
) -> None:
    job = stages.settled(MANY)
    batch = Batch.objects.get(job=job, seq=1)
    parts = [(100, 99, "refused"), (50, 49, "accepted"), (50, 99, "accepted")]
    for number, (items, last_item, result) in enumerate(parts, 1):
        Attempt.objects.create(
            batch=batch,
            number=number,
            epoch=1,
            at=timezone.now(),
            items=items,
            last_item=last_item,
            result=result,
        )

    split, whole = (
        operator.get(f"/jobs/{job.code}/batches/{seq}/").text for seq in (1, 2)
    )

    shown = re.findall(r'data-label="Items">([^<]+)<', split)
    assert [words.strip() for words in shown] == ["100", "50, up to row 51", "50"]
    assert ["until it finds the" in text for text in (split, whole)] == [
        True,
        False,
    ]
    assert "all 100 items, each attempt sent some" in split
    assert "Body: 100 items" in whole


def test_batch_whose_rows_the_read_refused_was_not_split(operator: Client) -> None:
    job = stages.settled(MANY)
    Attempt.objects.create(
        batch=Batch.objects.get(job=job, seq=1),
        number=1,
        epoch=1,
        at=timezone.now(),
        items=97,
        last_item=96,
        result="accepted",
    )

    text = visible(operator.get(f"/jobs/{job.code}/batches/1/").text)

    assert "refused a whole request" not in text
    assert "Body: all 100 items, of which 97 were sent" in text


def test_batch_says_which_rows_were_left_out(operator: Client) -> None:
    job = stages.settled(stages.ROWS, RowResult(Outcome.CANCELLED, "", "", "Left out."))
    job.batches.update(attempts_made=0)

    text = visible(operator.get(f"/jobs/{job.code}/batches/1/").text)

    assert "1 of 2 rows unchanged, 0 failed, 1 left out (rows" in text
    assert ": Left out." not in text


def test_batch_shows_the_warnings_of_its_responses(operator: Client) -> None:
    job = stages.settled()
    Attempt.objects.create(
        batch=job.batches.get(),
        number=1,
        epoch=1,
        at=timezone.now(),
        items=2,
        result="accepted",
        response_headers={"X-Zendesk-API-Warn": "Removed restricted keys [photo]"},
    )

    text = visible(operator.get(f"/jobs/{job.code}/batches/1/").text)

    assert "Zendesk warned: Removed restricted keys [photo]" in text


def test_batch_counts_its_temporary_failures(operator: Client) -> None:
    job = stages.settled()
    Batch.objects.filter(job=job).update(temporary_failures=3)

    text = visible(operator.get(f"/jobs/{job.code}/batches/1/").text)

    assert "Temporary failures 3, such as deadlocks" in text


def test_batch_counts_attempts_without_effect(operator: Client) -> None:
    job = stages.settled()
    batch = Batch.objects.get(job=job)
    for number, result in [(1, "limited"), (2, "accepted")]:
        Attempt.objects.create(
            batch=batch,
            number=number,
            epoch=1,
            at=timezone.now(),
            items=2,
            result=result,
        )
    Batch.objects.filter(pk=batch.pk).update(attempts_without_effect=4_000)

    text = visible(operator.get(f"/jobs/{job.code}/batches/1/").text)

    assert "Not listed: 4,000 more attempts without effect" in text


def test_batch_leads_to_its_neighbours_and_the_next_failure(operator: Client) -> None:
    job = stages.settled(MANY)
    Batch.objects.filter(job=job, seq=3).update(failed=1)
    actions = {}

    for seq in (1, 2, 3):
        text = operator.get(f"/jobs/{job.code}/batches/{seq}/").text
        actions[seq] = re.findall(
            rf'class="btn" href="/jobs/{job.code}/batches/([0-9]+)/"', text
        )

    assert actions == {1: ["2", "3"], 2: ["1", "3", "3"], 3: ["2"]}


def test_batch_not_sent_yet_has_no_response(operator: Client) -> None:
    job = stages.planned(state=JobState.RUNNING)

    answer = operator.get(f"/jobs/{job.code}/batches/1/")

    assert "No response yet." in answer.text
    assert [row.outcome for row in answer.context["details"].rows] == [
        "pending",
        "pending",
    ]


def test_missing_batch_is_not_found(operator: Client) -> None:
    job = stages.settled()
    draft = stages.draft()

    paths = [f"/jobs/{job.code}/batches/{seq}/" for seq in (0, 2, 10**30)] + [
        f"/jobs/{draft.code}/batches/1/"
    ]

    assert [operator.get(path).status_code for path in paths] == [404] * 4
