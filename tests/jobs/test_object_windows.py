"""How many batches run at once on an object whose jobs deadlock."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobsui.jobs.delivery.fair_share import FairShare
from jobsui.jobs.delivery.object_windows import MIN_BATCHES, ObjectWindow, ObjectWindows
from jobsui.jobs.enums import JobState, LimitedBy
from jobsui.jobs.models import Job
from tests.harness import Harness, gadgets
from tests.jobs.driving import assert_sums, drive, running_driver, wait_until


def play(window: ObjectWindow, batches: int, *, failed: int, in_flight: int) -> None:
    for _ in range(batches):
        window.finished(100, failed, in_flight=in_flight, limit=30)


def test_rare_deadlocks_limit_nothing() -> None:
    window = ObjectWindow()

    for _ in range(50):
        play(window, 9, failed=0, in_flight=30)
        play(window, 1, failed=1, in_flight=30)

    assert window.size is None


def test_frequent_deadlocks_make_fewer_batches_run() -> None:
    window = ObjectWindow()

    play(window, 5, failed=5, in_flight=30)

    assert window.size == 22


def test_batches_sent_before_a_window_shrank_do_not_shrink_it() -> None:
    window = ObjectWindow()
    play(window, 5, failed=5, in_flight=30)

    play(window, 29, failed=5, in_flight=22)

    assert window.size == 22


def test_window_never_shrinks_below_three() -> None:
    window = ObjectWindow()

    play(window, 500, failed=50, in_flight=30)

    assert window.size == 3


def test_window_grows_by_one_each_round_until_it_limits_nothing() -> None:
    window = ObjectWindow()
    play(window, 5, failed=5, in_flight=8)
    play(window, 7, failed=5, in_flight=8)
    sizes = [window.size]

    for _ in range(2):
        play(window, 8, failed=0, in_flight=6)
        sizes.append(window.size)
    play(window, 1_000, failed=0, in_flight=2)

    assert sizes == [6, 7, 8]
    assert window.size is None


def test_jobs_on_another_object_keep_their_share() -> None:
    share = FairShare()
    jobs: Any = {
        1: SimpleNamespace(object_key="gadget", weight=4),
        2: SimpleNamespace(object_key="car", weight=4),
    }
    share.set_jobs(jobs)
    share.set_waiting({1, 2})

    chosen = share.choose(10, lambda: True, {"gadget": 2})

    assert chosen == {1: 2, 2: 8}


def test_no_request_is_taken_for_an_object_without_room() -> None:
    share = FairShare()
    jobs: Any = {1: SimpleNamespace(object_key="gadget", weight=4)}
    share.set_jobs(jobs)
    share.set_waiting({1})
    requests = iter([True])

    chosen = share.choose(10, lambda: next(requests), {"gadget": 0})

    assert chosen == {}
    assert next(requests) is True


def test_rows_that_deadlock_are_sent_again_and_counted(harness: Harness) -> None:
    harness.object()
    harness.sandbox.faults(deadlocked_items={"rate": 1, "times": 4})
    job = harness.planned(gadgets(300))

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert job.temporary_failures == 4
    counts = job.batches.values_list("temporary_failures", flat=True)
    assert sum(counts) == 4
    assert_sums(job)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> ObjectWindows:
    made = ObjectWindows()
    monkeypatch.setattr("jobsui.jobs.delivery.turns.ObjectWindows", lambda: made)
    return made


def test_frequent_deadlocks_limit_the_job_and_say_so(
    harness: Harness, windows: ObjectWindows
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.3)
    harness.sandbox.faults(deadlocked_items={"rate": 0.1})
    job = harness.planned(gadgets(6000))

    with running_driver(harness):
        wait_until(lambda: Job.objects.get(pk=job.pk).limited_by == LimitedBy.DEADLOCKS)
        limited = set(windows.limited)
        harness.sandbox.faults()
        wait_until(lambda: Job.objects.get(pk=job.pk).state == JobState.COMPLETED)

    job.refresh_from_db()
    assert limited == {"gadget"}
    assert job.created == 6000
    assert job.limited_seconds[LimitedBy.DEADLOCKS] > 0


def test_no_more_batches_run_than_the_window_of_their_object(
    harness: Harness, windows: ObjectWindows
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.2)
    job = harness.planned(gadgets(1500))
    request = SimpleNamespace(object_key="gadget", items=range(100))
    for _ in range(MIN_BATCHES):
        windows.finished(cast("Any", request), 50, in_flight=4, limit=30)

    drive(harness, job)

    runs = [(each["accepted_at"], each["ended_at"]) for each in harness.sandbox.jobs()]
    at_once = [sum(begin <= at < end for begin, end in runs) for at, _ in runs]
    assert job.created == 1500
    # It grows by one with each MIN_BATCHES batches without a failure.
    assert max(at_once) <= 6
    assert max(at_once[:3]) <= 3
