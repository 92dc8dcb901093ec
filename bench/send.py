"""From an uploaded file to the last result, through the whole product as people run it, in figures; on demand beside
programs people write instead.

    python -m bench.send --rows 100000 --job-seconds 1 --requests-per-minute 2500 --rivals

Starts sandboxes and `manage.py up` in a new data directory, takes files the way of the pages (the same functions of
the engine), and prints a table; docs/performance.md tells how to read it. Linux only: it reads /proc.
"""

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import cells, fairness, rows, runs, tables
from bench.cells import Cell
from bench.outcome import Figures


def main() -> None:
    options = _options()
    setup = _setup(options)
    like = Cell(
        options.rows, options.job_seconds, options.job_spread, options.latency_ms, options.requests_per_minute,
        options.window, options.accounts, options.others, options.others_seconds, options.time_scale, options.seed,
    )  # fmt: skip
    results: list[Figures] = []
    try:
        if options.fair:
            results = fairness.measure(like, setup, big_rows=options.big_rows)
            print("\n".join(tables.fair(results)))
        else:
            for figures in _runs(list(cells.grid(like)) if options.grid else [like], setup, options.rivals):
                results.append(figures)
                print(f"{figures['cell']['name']}: {figures['who']} done.", flush=True)
            print("\n".join(tables.sending(results)))
    finally:
        # What was measured so far is kept when a long run is broken off.
        if options.json:
            options.json.write_text(json.dumps({"options": _plain(options), "results": results}, indent=2) + "\n")
    if options.chart:
        from bench import chart  # noqa: PLC0415  # draws with a library only developers have

        chart.draw(results, options.chart)


def _runs(measured: Sequence[Cell], setup: runs.Setup, rivals: Sequence[str]) -> Iterator[Figures]:
    for cell in measured:
        yield runs.ours(cell, setup)
        yield from (runs.rival(name, cell, setup) for name in rivals)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="From an uploaded file to the last result, in figures.")
    cell = parser.add_argument_group("what is measured")
    cell.add_argument("--rows", type=int, default=100_000, help="for each account; in --fair for each job")
    cell.add_argument("--job-seconds", type=float, default=1.0)
    cell.add_argument("--job-spread", type=float, default=0.5, help="sigma of the log-normal job times; 0: all alike")
    cell.add_argument("--latency-ms", type=float, default=20.0, help="of each round trip")
    cell.add_argument("--requests-per-minute", type=int, default=2500)
    cell.add_argument("--window", type=int, default=30, help="jobs the account runs at once")
    cell.add_argument("--accounts", type=int, default=1, help="so many sandboxes, one job on each at once")
    cell.add_argument("--others", type=int, default=0, metavar="N", help="job slots that others hold")
    cell.add_argument(
        "--others-seconds", type=float, default=30.0, help="how long, when they leave none (others as many as window)"
    )
    cell.add_argument("--time-scale", type=float, default=1.0, metavar="K", help="divide all of Zendesk's times by K")
    cell.add_argument("--seed", type=int, default=1)
    product = parser.add_argument_group("the product")
    product.add_argument("--format", choices=rows.FORMATS, default="csv")
    product.add_argument("--file", type=Path, help="a file for the sandbox's asset, instead of one made for this")
    product.add_argument("--share", type=int, default=100, help="percent of the rate the connection may use")
    product.add_argument("--posts-ahead", action=argparse.BooleanOptionalAction, default=True)
    product.add_argument("--workers", type=int, default=1)
    product.add_argument("--port", type=int, default=8600)
    product.add_argument(
        "--database", default=os.environ.get("DATABASE_URL", ""), metavar="URL",
        help="postgres://...: a database of its own is made and dropped there; SQLite otherwise. Default: DATABASE_URL",
    )  # fmt: skip
    mode = parser.add_argument_group("modes").add_mutually_exclusive_group()
    mode.add_argument("--grid", action="store_true", help="24 cells of job time, rate and round trip, rows as needed")
    mode.add_argument("--fair", action="store_true", help="several jobs on one account")
    mode.add_argument("--check-only", action="store_true", help="read and check, send nothing")
    parser.add_argument("--big-rows", type=int, default=500_000, help="of the big job in --fair")
    parser.add_argument(
        "--rivals", nargs="*", choices=runs.RIVALS, metavar="NAME", help=f"also {'; '.join(runs.RIVALS)}; no name: all"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="also draw the shares of the limit there")
    parser.add_argument("--keep", action="store_true", help="leave the data directories behind")
    options = parser.parse_args()
    if options.rivals == []:
        options.rivals = list(runs.RIVALS)
    if options.rivals and (options.fair or options.check_only or options.file):
        parser.error("Rivals only send, each the rows made for this.")
    if options.chart and (options.fair or options.check_only):
        parser.error("There is a chart of sending only.")
    options.rivals = options.rivals or []
    return options


def _setup(options: argparse.Namespace) -> runs.Setup:
    return runs.Setup(
        port=options.port, workers=max(3, options.workers) if options.fair else options.workers,
        database=options.database, share=options.share, posts_ahead=options.posts_ahead, format=options.format,
        file=options.file, check_only=options.check_only, keep=options.keep,
    )  # fmt: skip


def _plain(options: argparse.Namespace) -> Figures:
    """Without the database's address, which may hold a password."""
    named = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    return named | {"database": options.database.partition(":")[0]}


if __name__ == "__main__":
    main()
