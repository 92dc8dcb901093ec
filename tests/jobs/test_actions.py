import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from jobsui.connections.models import CustomObject
from jobsui.jobs import leases
from jobsui.jobs.control import actions, retries, uncertain_rows
from jobsui.jobs.enums import BatchState, EventKind, JobState, Outcome, Weight
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import Batch, BatchBlob, Cause, Job, RowError, RunSettings
from jobsui.jobs.preparation import planner
from jobsui.jobs.reports import job_progress
from tests.factories import make_connection, make_user
from tests.jobs.control_jobs import checked, in_state, planned, row_result, settled

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "verbs"),
    [
        (JobState.DRAFT, {"discard"}),
        (JobState.CHECKING, {"discard"}),
        (JobState.READY, {"discard", "launch"}),
        (JobState.QUEUED, {"adjust", "pause", "cancel"}),
        (JobState.RUNNING, {"adjust", "pause", "cancel"}),
        (JobState.PAUSING, {"adjust", "resume", "cancel"}),
        (JobState.PAUSED, {"adjust", "resume", "cancel"}),
        (JobState.CANCELLING, set()),
        (JobState.CANCELLED, set()),
        (JobState.FAILED, set()),
        (JobState.NEEDS_DECISION, {"resolve"}),
        (JobState.COMPLETED, set()),
    ],
)
def test_only_actions_that_may_lists_are_possible(
    state: JobState, verbs: set[str]
) -> None:
    job = in_state(state, make_connection())
    asked: dict[str, Callable[..., object]] = {
        "pause": actions.pause,
        "resume": actions.resume,
        "cancel": actions.cancel,
        "retry": retries.create_retry,
        "adjust": partial(
            actions.set_run_settings, run_settings=RunSettings(weight=Weight.HIGH)
        ),
    }

    assert set(actions.may(job)) == verbs
    for verb in set(asked) - verbs:
        with pytest.raises(NotPossibleNow):
            asked[verb](job, by=None)
    job.refresh_from_db()
    assert job.state == state
    assert job.weight == Weight.NORMAL


def test_may_counts_the_rows_of_each_action(gadget: CustomObject) -> None:
    job = checked(gadget)
    assert actions.may(job) == {"launch": 2, "discard": 2}

    actions.launch(job, by=None)
    assert actions.may(job) == {"adjust": 2, "pause": 2, "cancel": 2}
    planner.plan(job, stopping=threading.Event())
    job.refresh_from_db()
    assert actions.may(job) == {"adjust": 2, "pause": 2, "cancel": 2}
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.UNCERTAIN))
    assert actions.may(job) == {"resolve": 1}
    uncertain_rows.resolve(job, "accept", by=None)
    assert actions.may(job) == {"retry": 1}


def test_launch_stores_the_run_settings(gadget: CustomObject) -> None:
    job = checked(gadget)
    rules = RunSettings(Weight.LOW, stop_percent=5, stop_rows=500, stop_refusals=None)

    actions.launch(job, by=None, hold_after_first_batch=True, run_settings=rules)

    job.refresh_from_db()
    assert job.hold_after_first_batch
    assert job.run_settings == rules
    launched = job.events.get(kind=EventKind.LAUNCHED)
    assert launched.facts == {"hold_after_first_batch": True}


def test_changed_run_settings_are_recorded_once(gadget: CustomObject) -> None:
    job = planned(gadget)
    ana = make_user("ana")
    rules = RunSettings(Weight.HIGH, stop_percent=5, stop_rows=500, stop_refusals=3)

    actions.set_run_settings(job, rules, by=ana)
    actions.set_run_settings(job, rules, by=ana)

    job.refresh_from_db()
    assert job.run_settings == rules
    changed = job.events.get(kind=EventKind.SETTINGS_CHANGED)
    assert changed.by == ana
    assert changed.facts == {
        "weight": 16,
        "stop_percent": 5,
        "stop_rows": 500,
        "stop_refusals": 3,
    }


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (RunSettings(), "Priority normal; never pauses automatically."),
        (
            RunSettings(Weight.LOW, stop_percent=5, stop_rows=99),
            "Priority low; pauses automatically when 5 % of its last 99 rows fail.",
        ),
        (
            RunSettings(stop_refusals=1),
            "Priority normal; pauses automatically when Zendesk refuses 1 request in a row.",
        ),
    ],
)
def test_run_settings_are_a_sentence(rules: RunSettings, words: str) -> None:
    assert str(rules) == words


def kinds(job: Job) -> list[str]:
    """The kinds of its events, oldest first."""
    return list(job.events.order_by("pk").values_list("kind", flat=True))


def held_after_first_batch(to: CustomObject) -> Job:
    """A job of three rows as its driver leaves it when its first batch of two is
    over."""
    job = planned(to, "external_id\ng-1\ng-2\ng-3\n")
    Job.objects.filter(pk=job.pk).update(
        state=JobState.PAUSED,
        hold_after_first_batch=True,
        batches_done=1,
        created_or_updated=2,
        started_at=to.read_at,
        reason="Look.",
    )
    job.refresh_from_db()
    return job


def test_resume_after_the_first_batch_approves_the_others(
    gadget: CustomObject,
) -> None:
    job = held_after_first_batch(gadget)
    assert actions.may(job) == {"adjust": 1, "resume": 1, "cancel": 1}

    actions.resume(job, by=None)

    assert job.state == JobState.RUNNING
    assert not job.hold_after_first_batch
    assert job.reason == ""
    approved = job.events.get(kind=EventKind.APPROVED)
    assert approved.facts == {"rows": 1}


def test_resume_before_the_first_batch_approves_nothing(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    actions.launch(job, by=None, hold_after_first_batch=True)
    actions.pause(job, by=None)

    actions.resume(job, by=None)

    assert job.state == JobState.QUEUED
    assert job.hold_after_first_batch
    assert kinds(job)[-1] == EventKind.RESUMED


def test_pause_without_batches_in_flight_is_immediate(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)

    actions.pause(job, by=None)

    assert job.state == JobState.PAUSED


def test_pause_is_completed_by_the_driver(gadget: CustomObject) -> None:
    job = planned(gadget)

    with leases.held(f"account:{job.connection.host}"):
        actions.pause(job, by=None)

    assert job.state == JobState.PAUSING


def test_pause_waits_for_batches_in_flight(gadget: CustomObject) -> None:
    job = planned(gadget)
    Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)

    actions.pause(job, by=None)

    assert job.state == JobState.PAUSING


def test_resume_continues_in_the_state_before(gadget: CustomObject) -> None:
    queued = in_state(JobState.PAUSED, gadget.connection)
    begun = in_state(
        JobState.PAUSED,
        gadget.connection,
        started_at=gadget.read_at,
        reason="Zendesk refused: no.",
    )

    actions.resume(queued, by=None)
    actions.resume(begun, by=None)

    assert queued.state == JobState.QUEUED
    assert begun.state == JobState.RUNNING
    assert begun.reason == ""


def test_cancel_counts_every_row_that_was_not_sent(gadget: CustomObject) -> None:
    job = planned(gadget)

    actions.cancel(job, by=None)

    assert job.state == JobState.CANCELLED
    assert job.counts["cancelled"] == 2
    assert job.invalid == 1
    assert job.pending == 0
    assert list(Batch.objects.values_list("state", "cancelled")) == [("cancelled", 2)]


def test_cancel_during_planning_does_not_wait_for_the_planner(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    actions.launch(job, by=None)

    actions.cancel(job, by=None)
    planner.plan(job, stopping=threading.Event())

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert not job.batches.exists()
    assert job.counts["cancelled"] == 3
    assert job.pending == 0


def test_uncertain_rows_can_be_accepted(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    batch = settled(
        job, row_result(Outcome.UNCERTAIN), row_result(Outcome.CREATED_OR_UPDATED)
    )
    assert job.state == JobState.NEEDS_DECISION
    assert actions.may(job) == {"resolve": 1}
    assert batch.state == BatchState.UNCERTAIN

    uncertain_rows.resolve(job, "accept", by=None)

    assert job.state == JobState.COMPLETED
    assert job.uncertain == 1
    assert job.pending == 0
    assert RowError.objects.filter(job=job, outcome=Outcome.UNCERTAIN).count() == 1


@pytest.mark.parametrize(
    ("decision", "state"),
    [("check_again", BatchState.UNCONFIRMED), ("resend", BatchState.PLANNED)],
)
def test_uncertain_rows_can_be_reopened(
    gadget: CustomObject, decision: str, state: BatchState
) -> None:
    job = planned(gadget)
    batch = settled(
        job, row_result(Outcome.UNCERTAIN), row_result(Outcome.CREATED_OR_UPDATED)
    )

    uncertain_rows.resolve(job, decision, by=None)

    batch.refresh_from_db()
    assert batch.state == state
    assert batch.uncertain == 0
    assert batch.succeeded == 1
    assert batch.done_at is None
    assert [
        entry and entry[0] for entry in BatchBlob.objects.get(batch=batch).row_results
    ] == [None, "created_or_updated"]
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    assert job.uncertain == 0
    assert job.pending == 1
    assert job.batches_done == 0
    assert job.finished_at is None
    assert not RowError.objects.filter(job=job, outcome=Outcome.UNCERTAIN).exists()
    assert list(
        Cause.objects.filter(job=job, phase=Cause.Phase.SEND).values_list(
            "code", flat=True
        )
    ) == ["not_a_number"]


def test_decision_is_made_once(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.UNCERTAIN), row_result(Outcome.UNCERTAIN))
    twin = Job.objects.get(pk=job.pk)

    with pytest.raises(NotPossibleNow):
        uncertain_rows.resolve(job, "forget", by=None)
    uncertain_rows.resolve(job, "accept", by=None)
    with pytest.raises(NotPossibleNow):
        uncertain_rows.resolve(twin, "resend", by=None)

    assert list(Batch.objects.values_list("state", flat=True)) == [BatchState.UNCERTAIN]


def test_open_jobs_keep_a_connection_in_use() -> None:
    connection = make_connection()
    job = in_state(JobState.READY, connection)
    assert not actions.has_open_jobs(connection)

    Job.objects.filter(pk=job.pk).update(state=JobState.PAUSED)
    assert actions.has_open_jobs(connection)
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED)
    assert not actions.has_open_jobs(connection)


def test_rate_is_never_negative_after_checking_again(gadget: CustomObject) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.UNCERTAIN), row_result(Outcome.UNCERTAIN))
    a_while_ago = time.time() - 20
    Job.objects.filter(pk=job.pk).update(pace=[[a_while_ago, 2]])
    job.refresh_from_db()

    uncertain_rows.resolve(job, "check_again", by=None)

    assert job.state == JobState.RUNNING
    assert job_progress.records_per_second(job) is None


def test_cancelled_rows_do_not_count_as_progress(gadget: CustomObject) -> None:
    job = planned(gadget)

    actions.cancel(job, by=None)

    assert job.cancelled == 2
    assert job_progress.percent(job) == 33  # One of three rows is invalid.
