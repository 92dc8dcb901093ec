"""Run the sandbox: python -m jobsui.sandbox. docs/sandbox.md describes it."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from jobsui.sandbox.account import Options
from jobsui.sandbox.assumptions import VALUES, Assumptions, BadAssumption
from jobsui.sandbox.faults import NAMES, BadFault, Faults
from jobsui.sandbox.server import serve
from jobsui.sandbox.settings import Settings

DEFAULTS = Settings()


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sandbox", description="A local stand-in for a Zendesk account."
    )
    add_server_options(parser)
    add_setting_options(parser)
    add_state_options(parser)
    chosen = parser.parse_args(words)
    try:
        chosen.fault = parse_faults(chosen.fault)
    except (BadFault, ValueError) as problem:
        parser.error(f"--fault: {problem}")
    try:
        chosen.assume = parse_assumptions(chosen.assume)
    except BadAssumption as problem:
        parser.error(f"--assume: {problem}")
    return chosen


def add_server_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100, help="0: any free port")


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    add_number(parser, "--job-seconds", float, DEFAULTS.job_seconds, "S")
    add_number(parser, "--job-spread", float, DEFAULTS.job_spread, "SIGMA")
    add_number(parser, "--max-running-jobs", int, DEFAULTS.max_running_jobs, "N")
    add_number(parser, "--requests-per-minute", int, DEFAULTS.requests_per_minute, "N")
    add_number(parser, "--latency-ms", float, DEFAULTS.latency_ms, "MS")


def add_number(
    parser: argparse.ArgumentParser,
    option: str,
    kind: type[float],
    default: float,
    metavar: str,
) -> None:
    parser.add_argument(option, type=kind, default=default, metavar=metavar)


def add_state_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME=RATE",
        help=", ".join(sorted(NAMES)),
    )
    parser.add_argument(
        "--assume",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=", ".join(VALUES),
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="repeat the same random choices"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="keep objects and records in this file",
    )
    parser.add_argument(
        "--samples", action="store_true", help="start with three sample objects"
    )


def parse_faults(words: list[str]) -> dict[str, float]:
    """Rates by fault name. Each word is NAME=RATE. Raises ValueError or BadFault."""
    rates = {}
    for word in words:
        name, _, rate = word.partition("=")
        rates[name] = float(rate or 1)
    Faults(None).change(dict(rates))
    return rates


def parse_assumptions(words: list[str]) -> dict[str, str]:
    """Values by name. Each word is NAME=VALUE. Raises BadAssumption."""
    pairs = [word.partition("=") for word in words]
    values = {name: value for name, _, value in pairs}
    Assumptions().change(values)
    return values


def options_from(chosen: argparse.Namespace) -> Options:
    settings = {
        "job_seconds": chosen.job_seconds,
        "job_spread": chosen.job_spread,
        "max_running_jobs": chosen.max_running_jobs,
        "requests_per_minute": chosen.requests_per_minute,
        "latency_ms": chosen.latency_ms,
    }
    return Options(
        settings=settings,
        faults=chosen.fault,
        assumptions=chosen.assume,
        seed=chosen.seed,
        samples=chosen.samples,
        data=chosen.data,
    )


def main() -> None:
    logging.basicConfig(format="%(levelname)s %(message)s")
    chosen = parse_arguments(sys.argv[1:])
    try:
        asyncio.run(serve(chosen.host, chosen.port, options_from(chosen)))
    except OSError as problem:
        address = f"{chosen.host}:{chosen.port}"
        reason = os.strerror(problem.errno or 0)
        sys.exit(f"The sandbox can't listen on {address}: {reason}.")


if __name__ == "__main__":
    main()
