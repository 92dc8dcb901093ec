"""From an uploaded file to the last result, through the whole product as people run it,
in figures; on demand beside programs people write instead.

    python -m bench.send --rows 100000 --job-seconds 1 --requests-per-minute 2500
    --rivals

Starts sandboxes and `manage.py up` in a new data directory, takes files the way of the
pages (the same functions of the engine), and prints a table; docs/performance.md tells
how to read it. Linux only: it reads /proc."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import cells, fairness, rows, runs, tables
from bench.cells import Cell
from bench.outcome import Figures


def main() -> None:
    # As Ctrl-C does it: what was started is stopped, what was measured is told.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    options = _options()
    measured, setup = _cells(options), _setup(options)
    results: list[Figures] = []
    try:
        if options.fair:
            for figures in fairness.measure(
                measured[0], setup, big_rows=options.big_rows
            ):
                results.append(figures)
                print(f"{figures['name']}: done.", flush=True)
        else:
            for figures in _runs(measured, setup, options.rivals):
                results.append(figures)
                print(f"{figures['cell']['name']}: {figures['who']} done.", flush=True)
    finally:
        # What was measured so far is told when a long run is broken off.
        print(
            "\n".join(tables.fair(results) if options.fair else tables.sending(results))
        )
        if options.json:
            options.json.write_text(
                json.dumps({"options": _plain(options), "results": results}, indent=2)
                + "\n"
            )
    if options.chart:
        from bench import chart  # noqa: PLC0415  # draws with a library only developers have

        chart.draw(results, options.chart)


def _cells(options: argparse.Namespace) -> list[Cell]:
    seconds = options.job_seconds or (cells.JOB_SECONDS if options.grid else [1.0])
    rates = options.requests_per_minute or (
        cells.REQUESTS_PER_MINUTE if options.grid else [2500]
    )
    latencies = options.latency_ms or (cells.LATENCIES_MS if options.grid else [20.0])
    rows = options.rows or (None if options.grid else 100_000)
    like = Cell(
        0,
        0.0,
        options.job_spread,
        0.0,
        0,
        options.window,
        options.accounts,
        options.others,
        options.others_seconds,
        options.time_scale,
        options.seed,
    )
    return list(cells.grid(like, seconds, rates, latencies, rows=rows))


def _runs(
    measured: Sequence[Cell], setup: runs.Setup, rivals: Sequence[str]
) -> Iterator[Figures]:
    for cell in measured:
        yield runs.ours(cell, setup)
        yield from (runs.rival(name, cell, setup) for name in rivals)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="From an uploaded file to the last result, in figures."
    )
    cell = parser.add_argument_group("what is measured")
    cell.add_argument(
        "--rows",
        type=int,
        help="for each account, in --fair for each job; 100,000, or in --grid as many as it takes",
    )
    cell.add_argument(
        "--job-seconds", type=float, nargs="+", help="1, or in --grid 1 2 5 10"
    )
    cell.add_argument(
        "--job-spread",
        type=float,
        default=0.5,
        help="sigma of the log-normal job times; 0: all alike",
    )
    cell.add_argument(
        "--latency-ms",
        type=float,
        nargs="+",
        help="of each round trip: 20, or in --grid 20 150",
    )
    cell.add_argument(
        "--requests-per-minute",
        type=int,
        nargs="+",
        help="2500, or in --grid 200 700 2500",
    )
    cell.add_argument(
        "--window", type=int, default=30, help="jobs the account runs at once"
    )
    cell.add_argument(
        "--accounts",
        type=int,
        default=1,
        help="so many sandboxes, one job on each at once",
    )
    cell.add_argument(
        "--others", type=int, default=0, metavar="N", help="job slots that others hold"
    )
    cell.add_argument(
        "--others-seconds",
        type=float,
        default=30.0,
        help="how long, when they leave none (others as many as window)",
    )
    cell.add_argument(
        "--time-scale",
        type=float,
        default=1.0,
        metavar="K",
        help="divide all of Zendesk's times by K",
    )
    cell.add_argument("--seed", type=int, default=1)
    product = parser.add_argument_group("the product")
    product.add_argument("--format", choices=rows.FORMATS, default="csv")
    product.add_argument(
        "--file",
        type=Path,
        help="a file for the sandbox's asset, instead of one made for this",
    )
    product.add_argument(
        "--share",
        type=int,
        default=100,
        help="percent of the rate the connection may use",
    )
    product.add_argument(
        "--posts-ahead", action=argparse.BooleanOptionalAction, default=True
    )
    product.add_argument("--workers", type=int, default=1)
    product.add_argument("--port", type=int, default=8600)
    product.add_argument(
        "--database",
        default=os.environ.get("DATABASE_URL", ""),
        metavar="URL",
        help="postgres://...: a database of its own is made and dropped there; SQLite otherwise. Default: DATABASE_URL",
    )
    mode = parser.add_argument_group("modes").add_mutually_exclusive_group()
    mode.add_argument(
        "--grid",
        action="store_true",
        help="a table of job times, rates and round trips, each for as long as needed",
    )
    mode.add_argument("--fair", action="store_true", help="several jobs on one account")
    mode.add_argument(
        "--check-only", action="store_true", help="read and check, send nothing"
    )
    parser.add_argument(
        "--big-rows", type=int, default=500_000, help="of the big job in --fair"
    )
    parser.add_argument(
        "--rivals",
        nargs="*",
        choices=runs.RIVALS,
        metavar="NAME",
        help=f"also {'; '.join(runs.RIVALS)}; no name: all",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures there"
    )
    parser.add_argument(
        "--chart",
        type=Path,
        metavar="FILE.svg",
        help="also draw the shares of the limit there",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the data directories behind"
    )
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
        port=options.port,
        workers=max(3, options.workers) if options.fair else options.workers,
        database=options.database,
        share=options.share,
        early_send=options.early_send,
        format=options.format,
        file=options.file,
        check_only=options.check_only,
        keep=options.keep,
    )


def _plain(options: argparse.Namespace) -> Figures:
    """Without the database's address, which may hold a password."""
    named = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
    }
    return named | {"database": options.database.partition(":")[0]}


if __name__ == "__main__":
    main()
