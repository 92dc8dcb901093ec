"""How well polluted CSV files are read: the Pollock benchmark.

    python -m bench.pollock FOLDER

The folder is `polluted_files` of github.com/HPI-Information-Systems/Pollock, with `csv` and
`clean`. Every file is read with nothing chosen. The score of a file is that of the benchmark, 10 at
most: whether it was read, and precision, recall and F1 of the names of columns, records and
cells. Here cells are compared exactly; the benchmark takes some as equal, such as "1.0" and
"1". A difference is silent if the file was read, differs from the clean one, and neither a
notice nor a row that could not be read says so."""

import argparse
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import tables
from jobsui.files.intake import take_in
from jobsui.files.layout import DETECT_ALL, OddCells
from jobsui.files.table import open_staged

Rows = list[list[str]]


@dataclass
class Loaded:
    """What we read of a file."""

    rows: Rows = field(default_factory=list)
    """The header first. Of a row that could not be read: its cells, shortened."""
    notices: list[str] = field(default_factory=list)
    odd: int = 0
    """How many rows could not be read."""
    refusal: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="print what each file lost")
    options = parser.parse_args()
    print("\n".join(_report(options.folder, lists=options.list)))


def load(path: Path) -> Loaded:
    staged = io.BytesIO()
    found = take_in(
        io.BytesIO(path.read_bytes()), path.name, DETECT_ALL, staged, lambda _: None
    )
    loaded = Loaded(notices=[str(notice) for notice in found.notices])
    if found.columns:
        loaded.rows.append(found.columns)
    else:
        loaded.refusal = found.refusal
    if found.rows:
        rows = [cells for _, cells in open_staged(staged).rows]
        loaded.rows += map(list, rows)
        loaded.odd = sum(isinstance(cells, OddCells) for cells in rows)
    return loaded


def score(clean: Rows, loaded: Rows) -> float:
    """9 at most: precision, recall and F1 of names, records and cells."""
    if not clean:
        return 9.0
    names = _agreement(clean[0], loaded[0] if loaded else [])
    records = _agreement(map("".join, clean[1:]), map("".join, loaded[1:]))
    cells = _agreement(_cells(clean), _cells(loaded))
    return names + records + cells


def _cells(rows: Rows) -> Iterator[str]:
    return (cell for row in rows for cell in row)


def _agreement(clean: Iterator[str] | Sequence[str], ours: object) -> float:
    """Precision, recall and F1, added up."""
    expected = Counter(clean)
    found: Counter[str] = Counter(ours)  # type: ignore[call-overload]
    if not expected:
        return 3.0
    common = (expected & found).total()
    if not common:
        return 0.0
    precision = common / expected.total()
    recall = common / found.total()
    return precision + recall + 2 * precision * recall / (precision + recall)


def _report(folder: Path, *, lists: bool) -> Iterator[str]:
    kinds: dict[str, list[float]] = {}
    refused: list[str] = []
    silent: list[str] = []
    for path in sorted((folder / "csv").iterdir()):
        clean = _clean(folder / "clean" / path.name)
        loaded = load(path)
        points = 0.0 if loaded.refusal else 1 + score(clean, loaded.rows)
        if loaded.refusal and not clean:
            points = 10.0  # An empty file is refused for being empty.
        elif loaded.refusal:
            refused.append(f"{path.name}: {loaded.refusal}")
        elif loaded.rows != clean and not loaded.odd and not loaded.notices:
            silent.append(path.name)
        kinds.setdefault(_kind(path.name), []).append(points)
        if lists and points < 9.9:
            yield f"{points:.2f} {path.name}: {loaded.odd} odd, {loaded.notices[:2]}"
    lines = [["kind", "files", "score"]]
    for kind, points_of_kind in sorted(kinds.items()):
        mean = sum(points_of_kind) / len(points_of_kind)
        lines.append([kind, str(len(points_of_kind)), f"{mean:.3f}"])
    every = [points for group in kinds.values() for points in group]
    lines.append(["all", str(len(every)), f"{sum(every) / len(every):.3f}"])
    yield from tables.aligned(lines)
    yield f"refused: {len(refused)}"
    yield from refused
    yield f"silent differences: {len(silent)}"
    yield from silent


def _clean(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def _kind(name: str) -> str:
    """ "row_less_sep" of "row_less_sep_row10_col3.csv"; file_… stands for itself."""
    if name.startswith("file") or not name.startswith("row"):
        return name
    return "_".join(
        word for word in name.split("_")[:3] if not any(map(str.isdigit, word))
    )


if __name__ == "__main__":
    main()
