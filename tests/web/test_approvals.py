"""Pages and programs of jobs that need approval."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import tokens
from jobsui.access.models import Role, Scope
from jobsui.jobs.control import approvals
from jobsui.jobs.enums import Action, ApprovalState, JobState
from jobsui.jobs.models import Approval, ApprovalRules, Job
from tests.factories import make_user
from tests.harness import Harness, gadgets
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
LAUNCH = {"start": "all", "weight": 4, "stop_rows": 1000, "stop_percent": 50}
NEEDED = "Every job of this connection needs approval."


@pytest.fixture
def leo(db: None) -> User:  # noqa: ARG001
    return make_user("leo", role=Role.APPROVER)


@pytest.fixture
def job(harness: Harness, ana: User) -> Job:
    """A checked job of ana, who is an operator."""
    harness.object()
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)
    Job.objects.filter(pk=job.pk).update(created_by=ana)
    ApprovalRules.objects.create(connection=harness.connection, every_job=True)
    return job


def review(job: Job) -> str:
    return f"/jobs/new/{job.code}/review/"


def ask(client: Client, job: Job, **fields: Any) -> Any:
    return client.post(
        f"/jobs/new/{job.code}/launch/", LAUNCH | fields, follow=True
    ).text


def decide(client: Client, job: Job, word: str, comment: str = "") -> str:
    asked = Approval.objects.filter(job=job).first()
    form = {"approval": asked.pk if asked else 0, "comment": comment}
    return client.post(f"/jobs/{job.code}/{word}/", form, follow=True).text


def test_operator_asks_and_launches_what_another_person_approved(
    operator: Client, leo: User, job: Job
) -> None:
    approver = signed_in(leo)

    before = operator.get(review(job)).text

    asked = ask(operator, job, note="Cleaning up")
    listed = approver.get("/approvals/").text
    homes = [client.get("/").text for client in (operator, approver)]
    shown = approver.get(review(job)).text
    approved = decide(approver, job, "approve", "Looks right")
    ready = operator.get(review(job)).text
    operator.post(f"/jobs/new/{job.code}/launch/", LAUNCH)

    job.refresh_from_db()
    assert (NEEDED in before, "Ask for approval" in before) == (True, True)
    assert "Can approve: leo" in before
    assert ("Waiting for approval" in asked, "Ask for approval" in asked) == (
        True,
        False,
    )
    assert (review(job) in listed, NEEDED in listed) == (True, True)
    assert ["Waiting for approval" in home for home in homes] == [True, True]
    assert "“Cleaning up”" in shown
    assert f'action="/jobs/{job.code}/approve/"' in shown
    assert f'action="/jobs/{job.code}/approve/"' not in asked
    assert "Job approved." in approved
    assert "“Looks right”" in ready
    assert job.state == JobState.QUEUED


def test_change_shows_at_once_that_the_approval_is_void(
    operator: Client, leo: User, job: Job
) -> None:
    ask(operator, job)
    decide(signed_in(leo), job, "approve")

    changed = f"/jobs/new/{job.code}/check/rows/correct/"
    operator.post(changed, {"row": 2, "column": "price", "after": "9"})
    operator.post(f"/jobs/new/{job.code}/check/warnings/", {"warnings": "skip"})
    text = operator.get(review(job)).text
    refused = ask(operator, job)

    assert "The job was changed afterwards" in text
    assert "Ask for approval" in text
    assert "Waiting for approval" in refused
    assert Approval.objects.filter(state=ApprovalState.VOID).count() == 1


def test_own_job_cannot_be_approved(leo: User, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(created_by=leo)
    approver = signed_in(leo)

    asked = ask(approver, job)
    refused = decide(approver, job, "approve")

    assert "You have created this job. Another person has to approve it." in asked
    assert "No other active person has the role Approver" in asked
    assert "You have created this job." in refused
    assert Approval.objects.get().state == ApprovalState.ASKED


def test_decision_about_an_earlier_plan_is_refused(
    operator: Client, leo: User, job: Job
) -> None:
    ask(operator, job)
    first = Approval.objects.get()
    operator.post(f"/jobs/new/{job.code}/check/warnings/", {"warnings": "skip"})
    ask(operator, job)

    form = {"approval": first.pk}
    answer = signed_in(leo).post(f"/jobs/{job.code}/approve/", form, follow=True)

    assert "The job has changed since its approval was asked for." in answer.text
    assert [each.state for each in Approval.objects.order_by("pk")] == ["void", "asked"]


def test_rejection_needs_a_reason(operator: Client, leo: User, job: Job) -> None:
    approver = signed_in(leo)
    ask(operator, job, launches_itself="on")

    refused = decide(approver, job, "reject")
    rejected = decide(approver, job, "reject", "Wrong file")

    job.refresh_from_db()
    assert "Say in the comment why you reject the job." in refused
    assert "“Wrong file”" in rejected
    assert (job.auto_target, job.reason) == (
        "",
        "leo has rejected this job. Wrong file",
    )


def test_job_launches_itself_when_approved_if_that_was_chosen(
    operator: Client, leo: User, job: Job, harness: Harness
) -> None:
    ask(operator, job, launches_itself="on", stop_percent=7)

    decide(signed_in(leo), job, "approve")
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert (job.state, job.stop_percent) == (JobState.COMPLETED, 7)


def test_rules_are_proposed_for_production_and_stored_when_saved(
    administrator: Client, harness: Harness
) -> None:
    connection = harness.connection
    type(connection).objects.update(production=True)
    path = f"/connections/{connection.code}/approval/"

    proposed = administrator.get(path).text
    is_stored = ApprovalRules.objects.exists()
    form = {"deletes": "on", "max_percent": "2.5"}
    saved = administrator.post(path, form, follow=True).text
    shown = administrator.get(path).text

    assert "No rule counts before you save them." in proposed
    assert is_stored is False
    assert "Approval rules saved." in saved
    assert approvals.rules_of(connection).values == {
        "every_job": False,
        "deletes": True,
        "max_rows": None,
        "max_percent": 2.5,
        "max_blanked": None,
    }
    assert 'value="2.5"' in shown


@pytest.mark.usefixtures("job")
def test_test_request_that_writes_needs_an_approver(
    operator: Client, leo: User, harness: Harness
) -> None:
    thing = harness.connection.objects_known.get()
    path = f"/objects/{thing.pk}/request/send/"
    write = {
        "method": "POST",
        "path": "/api/v2/custom_objects/gadget/jobs",
        "body": "{}",
        "confirm": "on",
    }
    read = {"method": "GET", "path": "/api/v2/users/me", "body": ""}
    before = harness.sandbox.requests()

    refused = operator.post(path, write).text
    not_sent = harness.sandbox.requests() == before
    done = [operator.post(path, read), signed_in(leo).post(path, write)]
    _, token = tokens.create(leo, "Nightly", scope=Scope.RUN)
    program = Client(headers={"Authorization": f"Bearer {token}"}).post(
        "/api/v1/requests",
        {"connection": harness.connection.name, "object": "gadget", "send": True},
        "application/json",
    )

    assert "only approvers may send a test request" in refused
    assert not_sent
    assert ["only approvers may" in answer.text for answer in done] == [False, False]
    assert program.status_code == 403
    assert program.json()["detail"] == (
        "Only a person with the role Approver may do this, on a page."
    )


def test_program_asks_by_launching(
    ana: User, leo: User, job: Job, harness: Harness
) -> None:
    _, token = tokens.create(ana, "Nightly", scope=Scope.RUN)
    program = Client(headers={"Authorization": f"Bearer {token}"})
    path = f"/api/v1/jobs/{job.code}"

    launched = program.post(f"{path}/launch", {}, "application/json").json()
    decide(signed_in(leo), job, "approve", "Fine")
    harness.task_queue.run_all()
    done = program.get(path).json()

    asked = launched["approval"]
    assert (launched["state"], launched["error"]) == ("ready", None)
    assert (asked["state"], asked["reasons"]) == ("asked", [NEEDED])
    assert (asked["requested_by"], asked["decided_by"]) == ("ana", None)
    assert done["state"] == "completed"
    assert (done["approval"]["state"], done["approval"]["comment"]) == ("used", "Fine")
    assert done["approval"]["decided_by"] == "leo"


@pytest.mark.usefixtures("job")
def test_job_of_a_program_for_zendesk_fails_when_it_is_rejected(
    leo: User, harness: Harness
) -> None:
    owner = make_user("boss", admin=True)
    _, token = tokens.create(
        owner, "Nightly", scope=Scope.RUN, connection=harness.connection
    )
    program = Client(headers={"Authorization": f"Bearer {token}"})
    body = {"job": {"action": "delete_by_external_id", "items": [{"external_id": "g"}]}}

    def answer(response: Any) -> Any:
        return json.loads(response.getvalue())["job_status"]

    address = "/api/v2/custom_objects/gadget/jobs"
    sent = answer(program.post(address, body, "application/json"))
    path = f"/api/v2/job_statuses/{sent['id']}"
    harness.task_queue.run_all()
    waiting = answer(program.get(path))
    asked = Approval.objects.get()
    approvals.reject(asked, by=leo, comment="Not today")
    rejected = answer(program.get(path))

    assert waiting["status"] == "queued"
    assert (rejected["status"], rejected["message"]) == (
        "failed",
        "leo has rejected this job. Not today",
    )
