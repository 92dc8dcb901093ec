"""Two installations that share one PostgreSQL, one Redis and the keys, and nothing
else: work on a file is done where the file is, and when the host that sends loses its
power, the other goes on.

JOBSUI_UNHURRIED=1 leaves leases and sweeps the times they have in earnest.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobsui import keys
from tests import databases, sandbox_server
from tests.acceptance import product as products
from tests.acceptance.conftest import starting
from tests.acceptance.product import Product, processes
from tests.harness import GADGET, to_csv
from tests.sandbox_server import Sandbox

ROWS = 6000
TIMEOUT = 150
SETTINGS = (
    "jobsui.settings"
    if os.environ.get("JOBSUI_UNHURRIED") == "1"
    else "tests.acceptance.fast_settings"
)

pytestmark = [
    pytest.mark.skipif(
        not databases.ARE_SHARED,
        reason="hosts share a PostgreSQL and a Redis (make test-postgres)",
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    running = sandbox_server.start(
        job_seconds=1.5, job_spread=0.3, requests_per_minute=100_000, seed=1
    )
    running.settings(api_tokens=True)
    running.make_object("gadget", fields=GADGET)
    yield running
    running.stop()


@pytest.fixture
def hosts(tmp_path: Path, sandbox: Sandbox) -> Iterator[tuple[Product, Product]]:
    shared = databases.environment(tmp_path) | {
        "DJANGO_SETTINGS_MODULE": SETTINGS,
        "JOBSUI_API_HOSTS": sandbox.host,
        "SECRET_KEY": "s" * 50,
        "JOBSUI_ENCRYPTION_KEYS": keys.new_encryption_key(),
    }
    started: list[Product] = []
    try:
        for name in ("first", "second"):
            with starting():
                started.append(products.start(tmp_path / name, **shared))
        yield started[0], started[1]
    finally:
        for product in started:
            product.stop()


def launch(host: Product, sandbox: Sandbox) -> int:
    """A `create` job of a file that this host receives, checked and launched; its
    id."""
    rows = [
        {"name": f"Gadget {n}", "serial": f"AB-{n:06}", "price": f"{n}.5"}
        for n in range(ROWS)
    ]
    path = host.data / "rows.csv"
    path.write_bytes(to_csv(rows))
    said = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.launching", sandbox.host, str(path)],
        env=host.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=products.ROOT,
        timeout=TIMEOUT,
    )
    return int(said.stdout)


def found(host: Product, sql: str, *values: Any) -> Any:
    """The one value that the shared database has for it."""
    return databases.query(host.environment["DATABASE_URL"], sql, *values)[0][0]


def await_(host: Product, claim: Callable[[], bool], what: str) -> float:
    """How many seconds it took to become true."""
    begun = time.monotonic()
    while not claim():
        assert time.monotonic() - begun < TIMEOUT, f"In vain: {what}. {state(host)}"
        time.sleep(0.05)
    return time.monotonic() - begun


def state(host: Product) -> str:
    """What to look at when nothing happens."""
    asked = (
        "SELECT state, reason, planned_at, batches_total, batches_done FROM jobs_job",
        "SELECT state, count(*) FROM jobs_batch GROUP BY state",
        "SELECT name, owner, epoch, expires_at FROM jobs_lease",
    )
    logs = [path.read_text()[-1000:] for path in sorted((host.data / "logs").iterdir())]
    return "\n".join(
        [
            *(
                str(databases.query(host.environment["DATABASE_URL"], sql))
                for sql in asked
            ),
            *logs,
        ]
    )


def await_end(host: Product, job: int) -> None:
    over = ("completed", "needs_decision", "failed", "paused")
    await_(
        host,
        lambda: found(host, "SELECT state FROM jobs_job WHERE id = ?", job) in over,
        "the end of the job",
    )
    assert (
        found(host, "SELECT state || ' ' || reason FROM jobs_job WHERE id = ?", job)
        == "completed "
    )


def workers(host: Product, words: str) -> list[int]:
    return [pid for pid, command in processes(host.data).items() if words in command]


def sending(host: Product) -> int:
    """The process that drives the account now, 0 if none does."""
    owner = found(
        host,
        "SELECT coalesce(max(owner), '') FROM jobs_lease WHERE name LIKE 'account:_%'",
    )
    return int(owner.split(":")[1]) if owner else 0


def test_files_are_read_where_they_are_and_another_host_sends(
    hosts: tuple[Product, Product], sandbox: Sandbox
) -> None:
    first, second = hosts
    # Its driver sleeps, so that the first host drives what the second reads, checks and
    # plans.
    (sleeper,) = workers(second, "work drive")
    os.kill(sleeper, signal.SIGSTOP)
    sandbox.settings(
        max_running_jobs=2
    )  # So that most of it is still to be sent when the first host is lost.
    job = launch(second, sandbox)
    await_(
        first,
        lambda: bool(
            found(first, "SELECT batches_done FROM jobs_job WHERE id = ?", job)
        ),
        "the first batches",
    )
    assert sending(first) in workers(first, "work drive")
    assert (
        found(first, "SELECT storage_id FROM jobs_file")
        == (second.data / "files" / "storage_id").read_text()
    )

    os.kill(sleeper, signal.SIGCONT)
    known = found(second, "SELECT max(epoch) FROM jobs_attempt")
    planned = found(second, "SELECT batches_total FROM jobs_job WHERE id = ?", job)
    done = found(second, "SELECT batches_done FROM jobs_job WHERE id = ?", job)
    first.kill()
    sandbox.settings(max_running_jobs=30)
    waited = await_(
        second,
        lambda: found(second, "SELECT max(epoch) FROM jobs_attempt") > known,
        "a post of the other host",
    )

    assert sending(second) == sleeper
    await_end(second, job)
    applied = sandbox.applied("gadget")
    print(  # noqa: T201
        f"\nkilled with {done} of {planned} batches done, {ROWS // 100} in all: "
        f"first post after {waited:.1f} s"
    )
    assert found(second, "SELECT created FROM jobs_job WHERE id = ?", job) == ROWS
    assert (len(applied), Counter(applied.values())) == (ROWS, {1: ROWS})
