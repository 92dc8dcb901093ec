import ast
from pathlib import Path
from typing import Any, cast

import pytest
from django.conf import settings

from jobsui.audit.models import Entry
from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import OVER, Action, Component, EventKind, JobState, LimitedBy
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Job
from jobsui.jobs.reports import event_sentences
from tests.factories import make_connection, make_job, make_object, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def gadget() -> CustomObject:
    return make_object(make_connection(), "gadget")


def job_in(state: JobState, to: CustomObject) -> Job:
    job = make_job("external_id\ng-1\n", to=to)
    job.events.all().delete()
    Job.objects.filter(pk=job.pk).update(state=state, rows=1)
    job.refresh_from_db()
    return job


def test_move_changes_state_and_records_who_did_what(gadget: CustomObject) -> None:
    job = job_in(JobState.RUNNING, gadget)
    ana = make_user("ana")

    moved = lifecycle.move(
        job,
        JobState.PAUSING,
        by=ana,
        event=EventKind.PAUSE_REQUESTED,
        facts={"rows": 1},
        reason="Because.",
    )

    event = job.events.get()
    assert moved
    assert job.state == JobState.PAUSING
    assert job.reason == "Because."
    assert event.kind == EventKind.PAUSE_REQUESTED
    assert event.facts == {"rows": 1}
    assert event.by == ana
    assert event.component == ""


def test_move_of_a_component_names_the_component(gadget: CustomObject) -> None:
    job = job_in(JobState.RUNNING, gadget)

    lifecycle.pause_automatically(job, "Too many rows fail.", by=Component.DRIVER)

    event = job.events.get()
    assert event.by is None
    assert event.component == Component.DRIVER
    assert event.facts == {"reason": "Too many rows fail."}


def test_second_of_two_moves_is_too_late(gadget: CustomObject) -> None:
    job = job_in(JobState.RUNNING, gadget)
    twin = Job.objects.get(pk=job.pk)

    first = lifecycle.pause_automatically(job, "First.", by=Component.DRIVER)
    second = lifecycle.pause_automatically(twin, "Second.", by=Component.DRIVER)

    job.refresh_from_db()
    assert (first, second) == (True, False)
    assert job.reason == "First."
    assert job.events.count() == 1


def test_move_that_is_not_allowed_is_a_programming_error(gadget: CustomObject) -> None:
    job = job_in(JobState.COMPLETED, gadget)

    with pytest.raises(ValueError, match="cannot move"):
        lifecycle.move(
            job,
            JobState.RUNNING,
            by=None,
            event=EventKind.RESUMED,
            expected=[JobState.COMPLETED],
        )


def test_jobs_that_are_over_at_most_check_rows_again() -> None:
    moves = {state: lifecycle.MOVES.get(state, set()) for state in OVER}

    assert moves == {
        JobState.COMPLETED: set(),
        JobState.CANCELLED: {JobState.CANCELLING},
        JobState.FAILED: {JobState.CANCELLING},
    }


def test_every_state_is_reached_from_draft() -> None:
    reached = {JobState.DRAFT}
    while more := {to for state in reached for to in lifecycle.MOVES.get(state, ())}:
        if more <= reached:
            break
        reached |= more

    assert reached == set(JobState)


def test_paused_job_is_limited_by_its_pause(gadget: CustomObject) -> None:
    job = job_in(JobState.PAUSING, gadget)

    lifecycle.finish_if_over(job.pk)

    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    assert job.limited_by == LimitedBy.PAUSED


def test_only_lifecycle_changes_the_state_of_a_job() -> None:
    folder = Path(settings.BASE_DIR) / "jobsui" / "jobs"
    changing = {
        path.name
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "change"
        and "state" in {keyword.arg for keyword in node.keywords}
    }

    assert changing == {"lifecycle.py"}


ROWS = {"rows": 1200}
GONE = {"reason": "The file is gone."}
SETTINGS = {"weight": 16, "stop_percent": 5, "stop_rows": 500, "stop_refusals": None}
SENTENCES: dict[EventKind, tuple[dict[str, Any], str]] = {
    EventKind.NOTE: ({"text": "Launched."}, "Launched."),
    EventKind.EDITED: ({"changed": "mapping"}, "Draft changed: mapping."),
    EventKind.CHOSEN: (
        {"chosen": "rows left out"},
        "Choice changed: rows left out.",
    ),
    EventKind.APPROVAL_REQUESTED: (
        {"reason": "It deletes 4 records.", "note": ""},
        "Approval requested. It deletes 4 records.",
    ),
    EventKind.APPROVAL_GIVEN: ({"comment": ""}, "Approved."),
    EventKind.APPROVAL_REJECTED: ({"comment": "Not today"}, "Rejected. Not today"),
    EventKind.APPROVAL_VOIDED: (
        {"changed": "mapping"},
        "The approval is void. Changed: mapping.",
    ),
    EventKind.CHECK_STARTED: ({}, "Check started."),
    EventKind.CHECK_FAILED: (GONE, "Check failed. The file is gone."),
    EventKind.CHECK_CANCELLED: ({}, "Check cancelled."),
    EventKind.NOT_WATCHED: (GONE, "Changes cannot be watched. The file is gone."),
    EventKind.CHECKED: (ROWS | {"invalid": 3}, "Checked 1,200 rows: 3 invalid."),
    EventKind.CORRECTED: (
        {"cells": 1, "row": 1200, "column": "price"},
        "Corrected price in row 1,200.",
    ),
    EventKind.TEXT_REPLACED: (
        {"column": "status", "values": 2},
        "Replaced 2 values of status in all rows.",
    ),
    EventKind.CORRECTION_UNDONE: (
        {"row": 7, "column": "price"},
        "Undid the correction of price in row 7.",
    ),
    EventKind.CORRECTIONS_DELETED: (
        {"number": 3},
        "Deleted 3 corrections: the rows of the draft are others now.",
    ),
    EventKind.CHECK_OUTDATED: (GONE, "Check outdated. The file is gone."),
    EventKind.LAUNCHED: (
        {"hold_after_first_batch": True},
        "Launched: the first batch, then wait for approval.",
    ),
    EventKind.STARTED: ({}, "Started."),
    EventKind.SETTINGS_CHANGED: (
        SETTINGS,
        "Settings changed. Priority high; "
        "pauses automatically when 5 % of its last 500 rows fail.",
    ),
    EventKind.PAUSE_REQUESTED: ({}, "Pause requested."),
    EventKind.AUTO_PAUSED: (GONE, "Pausing automatically. The file is gone."),
    EventKind.PAUSED: ({}, "Paused. No batch is in flight."),
    EventKind.HELD: ({}, "Approval needed: the first batch has finished."),
    EventKind.RESUMED: ({}, "Resumed."),
    EventKind.APPROVED: (ROWS, "First batch approved: 1,200 rows to send."),
    EventKind.CANCEL_REQUESTED: ({}, "Cancel requested."),
    EventKind.CANCELLED: (ROWS, "Cancelled. 1,200 rows not sent."),
    EventKind.WAIT_STOPPED: (
        ROWS | {"batches": 12},
        "Stopped waiting for 12 batches: 1,200 rows uncertain.",
    ),
    EventKind.PLANNING_FAILED: (GONE, "Preparing batches failed. The file is gone."),
    EventKind.FAILED: (GONE, "Failed. The file is gone."),
    EventKind.DECISION_NEEDED: (ROWS, "Decision needed: 1,200 rows uncertain."),
    EventKind.RECHECK_REQUESTED: (ROWS, "Checking 1,200 uncertain rows again."),
    EventKind.RESEND_REQUESTED: (ROWS, "Resending 1,200 uncertain rows."),
    EventKind.UNKNOWN_ACCEPTED: (ROWS, "Accepted 1,200 uncertain rows as unknown."),
    EventKind.RETRY_CREATED: (ROWS, "Retry created with 1,200 failed rows."),
    EventKind.CONTINUATION_CREATED: (
        ROWS,
        "New job created with 1,200 rows that were not sent.",
    ),
    EventKind.FINISHED: (
        ROWS | {"succeeded": 1190},
        "Finished: 1,190 of 1,200 rows succeeded.",
    ),
}


@pytest.mark.parametrize("kind", EventKind)
def test_events_are_shown_as_sentences(gadget: CustomObject, kind: EventKind) -> None:
    job = job_in(JobState.RUNNING, gadget)
    facts, sentence = SENTENCES[kind]

    lifecycle.record(job, kind, by=None, facts=facts)

    (line,) = event_sentences.latest_events(job)
    assert line.sentence == sentence
    assert line.actor == "Command line"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (Component.AUTOMATION, ("ana", "Automation")),
        (None, ("", "Command line")),
        ("leo", ("leo", "")),
    ],
)
def test_audit_log_names_who_acted(
    gadget: CustomObject, by: Component | str | None, expected: tuple[str, str]
) -> None:
    """What a component does, it does for the person whose job it is. Who sat at the command
    line is not known."""
    job = make_job("external_id\ng-1\n", Action.DELETE_BY_EXTERNAL_ID, to=gadget)
    job.created_by = make_user("ana")
    actor = make_user("leo") if by == "leo" else by

    lifecycle.record(
        job,
        EventKind.LAUNCHED,
        by=cast(lifecycle.Actor, actor),
        facts={"hold_after_first_batch": False},
    )

    entry = Entry.objects.latest("number")
    assert (entry.person, entry.means) == expected
