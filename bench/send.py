"""From an uploaded file to the last result, through the whole product as people run it, in figures.

    python -m bench.send --rows 100000 --job-seconds 1 --requests-per-minute 2500

Starts a sandbox and `manage.py up` in a new data directory, takes a file the way of the pages (the same functions of
the engine), prints a table and, with --json, writes the figures to a file. Linux only: it reads /proc.
"""

import argparse
import json
import shutil
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

from bench import rows
from bench.processes import Cost, Processes

Figures = dict[str, Any]


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="jobsui-bench-"))
    file = options.file or folder / f"rows.{options.format}"
    if not options.file:
        rows.write(file, options.rows)
    sandbox = {
        "job_seconds": options.job_seconds, "job_spread": options.job_spread, "latency_ms": options.latency_ms,
        "requests_per_minute": options.requests_per_minute, "max_running_jobs": options.window, "seed": options.seed,
    }  # fmt: skip
    processes = Processes(folder / "data", options.port, sandbox, options.workers)
    try:
        django.setup()
        figures = _measured(processes, file, options)
    finally:
        processes.stop()
        if not options.keep:
            shutil.rmtree(folder)
    _show(figures)
    if options.json:
        options.json.write_text(json.dumps({"options": _plain(options), **figures}, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="From an uploaded file to the last result, in figures.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--format", choices=rows.FORMATS, default="csv")
    parser.add_argument("--file", type=Path, help="a file for the sandbox's asset, instead of one made for this")
    parser.add_argument("--job-seconds", type=float, default=1.0)
    parser.add_argument("--job-spread", type=float, default=0.5, help="sigma of the log-normal job times")
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--requests-per-minute", type=int, default=2500)
    parser.add_argument("--window", type=int, default=30, help="jobs the account runs at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--port", type=int, default=8600)
    parser.add_argument("--check-only", action="store_true", help="read and check, send nothing")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--keep", action="store_true", help="leave the data directory behind")
    return parser.parse_args()


def _measured(processes: Processes, file: Path, options: argparse.Namespace) -> Figures:
    from bench import way  # noqa: PLC0415  # models exist only after setup

    before = processes.costs()
    seconds: dict[str, float] = {}
    journey = way.Way(processes.sandbox, options.requests_per_minute, options.window)
    calls = Calls(processes.sandbox)
    with _timed(seconds, "upload"):
        journey.upload(file)
    with _timed(seconds, "read"):
        journey.wait_for_reading()
    with _timed(seconds, "check"):
        journey.check()
    figures: Figures = {"rows": journey.job.rows, "file_mb": file.stat().st_size / 1e6, "seconds": seconds}
    if not options.check_only:
        with _timed(seconds, "send"):
            journey.launch_and_follow(calls.look)
        seconds["plan"] = journey.planned_after
        limit = min(options.window / options.job_seconds, options.requests_per_minute / 60) * 100
        figures |= _sending(journey, seconds["send"], limit, calls)
        figures["results_csv"] = _download(processes.url, journey)
    costs = processes.costs()
    figures["processes"] = {kind: _cost(cost, before.get(kind), figures["rows"]) for kind, cost in costs.items()}
    figures["database_mb"] = journey.database_bytes / 1e6
    figures["load_average"] = float(Path("/proc/loadavg").read_text().split()[0])
    return figures


def _sending(journey: Any, seconds: float, limit: float, calls: "Calls") -> Figures:
    job = journey.job
    sent = job.rows - job.invalid
    return {
        "state": job.state,
        "counts": job.counts,
        "limit": limit,
        "records_per_second": sent / seconds,
        "share": sent / seconds / limit,
        "steady_records_per_second": journey.steady,
        "steady_share": journey.steady / limit,
        "calls_per_1000_records": {kind: number * 1000 / sent for kind, number in calls.counted.items()},
    }


class Calls:
    """The sandbox's log, read often enough that nothing drops out of it."""

    def __init__(self, sandbox: str) -> None:
        self.counted: Counter[str] = Counter()
        self._url, self._seen, self._looked = f"{sandbox}/sandbox/log", time.time(), time.monotonic()

    def look(self, *, last: bool = False) -> None:
        if not last and time.monotonic() - self._looked < 20:
            return
        self._looked = time.monotonic()
        with urllib.request.urlopen(self._url, timeout=60) as answer:
            requests = json.load(answer)["requests"]
        fresh = [entry for entry in requests if entry["time"] > self._seen]
        self._seen = max((entry["time"] for entry in fresh), default=self._seen)
        for entry in fresh:
            path = entry["path"].removesuffix(".json").rpartition("/")[2]
            refused = f" {entry['status']}" if entry["status"] >= 400 or not entry["status"] else ""
            self.counted[f"{entry['method']} {path}{refused}"] += 1


def _download(url: str, journey: Any) -> Figures:
    request = urllib.request.Request(f"{url}{journey.results_path}", headers={"Cookie": journey.cookie})
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=600) as answer:
        size = len(answer.read(1))
        first = time.monotonic() - begun
        while piece := answer.read(1 << 16):
            size += len(piece)
    return {"first_byte_seconds": first, "seconds": time.monotonic() - begun, "mb": size / 1e6}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[name] = time.monotonic() - begun


def _cost(cost: Cost, before: Cost | None, rows: int) -> Figures:
    spent = cost.cpu_seconds - (before.cpu_seconds if before else 0.0)
    return {"cpu_seconds_per_100000": spent * 100_000 / rows, "peak_mb": cost.peak_mb}


def _plain(options: argparse.Namespace) -> Figures:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def _show(figures: Figures) -> None:
    say: Callable[[str, str], None] = lambda name, value: print(f"{name:<34}{value:>14}")  # noqa: E731
    say("rows", f"{figures['rows']:,}")
    say("file", f"{figures['file_mb']:.1f} MB")
    for name in ("upload", "read", "check", "plan", "send"):
        if name in figures["seconds"]:
            say(name, f"{figures['seconds'][name]:.2f} s")
    if "limit" in figures:
        say("limit of the account", f"{figures['limit']:,.0f} records/s")
        say("whole", f"{figures['records_per_second']:,.0f} records/s")
        say("share of the limit", f"{figures['share']:.3f}")
        say("steady (10 to 90 % of batches)", f"{figures['steady_records_per_second']:,.0f} records/s")
        say("share of the limit, steady", f"{figures['steady_share']:.3f}")
        for kind, number in sorted(figures["calls_per_1000_records"].items()):
            say(f"{kind}, per 1,000 records", f"{number:.2f}")
        results = figures["results_csv"]
        say("results.csv, first byte", f"{results['first_byte_seconds']:.2f} s")
        say("results.csv, all of it", f"{results['seconds']:.2f} s")
    for kind, cost in figures["processes"].items():
        say(f"{kind}: CPU per 100,000 rows", f"{cost['cpu_seconds_per_100000']:.2f} s")
        say(f"{kind}: most memory", f"{cost['peak_mb']:.0f} MB")
    say("database", f"{figures['database_mb']:.1f} MB")
    say("load average of the machine", f"{figures['load_average']:.2f}")


if __name__ == "__main__":
    main()
