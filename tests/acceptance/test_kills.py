"""Promise number one, with real processes: the driving worker is killed outright again and again while Zendesk loses
answers, and still every row has exactly one end, and none is sent twice.

JOBSUI_KILL_ROWS, JOBSUI_KILLS and JOBSUI_KILL_SEED make bigger and other runs of the same.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings

from tests import databases, sandbox_server
from tests.sandbox_server import Sandbox
from tests.world import GADGET, to_csv

ROWS = int(os.environ.get("JOBSUI_KILL_ROWS", "20000"))
KILLS = int(os.environ.get("JOBSUI_KILLS", "5"))
SEED = int(os.environ.get("JOBSUI_KILL_SEED", "1"))
PATIENCE = 60 + 10 * KILLS + ROWS / 500

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE + 60)]


@dataclass
class Processes:
    """The product's processes on a data directory of their own, beside a sandbox."""

    data: Path
    sandbox: Sandbox
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.hurried_settings", "JOBSUI_DATA_DIR": str(self.data),
            "JOBSUI_API_HOSTS": self.sandbox.host, "PYTHONPATH": str(settings.BASE_DIR),
            **databases.environment(self.data),
        }  # fmt: skip

    def start(self, *words: str) -> "subprocess.Popen[str]":
        log = (self.data / "log").open("a")
        process = subprocess.Popen(
            [sys.executable, *words], env=self.environment, stdout=log, stderr=log, text=True, cwd=settings.BASE_DIR
        )
        log.close()
        self.processes.append(process)
        return process

    def manage(self, *words: str) -> "subprocess.Popen[str]":
        return self.start("manage.py", *words)

    def launch(self, rows: list[dict[str, Any]], *, own_external_ids: bool) -> int:
        """A `create` job of these rows, checked and launched; its id."""
        (self.data / "rows.csv").write_bytes(to_csv(rows))
        words = ["job", self.sandbox.host, str(self.data / "rows.csv"), "yes" if own_external_ids else "no"]
        said = subprocess.run(
            [sys.executable, "-m", "tests.acceptance.launching", *words], env=self.environment, check=True,
            capture_output=True, text=True, cwd=settings.BASE_DIR, timeout=PATIENCE,
        )  # fmt: skip
        return int(said.stdout)

    def answers(self) -> bool:
        """Whether the queue does."""
        code = (
            "import django; django.setup(); from jobsui.jobs import queueing; raise SystemExit(not queueing.answers())"
        )
        return subprocess.run([sys.executable, "-c", code], env=self.environment, cwd=settings.BASE_DIR).returncode == 0

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return databases.query(databases.fresh_database(self.data), sql, *values)

    def number(self, sql: str, *values: Any) -> int:
        return int(self.query(sql, *values)[0][0] or 0)

    def await_(self, claim: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + PATIENCE
        while not claim():
            assert time.monotonic() < ends, f"In vain: {what}. {(self.data / 'log').read_text()[-3000:]}"
            time.sleep(0.02)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(timeout=10)


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Processes]:
    sandbox = sandbox_server.start(
        job_seconds=1.5, job_spread=0.3, requests_per_minute=100_000, seed=SEED
    )  # fmt: skip
    sandbox.settings(api_tokens=True)
    sandbox.make_object("gadget", fields=GADGET)
    product = Processes(tmp_path, sandbox)
    try:
        assert product.manage("migrate", "--verbosity", "0").wait(timeout=60) == 0, (tmp_path / "log").read_text()
        if not databases.REDIS_SERVER:
            product.start("-m", "tests.acceptance.launching", "valkey")
        product.await_(product.answers, "the queue")
        product.manage("work", "work")
        product.manage("sweep")
        yield product
    finally:
        product.stop()
        sandbox.stop()


def drive_and_kill(product: Processes, job: int) -> list[float]:
    """Let a worker drive the job and kill it KILLS times, each time a while after it began to send; the whiles."""
    chance = Random(SEED)
    moments = []
    for _ in range(KILLS):
        known = product.number("SELECT max(epoch) FROM jobs_attempt")
        worker = product.manage("work", "drive")
        product.await_(lambda: product.number("SELECT max(epoch) FROM jobs_attempt") > known, "a driver that sends")  # noqa: B023
        moments.append(round(chance.uniform(0, ROWS / 2000 / KILLS), 3))
        time.sleep(moments[-1])
        worker.kill()
        worker.wait()
    product.manage("work", "drive")
    product.await_(
        lambda: product.query("SELECT state FROM jobs_job WHERE id = ?", job)[0][0] in {"completed", "needs_decision"},
        "the end of the job",
    )
    return moments


def rows(count: int) -> list[dict[str, Any]]:
    return [{"name": f"Gadget {n}", "serial": f"AB-{n:06}", "price": f"{n}.5"} for n in range(count)]


def told(product: Processes, job: int, begun: float, moments: list[float]) -> dict[str, int]:
    """The figures of a run, printed; the job's counters among them."""
    names = ("rows", "created", "failed", "uncertain", "cancelled", "batches_total", "batches_done")
    values = product.query(f"SELECT {', '.join(names)} FROM jobs_job WHERE id = ?", job)[0]
    more = {
        "sent again": sent_again(product),
        "in doubt": product.number("SELECT count(*) FROM jobs_attempt WHERE result IN ('unsure', 'lost')"),
        "applied twice": sum(times > 1 for times in product.sandbox.applied("gadget").values()),
    }
    figures = dict(zip(names, values, strict=True))
    seconds = time.monotonic() - begun
    print(f"\nseed {SEED}, {KILLS} kills {moments}, {seconds:.0f} s, {figures | more}")  # noqa: T201
    return figures


def sent_again(product: Processes) -> int:
    """How many batches were sent once more after a sending that may have arrived."""
    return product.number(
        "SELECT count(DISTINCT first.batch_id) FROM jobs_attempt first JOIN jobs_attempt later "
        "ON later.batch_id = first.batch_id AND later.number > first.number WHERE first.result IN ('unsure', 'lost')"
    )


def sums_over_batches(product: Processes) -> tuple[Any, ...]:
    return product.query("SELECT sum(succeeded), sum(failed), sum(uncertain), sum(cancelled) FROM jobs_batch")[0]


def test_killed_drivers_lose_and_repeat_nothing(product: Processes) -> None:
    begun = time.monotonic()
    job = product.launch(rows(ROWS), own_external_ids=True)
    product.sandbox.faults(drop_after_accept=0.02)

    moments = drive_and_kill(product, job)

    figures = told(product, job, begun, moments)
    applied = product.sandbox.applied("gadget")
    assert (figures["created"], figures["failed"], figures["uncertain"]) == (ROWS, 0, 0)
    assert (len(applied), Counter(applied.values())) == (ROWS, {1: ROWS})
    assert sums_over_batches(product) == (ROWS, 0, 0, 0)
    assert figures["batches_done"] == figures["batches_total"]


def test_without_external_ids_doubts_are_listed_and_nothing_is_sent_twice(product: Processes) -> None:
    begun = time.monotonic()
    job = product.launch(rows(ROWS), own_external_ids=False)
    product.sandbox.faults(drop_after_accept=0.02, drop_before_accept=0.01)

    moments = drive_and_kill(product, job)

    figures = told(product, job, begun, moments)
    applied = product.sandbox.applied("gadget")
    listed = product.query("SELECT row FROM jobs_rowerror WHERE job_id = ? AND outcome = 'uncertain'", job)
    doubtful = {f"Gadget {row - 2}" for (row,) in listed}
    assert (set(applied.values()), sent_again(product)) == ({1}, 0)
    assert figures["created"] + figures["uncertain"] == ROWS
    assert sums_over_batches(product) == (figures["created"], 0, figures["uncertain"], 0)
    assert len(doubtful) == figures["uncertain"]
    assert {f"Gadget {n}" for n in range(ROWS)} - doubtful <= set(applied)
