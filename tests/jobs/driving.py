"""Drivers in this process, and what tests of them share."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

import pytest

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import leases, sql
from jobsui.jobs.delivery import driver_pool
from jobsui.jobs.delivery.call_threads import Call, CallQueue, CallResult, Executor
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.turns import Turn
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.jobs.sql import RowRange
from jobsui.jobs.timing import Timing
from jobsui.zendesk import custom_objects
from jobsui.zendesk.errors import Refused
from tests.harness import Harness
from tests.timing import FAST, FakeClock


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
    harness: Harness,
    timing: Timing = FAST,
    clock: Clock = SYSTEM_CLOCK,
    turn: Turn | None = None,
) -> Iterator[threading.Event]:
    """A driver in a thread of its own, asked to stop at the end."""
    stopping = threading.Event()
    thread = threading.Thread(
        target=driver_pool.drive_or_report,
        args=(harness.connection.host, stopping, timing, clock, turn),
    )
    thread.start()
    try:
        yield stopping
    finally:
        stopping.set()
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def new_driver(
    harness: Harness, clock: Clock = SYSTEM_CLOCK, executor: Executor | None = None
) -> Iterator[Driver]:
    """A driver that the test steps itself."""
    host = harness.connection.host
    with leases.held(f"account:{host}", clock=clock) as lease:
        assert lease
        driver = Driver(
            host,
            lease,
            threading.Event(),
            timing=FAST,
            clock=clock,
            executor=executor,
        )
        try:
            yield driver
        finally:
            driver.calls.close(wait=True)


class InlineExecutor:
    """Makes each call at once, in the driver's own thread. Waiting for a result moves the
    clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._results: deque[CallResult] = deque()

    def submit(self, _queue: CallQueue, call: Call) -> None:
        self._results.append(call())

    def get(self, timeout: float) -> CallResult:
        if not self._results:
            self._clock.sleep(timeout)
            raise Empty
        return self._results.popleft()

    def close(self, *, wait: bool) -> None:
        pass


def wait_until(claim: Callable[[], bool], seconds: float = 20) -> None:
    ends_at = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < ends_at
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
    """Batches that were unconfirmed are never sent again."""
    next_planned = sql.next_planned

    def never_unconfirmed(
        job_id: int, number: int, blocked: Sequence[RowRange], **which: bool
    ) -> list[Batch]:
        planned = next_planned(job_id, number, blocked, **which)
        return [
            batch
            for batch in planned
            if not batch.attempts.filter(result__in=Attempt.UNCONFIRMED).exists()
        ]

    monkeypatch.setattr(sql, "next_planned", never_unconfirmed)


def refuses(monkeypatch: pytest.MonkeyPatch, refusal: Refused, word: str) -> None:
    """Zendesk refuses every batch that contains this word."""
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
    """The function fails this many times, before or after it does its work."""
    works = getattr(place, name)
    left = threading.Semaphore(times)

    def failing(*args: Any, **more: Any) -> Any:
        fails = left.acquire(blocking=False)
        if fails and not after:
            raise error
        answer = works(*args, **more)
        if fails:
            raise error
        return answer

    monkeypatch.setattr(place, name, failing)
