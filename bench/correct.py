"""How long a correction takes at a million rows, from the call to the stored result.

    python -m bench.correct --rows 1000000

The file is that of `bench.check`, read and checked. All corrections are made in one process of
its own, as a web process makes them."""

import argparse
from typing import Any

from bench import processes, runs, typed_rows
from bench.tables import aligned
from bench.typed_rows import HEADER

SETUP = ("receive", "read", "draft", "check")
MAX_SECONDS = 0.5


def main() -> None:
    options = _options()
    with (
        runs.folder(keep=False) as folder,
        runs.new_database(options.database) as database,
    ):
        path = folder / "rows.csv"
        typed_rows.write(path, options.rows)
        print(f"{options.rows:,} rows x {len(HEADER)} columns")
        environment = runs.settings_of(folder, database) | {"BENCH_FILE": str(path)}
        processes.run(environment, "manage.py", "migrate", "--verbosity=0")
        for stage in SETUP:
            _said(environment, "bench.check_stages", stage)
        found = _said(environment, "bench.correct_stage")
    lines = [["", "rows", "wall s", f"at most {MAX_SECONDS} s", "CPU s", "checked"]]
    for made in found["corrections"]:
        wall = made["wall"]
        is_kept = "yes" if wall <= MAX_SECONDS else "no"
        how = "all rows, by a worker" if made["is_whole"] else "these rows"
        lines.append(
            [
                made["what"],
                f"{made['rows']:,}",
                f"{wall:.3f}",
                is_kept,
                f"{made['cpu']:.3f}",
                how,
            ]
        )
    print(*aligned(lines), sep="\n")
    print(f"Peak: {found['peak_mb']:.0f} MB.")


def _said(environment: dict[str, str], *words: str) -> dict[str, Any]:
    with processes.program(*words, environment=environment) as program:
        return dict(program.said())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="postgres://user:password@host/")
    return parser.parse_args()


if __name__ == "__main__":
    main()
