"""The driver in this process, against a sandbox with faults switched on."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.connections import credentials
from jobsui.connections.models import Connection, SignIn
from jobsui.jobs import leases, sql
from jobsui.jobs.control import actions
from jobsui.jobs.delivery import (
    batch_request,
    call_threads,
    driver_pool,
    rate_limits,
    restore_guard,
    transitions,
)
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.enums import Action, BatchState, EventKind, JobState, LimitedBy, Weight
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Attempt, Batch, Job, JobEvent, Lease
from jobsui.jobs.timing import Timing
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import NotSent, Refused
from tests.harness import Harness, gadgets
from tests.timing import FAST, AdvanceableClock, FakeClock


def plain(count: int) -> list[dict[str, Any]]:
    """Rows without external ids."""
    return [{"name": f"Gadget {n}", "serial": f"AB-{n:06}"} for n in range(count)]


def drive(harness: Harness, job: Job, timing: Timing = FAST) -> Job:
    driver_pool.drive(
        harness.connection.host, stopping=threading.Event(), timing=timing
    )
    job.refresh_from_db()
    return job


@contextmanager
def running_driver(
    harness: Harness, timing: Timing = FAST, clock: Clock = SYSTEM_CLOCK
) -> Iterator[threading.Event]:
    """A driver in a thread of its own, asked to stop at the end."""
    stopping = threading.Event()
    thread = threading.Thread(
        target=driver_pool.drive_or_report,
        args=(harness.connection.host, stopping, timing, clock),
    )
    thread.start()
    try:
        yield stopping
    finally:
        stopping.set()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def new_driver(harness: Harness, clock: Clock = SYSTEM_CLOCK) -> Iterator[Driver]:
    """A driver that the test steps itself."""
    host = harness.connection.host
    with leases.held(f"account:{host}", clock=clock) as lease:
        assert lease
        driver = Driver(host, lease, threading.Event(), timing=FAST, clock=clock)
        try:
            yield driver
        finally:
            driver.calls.close(wait=True)


def wait_until(claim: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < ends
        time.sleep(0.02)


def state_of(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def posts(harness: Harness) -> int:
    return sum(
        entry["method"] == "POST" and entry["path"].endswith("/jobs")
        for entry in harness.sandbox.log()
    )


def assert_sums(job: Job) -> None:
    """Counters are the sums over batches, and every row has a result."""
    tallies = Batch.objects.filter(job=job).values_list(
        "succeeded", "failed", "uncertain", "cancelled"
    )
    sums = [sum(each) for each in zip(*tallies, strict=True)]
    assert sums == [job.succeeded, job.failed, job.uncertain, job.cancelled]
    assert job.pending == 0


REQUEST_FAULTS = (
    "drop-before-accept",
    "drop-after-accept",
    "502-after-accept",
    "503",
    "503-retry-after",
    "html-502",
    "html-200",
    "409",
    "rate-429",
    "too-many-jobs",
    "partial-list",
)
JOB_FAULTS = (
    "fresh-404",
    "killed",
    "failed-partial",
    "results-object",
    "no-index",
    "no-id",
    "shuffled",
    "short-results",
    "generic-results",
    "status-expired",
)


@pytest.mark.parametrize("fault", [*REQUEST_FAULTS, *JOB_FAULTS])
def test_create_makes_each_row_once_whatever_fails(
    harness: Harness, fault: str
) -> None:
    harness.object()
    harness.sandbox.settings(retry_after=0, fresh_seconds=0.3)
    job = harness.planned(gadgets(300))
    path = "/jobs" if fault in REQUEST_FAULTS and fault != "partial-list" else ""
    harness.sandbox.faults(**{fault: {"rate": 0.6, "times": 2, "path": path}})

    drive(harness, job)

    # A job that stopped reports the item at which it stopped as failed, and Zendesk does
    # not have that one.
    assert job.failed == (
        harness.sandbox.seen("faults")["triggered"]["failed-partial"]
        if fault == "failed-partial"
        else 0
    )
    assert job.state == JobState.COMPLETED
    assert job.created == 300 - job.failed
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert len(harness.records()) == job.created
    assert_sums(job)


@pytest.mark.skipif(
    connection.vendor != "sqlite",
    reason="PostgreSQL reads small tables whole, whatever the indexes.",
)
def test_queries_find_batches_by_index(harness: Harness) -> None:
    """However many batches there are, each query finds its few by an index that does not
    grow with them."""
    harness.object()
    job = harness.planned(gadgets(300))
    harness.sandbox.faults(
        **{
            "drop-after-accept": {"rate": 0.6, "times": 1},
            "too-many-jobs": {"rate": 0.3, "times": 1},
        }
    )
    plans: list[tuple[str, str]] = []

    def explained(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if '"jobs_batch"' in sql and sql.startswith(("SELECT", "UPDATE")):
            with connection.cursor() as cursor:
                cursor.execute(
                    f"EXPLAIN QUERY PLAN {sql}", params[0] if many else params
                )
                plans.extend(
                    (step, sql)
                    for *_, step in cursor.fetchall()
                    if "jobs_batch " in step
                )
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explained):
        drive(harness, job)

    assert job.created == 300
    quick = (
        "PRIMARY KEY",
        "batch_unsettled",
        "one_batch_per_job_status",
        "job_id=? AND seq=?",
    )
    assert [each for each in plans if not any(way in each[0] for way in quick)] == []
    assert {way for way in quick[:3] for step, _ in plans if way in step} == set(
        quick[:3]
    )


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (Action.UPSERT_BY_EXTERNAL_ID, "drop-after-accept"),
        (Action.UPSERT_BY_EXTERNAL_ID, "killed"),
        (Action.UPDATE, "status-expired"),
        (Action.UPDATE, "short-results"),
    ],
)
def test_repeatable_actions_succeed_whatever_fails(
    harness: Harness, action: Action, fault: str
) -> None:
    harness.object()
    ids = harness.sandbox.add_records("gadget", records(200))
    rows = [{"external_id": f"g-{n}", "id": ids[n], "price": "7"} for n in range(200)]
    kept = "id" if action is Action.UPDATE else "external_id"
    job = harness.planned([{kept: row[kept], "price": "7"} for row in rows], action)
    harness.sandbox.faults(**{fault: {"rate": 0.6, "times": 2}})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.succeeded == 200
    assert {
        record["custom_object_fields"]["price"] for record in harness.records().values()
    } == {7}
    assert_sums(job)


def test_create_without_external_ids_is_never_sent_twice(harness: Harness) -> None:
    harness.object()
    job = harness.planned(plain(900), generate_external_ids=False)
    harness.sandbox.faults(
        drop_after_accept={"rate": 0.4, "times": 2},
        drop_before_accept={"rate": 0.4, "times": 2},
    )

    drive(harness, job)

    applied = harness.sandbox.applied("gadget")
    assert job.state == JobState.NEEDS_DECISION
    assert set(applied.values()) == {1}
    assert job.created == len(applied)
    assert job.uncertain == 900 - len(applied)
    assert not Batch.objects.filter(job=job, attempts_made__gt=1).exists()
    assert_sums(job)


def test_a_first_request_that_arrives_late_fails_no_row(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(slow_seconds=5)
    job = harness.planned(gadgets(20))
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 1}, slow_job=1)

    drive(harness, job)

    results = list(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    )
    refused = [sandbox_job["failed_items"] for sandbox_job in harness.sandbox.jobs()]
    assert results == ["unconfirmed", "accepted"]
    assert sorted(refused) == [0, 20]
    assert job.state == JobState.COMPLETED
    assert job.created == 20
    assert job.failed == 0


@pytest.mark.parametrize("action", [Action.DELETE, Action.DELETE_BY_EXTERNAL_ID])
def test_a_repeated_delete_counts_what_the_first_request_deleted(
    harness: Harness, action: Action
) -> None:
    harness.object()
    ids = harness.sandbox.add_records("gadget", records(50))
    rows = (
        [{"id": i} for i in ids]
        if action is Action.DELETE
        else [{"external_id": f"g-{n}"} for n in range(50)]
    )
    lost = harness.planned(rows, action)
    harness.sandbox.faults(**{"502-after-accept": {"rate": 1, "times": 1}})

    drive(harness, lost)
    answered = drive(harness, harness.planned(rows, action))

    assert lost.deleted == 50
    assert lost.failed == 0
    assert answered.deleted == 0
    assert answered.failed == 50
    assert list(
        Attempt.objects.filter(batch__job=lost).values_list("result", flat=True)
    ) == ["unconfirmed", "accepted"]


# Faults of our own


def test_a_database_away_before_a_request_leaves_the_batch_unsent(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    fails_first(
        monkeypatch, credentials, "authorization", OperationalError("gone"), times=3
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert posts(harness) == 2
    assert set(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    ) == {"not_sent", "accepted"}


def test_our_own_fault_after_sending_leaves_the_batch_unconfirmed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    fails_first(
        monkeypatch,
        custom_objects,
        "post_job",
        RuntimeError("half way"),
        times=1,
        after=True,
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert posts(harness) == 2
    assert set(harness.sandbox.applied("gadget").values()) == {1}


@pytest.mark.parametrize(
    "name", ["job_statuses", "recent_job_statuses", "records_by_external_ids"]
)
def test_our_own_fault_in_a_read_stops_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    harness.sandbox.faults(
        drop_after_accept={"rate": 1, "times": 1},
        drop_before_accept={"rate": 1, "times": 1},
    )
    fails_first(monkeypatch, custom_objects, name, RuntimeError("oops"), times=2)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 150
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_a_result_that_cannot_be_stored_pauses_only_its_own_job(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    first = harness.planned(gadgets(100))
    second = harness.planned(gadgets(100, first=101))
    fails_first(
        monkeypatch, settlement, "settle_all", ValueError("cannot be stored"), times=2
    )

    drive(harness, second)

    first.refresh_from_db()
    told = JobEvent.objects.filter(
        kind=EventKind.AUTO_PAUSED, facts__reason__icontains="Jobs UI failed while"
    )
    assert first.created == 100
    assert second.created == 100
    assert first.state == JobState.COMPLETED
    assert second.state == JobState.COMPLETED
    assert told.count() == 1
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_results_are_kept_while_the_database_is_away(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(300))
    fails_first(
        monkeypatch, transitions, "write", OperationalError("gone"), times=2, after=True
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert posts(harness) == 3
    assert_sums(job)


def test_a_commit_of_unknown_outcome_sends_nothing_twice(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(300))
    claim, lost = Driver._claim, iter([True, True, False, True])

    def claim_and_lose(driver: Driver, wanted: Any) -> list[Any]:
        requests = claim(driver, wanted)
        if (requests or driver.unwritten) and next(lost, False):
            transaction.on_commit(lose)
        return requests

    def lose() -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(Driver, "_claim", claim_and_lose)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 300
    assert posts(harness) == 3
    results = list(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    )
    assert results.count("accepted") == 3
    assert set(results) == {"accepted", "not_sent"}
    assert_sums(job)


# Owners


def test_an_owned_account_is_left_alone(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with leases.held(f"account:{harness.connection.host}"):
        drive(harness, job)

    assert job.state == JobState.QUEUED
    assert posts(harness) == 0
    assert driver_pool.hosts_to_drive() == [harness.connection.host]


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


# People


@pytest.mark.parametrize("verb", [actions.pause, actions.cancel])
def test_pause_and_cancel_prevent_the_next_claim(
    harness: Harness, verb: Callable[..., None]
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        verb(job, by=None)
        requests = driver._commit()

    assert requests == []
    assert Batch.objects.get(job=job).attempts_made == 0


def test_cancel_finishes_the_batches_in_flight(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.5)
    job = harness.planned(gadgets(4500))

    with running_driver(harness):
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.ACCEPTED).exists()
        )
        job.refresh_from_db()
        actions.cancel(job, by=None)
        wait_until(lambda: state_of(job) == JobState.CANCELLED)
    job.refresh_from_db()

    assert job.created == len(harness.records()) > 0
    assert job.created + job.cancelled == 4500
    assert_sums(job)


def test_pause_finishes_the_batches_in_flight_and_resumes(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.5)
    job = harness.planned(gadgets(4500))

    with running_driver(harness):
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.ACCEPTED).exists()
        )
        job.refresh_from_db()
        actions.pause(job, by=None)
        wait_until(lambda: state_of(job) == JobState.PAUSED)
    job.refresh_from_db()
    half = (job.created, len(harness.records()))
    harness.sandbox.settings(job_seconds=0.05)
    actions.resume(job, by=None)
    drive(harness, job)

    assert half[0] == half[1] < 4500
    assert job.state == JobState.COMPLETED
    assert job.created == 4500
    assert set(harness.sandbox.applied("gadget").values()) == {1}


# What Zendesk refuses


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_batch_is_split_until_only_the_bad_row_fails(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    refuses(
        monkeypatch,
        Refused("Items are wrong.", status=status, code="Invalid attribute"),
        "g-38",
    )

    drive(harness, job)

    errors = list(job.row_errors.values_list("row", "code", "message"))
    assert job.state == JobState.COMPLETED
    assert job.created == 149
    assert job.failed == 1
    assert errors == [(39, "Invalid attribute", "Items are wrong.")]
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert set(harness.records()) == {f"g-{n}" for n in range(1, 151)} - {"g-38"}
    sent = list(
        Attempt.objects.filter(batch__job=job, batch__seq=1).values_list(
            "items", "result"
        )
    )
    assert sent == [
        (100, "refused"),
        (50, "refused"),
        (25, "accepted"),
        (25, "refused"),
        (13, "refused"),
        (7, "accepted"),
        (7, "refused"),
        (4, "accepted"),
        (4, "refused"),
        (2, "refused"),
        (1, "accepted"),
        (1, "refused"),
        (62, "accepted"),
    ]
    assert_sums(job)


@pytest.mark.parametrize(
    "fault",
    ["drop-after-accept", "drop-before-accept", "status-expired", "short-results"],
)
def test_a_split_batch_survives_lost_responses(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(100))
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "g-38")
    harness.sandbox.faults(**{fault: {"rate": 0.5, "times": 3}})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 99
    assert job.failed == 1
    assert set(harness.sandbox.applied("gadget").values()) == {1}
    assert_sums(job)


def test_cancel_leaves_only_the_sent_part_of_a_batch_uncertain(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(100))
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "g-38")
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})
    sends_nothing_again(monkeypatch)

    with running_driver(harness):
        wait_until(
            lambda: Attempt.objects.filter(
                batch__job=job, result="unconfirmed"
            ).exists()
        )
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.PLANNED).exists()
        )
        actions.cancel(job, by=None)
        wait_until(lambda: state_of(job) == JobState.CANCELLED)
    job.refresh_from_db()

    assert job.created == 0
    assert job.uncertain == 25
    assert job.cancelled == 75
    assert_sums(job)


def test_without_external_ids_only_a_lost_part_is_uncertain(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(plain(100), generate_external_ids=False)
    refuses(monkeypatch, Refused("Items are wrong.", status=422), "AB-000010")
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})

    drive(harness, job)

    assert job.state == JobState.NEEDS_DECISION
    assert job.created == 92
    assert job.failed == 1
    assert job.uncertain == 7
    assert_sums(job)


def test_a_job_pauses_when_every_request_is_refused(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(500))
    Job.objects.filter(pk=job.pk).update(stop_refusals=4)
    refuses(monkeypatch, Refused("A field is missing.", status=422), "items")

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.pending == 500
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused ")


def test_a_job_pauses_when_too_many_rows_fail(harness: Harness) -> None:
    harness.object(is_unique=True)
    harness.sandbox.add_records("gadget", records(1000))
    harness.connection.max_running_jobs = 2
    harness.connection.save()
    job = harness.planned(
        [{**row, "name": f"G{n}"} for n, row in enumerate(gadgets(1000))]
    )
    Job.objects.filter(pk=job.pk).update(stop_rows=300, stop_percent=60)

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.created == 0
    assert 300 <= job.failed <= 500
    assert job.reason == "300 of the last 300 rows failed."
    actions.resume(job, by=None)
    Job.objects.filter(pk=job.pk).update(stop_percent=None)
    drive(harness, job)
    assert job.state == JobState.COMPLETED
    assert job.failed == 1000


def test_a_job_with_nothing_left_to_send_does_not_pause(harness: Harness) -> None:
    harness.object(is_unique=True)
    harness.sandbox.add_records("gadget", records(3))
    job = harness.planned(
        [{**row, "name": f"G{n}"} for n, row in enumerate(gadgets(3))]
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.failed == 3
    assert not job.events.filter(kind=EventKind.AUTO_PAUSED).exists()


def test_a_held_job_sends_only_its_first_batch_until_approved(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(250))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=True)

    drive(harness, job)
    first = (job.state, job.limited_by, job.created, posts(harness))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=False)
    actions.resume(job, by=None)
    drive(harness, job)

    assert first == (JobState.PAUSED, LimitedBy.FIRST_BATCH, 100, 1)
    assert job.state == JobState.COMPLETED
    assert job.created == 250
    assert job.limited_by == LimitedBy.NOTHING
    assert set(job.limited_seconds) >= {LimitedBy.FIRST_BATCH}


def test_a_held_job_of_one_batch_completes(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(50))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=True)

    assert drive(harness, job).state == JobState.COMPLETED


def test_jobs_share_the_account_by_their_weight(harness: Harness) -> None:
    harness.object()
    jobs = [harness.planned(gadgets(3000, first=1 + 3000 * n)) for n in range(2)]
    Job.objects.filter(pk=jobs[0].pk).update(weight=Weight.LOW)
    Connection.objects.update(max_running_jobs=5)

    with running_driver(harness):
        wait_until(lambda: Attempt.objects.count() >= 30)
        sent = Attempt.objects.order_by("pk").values_list("batch__job", flat=True)[:30]
        counts = [list(sent).count(job.pk) for job in jobs]

    # A fifth of thirty, give or take what was on its way when they were counted.
    assert 5 <= counts[0] <= 7


def test_batches_without_a_slot_do_not_count_as_sent(harness: Harness) -> None:
    """Otherwise the job that is chosen last, whose batches are refused most often, would
    get the fewest."""
    jobs = []
    for key in ("gadget", "widget"):
        harness.object(key)
        jobs.append(harness.planned(gadgets(3000), key=key))
    harness.sandbox.faults(**{"too-many-jobs": {"rate": 0.5, "path": "widget"}})

    with running_driver(harness):
        wait_until(lambda: Attempt.objects.filter(result="accepted").count() >= 30)
        sent = (
            Attempt.objects.filter(result="accepted")
            .order_by("pk")
            .values_list("batch__job", flat=True)[:30]
        )
        counts = [list(sent).count(job.pk) for job in jobs]

    # A half, give or take what was on its way when they were counted.
    assert 13 <= counts[1] <= 17


def test_other_jobs_wait_for_the_keys_of_unconfirmed_batches(
    harness: Harness,
) -> None:
    timing = replace(FAST, quiet_time=60)
    clock = AdvanceableClock()
    harness.object()
    older = harness.planned(priced(range(50), 1), Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})

    with running_driver(harness, timing, clock):
        wait_until(Batch.objects.filter(job=older, state=BatchState.UNCONFIRMED).exists)
        newer = harness.planned(priced(range(40, 60), 2), Action.UPSERT_BY_EXTERNAL_ID)
        apart = harness.planned(gadgets(10, first=900), Action.UPSERT_BY_EXTERNAL_ID)
        wait_until(lambda: state_of(apart) == JobState.COMPLETED)
        clock.advance(60)
        wait_until(lambda: state_of(older) == JobState.COMPLETED)
        wait_until(lambda: state_of(newer) == JobState.COMPLETED)

    prices = {
        key: record["custom_object_fields"]["price"]
        for key, record in harness.records().items()
    }
    assert [prices[f"g-{n}"] for n in (0, 39, 40, 49, 59)] == [1, 1, 2, 2, 2]
    order = list(Attempt.objects.order_by("pk").values_list("batch__job", flat=True))
    assert order == [older.pk, apart.pk, older.pk, newer.pk]


@pytest.mark.parametrize("fault", ["missing-scope", "gone", "api-tokens-off"])
def test_a_refused_account_or_object_pauses_the_job(
    harness: Harness, fault: str
) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    if fault == "gone":
        auth = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
        requests.delete(
            f"{harness.sandbox.url}/api/v2/custom_objects/gadget", auth=auth, timeout=10
        ).raise_for_status()
    elif fault == "missing-scope":
        harness.sandbox.faults(missing_scope={"rate": 1, "path": "/jobs"})
    else:
        harness.sandbox.settings(api_tokens=False)

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.pending == 150
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused: ")
    assert set(Batch.objects.filter(job=job).values_list("state", flat=True)) == {
        BatchState.PLANNED
    }
    if fault != "gone":
        harness.sandbox.faults()
        harness.sandbox.settings(api_tokens=True)
        actions.resume(job, by=None)
        assert drive(harness, job).created == 150


def with_oauth(harness: Harness, **secrets: str) -> None:
    connection = Connection.objects.get(pk=harness.connection.pk)
    connection.sign_in, connection.client_id = (
        SignIn.OAUTH_TOKEN,
        harness.sandbox.client_id,
    )
    connection.save()
    credentials.save_secrets(connection, secrets, by=None)


def test_a_token_that_expires_is_renewed_and_nothing_is_lost(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(900))
    sandbox = harness.sandbox
    with_oauth(
        harness,
        access_token=sandbox.bearer,
        refresh_token=sandbox.refresh_token,
        client_secret=sandbox.client_secret,
    )
    sandbox.faults(bearer_expired={"rate": 0.5, "times": 2})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 900
    assert set(sandbox.applied("gadget").values()) == {1}
    assert {entry["status"] for entry in sandbox.log()} >= {401, 201}


def test_a_token_that_cannot_be_renewed_pauses_with_a_reason(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(900))
    with_oauth(harness, access_token=harness.sandbox.bearer)
    harness.sandbox.faults(bearer_expired={"rate": 1, "times": 1, "method": "POST"})

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused: ")


def test_an_unreachable_zendesk_fails_nothing(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    Connection.objects.filter(pk=harness.connection.pk).update(host="127.0.0.1:9")
    harness.connection.refresh_from_db()

    with running_driver(harness):
        wait_until(lambda: Job.objects.get(pk=job.pk).limited_by == "unreachable")
    job.refresh_from_db()

    assert job.state == JobState.RUNNING
    assert job.pending == 150
    assert job.failed == 0
    assert set(
        Attempt.objects.filter(batch__job=job).values_list("result", flat=True)
    ) == {"not_sent"}
    assert set(Batch.objects.filter(job=job).values_list("state", flat=True)) == {
        BatchState.PLANNED
    }


def test_a_host_no_longer_allowed_pauses_with_a_reason(
    harness: Harness, settings: Any
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    settings.API_HOSTS = ["*.zendesk.com"]

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert posts(harness) == 0
    assert "JOBSUI_API_HOSTS" in job.reason


def test_unconfirmed_batches_count_towards_the_window(harness: Harness) -> None:
    with new_driver(harness) as driver:
        driver.limits.window = rate_limits.Window(30, clock=FakeClock())
        driver.unconfirmed.replace(range(28), 0.0)
        room = driver._room()

    assert room == 2


@pytest.mark.parametrize(
    ("rows", "requests_left", "slots", "sent", "limited"),
    [
        (1000, 2, 30, 2, {LimitedBy.REQUEST_RATE: 1}),
        (1000, 5, 3, 3, {LimitedBy.JOB_SLOTS: 1}),
        # It does not know yet that there are no more batches.
        (200, 2, 30, 2, {LimitedBy.REQUEST_RATE: 1}),
        (200, 5, 30, 2, {}),
    ],
)
def test_a_round_notes_what_kept_it_from_sending_more(
    harness: Harness,
    rows: int,
    requests_left: int,
    slots: int,
    sent: int,
    limited: dict[LimitedBy, int],
) -> None:
    harness.object()
    harness.planned(gadgets(rows))
    Connection.objects.update(max_running_jobs=slots)

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        driver.limits.budget = rate_limits.Budget(600, clock=FakeClock())
        driver.limits.budget._tokens = requests_left
        driver.round([])
        posting = len(driver.posting)
        tokens = driver.limits.budget.tokens
        noted = dict(driver.limited)

    assert posting == sent
    assert tokens == requests_left - sent
    assert noted == limited


def test_an_idle_driver_makes_one_query_per_refresh(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    Batch.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).update(planned_at=None)
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        for _ in range(3):
            driver.round([])
            clock.sleep(FAST.refresh_interval + 0.01)
        driver.lease.renew()
        with CaptureQueriesContext(connection) as queries:
            driver.round([])
            driver.round([])

    assert len(queries) == 1


def test_batches_planned_later_are_sent_at_the_next_refresh(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    later = Batch.objects.filter(job=job)
    later.update(state=BatchState.CANCELLED, done_at=Now())
    Job.objects.filter(pk=job.pk).update(planned_at=None)
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        for _ in range(3):
            driver.round([])
            clock.sleep(FAST.refresh_interval + 0.01)
        later.update(state=BatchState.PLANNED, done_at=None)
        Job.objects.filter(pk=job.pk).update(version=F("version") + 1)
        driver.round([])
        posting = len(driver.posting)

    assert posting == 1


def test_other_integrations_keep_their_job_slots(harness: Harness) -> None:
    harness.object()
    harness.sandbox.settings(other_jobs=26, job_seconds=0.2)
    job = harness.planned(gadgets(1000))

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 1000
    assert Attempt.objects.filter(batch__job=job, result="limited").exists()


# Helpers


def records(count: int) -> list[dict[str, Any]]:
    return [
        {
            "external_id": f"g-{n}",
            "name": f"G{n}",
            "custom_object_fields": {"serial": f"AB-{n:06}"},
        }
        for n in range(count)
    ]


def priced(numbers: Iterable[int], price: int) -> list[dict[str, Any]]:
    return [
        {
            "external_id": f"g-{n}",
            "name": f"G{n}",
            "serial": f"AB-{n:06}",
            "price": price,
        }
        for n in numbers
    ]


def sends_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody came to batches that are to be sent again after doubt."""
    next_planned = sql.next_planned

    def never_in_doubt(job_id: int, number: int, *, first_only: bool) -> list[Batch]:
        planned = next_planned(job_id, number, first_only=first_only)
        return [
            batch
            for batch in planned
            if not batch.attempts.filter(result__in=Attempt.UNCONFIRMED).exists()
        ]

    monkeypatch.setattr(sql, "next_planned", never_in_doubt)


def refuses(monkeypatch: pytest.MonkeyPatch, refusal: Refused, word: str) -> None:
    """Let Zendesk refuse, as a whole, every batch in which the word is."""
    post = custom_objects.post_job

    def refusing(client: Any, key: str, body: bytes) -> Any:
        if f'"{word}"'.encode() in body:
            raise refusal
        return post(client, key, body)

    monkeypatch.setattr(custom_objects, "post_job", refusing)


def fails_first(
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    error: Exception,
    *,
    times: int,
    after: bool = False,
) -> None:
    """Let a function fail so many times, before or after it has done its work."""
    works, left = getattr(place, name), threading.Semaphore(times)

    def failing(*args: Any, **more: Any) -> Any:
        fails = left.acquire(blocking=False)
        if fails and not after:
            raise error
        answer = works(*args, **more)
        if fails:
            raise error
        return answer

    monkeypatch.setattr(place, name, failing)
