"""What the check page proposes about the keys of a file, and one click that accepts it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from jobsui.connections import objects
from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import AccountFacts, Job
from tests import sandbox_server
from tests.factories import make_connection, make_object
from tests.harness import GADGET, Harness, record_of
from tests.sandbox_server import Sandbox
from tests.web import stages
from tests.web.pages import visible

pytestmark = pytest.mark.django_db
transactional = pytest.mark.django_db(transaction=True)
UPSERT = Action.UPSERT_BY_EXTERNAL_ID

MESSAGE = "0 % of the sampled external IDs exist in this account, 97 % would."
PROPOSAL = {
    "target": "external_id",
    "column": "external_id",
    "rule": {"pad": 8},
    "connection": None,
    "sampled": 200,
    "exist": 0,
    "would_exist": 194,
    "examples": [{"before": "42", "after": "00000042", "name": "Pump <1>"}],
}


def proposed(**members: Any) -> Job:
    """A checked draft with a notice about its keys."""
    job = stages.checked("external_id,number\n42,43\n", Action.DELETE_BY_EXTERNAL_ID)
    notice = {
        "code": "keys_would_match",
        "message": MESSAGE,
        "fix": "Set it.",
        "count": 194,
        "proposal": PROPOSAL | members,
    }
    AccountFacts.objects.filter(job=job).update(notices=[notice])
    return job


def path(job: Job, step: str) -> str:
    return f"/jobs/new/{job.code}/{step}/"


def test_proposal_is_shown_before_and_after(operator: Client) -> None:
    job = proposed()

    text = operator.get(path(job, "check")).text

    assert MESSAGE in text
    assert "<code>42</code>" in text
    assert "<code>00000042</code>" in text
    assert "Pump &lt;1&gt;" in text
    assert "Set this rule and check again" in text


def test_check_with_a_notice_does_not_say_that_there_is_no_problem(
    operator: Client,
) -> None:
    with_notice = operator.get(path(proposed(), "check")).text
    AccountFacts.objects.update(notices=[])
    without = operator.get(path(Job.objects.get(), "check")).text

    assert ("no invalid rows" in with_notice, "no problems" in with_notice) == (
        True,
        False,
    )
    assert "no problems" in without


def test_one_click_sets_the_rule_and_checks_again(operator: Client) -> None:
    job = proposed()

    answer = operator.post(path(job, "check/keys"))

    job.refresh_from_db()
    assert answer["Location"] == path(job, "check")
    assert job.rules == {"external_id": {"pad": 8}}
    assert job.mapping == {"external_id": "external_id"}
    assert job.state == JobState.CHECKING


def test_one_click_uses_another_column(operator: Client) -> None:
    job = proposed(column="number", rule=None)

    text = operator.get(path(job, "check")).text
    operator.post(path(job, "check/keys"))

    job.refresh_from_db()
    assert "Use this column and check again" in text
    assert job.mapping == {"number": "external_id"}
    assert job.state == JobState.CHECKING


def test_proposal_of_an_earlier_check_is_refused(operator: Client) -> None:
    job = proposed()
    Job.objects.filter(pk=job.pk).update(state=JobState.DRAFT)

    answer = operator.post(path(job, "check/keys"), follow=True)

    job.refresh_from_db()
    assert "The check proposes nothing about the keys." in answer.text
    assert job.rules == {}
    assert job.state == JobState.DRAFT


def test_other_account_has_no_button(operator: Client) -> None:
    job = proposed(column="", rule=None, examples=[])

    text = operator.get(path(job, "check")).text

    assert MESSAGE in text
    assert "check/keys" not in text


def test_review_repeats_what_is_wrong_with_the_keys(operator: Client) -> None:
    job = proposed()

    text = operator.get(path(job, "review")).text

    assert MESSAGE in text


def padded(count: int, factor: int = 7919) -> list[dict[str, Any]]:
    """Rows whose external IDs have eight digits, which the other values do not have.
    `factor`: a prime number, for other values."""
    return [
        {
            "external_id": f"{number:08}",
            "name": f"Pump {number * factor % 89}",
            "serial": f"AB-{number * factor % 10**6:06}",
            "price": f"{number * factor % 997}.5",
        }
        for number in range(1, count + 1)
    ]


def noticed(client: Client, job: Job) -> list[str]:
    """What the check page says about the account, without the examples."""
    page = client.get(path(job, "check")).text
    [notices] = re.findall(r'<ul class="notices.*?</ul>', page, re.DOTALL) or [""]
    found = re.findall(r"<li>(.*?)(?:<div class=.table|</li>)", notices, re.DOTALL)
    return [visible(notice) for notice in found]


@transactional
def test_file_with_lost_zeros(harness: Harness, operator: Client) -> None:
    harness.object()
    rows = padded(120)
    harness.sandbox.add_records("gadget", list(map(record_of, rows)))
    damaged = [row | {"external_id": int(row["external_id"])} for row in rows]
    job = harness.checked(damaged, UPSERT)

    assert noticed(operator, job) == [
        "0 % of the sampled external IDs exist in this account, 100 % would if padded to 8 "
        "digits. If the keys in the examples are right, set this rule and check again."
    ]

    operator.post(path(job, "check/keys"))
    harness.task_queue.run_all()
    job.refresh_from_db()
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    assert noticed(operator, job) == []
    assert read.counts == {"same": 120}


@transactional
def test_file_with_keys_in_another_column(harness: Harness, operator: Client) -> None:
    harness.object()
    rows = padded(120)
    harness.sandbox.add_records("gadget", list(map(record_of, rows)))
    shifted = [
        {"external_id": f"row-{number}", "label": row["external_id"]}
        | {key: row[key] for key in ("name", "serial", "price")}
        for number, row in enumerate(rows)
    ]
    job = harness.checked(shifted, UPSERT)

    assert noticed(operator, job) == [
        "0 % of the sampled external IDs exist in this account, 100 % of the values in the "
        "column “label” do. If the keys in the examples are right, use this column and check "
        "again."
    ]


@pytest.fixture
def north() -> Iterator[Sandbox]:
    """Another account."""
    running = sandbox_server.start(requests_per_minute=100_000)
    yield running
    running.stop()


@transactional
def test_file_meant_for_another_account(
    harness: Harness, operator: Client, north: Sandbox
) -> None:
    harness.object()
    own = padded(120)
    harness.sandbox.add_records("gadget", list(map(record_of, own)))
    north.make_object("gadget", fields=GADGET)
    rows = padded(120, 6263)
    north.add_records("gadget", list(map(record_of, rows)))

    alone = harness.checked(rows, Action.DELETE_BY_EXTERNAL_ID)
    connection = make_connection(name="North", host=north.host, email=north.email)
    connection.set_secret("api_token", north.api_token)
    connection.save()
    objects.refresh(make_object(connection, "gadget"))
    beside = harness.checked(rows, Action.DELETE_BY_EXTERNAL_ID)

    assert noticed(operator, alone) == [
        "100 % of the sampled external IDs exist in this account, but these records hold "
        "other values than the file. Records with the same value: Name 1 of 120, Serial 0 of "
        "120, Price 0 of 119. The file may be meant for another account. Check connection, "
        "object and keys."
    ]
    assert noticed(operator, beside) == [
        "100 % of the sampled external IDs exist in this account, but these records hold "
        "other values than the file. 100 % exist in the account of the connection “North”, "
        "with values of the file. The file is probably meant for that account. Check the "
        "connection of this job."
    ]
