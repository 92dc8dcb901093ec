"""What is measured. A cell of the table is one account, or several alike, and the number
of rows for each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

# The steady part of a cell of the grid has this many seconds or this many batches, and
# fills the window at least this often.
STEADY_SECONDS = 40
STEADY_BATCHES = 600
STEADY_WINDOWS = 16

# The grid.
JOB_SECONDS = (1.0, 2.0, 5.0, 10.0)
REQUESTS_PER_MINUTE = (200, 700, 2500)
LATENCIES_MS = (20.0, 150.0)

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
    """Job slots that others hold: during the whole run or, if that leaves none, for
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
        """Job slots that others leave; all, if others hold all of them for a while."""
        left = self.window - self.others
        return left if left > 0 else self.window

    @property
    def limit(self) -> float:
        """Records a second, all accounts together, as it is run."""
        run = self.scaled
        batches_by_window = self.slots / run.job_seconds
        batches_by_rate = run.requests_per_minute / 60
        return self.accounts * min(batches_by_window, batches_by_rate) * 100

    @property
    def bound(self) -> str:
        """Which limit applies: "window" or "rate"."""
        batches_by_window = self.slots / self.job_seconds
        batches_by_rate = self.requests_per_minute / 60
        return "window" if batches_by_window < batches_by_rate else "rate"

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
        if self.accounts > 1:
            words.append(f"{self.accounts} accounts")
        if self.others > 0:
            words.append(f"{self.others} slots held")
        if self.time_scale != 1:
            words.append(f"times ÷ {self.time_scale:g}")
        return ", ".join(words)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "name": self.name,
            "limit": self.limit,
            "bound": self.bound,
        }


def grid(
    template: Cell,
    seconds: Sequence[float],
    rates: Sequence[int],
    latencies: Sequence[float],
    *,
    rows: int | None = None,
) -> Iterator[Cell]:
    """Every combination. Without `rows` each cell is as long as it needs to be."""
    for job_seconds, rate, latency in product(seconds, rates, latencies):
        cell = replace(
            template,
            job_seconds=job_seconds,
            requests_per_minute=rate,
            latency_ms=latency,
        )
        yield replace(cell, rows=rows or _batches(cell) * 100)


def _batches(cell: Cell) -> int:
    """Batches for one account. The steady part (outcome.py) leaves out a tenth, and at
    least a full window, at either end."""
    long_enough = math.ceil(STEADY_SECONDS * cell.limit / cell.accounts / 100)
    steady = min(STEADY_BATCHES, max(STEADY_WINDOWS * cell.window, long_enough))
    return max(math.ceil(steady / (1 - 2 * TENTH)), steady + 2 * cell.window)
