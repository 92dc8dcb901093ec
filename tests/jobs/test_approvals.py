"""Rules make a job wait for another person, who approves one plan."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobsui.audit.models import Entry
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import (
    account_match,
    actions,
    approvals,
    automation,
    comparisons,
    corrections,
    drafts,
    sweep,
    undo,
)
from jobsui.jobs.enums import Action, ApprovalState, EventKind, JobState
from jobsui.jobs.errors import ApprovalNeeded, NotPossibleNow
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import Approval, ApprovalRules, Job, JobEvent, RunSettings
from jobsui.jobs.preparation import checker
from tests.factories import make_job, make_user
from tests.harness import Harness, gadgets

pytestmark = pytest.mark.django_db(transaction=True)
FOUR = "external_id,name,serial\n" + "".join(
    f"g-{n},{n},AB-00000{n}\n" for n in range(1, 5)
)
EVERY = {"every_job": True}
NEEDED = "Every job of this connection needs approval."


def checked(
    to: CustomObject, action: Action = Action.UPSERT_BY_EXTERNAL_ID, **options: Any
) -> Job:
    content = "external_id\ng-1\ng-2\ng-3\ng-4\n" if action.deletes else FOUR
    job = make_job(content, action, to=to, invalid="skip", **options)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    return job


def set_rules(connection: Connection, **rules: Any) -> None:
    none = ApprovalRules(connection=connection).values
    approvals.set_rules(connection, none | rules)


@pytest.fixture
def ana() -> User:
    return make_user("ana")


@pytest.fixture
def leo() -> User:
    return make_user("leo")


@pytest.fixture
def job(gadget: CustomObject, ana: User) -> Job:
    """Created by ana, and needs approval."""
    set_rules(gadget.connection, **EVERY)
    job = checked(gadget)
    Job.objects.filter(pk=job.pk).update(created_by=ana)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("rules", "action", "options", "expected"),
    [
        ({}, Action.DELETE_BY_EXTERNAL_ID, {}, []),
        (EVERY, Action.CREATE, {}, [NEEDED]),
        ({"deletes": True}, Action.UPSERT_BY_EXTERNAL_ID, {}, []),
        (
            {"deletes": True},
            Action.DELETE_BY_EXTERNAL_ID,
            {},
            ["It deletes 4 records."],
        ),
        ({"max_rows": 4}, Action.CREATE, {}, []),
        ({"max_rows": 3}, Action.CREATE, {}, ["It sends 4 rows, more than 3."]),
        ({"max_percent": 4.0}, Action.UPSERT_BY_EXTERNAL_ID, {}, []),
        (
            {"max_percent": 3.9},
            Action.UPSERT_BY_EXTERNAL_ID,
            {},
            [
                "It changes or deletes up to 4 of 100 records, 4 %. The rule allows 3.9 %."
            ],
        ),
        ({"max_percent": 0.0}, Action.CREATE, {}, []),
    ],
)
def test_rule_applies_beyond_its_limit(
    gadget: CustomObject,
    rules: dict[str, Any],
    action: Action,
    options: dict[str, Any],
    expected: list[str],
) -> None:
    CustomObject.objects.update(record_count=100)
    set_rules(gadget.connection, **rules)

    job = checked(gadget, action, **options)

    assert approvals.reasons(job) == expected


@pytest.mark.parametrize(
    ("limit", "blank", "expected"),
    [
        (0, "skip", []),
        (2, "clear", []),
        (1, "clear", ["2 cells may become blank, more than 1."]),
    ],
)
def test_blank_cells_count_if_they_are_sent(
    harness: Harness, limit: int, blank: str, expected: list[str]
) -> None:
    harness.object()
    set_rules(harness.connection, max_blanked=limit)
    rows = gadgets(4)
    rows[0]["price"] = ""
    rows[2]["price"] = ""

    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID, blank=blank)

    assert approvals.reasons(job) == expected


def test_unknown_numbers_need_approval(gadget: CustomObject) -> None:
    CustomObject.objects.update(record_count=None)
    set_rules(gadget.connection, max_percent=50.0)

    assert approvals.reasons(checked(gadget)) == [
        "It changes or deletes up to 4 records. How many there are was not counted lately: "
        "refresh the object."
    ]


def test_comparison_gives_the_true_numbers(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(5), Action.CREATE)
    rows = gadgets(5)
    rows[0]["price"] = ""
    rows[1]["price"] = "77"
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID, blank="clear")
    CustomObject.objects.update(record_count=5)
    set_rules(harness.connection, max_rows=1, max_percent=10.0, max_blanked=0)

    before = approvals.reasons(job)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()

    assert before[:2] == [
        "It sends 5 rows, more than 1.",
        "It changes or deletes up to 5 of 5 records, 100 %. The rule allows 10 %.",
    ]
    assert approvals.reasons(job) == [
        "It sends 2 rows, more than 1.",
        "It changes or deletes up to 2 of 5 records, 40 %. The rule allows 10 %.",
        "1 cell may become blank, more than 0.",
    ]


def test_job_is_launched_once_another_person_has_approved_it(
    job: Job, ana: User, leo: User
) -> None:
    with pytest.raises(ApprovalNeeded, match=NEEDED):
        actions.launch(job, by=ana)
    asked = approvals.request(job, by=ana, note="Cleaning up")
    with pytest.raises(ApprovalNeeded):
        actions.launch(job, by=ana)
    approvals.approve(asked, by=leo, comment="Looks right")
    job.refresh_from_db()
    actions.launch(job, by=ana)

    asked.refresh_from_db()
    assert job.state == JobState.QUEUED
    assert asked.state == ApprovalState.USED
    assert (asked.decided_by, asked.comment) == (leo, "Looks right")
    kinds = [EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_GIVEN, EventKind.LAUNCHED]
    events = JobEvent.objects.filter(job=job, kind__in=kinds).order_by("pk")
    assert [event.kind for event in events] == kinds
    logged = Entry.objects.filter(kind="job").order_by("number")
    assert [(each.action, each.person) for each in logged] == [
        ("approval_requested", "ana"),
        ("job_approved", "leo"),
        ("job_launched", "ana"),
    ]
    assert logged[0].after == {"reason": NEEDED, "note": "Cleaning up"}


def test_asking_twice_changes_nothing(job: Job, ana: User) -> None:
    first = approvals.request(job, by=ana)
    second = approvals.request(job, by=ana)

    assert second == first
    assert Approval.objects.count() == 1


def test_job_that_needs_no_approval_is_not_asked_for(
    gadget: CustomObject, ana: User
) -> None:
    job = checked(gadget)

    with pytest.raises(NotPossibleNow, match="needs no approval"):
        approvals.request(job, by=ana)


def correct_a_cell(job: Job) -> None:
    corrections.correct_cell(job, 2, "serial", "AB-000009", by=None)


def choose_match(job: Job) -> None:
    account_match.choose(job, Match(only_in_account="delete"), by=None)


def change_mapping(job: Job) -> None:
    drafts.set_mapping(
        job,
        {"external_id": "external_id", "name": "name"},
        Options.from_json(job.options),
        by=None,
    )


CHANGES: dict[str, Callable[[Job], object]] = {
    "correction": correct_a_cell,
    "mapping": change_mapping,
    "invalid rows": lambda job: drafts.set_invalid_rows(job, "stop", by=None),
    "warned rows": lambda job: drafts.set_warned_rows(job, "skip", by=None),
    "old values": lambda job: drafts.set_reads(
        job, keep_undo=True, refuse_changed="off", by=None
    ),
    "match": choose_match,
    "object": lambda job: drafts.set_target(
        job, job.connection, job.object_key, Action.UPSERT_BY_NAME, by=None
    ),
    "fields": lambda _job: CustomObject.objects.update(fields=[]),
}


CHANGED = {
    "correction": "corrections",
    "mapping": "mapping",
    "invalid rows": "invalid rows",
    "warned rows": "rows with warnings",
    "old values": "what is read before batches are sent",
    "match": "how the account is made to match",
    "object": "target",
    "fields": "file, object or rules",
}
"""What the history calls each."""


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_voids_the_approval(
    job: Job, ana: User, leo: User, name: str
) -> None:
    asked = approvals.request(job, by=ana)
    approvals.approve(asked, by=leo)
    job.refresh_from_db()

    CHANGES[name](job)

    job.refresh_from_db()
    assert approvals.is_of_present_plan(asked, job) is False
    sweep.sweep()
    asked.refresh_from_db()
    assert asked.state == ApprovalState.VOID
    voided = JobEvent.objects.get(job=job, kind=EventKind.APPROVAL_VOIDED)
    assert (voided.facts, voided.by) == ({"changed": CHANGED[name]}, None)
    assert Entry.objects.filter(action="approval_voided").count() == 1


def test_comparison_and_rows_left_out_void_the_approval(
    harness: Harness, leo: User
) -> None:
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    rows = [{**row, "price": "77"} for row in gadgets(3)]
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    set_rules(harness.connection, **EVERY)

    def approved() -> Approval:
        asked = approvals.request(job, by=None)
        approvals.approve(asked, by=leo)
        return asked

    first = approved()
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    is_first_right = approvals.is_of_present_plan(first, job)
    second = approved()
    read.refresh_from_db()
    comparisons.leave_out(read, [2], is_left_out=True, by=None)

    assert is_first_right is False
    assert approvals.is_of_present_plan(second, job) is False
    with pytest.raises(ApprovalNeeded, match=NEEDED):
        actions.launch(job, by=None)


def test_run_settings_are_not_approved(job: Job, ana: User, leo: User) -> None:
    asked = approvals.request(job, by=ana)
    approvals.approve(asked, by=leo)
    job.refresh_from_db()
    settings = replace(job.run_settings, stop_percent=1)

    actions.launch(job, by=ana, hold_after_first_batch=True, run_settings=settings)

    assert (job.state, job.stop_percent) == (JobState.QUEUED, 1)


def test_changed_job_is_not_approved(job: Job, ana: User, leo: User) -> None:
    asked = approvals.request(job, by=ana)
    drafts.set_invalid_rows(job, "stop", by=None)

    with pytest.raises(NotPossibleNow, match="has changed since"):
        approvals.approve(asked, by=leo)

    again = approvals.request(job, by=ana)
    asked.refresh_from_db()
    assert asked.state == ApprovalState.VOID
    assert again.state == ApprovalState.ASKED


def test_nobody_approves_their_own(job: Job, ana: User, leo: User) -> None:
    zoe = make_user("zoe")
    drafts.set_invalid_rows(job, "stop", by=zoe)
    asked = approvals.request(job, by=leo)

    refusals = {}
    for person in (ana, leo, zoe):
        with pytest.raises(NotPossibleNow) as refused:
            approvals.approve(asked, by=person)
        refusals[person.username] = str(refused.value)
        with pytest.raises(NotPossibleNow):
            approvals.reject(asked, by=person, comment="No")

    assert refusals == {
        "ana": "You have created this job. Another person has to approve it.",
        "leo": "You have asked for this approval. Another person has to give it.",
        "zoe": "You have changed this job. Another person has to approve it.",
    }
    asked.refresh_from_db()
    assert asked.state == ApprovalState.ASKED


def test_decision_is_made_once(job: Job, ana: User, leo: User) -> None:
    asked = approvals.request(job, by=ana)
    approvals.approve(asked, by=leo)

    with pytest.raises(NotPossibleNow, match="just decided"):
        approvals.reject(asked, by=make_user("zoe"), comment="No")

    asked.refresh_from_db()
    assert asked.state == ApprovalState.APPROVED


def test_rejected_job_can_be_asked_for_again(job: Job, ana: User, leo: User) -> None:
    first = approvals.request(job, by=ana)
    approvals.reject(first, by=leo, comment="Wrong file")
    job.refresh_from_db()
    second = approvals.request(job, by=ana)

    assert job.reason == "leo has rejected this job. Wrong file"
    assert job.state == JobState.READY
    assert second != first


def program_job(harness: Harness) -> Job:
    """A job of a program, which waits for approval."""
    harness.object()
    set_rules(harness.connection, **EVERY)
    job = harness.checked(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)
    automation.set_auto_target(job, JobState.QUEUED)
    harness.task_queue.run_all()
    automation.advance(job)
    job.refresh_from_db()
    assert (job.state, job.auto_target, job.reason) == (JobState.READY, "queued", "")
    assert Approval.objects.filter(job=job).count() == 1
    return job


def test_job_of_a_program_waits_and_launches_itself(
    harness: Harness, leo: User
) -> None:
    job = program_job(harness)
    requests = harness.sandbox.requests()
    automation.advance(job)
    automation.advance(job)
    asked_nothing = harness.sandbox.requests() == requests
    asked = Approval.objects.get(job=job)

    approvals.approve(asked, by=leo)
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert asked_nothing
    assert job.state == JobState.COMPLETED
    assert len(harness.records()) == 3


def test_rejected_job_of_a_program_does_not_ask_again(
    harness: Harness, leo: User
) -> None:
    job = program_job(harness)
    asked = Approval.objects.get(job=job)

    approvals.reject(asked, by=leo, comment="Not today")
    sweep.sweep()
    harness.task_queue.run_all()

    job.refresh_from_db()
    assert (job.state, job.auto_target) == (JobState.READY, "")
    assert job.reason == "leo has rejected this job. Not today"
    assert Approval.objects.get(job=job).state == ApprovalState.REJECTED
    assert harness.records() == {}


def test_undo_that_deletes_needs_approval(harness: Harness, leo: User) -> None:
    harness.object()
    made = harness.run(gadgets(3), Action.CREATE)
    set_rules(harness.connection, deletes=True)
    draft = undo.create(made, by=None)
    harness.task_queue.run_all()
    draft.refresh_from_db()

    reasons = approvals.reasons(draft)
    automation.launch_or_ask(
        draft,
        by=None,
        hold_after_first_batch=False,
        run_settings=RunSettings(),
    )
    approvals.approve(Approval.objects.get(job=draft), by=leo)
    harness.task_queue.run_all()

    assert reasons == ["It deletes 3 records."]
    assert harness.records() == {}


def test_rule_that_is_added_before_the_launch_counts(
    gadget: CustomObject, ana: User
) -> None:
    job = checked(gadget)
    set_rules(gadget.connection, **EVERY)

    with pytest.raises(ApprovalNeeded):
        actions.launch(job, by=ana)

    assert job.state == JobState.READY


def test_changed_rules_are_logged(gadget: CustomObject) -> None:
    set_rules(gadget.connection, **EVERY)
    set_rules(gadget.connection, **EVERY)
    set_rules(gadget.connection)

    logged = Entry.objects.filter(action="approval_rules_changed").order_by("number")
    assert [each.changes for each in logged] == [
        {"every job": ("no", "yes")},
        {"every job": ("yes", "no")},
    ]
    assert ApprovalRules.objects.count() == 0
