"""One run of the product or of a baseline against sandboxes, and its figures."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import outcome, processes, rows
from bench.cells import Cell
from bench.outcome import Figures
from bench.processes import Product, Program, Sandbox

OURS = "Jobs UI"
BASELINES = {
    "script": ("script", 1.0),
    "threads, 1 s": ("threads", 1.0),
    "threads, 0.2 s": ("threads", 0.2),
    "RQ": ("rq", 1.0),
}
"""By name in the table: the program in baselines.py, and the seconds between two
polls."""
MAX_SCRIPT_BATCHES = 10
"""The script sends batches one after another. More of them would show nothing new."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How the product is set up, the same in all cells."""

    port: int
    workers: int
    database: str
    """A DATABASE_URL; "" for SQLite in the data directory. On PostgreSQL each run
    creates and drops a database of its own."""
    share: int
    early_send: bool
    format: str
    file: Path | None
    check_only: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to run."""

    rows: int
    account: int = 0
    weight: int = 4
    after: float = 0.0
    first: int = 0
    """The number of its first external id."""


def ours(
    cell: Cell, setup: Setup, jobs: Sequence[Wanted] = (), *, until: int | None = None
) -> Figures:
    """Run the product. Without `jobs`, it runs one job of the cell's rows on each
    account, all at once."""
    wanted = jobs or [Wanted(cell.rows, account) for account in range(cell.accounts)]
    with (
        folder(keep=setup.keep) as place,
        sandboxes(cell) as accounts,
        new_database(setup.database) as database,
    ):
        return ours_in(place, accounts, database, cell, setup, wanted, until=until)


def ours_in(
    folder: Path,
    sandboxes: Sequence[Sandbox],
    database: "Database",
    cell: Cell,
    setup: Setup,
    wanted: Sequence[Wanted],
    *,
    until: int | None = None,
    beside: Callable[[Mapping[str, str]], AbstractContextManager[Any]] | None = None,
) -> Figures:
    """Run the product in this data directory and database. `beside` gets its environment
    and runs while the product runs."""
    hosts = [urlsplit(each.url).netloc for each in sandboxes]
    environment = settings_of(folder, database) | {"JOBSUI_API_HOSTS": ",".join(hosts)}
    with processes.product(setup.port, setup.workers, environment) as product:
        plan = _plan(cell, setup, product, hosts, wanted, folder)
        if until is not None:
            plan["until"] = until
        others = beside(environment) if beside else nullcontext()
        with (
            processes.program(
                "bench.ours", json.dumps(plan), environment=environment
            ) as program,
            others,
        ):
            roots = [product.pid, *database.server]
            figures = _measure(cell, sandboxes, [program], roots)
    return {"who": OURS, "database": database.name} | figures


def settings_of(folder: Path, database: "Database") -> dict[str, str]:
    """The product's settings. It prunes nothing by itself."""
    kinds = ("BODIES", "ATTEMPTS", "RESULTS", "FILES", "JOBS")
    return {f"JOBSUI_KEEP_{kind}_DAYS": "0" for kind in kinds} | {
        "JOBSUI_DATA_DIR": str(folder / "data"),
        "DJANGO_SETTINGS_MODULE": "jobsui.settings",
        "DATABASE_URL": database.url,
    }


def baseline(name: str, cell: Cell, setup: Setup) -> Figures:
    """Run one of the baselines."""
    program, poll_seconds = BASELINES[name]
    rows_to_send = cell.rows
    if program == "script":
        rows_to_send = min(cell.rows, MAX_SCRIPT_BATCHES * 100)
    with (
        folder(keep=setup.keep) as place,
        sandboxes(cell) as accounts,
        ExitStack() as stack,
    ):
        file = _file(place, Wanted(rows_to_send), "csv", None)
        options = [
            str(file),
            str(rows_to_send),
            str(cell.window),
            str(poll_seconds / cell.time_scale),
        ]
        programs = [
            stack.enter_context(
                processes.program("bench.baselines", program, sandbox.url, *options)
            )
            for sandbox in accounts
        ]
        roots = [each.pid for each in programs]
        figures = _measure(cell, accounts, programs, roots)
    return {"who": name} | figures


def _measure(
    cell: Cell,
    sandboxes: Sequence[Sandbox],
    programs: Sequence[Program],
    roots: Sequence[int],
) -> Figures:
    """Run programs through "ready", "read" and "over" to their report.

    `roots` are the processes whose costs are measured.
    """
    _all_say(programs, "ready")
    before = processes.costs(roots)
    _all_say(programs, "read")
    sandboxes_before = _cpu_seconds(sandboxes)
    watch = outcome.Watch(cell, sandboxes)
    try:
        for program in programs:
            program.go()
        over = max(each["at"] for each in _all_say(programs, "over"))
    finally:
        watch.end()
    after = processes.costs(roots)
    sandbox_cpu_seconds = _cpu_seconds(sandboxes) - sandboxes_before
    reports = _all_say(programs, "report")
    figures = _combined(cell, reports)
    jobs = [job for each in sandboxes for job in each.ask("jobs")["jobs"]]
    if jobs:
        figures |= outcome.measure(cell, watch, over, jobs)
        figures["succeeded"] = sum(report["succeeded"] for report in reports)
        figures["failed"] = sum(report["failed"] for report in reports)
        per_sandbox = sandbox_cpu_seconds / len(sandboxes)
        figures["sandbox_busy"] = per_sandbox / (over - watch.started)
    final = processes.costs(roots)
    figures["processes"] = outcome.used(before, after, final, figures["rows"])
    return figures


def _combined(cell: Cell, reports: Sequence[dict[str, Any]]) -> Figures:
    load_average = Path("/proc/loadavg").read_text().split()[0]
    figures: Figures = {"cell": cell.to_json(), "load_average": float(load_average)}
    for report in reports:
        figures |= report
    figures["rows"] = sum(report["rows"] for report in reports)
    return figures


def _cpu_seconds(sandboxes: Sequence[Sandbox]) -> float:
    costs = processes.costs([sandbox.process.pid for sandbox in sandboxes])
    return costs["sandbox"].cpu_seconds


def _all_say(programs: Sequence[Program], word: str) -> list[dict[str, Any]]:
    """The next lines of all programs, which must all have this word."""
    lines = [program.said() for program in programs]
    if any(line.pop("said") != word for line in lines):
        raise SystemExit(f"A program did not reach “{word}”: {lines}")
    return lines


def _plan(
    cell: Cell,
    setup: Setup,
    product: Product,
    hosts: Sequence[str],
    jobs: Sequence[Wanted],
    folder: Path,
) -> dict[str, Any]:
    account = {
        "requests_per_minute": cell.scaled.requests_per_minute,
        "max_running_jobs": cell.window,
        "share": setup.share,
        "early_send": setup.early_send,
    }
    return {
        "url": product.url,
        "accounts": [{"host": host} | account for host in hosts],
        "jobs": [
            {
                "account": job.account,
                "weight": job.weight,
                "after": job.after,
                "file": str(_file(folder, job, setup.format, setup.file)),
            }
            for job in jobs
        ],
        "check_only": setup.check_only,
    }


def _file(folder: Path, job: Wanted, kind: str, given: Path | None) -> Path:
    if given:
        return given.resolve()
    file = folder / f"rows-{job.first}-{job.rows}.{kind}"
    if not file.exists():
        rows.write(file, job.rows, first=job.first)
    return file


@contextmanager
def folder(*, keep: bool) -> Iterator[Path]:
    created = Path(tempfile.mkdtemp(prefix="jobsui-bench-"))
    try:
        yield created
    finally:
        if keep:
            print(f"The data are in {created}.")
        else:
            shutil.rmtree(created)


@contextmanager
def sandboxes(cell: Cell) -> Iterator[list[Sandbox]]:
    settings = cell.sandbox_settings
    with ExitStack() as stack:
        started = []
        for seed in range(cell.seed, cell.seed + cell.accounts):
            sandbox = processes.sandbox(settings, seed=seed, others=cell.others)
            started.append(stack.enter_context(sandbox))
        yield started


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    url: str = ""
    """A DATABASE_URL; "" for SQLite in the data directory."""
    server: Sequence[int] = ()
    """The server's process, if it runs on this machine."""


@contextmanager
def new_database(url: str) -> Iterator[Database]:
    """An empty database, dropped afterwards."""
    if not url.startswith("postgres"):
        yield Database("SQLite")
        return
    import psycopg  # noqa: PLC0415  # an extra of the product

    name = f"jobsui_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        address = urlsplit(url)._replace(path=f"/{name}").geturl()
        try:
            yield Database("PostgreSQL", address, _server_of(server.info.backend_pid))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _server_of(pid: int) -> list[int]:
    """The parent of a PostgreSQL backend; empty when the server runs elsewhere."""
    process = Path(f"/proc/{pid}")
    if not process.exists():
        return []
    if b"postgres" not in (process / "cmdline").read_bytes():
        return []
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return [int(fields[1])]
