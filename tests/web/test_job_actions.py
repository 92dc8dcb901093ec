"""The buttons of a job's page, and the confirmations of actions that cannot be
undone."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobsui.jobs.control import actions
from jobsui.jobs.enums import Action, BatchState, EventKind, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, Job, Overlap, RowResult
from tests.web import stages

pytestmark = pytest.mark.django_db
FOUR = "external_id\ng-1\ng-2\ng-3\ng-4\n"


def path(job: Job, rest: str = "") -> str:
    return f"/jobs/{job.code}/{rest}"


def uncertain(action: Action = Action.CREATE, **options: Any) -> Job:
    """A job that needs a decision about two of its rows."""
    end = RowResult(Outcome.UNCERTAIN, "", "lost", "No answer.")
    job = stages.settled(FOUR, end, end, action=action)
    Batch.objects.filter(job=job).update(state=BatchState.UNCERTAIN)
    return stages.changed(job, options=job.options | options)


def asked(client: Client, address: str) -> list[str]:
    """What a confirmation page says: question, effects, button."""
    text = client.get(address).text
    question = re.findall(r"<h1>([^<]+)</h1>", text)
    effects = re.findall(r"<p>([^<]+)</p>", text)
    button = re.findall(r"</svg>\s*([^<]+?)\s*</button>\s*<a class=\"btn\"", text)
    return [unescape(part) for part in (*question, *effects, *button)]


def test_cancel_asks_first_with_the_numbers(operator: Client) -> None:
    job = stages.planned(FOUR, state=JobState.RUNNING, created_or_updated=1)
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED, succeeded=1, size=2)

    said = asked(operator, path(job, "cancel/"))

    assert said == [
        "Cancel this job?",
        "Already saved and kept in Zendesk: 1 record.",
        "1 in-flight batch (1 row) will finish. Sent records cannot be recalled.",
        "2 rows will not be sent. A new job can send them later.",
        "Cancel job",
    ]
    assert Job.objects.get(pk=job.pk).state == JobState.RUNNING


def test_cancel_says_when_every_row_was_sent(operator: Client) -> None:
    job = stages.planned(FOUR, state=JobState.RUNNING)
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)

    said = asked(operator, path(job, "cancel/"))

    assert said == [
        "Cancel this job?",
        "1 in-flight batch (4 rows) will finish. Sent records cannot be recalled.",
        "Every row has already been sent.",
        "Cancel job",
    ]


@pytest.mark.parametrize(
    ("state", "rest"),
    [
        (BatchState.ACCEPTED, "1 in-flight batch will finish."),
        (BatchState.PLANNED, "No batch is in flight."),
    ],
)
@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_stopping_says_how_many_batches_will_finish(
    operator: Client, verb: str, state: BatchState, rest: str
) -> None:
    job = stages.planned(state=JobState.RUNNING)
    Batch.objects.filter(job=job).update(state=state)

    page = operator.post(path(job, f"{verb}/"), follow=True)

    assert f"{verb.title()} requested. {rest}" in page.text


def test_cancel_of_a_delete_job_counts_deleted_records(operator: Client) -> None:
    job = stages.planned(
        FOUR, state=JobState.RUNNING, action=Action.DELETE_BY_EXTERNAL_ID, deleted=1
    )

    said = asked(operator, path(job, "cancel/"))

    assert "Already deleted from Zendesk: 1 record." in said


def test_cancel_of_a_finished_job_is_not_asked(operator: Client) -> None:
    job = stages.settled()

    answer = operator.get(path(job, "cancel/"))

    assert answer["Location"] == path(job)


@pytest.mark.parametrize(
    ("action", "options", "risk"),
    [
        (
            Action.CREATE,
            {"generate_external_ids": False},
            "Up to 2 may become duplicates. This cannot be undone.",
        ),
        (
            Action.CREATE,
            {},
            "Rows that were already saved are not saved twice: their external ID is taken.",
        ),
        (
            Action.UPSERT_BY_EXTERNAL_ID,
            {},
            "Records get the values of these rows again. What others have changed in "
            "these fields since then is overwritten.",
        ),
        (
            Action.DELETE_BY_EXTERNAL_ID,
            {},
            "Records that were already deleted stay deleted.",
        ),
    ],
)
def test_resend_asks_first_and_names_the_risk(
    operator: Client, action: Action, options: dict[str, Any], risk: str
) -> None:
    job = uncertain(action, **options)

    said = asked(operator, path(job, "resolve/?decision=resend"))

    assert said == [
        "Resend 2 rows?",
        "Jobs UI could not confirm whether Zendesk saved these rows.",
        risk,
        "Resend 2 rows",
    ]
    assert Job.objects.get(pk=job.pk).state == JobState.NEEDS_DECISION


def test_accept_asks_first(operator: Client) -> None:
    job = uncertain()

    said = asked(operator, path(job, "resolve/?decision=accept"))

    assert said[0] == "Accept 2 rows as unknown?"
    assert Job.objects.get(pk=job.pk).state == JobState.NEEDS_DECISION


def test_job_page_has_no_button_that_resends_at_once(operator: Client) -> None:
    job = uncertain()

    text = operator.get(path(job)).text

    assert re.findall(r'name="decision" value="([^"]+)"', text) == ["check_again"]
    assert re.findall(r'\?decision=([a-z]+)"', text) == ["resend", "accept"]


def in_flight(state: JobState) -> Job:
    """A job of four rows, all in flight."""
    job = stages.planned(FOUR, state=state)
    batch = Batch.objects.get(job=job)
    Attempt.objects.create(
        batch=batch, number=1, epoch=1, at=timezone.now(), items=4, result="accepted"
    )
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.ACCEPTED, attempts_made=1)
    return job


@pytest.mark.parametrize(
    ("state", "rest"),
    [
        (
            JobState.PAUSING,
            "You can then check these rows again, resend or accept them.",
        ),
        (
            JobState.CANCELLING,
            "The job is then cancelled. You can check its uncertain rows again.",
        ),
    ],
)
def test_stop_waiting_asks_first_and_says_what_follows(
    operator: Client, state: JobState, rest: str
) -> None:
    job = in_flight(state)

    said = asked(operator, path(job, "stop-waiting/"))

    assert said == [
        "Stop waiting for 4 rows?",
        "4 rows without a result become uncertain. Zendesk may have saved them, or may "
        "still save them.",
        rest,
        "Stop waiting",
    ]
    assert Job.objects.get(pk=job.pk).state == state


def test_stop_waiting_says_that_the_job_keeps_rows_to_send(operator: Client) -> None:
    job = in_flight(JobState.PAUSING)
    Batch.objects.filter(job=job).update(size=3)

    said = asked(operator, path(job, "stop-waiting/"))

    assert said[0] == "Stop waiting for 3 rows?"
    assert said[2] == "The job is then paused. You can resume or cancel it."


def test_stop_waiting_names_later_jobs_with_the_same_records(
    operator: Client,
) -> None:
    job = in_flight(JobState.CANCELLING)
    later = stages.planned(FOUR)
    Overlap.objects.create(
        earlier=job, later=later, rows=4, first_row=2, last_row=5, earlier_row=5
    )

    said = asked(operator, path(job, "stop-waiting/"))

    assert said[2] == (
        "Jobs launched since then change the same records: rows.csv (4 rows). They no "
        "longer wait, so these rows may overwrite their values."
    )


def test_stopping_to_wait_cancels_the_job(operator: Client, ana: User) -> None:
    job = in_flight(JobState.CANCELLING)

    page = operator.post(path(job, "stop-waiting/"), follow=True)

    assert "Stopped waiting. The rows without a result are uncertain." in page.text
    assert "A cancelled job sends nothing more, so it cannot resend them." in page.text
    assert re.findall(r'\?decision=([a-z]+)"', page.text) == ["accept"]
    assert Job.objects.get(pk=job.pk).state == JobState.CANCELLED
    assert job.events.get(kind=EventKind.WAIT_STOPPED).by == ana


def test_cancelled_job_is_not_asked_whether_to_resend(operator: Client) -> None:
    job = stages.changed(uncertain(), state=JobState.CANCELLED)

    resend = operator.get(path(job, "resolve/?decision=resend"))
    accept = asked(operator, path(job, "resolve/?decision=accept"))

    assert resend["Location"] == path(job)
    assert "The job stays cancelled with 2 rows whose result is uncertain." in accept


@pytest.mark.parametrize("query", ["", "?decision=check_again", "?decision=nonsense"])
def test_resolve_without_a_question_leads_to_the_job(
    operator: Client, query: str
) -> None:
    job = uncertain()

    assert operator.get(path(job, f"resolve/{query}"))["Location"] == path(job)


def test_question_sends_its_decision(operator: Client, ana: User) -> None:
    job = uncertain()
    text = operator.get(path(job, "resolve/?decision=resend")).text
    fields = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([a-z]+)"', text))

    operator.post(path(job, "resolve/?decision=resend"), fields)

    assert fields == {"decision": "resend"}
    assert Job.objects.get(pk=job.pk).state == JobState.RUNNING
    assert job.events.latest("pk").by == ana


def test_cancelled_job_offers_a_new_job_of_its_unsent_rows(operator: Client) -> None:
    job = stages.planned()
    actions.cancel(job, by=None)
    page = operator.get(f"/jobs/{job.code}/").text

    answer = operator.post(f"/jobs/{job.code}/continue/", follow=True)

    child = Job.objects.get(parent=job)
    assert "New job from the 2 rows not sent" in " ".join(page.split())
    assert child.parent_rows == "unsent"
    assert "Job created with 2 rows that were not sent." in answer.text
    assert f'<a href="/jobs/{job.code}/">the job of' in answer.text
