"""Several jobs on one account: who gets how much of it, and how long a small one has to
wait."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import runs
from bench.cells import Cell
from bench.outcome import Figures
from bench.runs import Setup, Wanted

SMALL_ROWS = 1_000
"""Of the job beside a big one: ten batches."""


def measure(cell: Cell, setup: Setup, *, big_rows: int) -> Iterator[Figures]:
    """Three jobs of the cell's rows, three of weights 16, 4 and 1 that are as large as
    their weights, and a small job alone and beside a big one."""
    # The light one comes last: alone at the beginning, it would be sent before the
    # others are there.
    by_weight = [(weight, cell.rows * weight // 700 * 100) for weight in (16, 4, 1)]
    yield _shares("three jobs, equal weights", cell, setup, [(4, cell.rows)] * 3)
    yield _shares("three jobs, weights 16, 4, 1", cell, setup, by_weight)
    yield _small(cell, setup, big_rows)


def _shares(
    name: str, cell: Cell, setup: Setup, jobs: Sequence[tuple[int, int]]
) -> Figures:
    wanted, first = [], 0
    for weight, rows in jobs:
        wanted.append(Wanted(rows, weight=weight, first=first))
        first += rows
    figures = runs.ours(cell, setup, wanted)
    return {"name": name, "shares": shares(figures["jobs"]), "run": figures}


def shares(jobs: Sequence[Mapping[str, Any]]) -> list[Figures]:
    """Of the batches that were sent while all the jobs had some to send, and what their
    weights make due; none when they never all had."""
    begin, end = (
        max(job["sent"][0] for job in jobs),
        min(job["sent"][-1] for job in jobs),
    )
    sent = [sum(begin <= at <= end for at in job["sent"]) for job in jobs]
    weights = sum(job["weight"] for job in jobs)
    if not sum(sent):
        return []
    return [
        {
            "weight": job["weight"],
            "batches": number,
            "share": number / sum(sent),
            "due": job["weight"] / weights,
        }
        for job, number in zip(jobs, sent, strict=True)
    ]


def _small(cell: Cell, setup: Setup, big_rows: int) -> Figures:
    small = Wanted(SMALL_ROWS)
    # When the big one has filled its window and some of its jobs have ended.
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
