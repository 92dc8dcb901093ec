"""Faults of our own processes, queue, database and clock while a real worker process
drives a job (docs/faults.md). No row may be lost or applied twice, and the job must end
by itself."""

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
from jobsui.jobs import leases
from jobsui.jobs.delivery.call_threads import POST_THREADS
from jobsui.jobs.enums import BatchState, FileState
from jobsui.jobs.models import Attempt, Batch, File, Job, Lease
from jobsui.jobs.preparation import uploads
from jobsui.jobs.timing import Timing
from tests import failpoints
from tests.acceptance.jobs import (
    JobResult,
    attempts,
    final_result,
    in_flight,
    no_driver,
    posts,
    result_now,
    state_of,
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
from tests.harness import Harness, gadgets, to_csv

INTENT = "SELECT 1 FROM jobs_attempt"
"""Finds a row in the transaction that records which batches are about to be sent."""
RESULT = "SELECT 1 FROM jobs_batch WHERE state = 'done'"
"""Finds a row in the transaction that records the first result."""


@pytest.fixture
def harness(harness: Harness, processes: Processes) -> Harness:  # noqa: ARG001
    # Zendesk refuses some of the batches that are sent early, which would blur the
    # counts.
    Connection.objects.filter(pk=harness.connection.pk).update(early_send=False)
    harness.object()
    harness.sandbox.settings(job_seconds=0.2)
    return harness


# kill -9


@pytest.mark.parametrize(
    ("environment", "sent", "results"),
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
    environment: dict[str, str],
    sent: int,
    results: dict[str, int],
) -> None:
    killed = processes.worker(**environment)
    job = harness.planned(gadgets(100))
    assert killed.wait(timeout=60) == failpoints.EXIT_STATUS
    wait_until(lambda: posts(harness) == sent, "the request of the killed worker")
    before = result_now(harness, job)

    processes.worker()

    assert before.created == 0
    assert final_result(harness, job) == JobResult("completed", created=100)
    assert attempts(job) == results
    assert posts(harness) == 1


@pytest.mark.usefixtures("harness")
def test_file_that_kills_its_worker_is_rejected(processes: Processes) -> None:
    file = uploads.receive([to_csv(gadgets(3))], "rows.csv", by=None)
    dies = {"JOBSUI_FAILPOINT": "commit:before:_Reading.run:1"}
    for _ in range(leases.MAX_KILLS):
        killed = processes.worker("work", **dies)
        assert killed.wait(timeout=60) == failpoints.EXIT_STATUS

    processes.worker("work")

    reading = File.objects.filter(pk=file.pk, state=FileState.READING)
    wait_until(lambda: not reading.exists(), "the end of the file")
    file.refresh_from_db()
    assert file.state == FileState.REJECTED
    assert file.error.startswith(leases.KILLED)


def test_batches_of_a_killed_worker_are_polled_by_the_next(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=3)
    worker = processes.worker()
    standby = processes.worker()
    job = harness.planned(gadgets(3000))
    wait_until(lambda: in_flight(job) == 30, "30 batches in flight")

    processes.kill(driver_of(worker, standby))

    assert final_result(harness, job) == JobResult("completed", created=3000)
    assert attempts(job) == {"accepted": 30}
    assert posts(harness) == 30


@pytest.mark.parametrize(
    ("generate_external_ids", "result"),
    [
        (True, JobResult("completed", created=300)),
        (False, JobResult("needs_decision", created=0, uncertain=300)),
    ],
)
def test_expired_job_statuses_are_reconciled_with_the_records(
    harness: Harness,
    processes: Processes,
    generate_external_ids: bool,
    result: JobResult,
) -> None:
    harness.sandbox.settings(job_seconds=1.5)
    worker = processes.worker()
    job = harness.planned(without_ids(300), generate_external_ids=generate_external_ids)
    wait_until(lambda: in_flight(job) == 3, "3 batches in flight")
    processes.kill(worker)
    harness.sandbox.settings(status_seconds=0)
    wait_until(lambda: not harness.sandbox.jobs(), "the job statuses to expire")

    processes.worker()

    assert final_result(harness, job) == result
    assert attempts(job) == {"lost": 3}
    assert posts(harness) == 3


# Several workers


def test_worker_frozen_beyond_its_lease_writes_and_sends_nothing(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=0.5)
    Connection.objects.filter(pk=harness.connection.pk).update(max_running_jobs=4)
    workers = processes.worker(), processes.worker()
    job = harness.planned(gadgets(2000))
    wait_until(lambda: in_flight(job) == 4, "4 batches in flight")
    frozen = driver_of(*workers)
    first_epoch = epoch()
    freeze_between_posts(frozen, harness)
    later_attempts = Attempt.objects.filter(epoch__gt=first_epoch)
    wait_until(later_attempts.exists, "another driver that sends")
    taken_over_at = later_attempts.earliest("at").at

    thaw(frozen)

    wait_until(
        lambda: processes.have_logged("Another driver took"), "a driver that gives up"
    )
    assert final_result(harness, job) == JobResult("completed", created=2000)
    of_frozen = Attempt.objects.filter(epoch=first_epoch, at__gt=taken_over_at)
    assert of_frozen.count() == 0
    sent = Attempt.objects.filter(result__in=("accepted", "unconfirmed"))
    assert posts(harness) == sent.count()


def test_two_workers_asked_repeatedly_start_one_driver(
    harness: Harness, processes: Processes
) -> None:
    processes.worker()
    processes.worker()
    with no_driver(harness):
        job = harness.planned(gadgets(2000))
    processes.enqueue(times=6)

    assert final_result(harness, job) == JobResult("completed", created=2000)
    assert attempts(job) == {"accepted": 20}
    assert posts(harness) == 20
    assert Attempt.objects.values("epoch").distinct().count() == 1


def test_worker_asked_to_stop_sends_no_more_and_hands_over(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1, latency_ms=300)
    workers = processes.worker(), processes.worker()
    job = harness.planned(gadgets(4500))
    wait_until(lambda: in_flight(job) > 10, "batches in flight")
    stopped = driver_of(*workers)
    first_epoch = epoch()
    (successor,) = set(workers) - {stopped}

    # Without a sweep, only the worker that stops can call its successor, which is
    # frozen until then.
    with processes.no_sweep():
        freeze(successor)
        claimed_before = Attempt.objects.count()
        stopped.send_signal(signal.SIGTERM)
        exit_status = stopped.wait(timeout=30)
        thaw(successor)
        result = final_result(harness, job, seconds=20)

    assert exit_status == 0
    assert result == JobResult("completed", created=4500)
    # `not_sent`: claimed, but withheld because the worker was asked to stop.
    assert attempts(job).keys() <= {"accepted", "not_sent"}
    assert attempts(job)["accepted"] == 45
    assert posts(harness) == 45
    claimed = Attempt.objects.filter(epoch=first_epoch).count()
    in_one_round = 2 * POST_THREADS
    assert claimed_before <= claimed <= claimed_before + in_one_round


# The queue


@pytest.mark.parametrize("loss", ["emptied", "restarted"])
def test_empty_queue_delays_a_job_until_the_next_sweep(
    harness: Harness, processes: Processes, loss: str
) -> None:
    job = harness.planned(gadgets(300))
    processes.enqueue()
    if loss == "emptied":
        processes.empty_queue()
    else:
        processes.restart_queue(empty=True)

    processes.worker()

    assert final_result(harness, job) == JobResult("completed", created=300)
    assert attempts(job) == {"accepted": 3}
    assert Timing().sweep_interval == 15


def test_queue_that_restarts_stops_no_job(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    processes.worker()
    job = harness.planned(gadgets(3000))
    wait_until(lambda: in_flight(job) > 0, "batches in flight")

    processes.restart_queue(empty=True)

    assert final_result(harness, job) == JobResult("completed", created=3000)
    assert attempts(job) == {"accepted": 30}
    next_job = harness.planned(gadgets(100, first=3001))
    wait_until(lambda: state_of(next_job) == "completed", "the end of the next job")


# The database


def test_database_outage_delays_a_job_and_loses_no_response(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    processes.worker()
    job = harness.planned(gadgets(4500))
    wait_until(lambda: in_flight(job) >= 10, "batches in flight")

    with database_away():
        wait_until(
            lambda: processes.have_logged("database cannot be used"),
            "a driver that noticed",
        )
        time.sleep(1)
        sent = posts(harness)
        claimed = Attempt.objects.count()

    assert sent <= claimed
    assert final_result(harness, job) == JobResult("completed", created=4500)
    assert attempts(job).keys() <= {"accepted", "not_sent"}
    assert attempts(job)["accepted"] == 45
    assert posts(harness) == 45


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'",
    reason="The test cannot fill the disk of a database server.",
)
@pytest.mark.skipif(
    sys.platform != "linux", reason="Only Linux can limit the files of another process."
)
def test_full_disk_delays_a_job_and_loses_no_response(
    harness: Harness, processes: Processes
) -> None:
    harness.sandbox.settings(job_seconds=1)
    worker = processes.worker()
    job = harness.planned(gadgets(4500))
    wait_until(lambda: in_flight(job) >= 10, "batches in flight")

    done = Batch.objects.filter(state=BatchState.DONE)
    with full_disk(worker):
        time.sleep(0.5)
        claimed_before = Attempt.objects.count()
        done_before = done.count()
        time.sleep(1.5)
        claimed_after = Attempt.objects.count()
        done_after = done.count()
        sent = posts(harness)

    assert claimed_after == claimed_before
    assert done_after == done_before
    assert sent <= claimed_after
    assert final_result(harness, job) == JobResult("completed", created=4500)
    assert attempts(job).keys() <= {"accepted", "not_sent"}
    assert attempts(job)["accepted"] == 45
    assert posts(harness) == 45


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
    job = harness.planned(gadgets(2000))
    wait_until(lambda: attempts(job).get("unconfirmed", 0) > 0, "an unconfirmed batch")
    set_clock(clock, hours=hours)
    harness.sandbox.faults(drop_after_accept={"rate": 1, "times": 2})

    assert final_result(harness, job) == JobResult("completed", created=2000)
    assert attempts(job).keys() == {"accepted", "unconfirmed"}
    assert posts(harness) == 20
    wait_until(lambda: not is_owned(), "the lease to be released")


def set_clock(path: Path, *, hours: int) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(str(3600 * hours))
    draft.replace(path)


# Helpers


def driver_of(*workers: Process) -> Process:
    """The worker that owns the account."""
    owner = Lease.objects.live().get(name__startswith="account:").owner
    return next(worker for worker in workers if f":{worker.pid}:" in owner)


def epoch() -> int:
    """The epoch of the account's lease."""
    return Lease.objects.get(name__startswith="account:").epoch


def freeze_between_posts(process: Process, harness: Harness) -> None:
    """A process frozen in a transaction would hold its locks, and no other could take
    over. Frozen between the commit of an attempt and its request, it would have an
    attempt that has sent nothing."""
    freeze(process)
    while not is_writable() or posts(harness) != Attempt.objects.count():
        thaw(process)
        time.sleep(0.05)
        freeze(process)


def is_writable() -> bool:
    """Whether no other transaction holds a lock."""
    if connection.vendor == "sqlite":
        name = connection.settings_dict["NAME"]
        with closing(sqlite3.connect(name, timeout=0.5)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True
    try:
        with transaction.atomic():
            leases = Lease.objects.select_for_update(nowait=True)
            jobs = Job.objects.select_for_update(nowait=True)
            return bool(leases and jobs)
    except OperationalError:
        return False


@contextmanager
def database_away() -> Iterator[None]:
    """SQLite stays locked for longer than the driver waits. PostgreSQL ends all
    connections but this test's and accepts no new one."""
    if connection.vendor == "sqlite":
        with _sqlite_locked():
            yield
    else:
        with _postgres_without_connections():
            yield


@contextmanager
def _sqlite_locked() -> Iterator[None]:
    name = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(name, timeout=20, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@contextmanager
def _postgres_without_connections() -> Iterator[None]:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (ours,) = cursor.fetchone()
    server = database_url().rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as others:
        others.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            others.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> %s",
                [name, ours],
            )
            yield
        finally:
            others.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextmanager
def full_disk(process: Process) -> Iterator[None]:
    """Every write of the process to any file fails."""
    limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    _, hard_limit = limits
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard_limit))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
