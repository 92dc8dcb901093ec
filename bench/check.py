"""How long a CSV file takes from the upload to its first batch, beside a bare loop over
`csv.reader` in the same run.

    python -m bench.check --rows 1000000

Each stage runs in a process of its own, with its own children. The parser server is running
when the stage "read" begins, as in a worker that has read a file before. A line of its own
says what its start costs. --profile shows where check and planning spend their time."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import processes, runs, typed_rows
from bench.tables import aligned
from bench.typed_rows import HEADER

BARE = "csv.reader"
SETUP = frozenset({"receive", "draft", "launch"})
"""Stages that are not measured."""
STAGES = (BARE, "receive", "start", "read", "draft", "check", "launch", "plan")
MAX_PEAK_MB = 250
MAX_FIRST_BATCH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Cost:
    wall: float
    cpu: float
    peak_mb: float
    first_batch: float | None = None

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.wall + other.wall,
            self.cpu + other.cpu,
            max(self.peak_mb, other.peak_mb),
        )


@dataclass(frozen=True, slots=True)
class Target:
    label: str
    stages: tuple[str, ...]
    max_wall: float | None = None
    """Times that of the bare loop."""
    max_cpu: float | None = None


TARGETS = (
    Target("start of the parser server", ("start",)),
    Target("read", ("read",)),
    Target("check", ("check",)),
    Target("plan", ("plan",)),
    Target("read and check", ("read", "check"), max_wall=2),
    Target("read, check and plan", ("read", "check", "plan"), max_wall=3.5, max_cpu=5),
)


def main() -> None:
    options = _options()
    with (
        runs.folder(keep=False) as folder,
        runs.new_database(options.database) as database,
    ):
        path = folder / "rows.csv"
        typed_rows.write(path, options.rows)
        size = path.stat().st_size >> 20
        print(f"{options.rows:,} rows x {len(HEADER)} columns, {size:,} MB")
        environment = runs.settings_of(folder, database) | {"BENCH_FILE": str(path)}
        processes.run(environment, "manage.py", "migrate", "--verbosity=0")
        costs = {
            stage: _cost(stage, environment, profile=options.profile)
            for stage in STAGES
        }
    print(*aligned(list(_lines(costs))), sep="\n")


def _cost(stage: str, environment: Mapping[str, str], *, profile: bool) -> Cost:
    words = ["bench.check_stages", stage]
    if profile and stage not in {BARE, *SETUP}:
        words.append("--profile")
    with processes.program(*words, environment=environment) as program:
        return Cost(**program.said())


def _lines(costs: Mapping[str, Cost]) -> list[list[str]]:
    bare = costs[BARE]
    lines = [["", "wall s", "x", "at most", "CPU s", "x", "at most", "peak MB"]]
    lines.append([BARE, f"{bare.wall:.2f}", "1", "", f"{bare.cpu:.2f}", "1", "", ""])
    for target in TARGETS:
        cost = _sum([costs[stage] for stage in target.stages])
        lines.append(
            [
                target.label,
                f"{cost.wall:.2f}",
                f"{cost.wall / bare.wall:.2f}",
                _limit(target.max_wall),
                f"{cost.cpu:.2f}",
                f"{cost.cpu / bare.cpu:.2f}",
                _limit(target.max_cpu),
                f"{cost.peak_mb:.0f}",
            ]
        )
    first_batch = costs["plan"].first_batch or 0
    lines.append(
        [
            f"The first batch was ready {first_batch:.2f} s after the launch (at most "
            f"{MAX_FIRST_BATCH_SECONDS} s). A process may have {MAX_PEAK_MB} MB."
        ]
    )
    return lines


def _sum(costs: Sequence[Cost]) -> Cost:
    total = Cost(0, 0, 0)
    for cost in costs:
        total += cost
    return total


def _limit(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:g}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="postgres://user:password@host/")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
