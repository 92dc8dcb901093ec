"""A person ends the wait for results, and checks uncertain rows of a job that is over."""

import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs import leases
from jobsui.jobs.control import actions, uncertain_rows
from jobsui.jobs.delivery import transitions
from jobsui.jobs.delivery.call_threads import PollResult
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.finished_batches import BatchFinished
from jobsui.jobs.enums import AttemptResult, BatchState, EventKind, JobState, Outcome
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.models import Attempt, Batch, Job, RowResult
from jobsui.zendesk.payloads import ItemResult, JobStatus, Verdict
from tests.harness import Harness, gadgets
from tests.jobs.control_jobs import planned
from tests.jobs.driving import (
    InlineExecutor,
    assert_sums,
    drive,
    new_driver,
    plain,
    posts,
)
from tests.timing import FAST, FakeClock

pytestmark = pytest.mark.django_db
SENT = {
    BatchState.SENDING: AttemptResult.IN_FLIGHT,
    BatchState.ACCEPTED: AttemptResult.ACCEPTED,
    BatchState.UNCONFIRMED: AttemptResult.UNCONFIRMED,
}


def in_flight(
    to: CustomObject, state: BatchState, *, last_item: int = 1, reconcile_count: int = 0
) -> Job:
    """A running job of two rows (and an invalid one), whose batch is in flight."""
    job = planned(to)
    batch = job.batches.get()
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=1,
        at=timezone.now(),
        items=last_item + 1,
        last_item=last_item,
        result=SENT[state],
    )
    job.batches.update(state=state, attempts_made=1, reconcile_count=reconcile_count)
    Job.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, started_at=timezone.now()
    )
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("state", SENT)
def test_cancelling_job_that_stops_waiting_is_cancelled(
    gadget: CustomObject, state: BatchState
) -> None:
    job = in_flight(gadget, state)
    actions.cancel(job, by=None)
    assert actions.may(job) == {"stop_waiting": 2}

    uncertain_rows.stop_waiting(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert job.uncertain == 2
    assert_sums(job)
    event = job.events.get(kind=EventKind.WAIT_STOPPED)
    assert event.facts == {"batches": 1, "rows": 2}
    messages = set(job.row_errors.filter(outcome="uncertain").values_list("message"))
    assert messages == {(uncertain_rows.WAIT_STOPPED,)}


def test_pausing_job_that_stops_waiting_needs_a_decision(
    gadget: CustomObject,
) -> None:
    job = in_flight(gadget, BatchState.ACCEPTED)
    actions.pause(job, by=None)

    uncertain_rows.stop_waiting(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.NEEDS_DECISION
    assert job.uncertain == 2


def test_items_that_no_request_carried_are_not_uncertain(gadget: CustomObject) -> None:
    job = in_flight(gadget, BatchState.ACCEPTED, last_item=0)
    actions.pause(job, by=None)

    uncertain_rows.stop_waiting(job, by=None)

    job.refresh_from_db()
    batch = job.batches.get()
    assert job.state == JobState.PAUSED
    assert job.uncertain == 1
    assert job.pending == 1
    assert batch.state == BatchState.PLANNED


def test_running_job_stops_waiting_for_unreadable_batches_only(
    gadget: CustomObject,
) -> None:
    fresh = in_flight(gadget, BatchState.UNCONFIRMED, reconcile_count=1)
    accepted = in_flight(gadget, BatchState.ACCEPTED)
    stuck = in_flight(gadget, BatchState.UNCONFIRMED, reconcile_count=10)

    allowed = ["stop_waiting" in actions.may(job) for job in (fresh, accepted, stuck)]
    uncertain_rows.stop_waiting(stuck, by=None)

    stuck.refresh_from_db()
    assert allowed == [False, False, True]
    assert stuck.state == JobState.NEEDS_DECISION


def test_stopping_to_wait_for_nothing_is_refused(gadget: CustomObject) -> None:
    job = planned(gadget)

    with pytest.raises(NotPossibleNow):
        uncertain_rows.stop_waiting(job, by=None)

    assert not job.events.filter(kind=EventKind.WAIT_STOPPED).exists()


def test_results_after_a_person_stopped_waiting_change_nothing(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.round(driver._collect())
        running = tuple(driver.running.all())
        actions.cancel(job, by=None)
        uncertain_rows.stop_waiting(job, by=None)
        results = tuple(ItemResult(n, Verdict.SUCCEEDED) for n in range(3))
        status = JobStatus(running[0].status_id, "completed", results=results)
        driver.round([PollResult(running, clock.monotonic(), (status,))])

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert job.uncertain == 3
    assert_sums(job)


def test_a_response_after_a_person_stopped_waiting_changes_nothing(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        actions.cancel(job, by=None)
        uncertain_rows.stop_waiting(job, by=None)
        driver.round(driver._collect())
        clock.sleep(FAST.refresh_interval + 0.01)
        driver.round([])

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert job.uncertain == 3
    assert_sums(job)


def test_results_that_are_being_written_come_first(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    clock = FakeClock()
    is_writing = threading.Event()

    def write(driver: Driver, finished: BatchFinished) -> None:
        with transaction.atomic():
            leases.fence(driver.lease)
            is_writing.set()
            time.sleep(0.5)  # The other transaction begins meanwhile.
            transitions.write([finished], FAST, clock.now())
        connection.close()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.round(driver._collect())
        [running] = driver.running.all()
        actions.pause(job, by=None)
        created = {n: RowResult(Outcome.CREATED, f"r{n}") for n in range(3)}
        status = JobStatus(running.status_id, "completed")
        finished = BatchFinished(running.request, status, created)
        thread = threading.Thread(target=write, args=(driver, finished))
        thread.start()
        is_writing.wait(10)
        with pytest.raises(NotPossibleNow):
            uncertain_rows.stop_waiting(job, by=None)
        thread.join()

    job.refresh_from_db()
    assert job.created == 3
    assert job.uncertain == 0


def stopped(harness: Harness, count: int = 3) -> Job:
    """A cancelled job whose rows, which Zendesk saved, are uncertain."""
    harness.object()
    job = harness.planned(gadgets(count))
    clock = FakeClock()
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
    actions.cancel(job, by=None)
    uncertain_rows.stop_waiting(job, by=None)
    job.refresh_from_db()
    return job


def test_uncertain_rows_of_a_cancelled_job_are_checked_again(
    harness: Harness,
) -> None:
    job = stopped(harness)

    uncertain_rows.resolve(job, "check_again", by=None)
    drive(harness, job)

    assert job.state == JobState.CANCELLED
    assert job.created == 3
    assert job.uncertain == 0
    assert_sums(job)
    assert "resolve" not in actions.may(job)


def accepted_and_given_up(harness: Harness, rows: list[dict[str, Any]]) -> Job:
    """A paused job of which Zendesk accepted the rows, and a person stopped waiting."""
    harness.object()
    job = harness.planned(rows, generate_external_ids=False)
    clock = FakeClock()
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.round(driver._collect())
    actions.pause(job, by=None)
    uncertain_rows.stop_waiting(job, by=None)
    job.refresh_from_db()
    assert job.state == JobState.NEEDS_DECISION
    return job


def test_rows_without_external_ids_are_checked_by_their_job_status(
    harness: Harness,
) -> None:
    job = accepted_and_given_up(harness, plain(3))

    uncertain_rows.resolve(job, "check_again", by=None)
    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 3
    assert posts(harness) == 1


def test_resending_waits_for_the_request_that_is_still_running(
    harness: Harness,
) -> None:
    harness.sandbox.settings(job_seconds=1)
    job = accepted_and_given_up(harness, plain(3))

    uncertain_rows.resolve(job, "resend", by=None)
    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 3
    assert posts(harness) == 1


def test_a_failed_job_stays_failed_after_its_rows_were_checked(
    harness: Harness,
) -> None:
    job = stopped(harness)
    reason = "The stored file is gone. Upload it again."
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, reason=reason)
    job.refresh_from_db()

    uncertain_rows.resolve(job, "check_again", by=None)
    drive(harness, job)

    assert job.state == JobState.FAILED
    assert job.reason == reason
    assert job.created == 3


def test_rows_that_were_never_sent_stay_cancelled_when_others_are_checked(
    gadget: CustomObject,
) -> None:
    job = in_flight(gadget, BatchState.ACCEPTED, last_item=0)
    actions.cancel(job, by=None)
    uncertain_rows.stop_waiting(job, by=None)
    job.refresh_from_db()
    assert job.cancelled == 1
    assert_sums(job)

    uncertain_rows.resolve(job, "check_again", by=None)
    checking = job.state
    job.refresh_from_db()
    pending = job.pending
    uncertain_rows.stop_waiting(job, by=None)

    job.refresh_from_db()
    assert checking == JobState.CANCELLING
    assert pending == 2
    assert job.state == JobState.CANCELLED
    assert job.uncertain == 1
    assert job.cancelled == 1
    assert_sums(job)


def test_uncertain_rows_of_a_cancelled_job_are_accepted_once(
    gadget: CustomObject,
) -> None:
    job = in_flight(gadget, BatchState.ACCEPTED)
    actions.cancel(job, by=None)
    uncertain_rows.stop_waiting(job, by=None)
    job.refresh_from_db()
    twin = Job.objects.get(pk=job.pk)

    uncertain_rows.resolve(job, "accept", by=None)
    with pytest.raises(NotPossibleNow):
        uncertain_rows.resolve(twin, "accept", by=None)

    assert job.state == JobState.CANCELLED
    assert job.uncertain == 2
    assert "resolve" not in actions.may(job)
    assert job.events.filter(kind=EventKind.UNKNOWN_ACCEPTED).count() == 1


def test_a_cancelled_job_resends_nothing(gadget: CustomObject) -> None:
    job = in_flight(gadget, BatchState.ACCEPTED)
    actions.cancel(job, by=None)
    uncertain_rows.stop_waiting(job, by=None)
    job.refresh_from_db()

    with pytest.raises(NotPossibleNow, match="A cancelled job sends nothing more"):
        uncertain_rows.resolve(job, "resend", by=None)

    assert Batch.objects.get(job=job).state == BatchState.UNCERTAIN
