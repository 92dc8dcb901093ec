"""What a run came to, reckoned for everybody alike from what the sandboxes saw."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any

from bench.cells import TENTH, Cell
from bench.processes import Cost, Sandbox

Figures = dict[str, Any]
Ended = tuple[float, int]
"""When a job ended, and how many records it had."""
Costs = Mapping[str, Cost]
LOOK_SECONDS = 2.0


class Watch:
    """Counts the sandboxes' requests while a run lasts, and has others let go of their
    job slots when it is time."""

    def __init__(self, cell: Cell, sandboxes: Sequence[Sandbox]) -> None:
        self.counted: Counter[str] = Counter()
        self.begun = self.released = time.time()
        self.refused_before = 0
        """429s while others held every slot."""
        self._seen = [self.begun] * len(sandboxes)
        self._cell, self._sandboxes = cell, sandboxes
        self._over = Event()
        self._thread = Thread(target=self._look_on)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def refusals(self) -> int:
        return sum(
            number for kind, number in self.counted.items() if kind.endswith(" 429")
        )

    def _look_on(self) -> None:
        # Often enough that nothing drops out of a sandbox's log.
        if self._cell.others >= self._cell.window:
            ends = self.begun + self._cell.others_seconds
            while time.time() < ends and not self._over.wait(
                min(LOOK_SECONDS, max(0.0, ends - time.time()))
            ):
                self._look()
            self._look()
            self.refused_before = self.refusals()
            for sandbox in self._sandboxes:
                sandbox.ask("settings", {"other_jobs": 0})
            self.released = time.time()
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for number, sandbox in enumerate(self._sandboxes):
            entries = sandbox.ask(f"log?since={self._seen[number]}")["requests"]
            self.counted.update(map(_kind, entries))
            self._seen[number] = max(
                (entry["time"] for entry in entries), default=self._seen[number]
            )


def reckon(
    cell: Cell, watch: Watch, over: float, jobs: Sequence[Mapping[str, Any]]
) -> Figures:
    """`jobs` are those of all sandboxes, all ended; `over` is when the last outcome was
    known."""
    records = sum(job["total"] for job in jobs)
    seconds = over - watch.released
    whole, middle = records / seconds, steady(jobs)
    figures: Figures = {
        "records": records,
        "seconds": seconds,
        "records_per_second": whole,
        "share": whole / cell.limit,
        "steady_records_per_second": middle,
        "steady_share": middle and middle / cell.limit,
        "busy": busy(jobs, cell.slots * cell.accounts),
        "requests_per_1000": {
            kind: number * 1000 / records
            for kind, number in sorted(watch.counted.items())
        },
        "all_requests_per_1000": watch.counted.total() * 1000 / records,
        "refused_per_1000": (watch.refusals() - watch.refused_before) * 1000 / records,
    }
    if cell.others >= cell.window:
        held = watch.released - watch.begun
        figures["no_slot"] = {
            "seconds": held,
            "refused": watch.refused_before,
            "refused_per_minute": watch.refused_before * 60 / held,
            "first_accepted_after": min(job["accepted_at"] for job in jobs)
            - watch.released,
        }
    return figures


def spent(before: Costs, after: Costs, at_the_end: Costs, rows: int) -> Figures:
    """CPU between two moments, and memory up to the end, by kind of process."""

    def cpu_seconds(kind: str) -> float:
        return (
            after.get(kind, at_the_end[kind]).cpu_seconds
            - before.get(kind, Cost()).cpu_seconds
        )

    return {
        kind: {
            "cpu_seconds_per_100000": cpu_seconds(kind) * 100_000 / rows,
            "peak_mb": cost.peak_mb,
            "all_mb": cost.all_mb,
        }
        for kind, cost in at_the_end.items()
    }


def steady(jobs: Sequence[Mapping[str, Any]]) -> float | None:
    """Records a second in the steady part; None when that is too short."""
    ended = _steady_part(jobs)
    return (
        sum(total for _, total in ended[1:]) / (ended[-1][0] - ended[0][0])
        if ended
        else None
    )


def busy(jobs: Sequence[Mapping[str, Any]], slots: int) -> float | None:
    """What part of the job slots was taken in the steady part. A limit reckons with the
    time jobs take on average; this does not depend on how long they happened to
    take."""
    if not (ended := _steady_part(jobs)):
        return None
    begins, ends = ended[0][0], ended[-1][0]
    taken = sum(
        max(0.0, min(job["ended_at"], ends) - max(job["accepted_at"], begins))
        for job in jobs
    )
    return float(taken / (ends - begins) / slots)


def _steady_part(jobs: Sequence[Mapping[str, Any]]) -> list[Ended]:
    """Without the first and the last tenth of the jobs and at least as many as ever ran
    at once: the window fills and empties then. Empty when that leaves too little."""
    edge = max(int(len(jobs) * TENTH), _most_running(jobs))
    ended = sorted((job["ended_at"], job["total"]) for job in jobs)[
        edge : len(jobs) - edge
    ]
    return ended if len(ended) >= 10 else []


def _most_running(jobs: Sequence[Mapping[str, Any]]) -> int:
    changes = sorted(
        [(job["ended_at"], -1) for job in jobs]
        + [(job["accepted_at"], 1) for job in jobs]
    )
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most


def _kind(entry: Mapping[str, Any]) -> str:
    """ "POST jobs", "GET show_many", "GET job_statuses" ..., with the status of a
    refusal behind."""
    head, _, last = entry["path"].removesuffix(".json").rpartition("/")
    name = (
        "job_statuses"
        if head.endswith("/job_statuses") and last != "show_many"
        else last
    )
    refused = (
        f" {entry['status']}" if entry["status"] >= 400 or not entry["status"] else ""
    )
    return f"{entry['method']} {name}{refused}"
