"""What is measured: one cell of the table is one account, or several alike, and so many
rows for each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

STEADY_SECONDS, STEADY_BATCHES, STEADY_WINDOWS = 40, 600, 16
"""A cell of the grid is long enough when its steady part has one of the first two, and
fills the window so often."""
JOB_SECONDS, REQUESTS_PER_MINUTE, LATENCIES_MS = (
    (1.0, 2.0, 5.0, 10.0),
    (200, 700, 2500),
    (20.0, 150.0),
)
"""The grid's."""
TENTH = 0.1


@dataclass(frozen=True, slots=True)
class Cell:
    """Times are Zendesk's; `time_scale` divides all of them, and multiplies the rate,
    when a sandbox is started."""

    rows: int
    job_seconds: float
    job_spread: float
    latency_ms: float
    requests_per_minute: int
    window: int
    accounts: int = 1
    others: int = 0
    """Job slots others hold: all the time, or, when that leaves none, for
    `others_seconds`."""
    others_seconds: float = 30.0
    time_scale: float = 1.0
    seed: int = 1

    @property
    def scaled(self) -> "Cell":
        """As it is run."""
        scale = self.time_scale
        return replace(
            self,
            job_seconds=self.job_seconds / scale,
            latency_ms=self.latency_ms / scale,
            requests_per_minute=round(self.requests_per_minute * scale),
            time_scale=1.0,
        )

    @property
    def slots(self) -> int:
        """Job slots that others leave; all, once others let go of all."""
        return self.window - self.others if self.others < self.window else self.window

    @property
    def limit(self) -> float:
        """Records a second, all accounts together, as it is run."""
        run = self.scaled
        return (
            self.accounts
            * min(self.slots / run.job_seconds, run.requests_per_minute / 60)
            * 100
        )

    @property
    def bound(self) -> str:
        return (
            "window"
            if self.slots / self.job_seconds < self.requests_per_minute / 60
            else "rate"
        )

    @property
    def sandbox_settings(self) -> dict[str, Any]:
        run = self.scaled
        return {
            "job_seconds": run.job_seconds,
            "job_spread": run.job_spread,
            "latency_ms": run.latency_ms,
            "requests_per_minute": run.requests_per_minute,
            "max_running_jobs": run.window,
        }

    @property
    def name(self) -> str:
        words = [
            f"{self.job_seconds:g} s",
            f"{self.requests_per_minute} rpm",
            f"{self.latency_ms:g} ms",
        ]
        words += [f"{self.accounts} accounts"] * (self.accounts > 1) + [
            f"{self.others} slots held"
        ] * (self.others > 0)
        words += [f"times ÷ {self.time_scale:g}"] * (self.time_scale != 1)
        return ", ".join(words)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "name": self.name,
            "limit": self.limit,
            "bound": self.bound,
        }


def grid(
    like: Cell,
    seconds: Sequence[float],
    rates: Sequence[int],
    latencies: Sequence[float],
    *,
    rows: int | None = None,
) -> Iterator[Cell]:
    """Every combination; without `rows` each cell is as long as it needs to be."""
    for each_seconds, rate, latency in product(seconds, rates, latencies):
        cell = replace(
            like, job_seconds=each_seconds, requests_per_minute=rate, latency_ms=latency
        )
        yield replace(cell, rows=rows or _batches(cell) * 100)


def _batches(cell: Cell) -> int:
    """An account's; the steady part leaves out a tenth, and at least a window full, at
    either end (outcome.py)."""
    long_enough = math.ceil(STEADY_SECONDS * cell.limit / cell.accounts / 100)
    steady = min(STEADY_BATCHES, max(STEADY_WINDOWS * cell.window, long_enough))
    return max(math.ceil(steady / (1 - 2 * TENTH)), steady + 2 * cell.window)
