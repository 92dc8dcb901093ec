"""The driver on a virtual clock. It runs in its own process, because it replaces the
clock."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("seconds", "per_minute", "bound", "least_steady", "most_requests", "most_refused"),
    [
        ("10", "200", "window", 0.93, 13, 2.0),
        ("2", "700", "rate", 0.95, 11, 0.1),
        ("2", "2500", "window", 0.92, 13, 2.0),
    ],
)
def test_driver_keeps_the_account_busy_within_its_rate(
    seconds: str,
    per_minute: str,
    bound: str,
    least_steady: float,
    most_requests: float,
    most_refused: float,
) -> None:
    chosen = [
        "--job-seconds",
        seconds,
        "--requests-per-minute",
        per_minute,
        "--latency-ms",
        "20",
        "--runs",
        "4",
    ]

    ran = subprocess.run(
        [sys.executable, "-m", "bench.virtual", *chosen],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    name, _, figures = ran.stdout.splitlines()[1].partition(")")
    _, steady, _, _, requests, refused = map(float, figures.replace(",", "").split())
    assert name == f"{seconds} s, {per_minute} rpm, 20 ms ({bound}"
    assert steady >= least_steady
    assert 10 <= requests <= most_requests
    assert refused <= most_refused
