"""Measures the product from an uploaded file to the last result, if wanted beside simple
programs that do the same.

    python -m bench.send --rows 100000 --job-seconds 1 --baselines

It starts sandboxes and `manage.py up` in a new data directory, sends files through the
same functions as the pages, and prints a table. docs/performance.md explains the table.
Linux only: it reads /proc."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import cells, fairness, rows, runs, tables
from bench.cells import Cell
from bench.outcome import Figures


def main() -> None:
    # SIGTERM works as Ctrl-C: the processes stop, and the results so far are printed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    options = _options()
    results: list[Figures] = []
    try:
        for figures in _measure(options):
            results.append(figures)
            print(f"{_label(figures)}: done.", flush=True)
    finally:
        lines = tables.fair(results) if options.fair else tables.sending(results)
        print("\n".join(lines))
        if options.json:
            _write_json(options, results)
    if options.chart:
        from bench import chart  # noqa: PLC0415  # needs a development library

        chart.draw(results, options.chart)


def _measure(options: argparse.Namespace) -> Iterator[Figures]:
    measured = _cells(options)
    setup = _setup(options)
    if options.fair:
        yield from fairness.measure(measured[0], setup, big_rows=options.big_rows)
        return
    for cell in measured:
        yield runs.ours(cell, setup)
        for name in options.baselines:
            yield runs.baseline(name, cell, setup)


def _label(figures: Figures) -> str:
    if "cell" in figures:
        return f"{figures['cell']['name']}, {figures['who']}"
    return str(figures["name"])


def _write_json(options: argparse.Namespace, results: list[Figures]) -> None:
    report = {"options": _plain(options), "results": results}
    options.json.write_text(json.dumps(report, indent=2) + "\n")


def _cells(options: argparse.Namespace) -> list[Cell]:
    is_grid = options.grid
    job_seconds = cells.JOB_SECONDS if is_grid else [1.0]
    rates = cells.REQUESTS_PER_MINUTE if is_grid else [2500]
    latencies = cells.LATENCIES_MS if is_grid else [20.0]
    template = Cell(
        rows=0,
        job_seconds=0.0,
        job_spread=options.job_spread,
        latency_ms=0.0,
        requests_per_minute=0,
        window=options.window,
        accounts=options.accounts,
        others=options.others,
        others_seconds=options.others_seconds,
        time_scale=options.time_scale,
        seed=options.seed,
    )
    measured = cells.grid(
        template,
        options.job_seconds or job_seconds,
        options.requests_per_minute or rates,
        options.latency_ms or latencies,
        rows=options.rows or (None if is_grid else 100_000),
    )
    return list(measured)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure the product from an uploaded file to the last result."
    )
    _add_cell_options(parser.add_argument_group("what is measured"))
    _add_product_options(parser.add_argument_group("the product"))
    modes = parser.add_argument_group("modes")
    _add_mode_options(modes.add_mutually_exclusive_group())
    _add_output_options(parser)
    options = parser.parse_args()
    if options.baselines == []:
        options.baselines = list(runs.BASELINES)
    not_sending = options.fair or options.check_only
    if options.baselines and (not_sending or options.file):
        parser.error("Baselines only send, and only the rows made for this.")
    if options.chart and not_sending:
        parser.error("--chart draws the figures of sending only.")
    options.baselines = options.baselines or []
    return options


def _add_cell_options(cell: argparse._ArgumentGroup) -> None:
    cell.add_argument(
        "--rows",
        type=int,
        help="rows for each account, in --fair for each job. "
        "Default: 100,000, in --grid as many as needed",
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
        help="number of sandboxes, each with one job, all at once",
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


def _add_product_options(product: argparse._ArgumentGroup) -> None:
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
        "--early-send", action=argparse.BooleanOptionalAction, default=True
    )
    product.add_argument("--workers", type=int, default=1)
    product.add_argument("--port", type=int, default=8600)
    product.add_argument(
        "--database",
        default=os.environ.get("DATABASE_URL", ""),
        metavar="URL",
        help="postgres://...: creates and drops a database there; otherwise SQLite. "
        "Default: DATABASE_URL",
    )


def _add_mode_options(mode: argparse._MutuallyExclusiveGroup) -> None:
    mode.add_argument(
        "--grid",
        action="store_true",
        help="all combinations of job times, rates and round trips",
    )
    mode.add_argument("--fair", action="store_true", help="several jobs on one account")
    mode.add_argument(
        "--check-only", action="store_true", help="read and check, send nothing"
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--big-rows", type=int, default=500_000, help="of the big job in --fair"
    )
    parser.add_argument(
        "--baselines",
        nargs="*",
        choices=runs.BASELINES,
        metavar="NAME",
        help=f"also run {'; '.join(runs.BASELINES)}. Without a name: all",
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
    parser.add_argument("--keep", action="store_true", help="keep the data directories")


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
    plain = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(options).items()
    }
    plain["database"] = options.database.partition(":")[0]
    return plain


if __name__ == "__main__":
    main()
