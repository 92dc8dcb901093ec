"""Several jobs on one account: each job's share, and how long a small job waits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import runs
from bench.cells import Cell
from bench.outcome import Figures
from bench.runs import Setup, Wanted

SMALL_ROWS = 1_000
"""Rows of the small job that runs beside a big one: ten batches."""


def measure(cell: Cell, setup: Setup, *, big_rows: int) -> Iterator[Figures]:
    """Three equal jobs, three jobs of weights 16, 4 and 1 with rows in proportion, and a
    small job alone and beside a big one."""
    # The lightest job is launched last. Launched first, it would be sent before the
    # others start.
    by_weight = [(weight, cell.rows * weight // 700 * 100) for weight in (16, 4, 1)]
    yield _shares("three jobs, equal weights", cell, setup, [(4, cell.rows)] * 3)
    yield _shares("three jobs, weights 16, 4, 1", cell, setup, by_weight)
    yield _small(cell, setup, big_rows)


def _shares(
    name: str, cell: Cell, setup: Setup, jobs: Sequence[tuple[int, int]]
) -> Figures:
    wanted = []
    first = 0
    for weight, rows in jobs:
        wanted.append(Wanted(rows, weight=weight, first=first))
        first += rows
    figures = runs.ours(cell, setup, wanted)
    return {"name": name, "shares": shares(figures["jobs"]), "run": figures}


def shares(jobs: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """Each job's share of the batches sent while all jobs had batches to send, beside
    the share due to its weight. Empty if they never all had."""
    start = max(job["sent"][0] for job in jobs)
    end = min(job["sent"][-1] for job in jobs)
    counts = [sum(start <= at <= end for at in job["sent"]) for job in jobs]
    total = sum(counts)
    if not total:
        return []
    weights = sum(job["weight"] for job in jobs)
    return [
        {
            "weight": job["weight"],
            "batches": count,
            "share": count / total,
            "due": job["weight"] / weights,
        }
        for job, count in zip(jobs, counts, strict=True)
    ]


def _small(cell: Cell, setup: Setup, big_rows: int) -> Figures:
    small = Wanted(SMALL_ROWS)
    # By then the big job has filled its window, and some of its batches are done.
    after = 3 * cell.scaled.job_seconds + 2
    beside = [Wanted(big_rows, first=SMALL_ROWS), Wanted(SMALL_ROWS, after=after)]
    alone = runs.ours(cell, setup, [small])
    both = runs.ours(cell, setup, beside, until=1)
    return {
        "name": f"{SMALL_ROWS // 100} batches beside {big_rows // 100:,}",
        "alone_seconds": alone["jobs"][0]["seconds"],
        "beside_seconds": both["jobs"][1]["seconds"],
        "runs": [alone, both],
    }
