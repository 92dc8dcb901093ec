"""Two installations that share one PostgreSQL, one Redis and the keys, and nothing
else. Files are read on the host that stores them. When the host that sends loses its
power, the other continues.

JOBSUI_REAL_TIMING=1 keeps the product's own intervals and timeouts.
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
    if os.environ.get("JOBSUI_REAL_TIMING") == "1"
    else "tests.acceptance.fast_settings"
)

pytestmark = [
    pytest.mark.skipif(
        not databases.ARE_SHARED,
        reason="needs a shared PostgreSQL and Redis (make test-postgres)",
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
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
    """Upload a file on this host, launch a `create` job of it, and return its id."""
    rows = [
        {"name": f"Gadget {n}", "serial": f"AB-{n:06}", "price": f"{n}.5"}
        for n in range(ROWS)
    ]
    path = host.data / "rows.csv"
    path.write_bytes(to_csv(rows))
    command = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.launching", sandbox.host, str(path)],
        env=host.environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=products.ROOT,
        timeout=TIMEOUT,
    )
    return int(command.stdout)


def select(host: Product, sql: str, *values: Any) -> Any:
    """The single value that the statement finds in the shared database."""
    return databases.query(host.environment["DATABASE_URL"], sql, *values)[0][0]


def wait_until(host: Product, is_true: Callable[[], bool], what: str) -> float:
    """How many seconds it took."""
    started_at = time.monotonic()
    while not is_true():
        took = time.monotonic() - started_at
        assert took < TIMEOUT, f"Waited {TIMEOUT} s for {what}. {state(host)}"
        time.sleep(0.05)
    return time.monotonic() - started_at


def state(host: Product) -> str:
    """Database rows and logs that show why nothing happens."""
    queries = (
        "SELECT state, reason, planned_at, batches_total, batches_done FROM jobs_job",
        "SELECT state, count(*) FROM jobs_batch GROUP BY state",
        "SELECT name, owner, epoch, expires_at FROM jobs_lease",
    )
    url = host.environment["DATABASE_URL"]
    rows = [str(databases.query(url, sql)) for sql in queries]
    logs = [path.read_text()[-1000:] for path in sorted((host.data / "logs").iterdir())]
    return "\n".join([*rows, *logs])


def wait_for_end(host: Product, job: int) -> None:
    final_states = ("completed", "needs_decision", "failed", "paused")
    find_state = "SELECT state FROM jobs_job WHERE id = ?"
    wait_until(
        host,
        lambda: select(host, find_state, job) in final_states,
        "the end of the job",
    )
    result = select(
        host, "SELECT state || ' ' || reason FROM jobs_job WHERE id = ?", job
    )
    assert result == "completed "


def workers(host: Product, words: str) -> list[int]:
    return [pid for pid, command in processes(host.data).items() if words in command]


def sender(host: Product) -> int:
    """The process id of the account's driver, or 0."""
    owner = select(
        host,
        "SELECT coalesce(max(owner), '') FROM jobs_lease WHERE name LIKE 'account:_%'",
    )
    return int(owner.split(":")[1]) if owner else 0


def test_files_are_read_where_they_are_and_another_host_sends(
    hosts: tuple[Product, Product], sandbox: Sandbox
) -> None:
    first, second = hosts
    # The second host reads, checks and plans, and the first one sends.
    (second_driver,) = workers(second, "work drive")
    os.kill(second_driver, signal.SIGSTOP)
    # With two slots most batches wait when the first host is lost.
    sandbox.settings(max_running_jobs=2)
    job = launch(second, sandbox)
    count_done = "SELECT batches_done FROM jobs_job WHERE id = ?"
    wait_until(first, lambda: bool(select(first, count_done, job)), "the first batches")
    assert sender(first) in workers(first, "work drive")
    storage_id = (second.data / "files" / "storage_id").read_text()
    assert select(first, "SELECT storage_id FROM jobs_file") == storage_id

    os.kill(second_driver, signal.SIGCONT)
    last_epoch = "SELECT max(epoch) FROM jobs_attempt"
    first_epoch = select(second, last_epoch)
    planned = select(second, "SELECT batches_total FROM jobs_job WHERE id = ?", job)
    done = select(second, count_done, job)
    first.kill()
    sandbox.settings(max_running_jobs=30)
    waited = wait_until(
        second,
        lambda: select(second, last_epoch) > first_epoch,
        "a request of the other host",
    )

    assert sender(second) == second_driver
    wait_for_end(second, job)
    print(  # noqa: T201
        f"\nkilled with {done} of {planned} batches done, {ROWS // 100} in all: "
        f"first post after {waited:.1f} s"
    )
    assert select(second, "SELECT created FROM jobs_job WHERE id = ?", job) == ROWS
    times_applied = Counter(sandbox.applied("gadget").values())
    assert times_applied == {1: ROWS}
