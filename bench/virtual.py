"""The driver's decisions on a virtual clock: what it makes of window and rate, on the
average of many runs, in minutes instead of hours.

    python -m bench.virtual --runs 30

The product's own Driver decides what is sent and looked at, and when; its clock, its
threads, the database and Zendesk are stood in for. So this tells nothing of CPU or
memory, and of time only what waiting makes of it."""

import argparse
import heapq
import logging
import math
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from queue import Empty
from typing import Any, cast

now = 0.0
# Before the engine is imported: its instruments keep the clock they find.
time.monotonic = lambda: now
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsui.settings")

import django  # noqa: E402

django.setup()

from bench import cells, outcome, tables  # noqa: E402
from bench.cells import Cell  # noqa: E402
from jobsui.connections.models import Connection  # noqa: E402
from jobsui.jobs import leases  # noqa: E402
from jobsui.jobs.delivery import driver, rate_limits  # noqa: E402
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult  # noqa: E402
from jobsui.jobs.delivery.call_threads import (  # noqa: E402
    POST_THREADS,
    CallResult,
    Calls,
    PollResult,
    RunningBatch,
)
from jobsui.jobs.delivery.transitions import BatchFinished  # noqa: E402
from jobsui.jobs.enums import Action, JobState  # noqa: E402
from jobsui.jobs.models import Job  # noqa: E402
from jobsui.zendesk.errors import Limited, TooManyJobs  # noqa: E402
from jobsui.zendesk.payloads import Answer, JobStatus  # noqa: E402

COMMIT_SECONDS, TURN_SECONDS, JITTER_SECONDS = 0.006, 0.0015, 0.002
"""As measured: of a round's transaction; from one post to the next; by which answers
vary on the average."""
JOB_ID = 1
BEGINS = 1000.0


class Account:
    """Zendesk, as the sandbox knows it: slots, a rate counted in whole minutes, headers
    that tell of both."""

    def __init__(self, cell: Cell, seed: int) -> None:
        # Runs come in pairs, what is short in one being long in the other: on the
        # average jobs take what they should.
        self.cell, self._random, self._sign = (
            cell,
            random.Random(seed // 2),
            1 - 2 * (seed % 2),
        )
        self.jobs: list[dict[str, Any]] = []
        self.requests = self.refused = 0
        self._minute, self._used = BEGINS, 0

    def post(self, at: float) -> tuple[Answer, JobStatus | None]:
        if not self._counts(at):
            return self._answer(
                429, at, {"Retry-After": str(self._resets_in(at))}
            ), None
        free = self.cell.window - sum(job["ended_at"] > at for job in self.jobs)
        if not free:
            self.refused += 1
            return self._answer(429, at, self._slots(0)), None
        sigma = self.cell.job_spread
        seconds = self.cell.job_seconds * math.exp(
            sigma * self._sign * self._random.gauss() - sigma * sigma / 2
        )
        self.jobs.append({"accepted_at": at, "ended_at": at + seconds, "total": 100})
        return self._answer(201, at, self._slots(free - 1)), JobStatus(
            str(len(self.jobs) - 1), "queued"
        )

    def look(self, ids: Sequence[str], at: float) -> tuple[JobStatus, ...] | None:
        """None when the rate is used up."""
        if not self._counts(at):
            return None
        return tuple(self._status(each, at) for each in ids)

    def _status(self, status_id: str, at: float) -> JobStatus:
        return JobStatus(
            status_id,
            "completed" if self.jobs[int(status_id)]["ended_at"] <= at else "working",
        )

    def _counts(self, at: float) -> bool:
        self.requests += 1
        if at - self._minute >= rate_limits.MINUTE:
            self._minute, self._used = at, 0
        if self._used >= self.cell.requests_per_minute:
            self.refused += 1
            return False
        self._used += 1
        return True

    def _resets_in(self, at: float) -> int:
        return max(1, math.ceil(self._minute + rate_limits.MINUTE - at))

    def _slots(self, free: int) -> dict[str, str]:
        return {
            rate_limits.INFLIGHT: f"total={self.cell.window}; remaining={free}; resets=60"
        }

    def _answer(self, status: int, at: float, headers: dict[str, str]) -> Answer:
        rate = {
            "X-Rate-Limit-Remaining": str(self.cell.requests_per_minute - self._used),
            "ratelimit-reset": str(self._resets_in(at)),
        }
        return Answer(status, headers | rate, b"", elapsed=0.0)


class Wire:
    """The driver's calls, and the queue of what is heard of them: waiting for it is
    what moves the clock."""

    def __init__(self, account: Account) -> None:
        self.heard, self._account = self, account
        self._random = random.Random(
            0
        )  # Of its own: the jobs' times are the same, whatever is sent when.
        self._arriving: list[tuple[float, int, CallResult]] = []
        self._numbers = count()
        self._free = [0.0] * POST_THREADS
        """When each thread is done with its last post."""
        self._sent = self._arrived = 0.0

    def get(self, timeout: float) -> CallResult:
        global now
        ends = now + max(0.0, timeout)
        if self._arriving and self._arriving[0][0] <= ends:
            now = max(now, self._arriving[0][0])
            return heapq.heappop(self._arriving)[2]
        now = ends
        raise Empty

    def get_nowait(self) -> CallResult:
        return self.get(0.0)

    def client(self, connection: Connection) -> None:
        pass

    def close(self, *, wait: bool) -> None:
        pass

    def post(self, request: BatchRequest) -> None:
        thread = self._free.index(min(self._free))
        self._sent = max(now, self._free[thread], self._sent + TURN_SECONDS)
        self._arrived = max(
            self._sent + self._half_trip(), self._arrived + TURN_SECONDS / 2
        )
        answer, status = self._account.post(self._arrived)
        at = self._free[thread] = self._arrived + self._half_trip()
        answer = replace(answer, elapsed=at - self._sent)
        error = None if status else _refusal(answer)
        self._hear(
            at, PostResult(request, status=status, error=error, answer=answer, at=at)
        )

    def poll(self, flights: tuple[RunningBatch, ...]) -> None:
        arrives = now + self._half_trip()
        statuses = self._account.look([flight.status_id for flight in flights], arrives)
        at = arrives + self._half_trip()
        error = (
            None if statuses is not None else Limited("Slow down.", retry_after=None)
        )
        self._hear(at, PollResult(flights, statuses or (), error, at))

    def _half_trip(self) -> float:
        return self._account.cell.latency_ms / 2000 + self._random.expovariate(
            1 / JITTER_SECONDS
        )

    def _hear(self, at: float, heard: CallResult) -> None:
        heapq.heappush(self._arriving, (at, next(self._numbers), heard))


def _refusal(answer: Answer) -> Limited:
    if rate_limits.INFLIGHT in answer.headers:
        return TooManyJobs("Too many jobs.", retry_after=None, answer=answer)
    return Limited(
        "Slow down.", retry_after=float(answer.headers["Retry-After"]), answer=answer
    )


class Driver(driver.Driver):
    """The product's, with a number of batches instead of a database."""

    def __init__(self, account: Account, batches: int) -> None:
        super().__init__("virtual", leases.Held("virtual", "", 1), threading.Event())
        self.calls.close(wait=True)
        self.calls = cast("Calls", Wire(account))
        cell = account.cell
        connection = Connection(
            requests_per_minute=cell.requests_per_minute,
            share=100,
            max_running_jobs=cell.window,
            early_send=True,
        )
        self.limits.agree([connection])
        self.jobs = {
            JOB_ID: Job(pk=JOB_ID, state=JobState.RUNNING, connection=connection)
        }
        self.served, self.is_new = {JOB_ID: 0.0}, False
        self.left, self._numbers = batches, count()

    def run(self) -> None:
        while self.left or self.sending or self.flights or self.unwritten:
            self._round()

    def _keep_lease(self) -> None:
        pass

    def _take_stock(self) -> None:
        pass

    def _look_if_due(self) -> None:
        pass

    def _finish(self, flight: RunningBatch, status: JobStatus, at: float) -> None:
        del self.flights[flight.request.batch_id]
        self.limits.heard_of_end(flight, at)
        self.unwritten.append(BatchFinished(flight.request, status, {}))

    def _commit(self) -> list[BatchRequest]:
        global now
        self.waiting = {JOB_ID} if self.left else set()
        wanted = self._wanted().total()
        if not (wanted or self.unwritten):
            return []
        now += COMMIT_SECONDS
        number = min(wanted, self.left)
        self.limits.budget.give_back(wanted - number)
        self.left += (
            sum(
                isinstance(event, PostResult) and event.error is not None
                for event in self.unwritten
            )
            - number
        )
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
    busy: float
    requests: float
    refused: float


def run(cell: Cell, seed: int) -> Run:
    """One run of a cell, its batches sent to the last: shares, and requests for each
    1,000 records."""
    global now
    now = BEGINS
    account = Account(cell, seed)
    Driver(account, cell.rows // 100).run()
    steady, busy = outcome.steady(account.jobs), outcome.busy(account.jobs, cell.window)
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
        lines.append(
            list(_line(cell, [run(cell, seed) for seed in range(options.runs)]))
        )
    print("\n".join(tables.aligned(lines)))
    print(
        f"\nMeans of {options.runs} runs; ±: the standard error of steady's. requests, 429s: for each 1,000 records."
    )


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
        help="of each cell, each with other chances; 2 at least",
    )
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument(
        "--job-seconds", type=float, nargs="+", default=cells.JOB_SECONDS
    )
    parser.add_argument(
        "--job-spread",
        type=float,
        default=0.5,
        help="sigma of the log-normal job times; 0: all alike",
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
