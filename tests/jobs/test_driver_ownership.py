"""One driver owns an account at a time, and another takes over from it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection

from jobsui.jobs import leases
from jobsui.jobs.delivery import batch_request, call_threads, driver_pool, restore_guard
from jobsui.jobs.enums import BatchState, JobState
from jobsui.jobs.models import Attempt, Batch, Lease
from jobsui.zendesk.errors import NotSent
from tests.harness import Harness, gadgets
from tests.jobs.driving import (
    drive,
    new_driver,
    posts,
    running_driver,
    state_of,
    wait_until,
)
from tests.timing import FAST


def test_an_owned_account_is_left_alone(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with leases.held(f"account:{harness.connection.host}"):
        drive(harness, job)

    assert job.state == JobState.QUEUED
    assert posts(harness) == 0
    assert list(driver_pool.accounts_to_drive()) == [harness.connection.host]


def test_only_one_of_two_drivers_owns_the_account(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(400))

    with running_driver(harness), running_driver(harness):
        wait_until(lambda: state_of(job) == JobState.COMPLETED)

    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert (
        Attempt.objects.filter(batch__job=job).values("epoch").distinct().count() == 1
    )


@pytest.mark.parametrize("renews_every", [0.1, 100])
def test_a_driver_without_its_lease_writes_and_sends_nothing(
    harness: Harness, renews_every: float
) -> None:
    timing = replace(FAST, lease_renew_interval=renews_every, lease_stale_after=1000)
    harness.object()
    harness.sandbox.settings(job_seconds=1, max_running_jobs=2)
    harness.connection.max_running_jobs = 2
    harness.connection.save()
    job = harness.planned(gadgets(500))

    with ThreadPoolExecutor(1) as thread:
        driver = thread.submit(
            driver_pool.drive,
            harness.connection.host,
            stopping=threading.Event(),
            timing=timing,
        )
        wait_until(
            lambda: (
                Batch.objects.filter(job=job, state=BatchState.ACCEPTED).count() == 2
            )
        )
        Lease.objects.filter(name=f"account:{harness.connection.host}").update(
            epoch=99, owner="another"
        )
        with pytest.raises(leases.LeaseLost):
            driver.result(timeout=20)
        # The proxy finds the connection of the calling thread.
        thread.submit(lambda: connection.close())
    job.refresh_from_db()

    assert posts(harness) == 2
    assert job.created == 0
    assert (
        Lease.objects.get(name=f"account:{harness.connection.host}").owner == "another"
    )


def test_a_driver_with_a_stale_lease_sends_nothing(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        requests = driver._commit()
        driver.lease.renewed_at -= 60
        driver._post(requests)
        posted = driver.calls.get(10)

    assert len(requests) == 1
    assert posts(harness) == 0
    assert isinstance(posted, batch_request.PostResult)
    assert isinstance(posted.error, NotSent)
    assert Batch.objects.get(job=job).state == BatchState.SENDING


@pytest.mark.parametrize("arrived", [True, False])
def test_the_next_driver_settles_what_a_dead_one_was_sending(
    harness: Harness, arrived: bool
) -> None:
    harness.object()
    job = harness.planned(gadgets(250))
    # As driver_pool.drive begins.
    restore_guard.last_seen(f"account:{harness.connection.host}")
    with new_driver(harness) as dead:
        dead._refresh_if_due()
        begun = dead._commit()
        for request in begun:
            if arrived:
                batch_request.send(request)
        dead.calls.close(wait=True)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 250
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert Attempt.objects.filter(batch__job=job).count() == 3 + (
        0 if arrived else len(begun)
    )


def test_a_stopping_driver_sends_no_more_and_releases_its_lease(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(latency_ms=100, job_seconds=0.5)
    job = harness.planned(gadgets(1500))

    with running_driver(harness) as stopping:
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.ACCEPTED).exists()
        )
        stopping.set()
        sent = posts(harness)
    after = posts(harness)

    assert after <= sent + call_threads.POST_THREADS
    assert not Lease.objects.live().exists()
    assert not Batch.objects.filter(job=job, state=BatchState.SENDING).exists()
    harness.sandbox.settings(latency_ms=0)
    drive(harness, job)
    assert job.state == JobState.COMPLETED
    assert job.created == 1500
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_a_stopping_pool_enqueues_another_driver(harness: Harness) -> None:
    harness.object()
    harness.planned(gadgets(10))
    stopping = threading.Event()
    stopping.set()

    driver_pool.drive_accounts(stopping=stopping, timing=FAST)

    assert list(harness.task_queue) == [("drive", ())]
