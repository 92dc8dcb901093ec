"""python -m jobsui.sandbox: a pretend Zendesk on this machine. docs/sandbox.md tells
what it does."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from jobsui.sandbox.account import Options
from jobsui.sandbox.faults import NAMES, BadFault, Faults
from jobsui.sandbox.server import serve
from jobsui.sandbox.settings import Settings

DEFAULTS = Settings()


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="A pretend Zendesk account on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100, help="0: any that is free")
    parser.add_argument(
        "--job-seconds", type=float, default=DEFAULTS.job_seconds, metavar="S"
    )
    parser.add_argument(
        "--job-spread", type=float, default=DEFAULTS.job_spread, metavar="SIGMA"
    )
    parser.add_argument(
        "--max-running-jobs", type=int, default=DEFAULTS.max_running_jobs, metavar="N"
    )
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        default=DEFAULTS.requests_per_minute,
        metavar="N",
    )
    parser.add_argument(
        "--latency-ms", type=float, default=DEFAULTS.latency_ms, metavar="MS"
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help=", ".join(sorted(NAMES)),
    )
    parser.add_argument("--seed", type=int, metavar="N", help="makes chance repeatable")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="keep objects and records in this file",
    )
    parser.add_argument(
        "--samples", action="store_true", help="begin with three sample objects"
    )
    chosen = parser.parse_args(words)
    try:
        chosen.fault = faults_in(chosen.fault)
    except (BadFault, ValueError) as problem:
        parser.error(f"--fault: {problem}")
    return chosen


def faults_in(words: list[str]) -> dict[str, float]:
    """NAME=RATE, each; raises ValueError or BadFault."""
    rates = {}
    for word in words:
        name, _, rate = word.partition("=")
        rates[name] = float(rate or 1)
    Faults(None).change(dict(rates))
    return rates


def options_of(chosen: argparse.Namespace) -> Options:
    settings = {
        "job_seconds": chosen.job_seconds,
        "job_spread": chosen.job_spread,
        "max_running_jobs": chosen.max_running_jobs,
        "requests_per_minute": chosen.requests_per_minute,
        "latency_ms": chosen.latency_ms,
    }
    return Options(settings, chosen.fault, chosen.seed, chosen.samples, chosen.data)


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(message)s")
    chosen = arguments(sys.argv[1:])
    try:
        asyncio.run(serve(chosen.host, chosen.port, options_of(chosen)))
    except OSError as problem:
        sys.exit(
            f"The sandbox can't listen on {chosen.host}:{chosen.port}: {os.strerror(problem.errno or 0)}."
        )


if __name__ == "__main__":
    main()
