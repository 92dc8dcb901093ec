"""Measures many jobs on one account: what those cost that wait, and how fast those are
that send, beside one job with the same rows. And many accounts with one job each.

    python -m bench.many --jobs 200

The product's own drivers run in a process of their own, with SQLite and a sandbox, and
without the planner. docs/performance.md has the figures. Linux only: it reads /proc."""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import outcome, processes, tables
from bench.outcome import Figures
from bench.processes import Sandbox

SETTLE_SECONDS = 8.0
"""Until a driver waits: its first requests, and the first refusals."""
SECONDS_OF_FIRST_TURN = 0.25
"""The share of one account in the time until each of many accounts has had a turn."""
WAITS: Mapping[str, Mapping[str, Any]] = {
    "for the planner": {"batches": 0},
    "for job slots": {"batches": 1, "others": 30},
    "for Zendesk's jobs": {"batches": 1, "job_seconds": 3600.0},
    "for the host": {"batches": 1, "is_gone": True},
}
"""What jobs wait for, and how that comes about."""
JOB_SECONDS = 1.0
WINDOW = 30
RATE = 2500


def main() -> None:
    options = _options()
    if options.only in {None, "waiting"}:
        print("\n".join(_waiting(options)), flush=True)
    if options.only in {None, "sending"}:
        print("\n".join(_sending(options)), flush=True)
    if options.only in {None, "accounts"}:
        print("\n".join(_accounts(options)), flush=True)


def _waiting(options: argparse.Namespace) -> Iterator[str]:
    lines = [["jobs wait", "jobs", "commits/s", "statements/s", "CPU ms/s", "threads"]]
    for what, how in WAITS.items():
        for jobs in (1, options.jobs):
            figures = _wait(how, jobs, options.seconds)
            lines.append(
                [
                    what,
                    str(jobs),
                    f"{figures['commits_per_second']:.2f}",
                    f"{figures['statements_per_second']:.1f}",
                    f"{1000 * figures['cpu_seconds'] / figures['seconds']:.1f}",
                    str(figures["threads"]),
                ]
            )
    yield from tables.aligned(lines)


def _wait(how: Mapping[str, Any], jobs: int, seconds: float) -> Figures:
    job_seconds = how.get("job_seconds", JOB_SECONDS)
    with _sandbox(job_seconds, how.get("others", 0)) as sandbox:
        host = urlsplit(sandbox.url).netloc
        if how.get("is_gone"):
            # Nothing listens there.
            host = "127.0.0.1:9"
        return _run(
            [host],
            jobs=jobs,
            batches=how["batches"],
            settle_seconds=SETTLE_SECONDS,
            measured_seconds=seconds,
        )


def _sending(options: argparse.Namespace) -> Iterator[str]:
    lines = [["jobs", "rows", "seconds", "rows/s", "steady", "commits/s", "CPU s"]]
    steady: list[float] = []
    for jobs in (1, options.jobs):
        batches = options.batches // jobs
        with _sandbox(JOB_SECONDS, 0) as sandbox:
            host = urlsplit(sandbox.url).netloc
            figures = _run([host], jobs=jobs, batches=batches)
            rate = outcome.steady(sandbox.ask("jobs")["jobs"])
        steady.append(rate or 0.0)
        lines.append(
            [
                str(jobs),
                f"{figures['rows']:,}",
                f"{figures['seconds']:.1f}",
                f"{figures['rows'] / figures['seconds']:,.0f}",
                f"{steady[-1]:,.0f}",
                f"{figures['commits_per_second']:.1f}",
                f"{figures['cpu_seconds']:.1f}",
            ]
        )
    yield from tables.aligned(lines)
    yield f"{options.jobs} jobs: {steady[1] / steady[0]:.2f} of the speed of one"


def _accounts(options: argparse.Namespace) -> Iterator[str]:
    """Many accounts with one job each, which wait or send two batches."""
    header = ["accounts", "seconds", "done", "commits/s", "statements/s"]
    lines = [[*header, "CPU s", "threads", "MB"]]
    number = options.accounts
    for batches in (0, 2):
        with _sandbox(JOB_SECONDS, 0, accounts=number) as sandbox:
            port = urlsplit(sandbox.url).port
            hosts = [f"127.0.{n // 250}.{1 + n % 250}:{port}" for n in range(number)]
            seconds = None if batches else options.seconds
            figures = _run(
                hosts,
                jobs=1,
                batches=batches,
                settle_seconds=0.0 if batches else number * SECONDS_OF_FIRST_TURN,
                measured_seconds=seconds,
            )
        lines.append(
            [
                f"{number} send" if batches else f"{number} wait",
                f"{figures['seconds']:.0f}",
                str(number - figures["moving"]),
                f"{figures['commits_per_second']:.1f}",
                f"{figures['statements_per_second']:.0f}",
                f"{figures['cpu_seconds']:.1f}",
                str(figures["threads"]),
                f"{figures['peak_mb']:.0f}",
            ]
        )
    yield from tables.aligned(lines)


@contextmanager
def _sandbox(job_seconds: float, others: int, accounts: int = 1) -> Iterator[Sandbox]:
    settings = {
        "job_seconds": job_seconds,
        "job_spread": 0.5,
        "latency_ms": 20,
        "requests_per_minute": RATE * accounts,
        "max_running_jobs": WINDOW * accounts,
    }
    with processes.sandbox(settings, seed=1, others=others) as sandbox:
        yield sandbox


def _run(hosts: list[str], **plan: Any) -> Figures:
    """Run drivers for these hosts in a new data directory."""
    folder = Path(tempfile.mkdtemp(prefix="jobsui-bench-"))
    account = {
        "requests_per_minute": RATE,
        "max_running_jobs": WINDOW,
        "share": 100,
        "early_send": True,
    }
    environment = {
        "JOBSUI_DATA_DIR": str(folder),
        "JOBSUI_API_HOSTS": ",".join(hosts),
        "DJANGO_SETTINGS_MODULE": "jobsui.settings",
        "DATABASE_URL": "",
        "LOG_LEVEL": "ERROR",
    }
    words = json.dumps({"hosts": hosts, "account": account} | plan)
    try:
        with processes.program(
            "bench.many_jobs", words, environment=environment
        ) as program:
            for expected in ("ready", "read"):
                _next(program, expected)
            program.go()
            return _next(program, "over")
    finally:
        shutil.rmtree(folder)


def _next(program: processes.Program, word: str) -> Figures:
    line = program.said()
    if line.pop("said") != word:
        raise SystemExit(f"The program did not reach “{word}”: {line}")
    return line


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure many jobs on one account.")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument(
        "--batches", type=int, default=1200, help="that all jobs send together"
    )
    parser.add_argument(
        "--seconds", type=float, default=15.0, help="how long waiting is measured"
    )
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--only", choices=("waiting", "sending", "accounts"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
