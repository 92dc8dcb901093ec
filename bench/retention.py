"""Sends a job while a year of history is deleted, and the same job without.

    python -m bench.retention --jobs 100000 --rows 150000

It creates the history in a new database, sends a job, sends another one while a pruner runs
without a limit of time (the sweep prunes for 5 of 15 seconds), then prunes the rest. Linux only: it
reads /proc."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench import processes, runs
from bench.cells import Cell
from bench.outcome import Figures
from bench.runs import Setup, Wanted

KEEP_A_DAY = {
    f"JOBSUI_KEEP_{kind}_DAYS": "1"
    for kind in ("BODIES", "ATTEMPTS", "RESULTS", "FILES")
}
KEEP_JOBS = {"JOBSUI_KEEP_JOBS_DAYS": "0"}


def main() -> None:
    options = _options()
    setup = Setup(
        port=options.port,
        workers=1,
        database=options.database,
        share=100,
        early_send=True,
        format="csv",
        file=None,
    )
    cell = Cell(
        rows=options.rows,
        job_seconds=1.0,
        job_spread=0.5,
        latency_ms=20.0,
        requests_per_minute=2500,
        window=30,
    )
    with (
        runs.folder(keep=False) as folder,
        runs.new_database(options.database) as database,
    ):
        environment = runs.settings_of(folder, database)
        processes.run(environment, "manage.py", "migrate", "--verbosity=0")
        say = _Report()
        say(f"{database.name}, {options.jobs:,} jobs of 100 rows")
        with processes.program(
            "bench.history", "create", str(options.jobs), environment=environment
        ) as program:
            say.sizes("before", program.said())

        def send(first: int, beside: Any = None) -> Figures:
            wanted = [Wanted(options.rows, first=first)]
            # Another seed, so that it gives its jobs other ids than the one before.
            account = replace(cell, seed=first + 1)
            with runs.sandboxes(account) as sandboxes:
                return runs.ours_in(
                    folder, sandboxes, database, account, setup, wanted, beside=beside
                )

        alone = send(0)
        pruned: list[dict[str, Any]] = []

        @contextmanager
        def pruning(environment: Mapping[str, str]) -> Iterator[None]:
            with _pruner(environment, pruned):
                yield

        beside = send(options.rows, pruning)
        say.rates(alone, beside)
        say.steps("beside sending", pruned[0])
        if not pruned[0]["is_finished"]:
            with _pruner(environment, pruned, to_the_end=True):
                pass
            say.steps("then", pruned[1])
        say.sizes("after", pruned[-1])


@contextmanager
def _pruner(
    environment: Mapping[str, str],
    reports: list[dict[str, Any]],
    *,
    to_the_end: bool = False,
) -> Iterator[None]:
    """A pruner, until the end of the block."""
    keep_a_day = {**environment, **KEEP_A_DAY, **KEEP_JOBS}
    words = ["bench.history", "prune"]
    with processes.program(*words, environment=keep_a_day) as program:
        yield
        if not to_the_end:
            program.stop()
        reports.append(program.said())


class _Report:
    """Prints figures."""

    def __call__(self, line: str) -> None:
        print(line, flush=True)

    def sizes(self, when: str, figures: Mapping[str, Any]) -> None:
        kinds = ", ".join(f"{name} {mb}" for name, mb in figures["kinds_mb"].items())
        self(
            f"{when}: database {figures['database_mb']:.0f} MB, "
            f"free {figures['reusable_mb']:.0f} MB ({kinds})"
        )

    def rates(self, alone: Figures, beside: Figures) -> None:
        for name, figures in (("alone", alone), ("beside pruning", beside)):
            driver = figures["processes"]["driver"]["cpu_seconds_per_100000"]
            self(
                f"{name}: whole {figures['records_per_second']:,.0f} records/s, "
                f"steady {figures['steady_records_per_second']:,.0f}, "
                f"driver {driver:.1f} CPU s for 100,000 rows, "
                f"load average {figures['load_average']}"
            )
        ratio = beside["steady_records_per_second"] / alone["steady_records_per_second"]
        self(f"ratio: steady {ratio:.3f}")

    def steps(self, when: str, figures: Mapping[str, Any]) -> None:
        deleted = json.dumps(figures["deleted"])
        self(
            f"{when}: {figures['steps']:,} steps in {figures['seconds']:.0f} s, median "
            f"{1000 * figures['median']:.0f} ms, 99 % {1000 * figures['p99']:.0f} ms, "
            f"longest {1000 * figures['longest']:.0f} ms: {deleted}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Delete a year of history beside a job that is sent."
    )
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=150_000, help="of the job sent")
    parser.add_argument("--port", type=int, default=8640)
    parser.add_argument(
        "--database",
        default=os.environ.get("DATABASE_URL", ""),
        metavar="URL",
        help="postgres://...: creates and drops a database there; otherwise SQLite",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
