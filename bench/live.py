"""What it costs to compare a job with the account and to undo it, beside sending all of it:
requests by kind, seconds and CPU, and whether only what differs was touched.

    python -m bench.live --rows 100000 --changed 3

Each run has a sandbox and a database of its own."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from bench import processes, runs
from bench.tables import aligned

WAYS = ("send all", "compare")


def main() -> None:
    options = _options()
    found = {way: _run(way, options) for way in WAYS}
    lines = [["", "reads", "posts", "polls", "wall s", "CPU s", "peak MB"]]
    for way, steps in found.items():
        for step, figures in steps.items():
            lines.append(
                [
                    f"{way}: {step}",
                    f"{figures['reads']:,}",
                    f"{figures['posts']:,}",
                    f"{figures['polls']:,}",
                    f"{figures['wall']:.1f}",
                    f"{figures['cpu']:.1f}",
                    f"{figures['peak_mb']:.0f}",
                ]
            )
    print(*aligned(lines), sep="\n")
    for way, steps in found.items():
        for step, figures in steps.items():
            if "said" in figures:
                print(f"{way}: {step}: {figures['said']}")


def _run(way: str, options: argparse.Namespace) -> Mapping[str, Mapping[str, Any]]:
    settings = {"job_seconds": 0.5, "requests_per_minute": 60_000}
    with (
        runs.folder(keep=False) as folder,
        runs.new_database(options.database) as database,
        processes.sandbox(settings, seed=1, others=0) as sandbox,
    ):
        environment = runs.settings_of(folder, database) | {
            "JOBSUI_API_HOSTS": sandbox.url.removeprefix("http://"),
            "BENCH_SANDBOX": sandbox.url,
        }
        processes.run(environment, "manage.py", "migrate", "--verbosity=0")
        processes.run(environment, "manage.py", "createcachetable")
        plan = {"way": way, "rows": options.rows, "changed": options.changed}
        with processes.program(
            "bench.live_stages", json.dumps(plan), environment=environment
        ) as program:
            return program.said()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=3, help="percent of the rows")
    parser.add_argument("--database", default="", help="postgres://user:password@host/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
