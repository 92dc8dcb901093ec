"""What the intake of each format costs, beside a bare library that reads the same file, in CPU
and wall seconds. The intake uses several threads of a parser, whose server is running, as in a
worker that has read a file before.

    python -m bench.formats --rows 1000000 --sheet-rows 200000

`bench.check` has CSV."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import processes, runs, typed_files
from bench.own_cost import measured
from bench.processes import say
from bench.tables import aligned
from jobsui.files import parser_process
from jobsui.files.layout import DETECT_ALL

INTAKE = "intake"


@dataclass(frozen=True, slots=True)
class Case:
    label: str
    name: str
    """Of the file."""
    bare: str
    max_ratio: float | None = None
    """Times the seconds of the bare library, of CPU and of wall time."""
    is_sheet: bool = True


CASES = (
    Case("JSON Lines", "rows.jsonl", "json.loads a line", 1.2, is_sheet=False),
    Case("JSON array", "rows.json", "json.load", 1.2, is_sheet=False),
    Case("XLSX", "rows.xlsx", "calamine", 1.5),
    Case("ODS", "rows.ods", "calamine"),
)
HEADER = [
    "",
    "rows",
    "MB",
    "bare",
    "CPU s",
    "our CPU s",
    "x",
    "wall s",
    "our wall s",
    "x",
    "at most",
    "peak MB",
]


def main() -> None:
    options = _options()
    lines = [HEADER]
    with runs.folder(keep=False) as folder:
        for case in CASES:
            rows = options.sheet_rows if case.is_sheet else options.rows
            path = folder / case.name
            typed_files.write(path, rows)
            bare = _cost(case.bare, path)
            own = _cost(INTAKE, path)
            lines.append(_line(case, rows, path, bare, own))
            path.unlink()
    print(*aligned(lines), sep="\n")


def _line(
    case: Case, rows: int, path: Path, bare: dict[str, float], own: dict[str, float]
) -> list[str]:
    limit = "" if case.max_ratio is None else f"{case.max_ratio:g}"
    return [
        case.label,
        f"{rows:,}",
        f"{path.stat().st_size >> 20:,}",
        case.bare,
        *_compared(bare["cpu"], own["cpu"]),
        *_compared(bare["wall"], own["wall"]),
        limit,
        f"{own['peak_mb']:.0f}",
    ]


def _compared(bare: float, own: float) -> list[str]:
    return [f"{bare:.2f}", f"{own:.2f}", f"{own / bare:.2f}"]


def _cost(reader: str, path: Path) -> dict[str, float]:
    with processes.program("bench.formats", "--read", reader, str(path)) as program:
        cost: dict[str, float] = program.said()
    return cost


def _read(reader: str, path: Path) -> None:
    if reader == INTAKE:
        parser_process.start()
    say(**measured(partial(READERS[reader], path)))


def _json_lines(path: Path) -> None:
    with path.open("rb") as lines:
        for line in lines:
            json.loads(line)


def _json_array(path: Path) -> None:
    json.loads(path.read_bytes())


def _calamine(path: Path) -> None:
    import python_calamine  # noqa: PLC0415  # not in the processes of other readers

    book = python_calamine.load_workbook(str(path))
    for _ in book.get_sheet_by_index(0).iter_rows():
        pass


def _intake(path: Path) -> None:
    with (
        path.open("rb") as content,
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as out,
    ):
        found = parser_process.take_in(
            content,
            path.name,
            DETECT_ALL,
            out,
            limits=parser_process.Limits(),
            folder=Path(folder),
            progress=lambda _rows: None,
            tick=lambda: None,
        )
    assert not found.refusal, found.refusal


READERS: dict[str, Callable[[Path], None]] = {
    "json.loads a line": _json_lines,
    "json.load": _json_array,
    "calamine": _calamine,
    INTAKE: _intake,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sheet-rows", type=int, default=200_000)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        _read(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
