"""What the check page proposes about the keys of a file, and one click that accepts it."""

from typing import Any

import pytest
from django.test import Client

from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import AccountFacts, Job
from tests.web import stages

pytestmark = pytest.mark.django_db

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
