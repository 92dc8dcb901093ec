"""A wait that Zendesk asked for outlasts drivers, and holds up no pause or cancel."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import F

from jobsui.jobs.control import actions, uncertain_rows
from jobsui.jobs.enums import JobState, LimitedBy
from jobsui.jobs.models import AccountWait, Batch, Job
from tests.harness import Harness, gadgets
from tests.jobs.driving import InlineExecutor, new_driver, posts, state_of
from tests.timing import FakeClock

DAY = 24 * 3600


def refused_for_a_day(harness: Harness) -> Job:
    """A job whose first request was answered with a Retry-After of a day."""
    harness.object()
    job = harness.planned(gadgets(10))
    harness.sandbox.settings(retry_after=DAY)
    harness.sandbox.faults(rate_429={"rate": 1, "path": "/jobs"})
    clock = FakeClock()
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.round([driver.calls.get(0.0)])
    harness.sandbox.faults()
    return job


def test_next_driver_sends_nothing_before_the_wait_is_over(harness: Harness) -> None:
    refused_for_a_day(harness)
    before = posts(harness)
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        clock.sleep(DAY / 2)
        driver.round([])
        waits = driver.limits.waits

    assert posts(harness) == before
    assert DAY / 2 - 60 < waits <= DAY / 2


def test_next_driver_sends_after_the_wait(harness: Harness) -> None:
    refused_for_a_day(harness)
    before = posts(harness)
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        clock.sleep(DAY + 1)
        driver.round([])
        driver.round([driver.calls.get(0.0)])

    assert posts(harness) == before + 1


@pytest.mark.parametrize(
    ("verb", "state"),
    [(actions.pause, JobState.PAUSED), (actions.cancel, JobState.CANCELLED)],
)
def test_pause_and_cancel_end_during_a_wait(
    harness: Harness, verb: Callable[..., None], state: JobState
) -> None:
    job = refused_for_a_day(harness)
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        verb(job, by=None)
        clock.sleep(1)
        driver.round([])

    assert state_of(job) == state


def test_person_need_not_wait_for_batches_in_flight(harness: Harness) -> None:
    """Their job statuses cannot be read before the wait is over."""
    harness.object()
    job = harness.planned(gadgets(10))
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.round([driver.calls.get(0.0)])
        driver.limits.budget.block(DAY)
        actions.cancel(job, by=None)
        clock.sleep(1)
        driver.round([])
        before = state_of(job)
        job.refresh_from_db()
        uncertain_rows.stop_waiting(job, by=None)
        clock.sleep(1)
        driver.round([])

    assert before == JobState.CANCELLING
    assert state_of(job) == JobState.CANCELLED
    assert Job.objects.get(pk=job.pk).uncertain == 10


def test_wait_is_known_to_people(harness: Harness) -> None:
    job = refused_for_a_day(harness)

    shown = Job.objects.with_limit().get(pk=job.pk)

    wait = AccountWait.objects.get(host=harness.connection.host)
    assert shown.continues_at == wait.until
    assert wait.until - wait.since == timedelta(seconds=DAY)
    assert shown.current_limit == LimitedBy.WORKER
    assert Batch.objects.get(job=job).attempts_made == 1


def test_clock_set_back_makes_no_wait_longer(harness: Harness) -> None:
    host = harness.connection.host
    AccountWait.objects.ask(host, 60)
    ahead = timedelta(hours=5)
    AccountWait.objects.update(since=F("since") + ahead, until=F("until") + ahead)

    assert AccountWait.objects.seconds_left(host) == 60
