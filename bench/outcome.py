"""The figures of a run, calculated in the same way for every program from what the
sandboxes recorded."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any

from bench.cells import TENTH, Cell
from bench.processes import Cost, Sandbox

Figures = dict[str, Any]
SandboxJob = Mapping[str, Any]
Ended = tuple[float, int]
"""When a job ended, and how many records it had."""
Costs = Mapping[str, Cost]
READ_SECONDS = 2.0
"""How often the sandboxes' logs are read, so that no entry drops out of them."""
MIN_STEADY_JOBS = 10


class Watch:
    """Counts the sandboxes' requests during a run, and frees the job slots that others
    hold when their time is over."""

    def __init__(self, cell: Cell, sandboxes: Sequence[Sandbox]) -> None:
        now = time.time()
        self.started = now
        self.released = now
        """When the others freed their slots; the start, if they hold no slots."""
        self.counted: Counter[str] = Counter()
        self.refused_before = 0
        """429s while others held every slot."""
        self._cell = cell
        self._sandboxes = sandboxes
        self._read_until = [now] * len(sandboxes)
        self._over = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._read_logs()

    def refusals(self) -> int:
        """How many requests were refused with 429."""
        counted = self.counted.items()
        return sum(number for kind, number in counted if kind.endswith(" 429"))

    def _run(self) -> None:
        if self._cell.others >= self._cell.window:
            self._wait_for_others()
            self._free_slots()
        while not self._over.wait(READ_SECONDS):
            self._read_logs()

    def _wait_for_others(self) -> None:
        deadline = self.started + self._cell.others_seconds
        while (left := deadline - time.time()) > 0:
            if self._over.wait(min(READ_SECONDS, left)):
                return
            self._read_logs()

    def _free_slots(self) -> None:
        self._read_logs()
        self.refused_before = self.refusals()
        for sandbox in self._sandboxes:
            sandbox.ask("settings", {"other_jobs": 0})
        self.released = time.time()

    def _read_logs(self) -> None:
        for number, sandbox in enumerate(self._sandboxes):
            since = self._read_until[number]
            entries = sandbox.ask(f"log?since={since}")["requests"]
            self.counted.update(map(_kind, entries))
            times = [entry["time"] for entry in entries]
            self._read_until[number] = max(times, default=since)


def measure(
    cell: Cell, watch: Watch, over: float, jobs: Sequence[SandboxJob]
) -> Figures:
    """`jobs` are the finished jobs of all sandboxes. `over` is when the last result was
    known."""
    records = sum(job["total"] for job in jobs)
    seconds = over - watch.released
    overall = records / seconds
    steady_rate = steady(jobs)
    per_thousand = 1000 / records
    requests = sorted(watch.counted.items())
    refused = watch.refusals() - watch.refused_before
    figures: Figures = {
        "records": records,
        "seconds": seconds,
        "records_per_second": overall,
        "share": overall / cell.limit,
        "steady_records_per_second": steady_rate,
        "steady_share": steady_rate and steady_rate / cell.limit,
        "busy": busy(jobs, cell.slots * cell.accounts),
        "requests_per_1000": {kind: number * per_thousand for kind, number in requests},
        "all_requests_per_1000": watch.counted.total() * per_thousand,
        "refused_per_1000": refused * per_thousand,
    }
    if cell.others >= cell.window:
        figures["no_slot"] = _without_slots(watch, jobs)
    return figures


def _without_slots(watch: Watch, jobs: Sequence[SandboxJob]) -> Figures:
    """Figures of the time in which others held every slot."""
    held = watch.released - watch.started
    first_accepted = min(job["accepted_at"] for job in jobs)
    return {
        "seconds": held,
        "refused": watch.refused_before,
        "refused_per_minute": watch.refused_before * 60 / held,
        "first_accepted_after": first_accepted - watch.released,
    }


def used(before: Costs, after: Costs, final: Costs, rows: int) -> Figures:
    """CPU between two moments, and memory until the end, by kind of process.

    A process that was gone at the second moment counts with its final CPU.
    """
    figures: Figures = {}
    for kind, cost in final.items():
        started = before.get(kind, Cost()).cpu_seconds
        ended = after.get(kind, cost).cpu_seconds
        figures[kind] = {
            "cpu_seconds_per_100000": (ended - started) * 100_000 / rows,
            "peak_mb": cost.peak_mb,
            "all_mb": cost.all_mb,
        }
    return figures


def steady(jobs: Sequence[SandboxJob]) -> float | None:
    """Records a second in the steady part; None when that part is too short."""
    ended = _steady_part(jobs)
    if not ended:
        return None
    first_end = ended[0][0]
    last_end = ended[-1][0]
    records = sum(total for _, total in ended[1:])
    return records / (last_end - first_end)


def busy(jobs: Sequence[SandboxJob], slots: int) -> float | None:
    """The part of the job slots in use during the steady part.

    A limit is calculated from the average duration of jobs. This figure does not depend
    on the durations of this run.
    """
    ended = _steady_part(jobs)
    if not ended:
        return None
    start = ended[0][0]
    end = ended[-1][0]
    in_use = sum(_overlap(job, start, end) for job in jobs)
    return in_use / (end - start) / slots


def _overlap(job: SandboxJob, start: float, end: float) -> float:
    """The seconds that a job ran between two moments."""
    first = max(job["accepted_at"], start)
    last = min(job["ended_at"], end)
    return float(max(0.0, last - first))


def _steady_part(jobs: Sequence[SandboxJob]) -> list[Ended]:
    """The ends of jobs while the window was full.

    The first and last tenth of the jobs are left out, and at least as many jobs as ever
    ran at once. Empty when too few are left.
    """
    edge = max(int(len(jobs) * TENTH), _max_running(jobs))
    ended = sorted((job["ended_at"], job["total"]) for job in jobs)
    middle = ended[edge : len(jobs) - edge]
    return middle if len(middle) >= MIN_STEADY_JOBS else []


def _max_running(jobs: Sequence[SandboxJob]) -> int:
    ends = [(job["ended_at"], -1) for job in jobs]
    starts = [(job["accepted_at"], 1) for job in jobs]
    running = 0
    most = 0
    for _, change in sorted(ends + starts):
        running += change
        most = max(most, running)
    return most


def _kind(entry: Mapping[str, Any]) -> str:
    """ "POST jobs", "GET show_many", "GET job_statuses" ..., followed by the status of
    an error."""
    head, _, name = entry["path"].removesuffix(".json").rpartition("/")
    if head.endswith("/job_statuses") and name != "show_many":
        name = "job_statuses"
    status = entry["status"]
    failed = status >= 400 or not status
    error = f" {status}" if failed else ""
    return f"{entry['method']} {name}{error}"
