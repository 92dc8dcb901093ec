"""What one step after another costs, on a running product and its sandbox."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench import processes
from bench.live_account import Account
from bench.processes import Cost
from jobsui.jobs.reports import storage

NO_PROCESS = Cost()


@dataclass(slots=True)
class Meter:
    product: int
    """The ID of its first process."""
    sandbox: int
    account: Account
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The figures of each step, by its name."""

    def step[T](self, name: str, run: Callable[[], T]) -> T:
        self.account.ask("requests", {})
        stored = _stored_bytes()
        roots = (self.product, self.sandbox)
        processes.forget_peaks(roots)
        before = processes.costs(roots)
        start = time.perf_counter()
        result = run()
        wall = time.perf_counter() - start
        self.steps[name] = {
            "wall": wall,
            "processes": _used(before, processes.costs(roots)),
            "requests": self.account.ask("requests")["requests"],
            "stored": _stored_bytes() - stored,
        }
        return result


def _used(
    before: Mapping[str, Cost], after: Mapping[str, Cost]
) -> dict[str, dict[str, float]]:
    return {
        kind: {
            "cpu": cost.cpu_seconds - before.get(kind, NO_PROCESS).cpu_seconds,
            "peak_mb": cost.peak_mb,
        }
        for kind, cost in after.items()
    }


def _stored_bytes() -> int:
    sizes = storage.sizes()
    return sizes.database - sizes.reusable
