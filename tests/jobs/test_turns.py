"""More accounts than a worker may drive at a time take turns."""

import threading
from typing import Any

import pytest
from django.db import connection

from jobsui.jobs.delivery import driver_pool
from jobsui.jobs.delivery.turns import Turn, choose_leaving
from jobsui.jobs.enums import BatchState, JobState
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.zendesk.errors import NotSent
from tests.factories import make_connection
from tests.harness import Harness, gadgets
from tests.jobs.driving import drive, running_driver, state_of, wait_until
from tests.timing import FAST, FakeClock

UNREACHABLE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _more_hosts(harness: Harness, settings: Any) -> None:
    settings.API_HOSTS = [
        harness.connection.host,
        host_of_another(harness),
        UNREACHABLE,
    ]


def host_of_another(harness: Harness) -> str:
    return harness.connection.host.replace("127.0.0.1", "localhost")


def another_account(harness: Harness) -> Harness:
    """The same sandbox, as an account of another host."""
    account = make_connection(
        name="Another",
        host=host_of_another(harness),
        email=harness.sandbox.email,
        requests_per_minute=60_000,
        max_running_jobs=30,
    )
    account.set_secret("api_token", harness.sandbox.api_token)
    account.save()
    return Harness(harness.sandbox, account, harness.task_queue)


def job_of_an_unreachable_account(harness: Harness) -> Job:
    job = harness.planned(gadgets(10))
    job.connection = make_connection(name="Unreachable", host=UNREACHABLE)
    job.save()
    return job


def drive_one_at_a_time(stopping: threading.Event) -> None:
    """For a thread of its own."""
    try:
        driver_pool.drive_accounts(stopping=stopping, timing=FAST, max_accounts=1)
    finally:
        connection.close()


def unconfirmed_attempts() -> int:
    return Attempt.objects.filter(result__in=Attempt.UNCONFIRMED).count()


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


def test_an_unreachable_account_does_not_starve_another(
    harness: Harness, stopping: threading.Event
) -> None:
    harness.object()
    unreachable = job_of_an_unreachable_account(harness)
    pool = threading.Thread(target=drive_one_at_a_time, args=(stopping,))

    pool.start()
    try:
        wait_until(lambda: state_of(unreachable) == JobState.RUNNING)
        job = harness.planned(gadgets(10))
        wait_until(lambda: state_of(job) == JobState.COMPLETED)
    finally:
        stopping.set()
        pool.join()

    assert state_of(unreachable) == JobState.RUNNING


def test_an_account_that_sends_for_long_gives_way(
    harness: Harness, stopping: threading.Event
) -> None:
    other = another_account(harness)
    harness.object()
    other.object()
    harness.connection.max_running_jobs = 2
    harness.connection.save()
    harness.sandbox.settings(job_seconds=0.2)
    long = harness.planned(gadgets(2500))
    short = other.planned(gadgets(10, first=5000))

    driver_pool.drive_accounts(stopping=stopping, timing=FAST, max_accounts=1)
    long.refresh_from_db()
    short.refresh_from_db()

    assert long.created == 2500
    assert short.created == 10
    assert short.finished_at is not None
    assert long.finished_at is not None
    assert short.finished_at < long.finished_at
    assert unconfirmed_attempts() == 0
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_a_driver_that_gives_way_leaves_nothing_unconfirmed(harness: Harness) -> None:
    harness.object()
    harness.sandbox.settings(latency_ms=100, job_seconds=0.5)
    job = harness.planned(gadgets(2500))
    turn = Turn(FakeClock(), FAST)
    accepted = Batch.objects.filter(job=job, state=BatchState.ACCEPTED)

    with running_driver(harness, turn=turn):
        wait_until(accepted.exists)
        turn.leaving.set()
        wait_until(lambda: turn.ended_at > 0)
        left = set(
            Batch.objects.filter(job=job).unsettled().values_list("state", flat=True)
        )
    harness.sandbox.settings(latency_ms=0, job_seconds=0.05)
    drive(harness, job)

    assert left == {BatchState.ACCEPTED, BatchState.PLANNED}
    assert job.created == 2500
    assert unconfirmed_attempts() == 0


def test_an_account_without_competition_keeps_its_driver(harness: Harness) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.2)
    harness.connection.max_running_jobs = 1
    harness.connection.save()
    job = harness.planned(gadgets(1000))

    driver_pool.drive_accounts(stopping=threading.Event(), timing=FAST, max_accounts=1)

    assert state_of(job) == JobState.COMPLETED
    assert set(Attempt.objects.values_list("epoch", flat=True)) == {1}


def test_who_sent_nothing_for_longest_gives_way_first() -> None:
    clock = FakeClock()
    sending, idle, idle_for_long, leaving = (Turn(clock, FAST) for _ in range(4))
    clock.time += FAST.min_turn + 0.01
    idle_for_long.sent_at -= 1.0
    sending.sent_at = clock.time
    leaving.leaving.set()

    chosen = choose_leaving([sending, idle, idle_for_long, leaving], 3)

    assert chosen == [idle_for_long, idle]


def test_a_sending_account_gives_way_after_its_turn() -> None:
    clock = FakeClock()
    sending = Turn(clock, FAST)
    clock.time += FAST.max_turn + 0.01
    sending.sent_at = clock.time

    assert choose_leaving([sending], 1) == [sending]
    assert choose_leaving([sending], 0) == []


@pytest.mark.parametrize(("epoch", "is_kept"), [(8, True), (9, False)])
def test_limits_are_kept_unless_another_process_drove(
    epoch: int, is_kept: bool
) -> None:
    clock = FakeClock()
    first = Turn(clock, FAST)
    first.begin(7)

    second = Turn(clock, FAST, first)
    second.begin(epoch)

    assert (second.limits is first.limits) == is_kept


def test_an_account_that_waits_has_its_next_turn_after_a_change() -> None:
    clock = FakeClock()
    turn = Turn(clock, FAST)
    turn.revision = (1, 7, 20)
    turn.waits_for_change = True
    turn.end()

    assert not turn.may_follow((1, 7, 20))
    assert turn.may_follow((1, 7, 21))
    clock.time += FAST.max_rest + 1
    assert turn.may_follow((1, 7, 20))


def test_an_account_with_work_left_has_a_further_turn() -> None:
    turn = Turn(FakeClock(), FAST)
    turn.revision = (1, 7, 20)
    turn.end()

    assert turn.may_follow((1, 7, 20))


def test_an_account_that_must_rest_has_no_turn() -> None:
    turn = Turn(FakeClock(), FAST)
    turn.limits.budget.block(30)

    assert not turn.may_follow((1, 7, 20))


@pytest.mark.parametrize(
    ("is_unreachable", "may_end"),
    [(False, False), (True, True)],
    ids=["Zendesk can be read", "Zendesk cannot be read"],
)
def test_a_turn_waits_for_an_absence_to_last(
    is_unreachable: bool, may_end: bool
) -> None:
    clock = FakeClock()
    turn = Turn(clock, FAST)
    turn.observed.unconfirmed.add(7, clock.time)
    clock.time += FAST.min_turn + 0.01
    if is_unreachable:
        turn.limits.note_read(NotSent("refused"))

    idle = turn.may_end
    clock.time += FAST.max_turn

    assert idle is may_end
    assert turn.may_end


@pytest.mark.parametrize(
    ("in_order", "epoch", "continues"),
    [(True, 6, True), (True, 7, False), (False, 6, False)],
    ids=["the next turn", "another process was the owner", "the driver crashed"],
)
def test_a_turn_continues_with_what_the_last_one_observed(
    in_order: bool, epoch: int, continues: bool
) -> None:
    clock = FakeClock()
    first = Turn(clock, FAST)
    first.begin(5)
    first.has_ended_in_order = in_order
    first.end()

    second = Turn(clock, FAST, first)
    second.begin(epoch)

    assert (second.observed is first.observed) is continues
