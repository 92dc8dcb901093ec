"""What a driver costs while its jobs wait, and how soon it notices a change all the same."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobsui.jobs.control import actions
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.limit_log import LimitLog
from jobsui.jobs.enums import Action, JobState, LimitedBy
from jobsui.jobs.models import Attempt, Batch, Job
from tests.harness import Harness, gadgets
from tests.jobs.driving import InlineExecutor, new_driver, priced, state_of
from tests.timing import FAST, FakeClock

MINUTE = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def driver(harness: Harness, clock: FakeClock) -> Iterator[Driver]:
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        yield driver


def unplanned(harness: Harness, number: int) -> list[Job]:
    """Jobs whose batches the planner has not written yet."""
    harness.object()
    jobs = [harness.planned(gadgets(1, first=n)) for n in range(1, 1 + number)]
    Batch.objects.all().delete()
    Job.objects.update(planned_at=None)
    return jobs


def run_for(driver: Driver, clock: FakeClock, seconds: float) -> int:
    """Returns the number of rounds."""
    ends_at = clock.time + seconds
    rounds = 0
    while clock.time < ends_at:
        driver.round(driver._collect())
        rounds += 1
    return rounds


def test_waiting_jobs_cost_reads_of_versions_only(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    unplanned(harness, 5)
    run_for(driver, clock, MINUTE)

    with CaptureQueriesContext(connection) as queries:
        run_for(driver, clock, MINUTE)
    statements = [each["sql"] for each in queries]
    renewals = [each for each in statements if each.startswith("UPDATE")]
    reads = [each for each in statements if each.startswith("SELECT job.id")]

    assert len(reads) + len(renewals) == len(statements)
    assert len(reads) <= MINUTE / FAST.refresh_interval + 1
    assert len(renewals) <= MINUTE / FAST.lease_renew_interval + 1


def test_rounds_are_rare_while_nothing_happens(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    unplanned(harness, 1)
    run_for(driver, clock, MINUTE)

    rounds = run_for(driver, clock, MINUTE)

    assert rounds <= MINUTE / FAST.refresh_interval + 1


def test_a_pause_is_noticed_at_the_next_refresh(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    [job] = unplanned(harness, 1)
    run_for(driver, clock, MINUTE)
    job.refresh_from_db()
    actions.pause(job, by=None)

    run_for(driver, clock, FAST.refresh_interval)

    assert state_of(job) == JobState.PAUSED


@pytest.mark.parametrize("number", [1, 4])
def test_a_limit_is_saved_in_one_transaction(
    harness: Harness, driver: Driver, clock: FakeClock, number: int
) -> None:
    unplanned(harness, number)
    driver.jobs.refresh()

    with CaptureQueriesContext(connection) as queries:
        driver.jobs.save(
            LimitedBy.JOB_SLOTS,
            deadlocked=(),
            blocked=(),
            in_flight=(),
            now=clock.now(),
        )
        changed = driver.jobs.refresh()
    limits = set(Job.objects.values_list("limited_by", flat=True))

    assert limits == {LimitedBy.JOB_SLOTS}
    # BEGIN, the fence, all limits, COMMIT, and the versions.
    assert len(queries) == 5
    assert changed == set()


def test_a_limit_does_not_replace_a_newer_change(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    [job] = unplanned(harness, 1)
    driver.jobs.refresh()
    job.refresh_from_db()
    actions.pause(job, by=None)

    driver.jobs.save(
        LimitedBy.JOB_SLOTS, deadlocked=(), blocked=(), in_flight=(), now=clock.now()
    )
    job.refresh_from_db()
    changed = driver.jobs.refresh()

    assert job.limited_by == LimitedBy.NOTHING
    assert changed == {job.pk}


def test_only_changed_jobs_are_read_again(harness: Harness, driver: Driver) -> None:
    first, second = unplanned(harness, 2)
    driver.jobs.refresh()
    kept = driver.jobs.by_id[second.pk]
    first.refresh_from_db()
    actions.pause(first, by=None)

    changed = driver.jobs.refresh()

    assert changed == {first.pk}
    assert driver.jobs.by_id[first.pk].state == JobState.PAUSING
    assert driver.jobs.by_id[second.pk] is kept


def test_changed_limits_of_a_connection_are_noticed(
    harness: Harness, driver: Driver
) -> None:
    [job] = unplanned(harness, 1)
    driver.jobs.refresh()
    harness.connection.max_running_jobs = 7
    harness.connection.save()

    changed = driver.jobs.refresh()

    assert changed == {job.pk}
    assert driver.jobs.by_id[job.pk].connection.max_running_jobs == 7


def test_a_limit_that_alternates_changes_rarely() -> None:
    log = LimitLog(interval=5.0)
    decided = []
    for second in range(60):
        log.note(LimitedBy.JOB_SLOTS if second % 2 else LimitedBy.REQUEST_RATE)
        decided.append(log.decide(float(second), has_more=True))

    changes = sum(one != other for one, other in pairwise(decided))

    # At most one each five seconds.
    assert 0 < changes <= 12


def test_a_job_that_must_wait_leaves_its_slot_to_others(
    harness: Harness, driver: Driver, clock: FakeClock
) -> None:
    harness.object()
    harness.connection.max_running_jobs = 1
    harness.connection.save()
    older = harness.planned(priced(range(250), 1), Action.UPSERT_BY_EXTERNAL_ID)
    newer = harness.planned(priced(range(240, 250), 2), Action.UPSERT_BY_EXTERNAL_ID)

    run_for(driver, clock, MINUTE)
    order = list(Attempt.objects.order_by("pk").values_list("batch__job", flat=True))

    assert order == [older.pk, older.pk, older.pk, newer.pk]
