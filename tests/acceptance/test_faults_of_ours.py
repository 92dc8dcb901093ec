"""The fault matrix, second half: what happens to our own processes, queue, database and
clock while a real worker process drives a job. Nothing may be lost or applied twice,
and the job must end by itself."""

import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from jobsui.connections.models import Connection
from jobsui.jobs.delivery.call_threads import POST_THREADS
from jobsui.jobs.enums import BatchState
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from jobsui.jobs.timing import Timing
from tests.acceptance.jobs import (
    Fate,
    attempts,
    ended,
    fate,
    in_flight,
    planned,
    posts,
    state_of,
    undriven,
    without_ids,
)
from tests.acceptance.processes import (
    Process,
    Processes,
    database_url,
    freeze,
    is_owned,
    thaw,
    wait_until,
)
from tests.harness import Harness, gadgets

FAILPOINT = 77
"""The exit status of a process that ended where it was told to."""
RESULT = "SELECT 1 FROM jobs_batch WHERE state = 'done'"
INTENT = "SELECT 1 FROM jobs_attempt"


@pytest.fixture
def harness(harness: Harness, processes: Processes) -> Harness:
    # A batch that comes too early is no fault of ours, and would blur what is counted
    # here.
    Connection.objects.filter(pk=harness.connection.pk).update(early_send=False)
    harness.object()
    harness.sandbox.settings(job_seconds=0.2)
    return harness


# kill -9


@pytest.mark.parametrize(
    ("moment", "sent", "sendings"),
    [
        ({"JOBSUI_LAST_COMMIT": INTENT}, 0, {"accepted": 1}),
        (
            {"JOBSUI_FAILPOINT": "http:before-write:POST /jobs:1"},
            0,
            {"unconfirmed": 1, "accepted": 1},
        ),
        ({"JOBSUI_FAILPOINT": "http:after-write:POST /jobs:1"}, 1, {"unconfirmed": 1}),
        ({"JOBSUI_FAILPOINT": "http:after-read:POST /jobs:1"}, 1, {"unconfirmed": 1}),
        ({"JOBSUI_LAST_COMMIT": RESULT}, 1, {"accepted": 1}),
    ],
    ids=[
        "before the intent is committed",
        "after the intent, before the request",
        "after the request",
        "after the response, before it is committed",
        "while the result is committed",
    ],
)
def test_worker_killed_at_any_step_loses_and_repeats_nothing(
    harness: Harness,
    processes: Processes,
    moment: dict[str, str],
    sent: int,
    sendings: dict[str, int],
) -> None:
    dies = processes.worker(**moment)
    job = planned(harness, gadgets(100))
    assert dies.wait(timeout=60) == FAILPOINT
    wait_until(lambda: posts(harness) == sent, "what it had sent")
    before = fate(harness, job)

    processes.worker()

    assert before.created == 0
    assert ended(harness, job) == Fate("completed", created=100)
    assert (attempts(job), posts(harness)) == (
        sendings,
        sendings.get("accepted", 0) or 1,
    )


def test_batches_of_a_killed_worker_are_polled_by_the_next(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=3)
    worker, standby = processes.worker(), processes.worker()
    job = planned(harness, gadgets(3000))
    wait_until(lambda: in_flight(job) == 30, "30 batches in flight")

    processes.kill(driver_of(worker, standby))

    assert ended(harness, job) == Fate("completed", created=3000)
    assert (attempts(job), posts(harness)) == ({"accepted": 30}, 30)


@pytest.mark.parametrize(
    ("generate_external_ids", "told"),
    [
        (True, Fate("completed", created=300)),
        (False, Fate("needs_decision", created=0, uncertain=300)),
    ],
)
def test_expired_job_statuses_are_reconciled_with_the_records(
    harness: Harness, processes: Processes, generate_external_ids: bool, told: Fate
) -> None:
    harness.sandbox.settings(job_seconds=1.5)
    worker = processes.worker()
    job = planned(
        harness, without_ids(300), generate_external_ids=generate_external_ids
    )
    wait_until(lambda: in_flight(job) == 3, "3 batches in flight")
    processes.kill(worker)
    harness.sandbox.settings(status_seconds=0)
    wait_until(lambda: not harness.sandbox.jobs(), "job statuses that are forgotten")

    processes.worker()

    assert ended(harness, job) == told
    assert (attempts(job), posts(harness)) == ({"lost": 3}, 3)


# Several workers


def test_worker_frozen_beyond_its_lease_writes_and_sends_nothing(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=0.5)
    Connection.objects.filter(pk=harness.connection.pk).update(max_running_jobs=4)
    workers = processes.worker(), processes.worker()
    job = planned(harness, gadgets(2000))
    wait_until(lambda: in_flight(job) == 4, "4 batches in flight")
    frozen, first = (
        driver_of(*workers),
        Lease.objects.get(name__startswith="account:").epoch,
    )
    freeze_between_transactions(frozen)
    wait_until(
        lambda: Attempt.objects.filter(epoch__gt=first).exists(),
        "another driver that sends",
    )
    taken_over_at = Attempt.objects.filter(epoch__gt=first).earliest("at").at

    thaw(frozen)

    wait_until(lambda: processes.said("Another driver took"), "a driver that gives up")
    assert ended(harness, job) == Fate("completed", created=2000)
    assert Attempt.objects.filter(epoch=first, at__gt=taken_over_at).count() == 0
    assert (
        posts(harness)
        == Attempt.objects.filter(result__in=("accepted", "unconfirmed")).count()
    )


def test_two_workers_asked_repeatedly_start_one_driver(
    harness: Harness, processes: Processes
) -> None:
    processes.worker()
    processes.worker()
    with undriven(harness):
        job = planned(harness, gadgets(2000))
    processes.enqueue(times=6)

    assert ended(harness, job) == Fate("completed", created=2000)
    assert (attempts(job), posts(harness)) == ({"accepted": 20}, 20)
    assert Attempt.objects.values("epoch").distinct().count() == 1


def test_worker_asked_to_stop_sends_no_more_and_hands_over(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1, latency_ms=300)
    workers = processes.worker(), processes.worker()
    job = planned(harness, gadgets(4500))
    wait_until(lambda: in_flight(job) > 10, "batches in flight")
    ending, first = (
        driver_of(*workers),
        Lease.objects.get(name__startswith="account:").epoch,
    )

    (next_one,) = set(workers) - {ending}

    with processes.no_sweep():  # Whoever goes on was called by the one that ended,
        freeze(next_one)  # even if it comes to the door a little later.
        sent = Attempt.objects.count()
        ending.send_signal(signal.SIGTERM)
        status = ending.wait(timeout=30)
        thaw(next_one)
        told = ended(harness, job, seconds=20)

    by_first = Attempt.objects.filter(epoch=first).count()
    assert status == 0
    assert told == Fate("completed", created=4500)
    assert set(attempts(job)) <= {
        "accepted",
        "not_sent",
    }  # Claimed, but withheld when it was asked to end.
    assert attempts(job)["accepted"] == posts(harness) == 45
    assert sent <= by_first <= sent + 2 * POST_THREADS  # What one round may claim.


# The queue


@pytest.mark.parametrize("loss", ["emptied", "restarted"])
def test_empty_queue_delays_a_job_until_the_next_sweep(
    harness: Harness, processes: Processes, loss: str
) -> None:
    job = planned(harness, gadgets(300))
    processes.enqueue()
    if loss == "emptied":
        processes.empty_queue()
    else:
        processes.restart_queue(empty=True)

    processes.worker()

    assert ended(harness, job) == Fate("completed", created=300)
    assert attempts(job) == {"accepted": 3}
    assert Timing().sweep_interval == 15


def test_queue_that_restarts_stops_no_job(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    processes.worker()
    job = planned(harness, gadgets(3000))
    wait_until(lambda: in_flight(job) > 0, "batches in flight")

    processes.restart_queue(empty=True)

    assert ended(harness, job) == Fate("completed", created=3000)
    assert attempts(job) == {"accepted": 30}
    after = planned(harness, gadgets(100, first=3001))
    wait_until(lambda: state_of(after) == "completed", "the end of the next job")


# The database


def test_database_outage_delays_a_job_and_loses_no_response(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    processes.worker()
    job = planned(harness, gadgets(4500))
    wait_until(lambda: in_flight(job) >= 10, "batches in flight")

    with database_away():
        wait_until(
            lambda: processes.said("database cannot be used"), "a driver that noticed"
        )
        time.sleep(1)
        sent, intended = posts(harness), Attempt.objects.count()

    assert sent <= intended
    assert ended(harness, job) == Fate("completed", created=4500)
    assert set(attempts(job)) <= {"accepted", "not_sent"}
    assert attempts(job)["accepted"] == posts(harness) == 45


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'",
    reason="The disk of a database server is not ours to fill.",
)
@pytest.mark.skipif(
    sys.platform != "linux", reason="Nobody else can limit what another process writes."
)
def test_full_disk_delays_a_job_and_loses_no_response(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    worker = processes.worker()
    job = planned(harness, gadgets(4500))
    wait_until(lambda: in_flight(job) >= 10, "batches in flight")

    with nothing_more_to_disk(worker):
        time.sleep(0.5)
        before = (
            Attempt.objects.count(),
            Batch.objects.filter(state=BatchState.DONE).count(),
        )
        time.sleep(1.5)
        after = (
            Attempt.objects.count(),
            Batch.objects.filter(state=BatchState.DONE).count(),
        )
        sent = posts(harness)

    assert after == before
    assert sent <= after[0]
    assert ended(harness, job) == Fate("completed", created=4500)
    assert set(attempts(job)) <= {"accepted", "not_sent"}
    assert attempts(job)["accepted"] == posts(harness) == 45


# The clock


@pytest.mark.parametrize("hours", [1, -1])
def test_clock_that_jumps_changes_nothing(
    harness: Harness, processes: Processes, tmp_path: Path, hours: int
) -> None:
    clock = tmp_path / "clock"
    set_clock(clock, hours=0)
    harness.sandbox.settings(job_seconds=0.5)
    harness.sandbox.faults(drop_after_accept={"rate": 0.2, "times": 3})
    Connection.objects.filter(pk=harness.connection.pk).update(max_running_jobs=5)
    processes.worker(JOBSUI_CLOCK=str(clock))
    job = planned(harness, gadgets(2000))
    wait_until(lambda: attempts(job).get("unconfirmed", 0) > 0, "a batch in doubt")
    set_clock(clock, hours=hours)
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 2})

    assert ended(harness, job) == Fate("completed", created=2000)
    assert set(attempts(job)) == {"accepted", "unconfirmed"}
    assert posts(harness) == 20
    wait_until(lambda: not is_owned(), "a lease given back")


def set_clock(path: Path, *, hours: int) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(str(3600 * hours))
    draft.replace(path)


# Helpers


def driver_of(*workers: Process) -> Process:
    """The one of them that drives."""
    owner = Lease.objects.live().get(name__startswith="account:").owner
    return next(worker for worker in workers if f":{worker.pid}:" in owner)


def freeze_between_transactions(process: Process) -> None:
    """Frozen in one it would hold its locks, and nobody could take over before it
    wakes."""
    freeze(process)
    while not is_writable():
        thaw(process)
        time.sleep(0.05)
        freeze(process)


def is_writable() -> bool:
    """Whether no transaction of others holds us up."""
    if connection.vendor == "sqlite":
        with closing(
            sqlite3.connect(connection.settings_dict["NAME"], timeout=0.5)
        ) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True
    try:
        with transaction.atomic():
            return all(
                len(rows.select_for_update(nowait=True))
                for rows in (Lease.objects.all(), Job.objects.all())
            )
    except OperationalError:
        return False


@contextmanager
def database_away() -> Iterator[None]:
    """SQLite is locked for longer than anybody waits; PostgreSQL ends all connections
    but ours and takes no new one."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        with closing(
            sqlite3.connect(name, timeout=20, isolation_level=None)
        ) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (ours,) = cursor.fetchone()
    server = database_url().rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as others:
        others.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
            others.execute(ends, [name, ours])
            yield
        finally:
            others.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def nothing_more_to_disk(process: Process) -> Iterator[None]:
    """Every write of the process to any file fails."""
    most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, most[1]))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, most)
