"""What it costs to compare a job with the account, to prove and to undo it, and to make the
account match a file: for each step requests, seconds, and CPU and memory by process. What is
found must be exactly what the made-up account and file call for.

    python -m bench.live send compare match prove undo --rows 100000 --changed 3

Each stage has a product, a sandbox and a database of its own."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bench import live_account, processes, runs
from bench.tables import aligned

STAGES = ("send", "compare", "match", "prove", "undo")
READS = ("records-by-external-id", "records-by-id")
COUNTED = (*READS, "records-list", "export", "jobs", "job-statuses")
"""The kinds of requests that have a column."""
SHOWN = ("web", "driver", "worker", "sandbox")


def main() -> None:
    options = _options()
    for stage in options.stages:
        print(f"\n{stage}, {options.rows:,} rows", flush=True)
        found = _run(stage, options)
        lines = list(_lines(found["steps"], options.rows))
        print(*aligned(lines), sep="\n", flush=True)
        if found["problem"]:
            raise SystemExit(found["problem"])


def _run(stage: str, options: argparse.Namespace) -> Mapping[str, Any]:
    settings = {
        "job_seconds": options.job_seconds,
        "latency_ms": options.latency_ms,
        "requests_per_minute": live_account.REQUESTS_PER_MINUTE,
    }
    with (
        runs.folder(keep=False) as folder,
        runs.new_database(options.database) as database,
        processes.sandbox(settings, seed=1, others=0) as sandbox,
    ):
        environment = runs.settings_of(folder, database) | {
            "JOBSUI_API_HOSTS": sandbox.url.removeprefix("http://")
        }
        with processes.product(options.port, 1, environment) as product:
            plan = {
                "stage": stage,
                "rows": options.rows,
                "changed": options.changed,
                "product": product.pid,
                "sandbox": sandbox.process.pid,
                "sandbox_url": sandbox.url,
            }
            with processes.program(
                "bench.live_stages", json.dumps(plan), environment=environment
            ) as program:
                return program.said()


def _lines(steps: Mapping[str, Any], rows: int) -> Iterator[list[str]]:
    """The reads are by key or ID. CPU is in microseconds for each row of the file, of the
    product alone; then the seconds of CPU and the most memory of one process, by kind."""
    yield [
        "",
        "wall s",
        "reads",
        "lists",
        "exports",
        "posts",
        "polls",
        "others",
        "stored MB",
        "CPU us a row",
        *(f"{kind} s, MB" for kind in SHOWN),
    ]
    for name, figures in steps.items():
        requests = dict.fromkeys(COUNTED, 0) | figures["requests"]
        others = sum(number for kind, number in requests.items() if kind not in COUNTED)
        used = figures["processes"]
        cpu = sum(each["cpu"] for kind, each in used.items() if kind != "sandbox")
        yield [
            name,
            f"{figures['wall']:.1f}",
            f"{sum(requests[kind] for kind in READS):,}",
            *(f"{requests[kind]:,}" for kind in COUNTED[len(READS) :]),
            f"{others:,}",
            f"{figures['stored'] / 1e6:.1f}",
            f"{cpu / rows * 1e6:.0f}",
            *(
                f"{used[kind]['cpu']:.1f}, {used[kind]['peak_mb']:.0f}"
                for kind in SHOWN
            ),
        ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="+", choices=STAGES)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=3, help="percent of the rows")
    parser.add_argument("--job-seconds", type=float, default=0.5)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=8190)
    parser.add_argument("--database", default="", help="postgres://user:password@host/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
