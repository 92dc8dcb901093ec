"""The product's part of bench.many: planned jobs on one account, and a driver for them.

    python -m bench.many_jobs PLAN

PLAN is JSON (the fields of `Plan`). The environment has the product's settings."""

import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.processes import say, wait_for_end, wait_for_go  # noqa: E402
from jobsui.connections.models import Connection, SignIn  # noqa: E402
from jobsui.jobs.delivery import driver_pool  # noqa: E402
from jobsui.jobs.enums import MOVING, Action, FileState, JobState  # noqa: E402
from jobsui.jobs.models import Batch, BatchBlob, File, Job  # noqa: E402
from jobsui.jobs.timing import Timing  # noqa: E402

BATCH_ROWS = 100
SAMPLE_SECONDS = 0.2
WRITES = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Plan:
    hosts: list[str]
    jobs: int
    """For each host."""
    batches: int
    """Of each job; 0: the planner has not written any."""
    account: dict[str, Any]
    """Attributes of each Connection."""
    settle_seconds: float = 0.0
    measured_seconds: float | None = None
    """None: until all jobs are over."""


class Statements:
    """Counts what the process sends to SQLite."""

    def __init__(self) -> None:
        self.statements = 0
        self.commits = 0
        connection_created.connect(self._watch)

    def _watch(self, connection: Any, **_: Any) -> None:
        is_open = False
        has_written = False

        def trace(statement: str) -> None:
            nonlocal is_open, has_written
            word = statement.lstrip()[:6].upper()
            self.statements += 1
            if word.startswith("BEGIN"):
                is_open = True
                has_written = False
            elif word in {"COMMIT", "ROLLBA"}:
                self.commits += has_written
                is_open = False
                has_written = False
            elif word in WRITES:
                has_written = is_open
                self.commits += not is_open

        connection.connection.set_trace_callback(trace)


def go(plan: Plan) -> None:
    """Run a plan, and report to the bench that started this process."""
    call_command("migrate", verbosity=0)
    _resolve_loopback()
    _create_jobs(plan)
    counted = Statements()
    stopping = threading.Event()
    say(said="ready")
    wait_for_go()
    driving = threading.Thread(
        target=driver_pool.drive_accounts,
        kwargs={"stopping": stopping, "timing": Timing()},
    )
    driving.start()
    time.sleep(plan.settle_seconds)
    before = (counted.statements, counted.commits, _cpu_seconds())
    started = time.monotonic()
    threads = _watch(driving, plan.measured_seconds)
    seconds = time.monotonic() - started
    statements = counted.statements - before[0]
    commits = counted.commits - before[1]
    cpu_seconds = _cpu_seconds() - before[2]
    stopping.set()
    driving.join()
    say(
        said="over",
        seconds=seconds,
        statements_per_second=statements / seconds,
        commits_per_second=commits / seconds,
        cpu_seconds=cpu_seconds,
        threads=threads,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        rows=sum(job.succeeded for job in Job.objects.all()),
        moving=Job.objects.filter(state__in=MOVING).count(),
    )
    wait_for_end()


def _watch(driving: threading.Thread, seconds: float | None) -> int:
    """Wait for the drivers, at most some seconds. Returns the most threads there were."""
    ends_at = time.monotonic() + (seconds or float("inf"))
    most = 0
    while driving.is_alive() and time.monotonic() < ends_at:
        most = max(most, threading.active_count())
        driving.join(SAMPLE_SECONDS)
    return most


def _resolve_loopback() -> None:
    """Let all addresses of this machine (127.0.0.2, 127.0.0.3, ...) reach the sandbox,
    so that one sandbox can be many accounts."""
    resolve = socket.getaddrinfo

    def to_sandbox(host: Any, *more: Any, **options: Any) -> Any:
        is_local = str(host).startswith("127.")
        return resolve("127.0.0.1" if is_local else host, *more, **options)

    socket.getaddrinfo = to_sandbox


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _create_jobs(plan: Plan) -> None:
    file = File.objects.create(
        name="rows.csv", stored_as="none", size=1, sha256="0", state=FileState.READY
    )
    for number, host in enumerate(plan.hosts):
        account = _connection(host, number, plan.account)
        jobs = Job.objects.bulk_create(
            _job(plan, account, file) for _ in range(plan.jobs)
        )
        for job in jobs:
            _create_batches(job)


def _connection(host: str, number: int, attributes: dict[str, Any]) -> Connection:
    connection = Connection(
        name=f"Account {number}",
        host=host,
        sign_in=SignIn.API_TOKEN,
        email="admin@sandbox.example",
        **attributes,
    )
    connection.set_secret("api_token", "sandbox-api-token")
    connection.save()
    return connection


def _job(plan: Plan, connection: Connection, file: File) -> Job:
    rows = plan.batches * BATCH_ROWS
    return Job(
        connection=connection,
        object_key="asset",
        action=Action.UPSERT_BY_EXTERNAL_ID,
        file=file,
        state=JobState.QUEUED,
        rows=rows or BATCH_ROWS,
        batches_total=plan.batches,
        planned_row=rows,
        planned_at=timezone.now() if plan.batches else None,
    )


def _create_batches(job: Job) -> None:
    batches = Batch.objects.bulk_create(_batches(job))
    BatchBlob.objects.bulk_create(
        BatchBlob(batch=batch, **BatchBlob.packed(*_items(batch))) for batch in batches
    )


def _batches(job: Job) -> Iterator[Batch]:
    for seq in range(1, job.batches_total + 1):
        last_row = seq * BATCH_ROWS + 1
        yield Batch(
            job=job,
            seq=seq,
            size=BATCH_ROWS,
            first_row=last_row - BATCH_ROWS + 1,
            last_row=last_row,
        )


def _items(batch: Batch) -> tuple[list[str], list[int]]:
    rows = list(range(batch.first_row, batch.last_row + 1))
    return [_item(batch.job_id, row) for row in rows], rows


def _item(job_id: int, row: int) -> str:
    item = {
        "external_id": f"A-{job_id}-{row}",
        "name": f"Laptop {row}",
        "custom_object_fields": {
            "serial_number": f"LA-{row % 1_000_000:06}",
            "model": "ThinkPad T14",
            "status": "in_use",
            "notes": "See ticket; cable missing",
        },
    }
    return json.dumps(item)


if __name__ == "__main__":
    go(Plan(**json.loads(sys.argv[1])))
