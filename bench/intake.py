"""How long delimited text takes to read, beside a bare loop over `csv.reader`.

Usage: python -m bench.intake [--rows N]
"""

import argparse
import csv
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from jobsui.files.delimited import read
from jobsui.files.rows import rows_of
from jobsui.files.table import detect

HEADER = [
    "external_id",
    "name",
    "count",
    "price",
    "purchased_on",
    "insured",
    "status",
    "features",
    "owner",
    "code",
]
STATUSES = [f"status_{number}" for number in range(12)]
FEATURES = ("battery;wifi", "wifi", "rugged;gps", "")
NAMES = ("Laptop {}", "Zürich office {}", 'Drill, 5" ({})', "first line\nsecond {}")


def write(path: Path, rows: int) -> None:
    """A table of 10 columns: 28 % of the rows have quoted cells, 10 % a line end in one."""
    chance = random.Random(7)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        writer.writerows(_row(number, chance) for number in range(rows))


def _row(number: int, chance: random.Random) -> list[str]:
    name = chance.choices(NAMES, weights=(54, 18, 18, 10))[0]
    return [
        f"A-{number:08}",
        name.format(number),
        str(chance.randrange(100_000)),
        f"{chance.uniform(1, 9000):.2f}",
        f"20{number % 26:02}-{number % 12 + 1:02}-{number % 28 + 1:02}",
        chance.choice(("true", "false")),
        chance.choice(STATUSES),
        chance.choice(FEATURES),
        f"owner-{number % 5000}-{chance.randrange(10**9)}",
        f"{chance.randrange(10**6):06}-{number % 97:02}",
    ]


@contextmanager
def _timed(label: str) -> Iterator[None]:
    wall = time.perf_counter()
    cpu = time.process_time()
    yield
    used = time.process_time() - cpu
    took = time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{label:<32} {used:6.2f} s CPU {took:6.2f} s wall {peak:5} MB peak")


def _bare(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as text:
        for _ in csv.reader(text):
            pass


def _detected(stream: BinaryIO) -> None:
    detect(stream, "rows.csv")


def _blocks(stream: BinaryIO) -> None:
    for _ in read(stream, detect(stream, "rows.csv").layout).blocks:
        pass


def _rows(stream: BinaryIO) -> None:
    for _ in rows_of(read(stream, detect(stream, "rows.csv").layout).blocks):
        pass


READINGS: dict[str, Callable[[BinaryIO], None]] = {
    "detect": _detected,
    "detect, read in blocks": _blocks,
    "detect, read as rows": _rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        write(path, chosen.rows)
        print(f"{chosen.rows:,} rows, {path.stat().st_size >> 20} MB")
        with _timed("csv.reader, bare loop"):
            _bare(path)
        for label, reading in READINGS.items():
            with path.open("rb") as stream, _timed(label):
                reading(cast(BinaryIO, stream))


if __name__ == "__main__":
    main()
