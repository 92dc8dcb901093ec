"""The bench's own arithmetic."""

from dataclasses import replace
from typing import Any

import pytest

from bench import cells
from bench.cells import Cell
from bench.fairness import shares
from bench.outcome import busy, steady

CELL = Cell(
    10_000,
    job_seconds=2.0,
    job_spread=0.0,
    latency_ms=20.0,
    requests_per_minute=700,
    window=30,
)


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 700 / 60 * 100),
        ({"requests_per_minute": 2500}, 30 / 2 * 100),
        ({"requests_per_minute": 2500, "accounts": 4}, 4 * 30 / 2 * 100),
        ({"requests_per_minute": 2500, "time_scale": 10}, 10 * 30 / 2 * 100),
        ({"time_scale": 10}, 10 * 700 / 60 * 100),
        ({"others": 20}, 10 / 2 * 100),
        # Held for a while only, and counted from then.
        ({"others": 30, "requests_per_minute": 2500}, 30 / 2 * 100),
    ],
)
def test_limit_counts_free_slots_and_scaled_times(
    changes: dict[str, Any], limit: float
) -> None:
    assert replace(CELL, **changes).limit == pytest.approx(limit)


def test_every_cell_of_the_grid_has_a_long_steady_part() -> None:
    measured = list(
        cells.grid(
            CELL, cells.JOB_SECONDS, cells.REQUESTS_PER_MINUTE, cells.LATENCIES_MS
        )
    )

    assert len(measured) == 24
    for cell in measured:
        batches = cell.rows // 100
        left = min(batches * 0.8, batches - 2 * cell.window)
        assert left >= 600 or (
            left * 100 / cell.limit >= 39.9 and left >= 16 * cell.window
        )


def test_steady_part_leaves_out_where_the_window_fills_and_empties() -> None:
    # Two at once, one a second; at the ends slower.
    starts = [-20.0, -10.0, *map(float, range(16)), 30.0, 40.0]
    jobs = [{"accepted_at": at, "ended_at": at + 1.5, "total": 100} for at in starts]

    assert steady(jobs) == pytest.approx(100.0)
    # Of 15 seconds: 1 of the second job in it, 1.5 of each of 14 more.
    assert busy(jobs, slots=2) == pytest.approx((1 + 14 * 1.5) / (15 * 2))


def test_short_run_has_no_steady_part() -> None:
    jobs = [
        {"accepted_at": 0.0, "ended_at": 1.0 + number, "total": 100}
        for number in range(20)
    ]

    assert steady(jobs) is None


def test_shares_count_while_all_jobs_have_batches_to_send() -> None:
    long = {"weight": 16, "sent": [at / 4 for at in range(1, 41)]}
    short = {"weight": 4, "sent": [float(at) for at in range(1, 6)]}

    assert shares([long, short]) == [
        {"weight": 16, "batches": 17, "share": 17 / 22, "due": 0.8},
        {"weight": 4, "batches": 5, "share": 5 / 22, "due": 0.2},
    ]


def test_jobs_sent_one_after_another_have_no_shares() -> None:
    early = {"weight": 4, "sent": [1.0, 2.0]}
    late = {"weight": 4, "sent": [3.0, 4.0]}

    assert shares([early, late]) == []
