"""One run: sandboxes, beside them the product or a rival, and what came of it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import outcome, processes, rows
from bench.cells import Cell
from bench.outcome import Figures
from bench.processes import Product, Program, Sandbox

OURS = "Jobs UI"
RIVALS = {
    "script": ("script", 1.0),
    "threads, 1 s": ("threads", 1.0),
    "threads, 0.2 s": ("threads", 0.2),
    "RQ": ("rq", 1.0),
}
"""By the name in the table: the program (rivals.py), and how long it waits between two
looks."""
SCRIPT_BATCHES = 10
"""One after another they take so long that more would tell nothing."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How the product is set up, whatever the cell."""

    port: int
    workers: int
    database: str
    """A DATABASE_URL; "" for SQLite in the data directory. On PostgreSQL a database of
    our own is made and dropped."""
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
    """Where its external ids begin."""


def ours(
    cell: Cell, setup: Setup, jobs: Sequence[Wanted] = (), *, until: int | None = None
) -> Figures:
    """The product; without `jobs`, one of the cell's rows on each account, all at
    once."""
    wanted = jobs or [Wanted(cell.rows, account) for account in range(cell.accounts)]
    with (
        _folder(keep=setup.keep) as folder,
        _sandboxes(cell) as sandboxes,
        _database(setup.database) as base,
    ):
        url, server = base
        hosts = [urlsplit(each.url).netloc for each in sandboxes]
        environment = {
            "JOBSUI_DATA_DIR": str(folder / "data"),
            "JOBSUI_API_HOSTS": ",".join(hosts),
            "DJANGO_SETTINGS_MODULE": "jobsui.settings",
            "DATABASE_URL": url,
        }
        with processes.product(setup.port, setup.workers, environment) as product:
            plan = _plan(cell, setup, product, hosts, wanted, folder)
            if until is not None:
                plan["until"] = until
            with processes.program(
                "bench.ours", json.dumps(plan), environment=environment
            ) as program:
                figures = _measured(cell, sandboxes, [program], [product.pid, *server])
    return {"who": OURS, "database": "PostgreSQL" if url else "SQLite"} | figures


def rival(name: str, cell: Cell, setup: Setup) -> Figures:
    program, poll_seconds = RIVALS[name]
    number = min(cell.rows, SCRIPT_BATCHES * 100) if program == "script" else cell.rows
    with (
        _folder(keep=setup.keep) as folder,
        _sandboxes(cell) as sandboxes,
        ExitStack() as stack,
    ):
        file = _file(folder, Wanted(number), "csv", None)
        options = [
            str(file),
            str(number),
            str(cell.window),
            str(poll_seconds / cell.time_scale),
        ]
        programs = [
            stack.enter_context(
                processes.program("bench.baselines", program, each.url, *options)
            )
            for each in sandboxes
        ]
        figures = _measured(cell, sandboxes, programs, [each.pid for each in programs])
    return {"who": name} | figures


def _measured(
    cell: Cell,
    sandboxes: Sequence[Sandbox],
    programs: Sequence[Program],
    roots: Sequence[int],
) -> Figures:
    """Follows programs from "ready" over "read" and "over" to their report."""
    _all_say(programs, "ready")
    before = processes.costs(roots)
    _all_say(programs, "read")
    boxes = [each.process.pid for each in sandboxes]
    boxes_before = processes.costs(boxes)["sandbox"]
    watch = outcome.Watch(cell, sandboxes)
    try:
        for program in programs:
            program.go()
        over = max(each["at"] for each in _all_say(programs, "over"))
    finally:
        watch.end()
    after, boxes_after = processes.costs(roots), processes.costs(boxes)["sandbox"]
    reports = _all_say(programs, "report")
    figures: Figures = {
        "cell": cell.to_json(),
        "load_average": float(Path("/proc/loadavg").read_text().split()[0]),
    }
    for report in reports:
        figures |= report
    figures["rows"] = sum(report["rows"] for report in reports)
    ended = [job for each in sandboxes for job in each.ask("jobs")["jobs"]]
    if ended:
        figures |= outcome.reckon(cell, watch, over, ended)
        figures |= {
            name: sum(report[name] for report in reports)
            for name in ("succeeded", "failed")
        }
        busy = (
            (boxes_after.cpu_seconds - boxes_before.cpu_seconds)
            / (over - watch.begun)
            / len(sandboxes)
        )
        figures["sandbox_busy"] = busy
    figures["processes"] = outcome.spent(
        before, after, processes.costs(roots), figures["rows"]
    )
    return figures


def _all_say(programs: Sequence[Program], word: str) -> list[dict[str, Any]]:
    heard = [program.said() for program in programs]
    if any(each.pop("said") != word for each in heard):
        raise SystemExit(f"A program did not come to “{word}”: {heard}")
    return heard


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
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="jobsui-bench-"))
    try:
        yield folder
    finally:
        if keep:
            print(f"The data are in {folder}.")
        else:
            shutil.rmtree(folder)


@contextmanager
def _sandboxes(cell: Cell) -> Iterator[list[Sandbox]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                processes.sandbox(
                    cell.sandbox_settings, seed=cell.seed + number, others=cell.others
                )
            )
            for number in range(cell.accounts)
        ]


@contextmanager
def _database(url: str) -> Iterator[tuple[str, list[int]]]:
    """Address of an empty database, and the server's process when it runs here; "" when
    that is SQLite's business."""
    if not url.startswith("postgres"):
        yield "", []
        return
    import psycopg  # noqa: PLC0415  # an extra of the product

    name = f"jobsui_bench_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield (
                urlsplit(url)._replace(path=f"/{name}").geturl(),
                _server_of(server.info.backend_pid),
            )
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _server_of(pid: int) -> list[int]:
    """The parent of a PostgreSQL backend; nothing when the server runs elsewhere."""
    process = Path(f"/proc/{pid}")
    if not process.exists() or b"postgres" not in (process / "cmdline").read_bytes():
        return []
    return [int((process / "stat").read_text().rpartition(")")[2].split()[1])]
