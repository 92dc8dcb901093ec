"""The driver's decisions on a virtual clock: how well it uses window and rate, averaged
over many runs, in minutes instead of hours.

    python -m bench.virtual --runs 30

The product's own Driver decides what is sent and polled, and when. Its clock, its calls,
the database and Zendesk are replaced. So this says nothing about CPU or memory, and about
time only what waiting contributes."""

import argparse
import heapq
import logging
import math
import os
import random
import statistics
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from queue import Empty
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsui.settings")

import django

django.setup()

from bench import cells, outcome, tables  # noqa: E402
from bench.cells import Cell  # noqa: E402
from jobsui.connections.models import Connection  # noqa: E402
from jobsui.jobs import leases  # noqa: E402
from jobsui.jobs.delivery import driver, rate_limits  # noqa: E402
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult  # noqa: E402
from jobsui.jobs.delivery.call_threads import (  # noqa: E402
    POST_THREADS,
    Call,
    CallQueue,
    CallResult,
    Calls,
    PollResult,
    RunningBatch,
)
from jobsui.jobs.delivery.finished_batches import BatchFinished  # noqa: E402
from jobsui.jobs.enums import Action, JobState  # noqa: E402
from jobsui.jobs.models import Job  # noqa: E402
from jobsui.jobs.timing import Timing  # noqa: E402
from jobsui.zendesk.errors import RateLimited, TooManyJobs  # noqa: E402
from jobsui.zendesk.payloads import JobStatus, Response  # noqa: E402

COMMIT_SECONDS = 0.006
TURN_SECONDS = 0.0015
JITTER_SECONDS = 0.002
"""As measured: the time of a round's transaction, the time from one post to the next, and by how
much responses vary on average."""
JOB_ID = 1
START = 1000.0


class VirtualClock:
    """A clock that moves only while the driver waits or commits."""

    def __init__(self) -> None:
        self.time = START

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.time)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Account:
    """Zendesk as the sandbox plays it: job slots, a rate counted in whole minutes, and
    headers that report both."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.cell = cell
        # Runs come in pairs: a job that is short in one run is long in the other. So on
        # average jobs take as long as they should.
        self._random = random.Random(seed // 2)
        self._sign = 1 - 2 * (seed % 2)
        self.jobs: list[dict[str, Any]] = []
        self.requests = 0
        self.refused = 0
        self._minute_at = START
        self._used = 0

    def post(self, at: float) -> tuple[Response, JobStatus | None]:
        """Queue a job. No job status: it was refused."""
        if not self._take_request(at):
            retry_after = {"Retry-After": str(self._resets_in(at))}
            return self._response(429, at, retry_after), None
        running = sum(job["ended_at"] > at for job in self.jobs)
        free = self.cell.window - running
        if not free:
            self.refused += 1
            return self._response(429, at, self._slots(0)), None
        ended_at = at + self._job_seconds()
        self.jobs.append({"accepted_at": at, "ended_at": ended_at, "total": 100})
        status = JobStatus(str(len(self.jobs) - 1), "queued")
        return self._response(201, at, self._slots(free - 1)), status

    def poll(self, ids: Sequence[str], at: float) -> tuple[JobStatus, ...] | None:
        """None when the rate is used up."""
        if not self._take_request(at):
            return None
        return tuple(self._status(each, at) for each in ids)

    def _job_seconds(self) -> float:
        sigma = self.cell.job_spread
        deviation = sigma * self._sign * self._random.gauss() - sigma * sigma / 2
        return self.cell.job_seconds * math.exp(deviation)

    def _status(self, status_id: str, at: float) -> JobStatus:
        is_over = self.jobs[int(status_id)]["ended_at"] <= at
        return JobStatus(status_id, "completed" if is_over else "working")

    def _take_request(self, at: float) -> bool:
        """Count a request. False: the minute has none left."""
        self.requests += 1
        if at - self._minute_at >= rate_limits.MINUTE:
            self._minute_at = at
            self._used = 0
        if self._used >= self.cell.requests_per_minute:
            self.refused += 1
            return False
        self._used += 1
        return True

    def _resets_in(self, at: float) -> int:
        return max(1, math.ceil(self._minute_at + rate_limits.MINUTE - at))

    def _slots(self, free: int) -> dict[str, str]:
        value = f"total={self.cell.window}; remaining={free}; resets=60"
        return {rate_limits.SLOTS_HEADER: value}

    def _response(self, status: int, at: float, headers: dict[str, str]) -> Response:
        rate = {
            "X-Rate-Limit-Remaining": str(self.cell.requests_per_minute - self._used),
            "ratelimit-reset": str(self._resets_in(at)),
        }
        return Response(status, headers | rate, b"", elapsed=0.0)


class VirtualCalls:
    """The driver's calls, and their results: waiting for one moves the clock."""

    def __init__(self, account: Account, clock: VirtualClock) -> None:
        self._account = account
        self._clock = clock
        # Of its own, so that the jobs' times are the same, whatever is sent when.
        self._random = random.Random(0)
        self._arriving: list[tuple[float, int, CallResult]] = []
        self._numbers = count()
        self._free_at = [0.0] * POST_THREADS
        """When each thread has finished its last post."""
        self._sent_at = 0.0
        self._arrived_at = 0.0

    def get(self, timeout: float) -> CallResult:
        clock = self._clock
        ends_at = clock.time + timeout
        if self._arriving and self._arriving[0][0] <= ends_at:
            at, _, result = heapq.heappop(self._arriving)
            clock.time = max(clock.time, at)
            return result
        clock.time = ends_at
        raise Empty

    def client(self, connection: Connection) -> None:
        pass

    def close(self, *, wait: bool) -> None:
        pass

    def post(self, request: BatchRequest) -> None:
        thread = self._free_at.index(min(self._free_at))
        self._sent_at = max(
            self._clock.time, self._free_at[thread], self._sent_at + TURN_SECONDS
        )
        self._arrived_at = max(
            self._sent_at + self._half_trip(), self._arrived_at + TURN_SECONDS / 2
        )
        response, status = self._account.post(self._arrived_at)
        at = self._arrived_at + self._half_trip()
        self._free_at[thread] = at
        response = replace(response, elapsed=at - self._sent_at)
        error = None if status else _refusal(response)
        result = PostResult(
            request, status=status, error=error, response=response, at=at
        )
        self._return(at, result)

    def poll(self, batches: tuple[RunningBatch, ...]) -> None:
        arrives_at = self._clock.time + self._half_trip()
        ids = [batch.status_id for batch in batches]
        statuses = self._account.poll(ids, arrives_at)
        at = arrives_at + self._half_trip()
        error = None
        if statuses is None:
            error = RateLimited("Slow down.", retry_after=None)
        self._return(at, PollResult(batches, at, statuses or (), error))

    def _half_trip(self) -> float:
        latency = self._account.cell.latency_ms / 2000
        return latency + self._random.expovariate(1 / JITTER_SECONDS)

    def _return(self, at: float, result: CallResult) -> None:
        heapq.heappush(self._arriving, (at, next(self._numbers), result))


def _refusal(response: Response) -> RateLimited:
    if rate_limits.SLOTS_HEADER in response.headers:
        return TooManyJobs("Too many jobs.", retry_after=None, response=response)
    return RateLimited(
        "Slow down.",
        retry_after=float(response.headers["Retry-After"]),
        response=response,
    )


class NoExecutor:
    """Starts no threads: VirtualCalls needs none."""

    def submit(self, queue: CallQueue, call: Call) -> None:
        raise NotImplementedError

    def get(self, timeout: float) -> CallResult:  # noqa: ARG002
        raise Empty

    def close(self, *, wait: bool) -> None:
        pass


class Driver(driver.Driver):
    """The product's driver, with a number of batches instead of a database."""

    def __init__(self, account: Account, batches: int) -> None:
        clock = VirtualClock()
        lease = leases.Held(
            "virtual", "", 1, timedelta(seconds=30), clock, clock.monotonic()
        )
        super().__init__(
            "virtual",
            lease,
            threading.Event(),
            timing=Timing(),
            clock=clock,
            executor=NoExecutor(),
        )
        self.calls = cast("Calls", VirtualCalls(account, clock))
        cell = account.cell
        connection = Connection(
            requests_per_minute=cell.requests_per_minute,
            share=100,
            max_running_jobs=cell.window,
            early_send=True,
        )
        self.limits.apply_settings([connection])
        job = Job(pk=JOB_ID, state=JobState.RUNNING, connection=connection)
        self.jobs.by_id = {JOB_ID: job}
        self.share.set_jobs(self.jobs.by_id)
        self.is_new = False
        self.left = batches
        self._numbers = count()

    def run(self) -> None:
        while self.left or self.posting or self.running or self.unwritten:
            self.round(self._collect())

    def _renew_lease(self) -> None:
        pass

    def _recover(self) -> None:
        pass

    def _refresh_if_due(self) -> None:
        pass

    def _reconcile_if_due(self) -> None:
        pass

    def _finish(
        self,
        batch: RunningBatch,
        status: JobStatus,
        at: float,
        on_object: int,  # noqa: ARG002
    ) -> None:
        self.limits.note_job_end(batch, at)
        self.unwritten.append(BatchFinished(batch.request, status, {}))

    def _commit(self) -> list[BatchRequest]:
        self.share.waiting = {JOB_ID} if self.left else set()
        wanted = self._choose().total()
        if not (wanted or self.unwritten):
            return []
        self.clock.sleep(COMMIT_SECONDS)
        number = min(wanted, self.left)
        self.limits.budget.give_back(wanted - number)
        refused = [
            event
            for event in self.unwritten
            if isinstance(event, PostResult) and event.error is not None
        ]
        self.left += len(refused) - number
        self.unwritten.clear()
        return [_request(next(self._numbers)) for _ in range(number)]


def _request(number: int) -> BatchRequest:
    nothing: Any = None
    return BatchRequest(
        number, JOB_ID, number, Action.CREATE, "virtual", nothing, 1, (), False, nothing
    )


@dataclass(frozen=True, slots=True)
class Run:
    steady: float
    """Records a second while steady, as a share of the limit."""
    busy: float
    """Job slots in use while steady, as a share of all."""
    requests: float
    refused: float
    """For each 1,000 records."""


def run(cell: Cell, seed: int) -> Run:
    """Send all batches of a cell once."""
    account = Account(cell, seed)
    Driver(account, cell.rows // 100).run()
    steady = outcome.steady(account.jobs)
    busy = outcome.busy(account.jobs, cell.window)
    if steady is None or busy is None:
        raise SystemExit(f"{cell.name}: too few rows for a steady part.")
    thousands = cell.rows / 1000
    return Run(
        steady / cell.limit,
        busy,
        account.requests / thousands,
        account.refused / thousands,
    )


def main() -> None:
    options = _options()
    logging.disable()
    like = Cell(0, 0.0, options.job_spread, 0.0, 0, options.window)
    chosen = cells.grid(
        like,
        options.job_seconds,
        options.requests_per_minute,
        options.latency_ms,
        rows=options.rows,
    )
    lines = [["", "limit", "steady", "±", "busy", "requests", "429s"]]
    for cell in chosen:
        runs = [run(cell, seed) for seed in range(options.runs)]
        lines.append(list(_line(cell, runs)))
    print("\n".join(tables.aligned(lines)))
    print(f"\nMeans of {options.runs} runs. ±: the standard error of steady.")
    print("requests, 429s: for each 1,000 records.")


def _line(cell: Cell, runs: Sequence[Run]) -> Iterator[str]:
    steady = [each.steady for each in runs]
    yield f"{cell.name} ({cell.bound})"
    yield f"{cell.limit:,.0f}"
    yield f"{statistics.mean(steady):.3f}"
    yield f"{statistics.stdev(steady) / math.sqrt(len(runs)):.3f}"
    yield f"{statistics.mean(each.busy for each in runs):.3f}"
    yield f"{statistics.mean(each.requests for each in runs):.1f}"
    yield f"{statistics.mean(each.refused for each in runs):.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="The driver's decisions on a virtual clock."
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=30,
        help="of each cell, each with other random times; at least 2",
    )
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument(
        "--job-seconds", type=float, nargs="+", default=cells.JOB_SECONDS
    )
    parser.add_argument(
        "--job-spread",
        type=float,
        default=0.5,
        help="sigma of the log-normal job times; 0: all equal",
    )
    parser.add_argument(
        "--latency-ms", type=float, nargs="+", default=cells.LATENCIES_MS
    )
    parser.add_argument(
        "--requests-per-minute", type=int, nargs="+", default=cells.REQUESTS_PER_MINUTE
    )
    parser.add_argument("--window", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main()
