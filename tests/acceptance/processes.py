"""The product's processes on the test's own database. The test uses the models and the
engine's functions while the processes run, and kills, freezes and restarts them."""

import base64
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from jobsui.jobs.models import Lease
from jobsui.ops import valkey
from tests.acceptance import product

TIMEOUT = 60.0
"""Seconds that a test waits for anything."""

Process = subprocess.Popen[bytes]


@dataclass
class Processes:
    """The processes of one installation. `folder` holds their log and the queue's
    files."""

    folder: Path
    running: list[Process] = field(default_factory=list)
    queue: Process | None = None
    _sweep: Process | None = None

    @property
    def queue_url(self) -> str:
        return f"unix://{self.folder / 'queue.sock'}"

    @property
    def environment(self) -> dict[str, str]:
        keys = (
            base64.urlsafe_b64encode(key).decode() for key in settings.ENCRYPTION_KEYS
        )
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.fast_settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "JOBSUI_DATA_DIR": str(settings.DATA_DIR),
            "DATABASE_URL": database_url(),
            "REDIS_URL": self.queue_url,
            "SECRET_KEY": settings.SECRET_KEY,
            "JOBSUI_API_HOSTS": "127.0.0.1,*.invalid",
            "JOBSUI_ENCRYPTION_KEYS": ",".join(keys),
            "JOBSUI_TABLES_ARE_MADE": "1",
            "RES_OPTIONS": "timeout:1 attempts:1",
        }

    def start(self, *command: str, **environment: str) -> Process:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                cwd=settings.BASE_DIR,
            )
        self.running.append(process)
        return process

    def manage(self, *words: str, **environment: str) -> Process:
        return self.start(sys.executable, "manage.py", *words, **environment)

    def worker(self, queue: str = "drive", **environment: str) -> Process:
        return self.manage("work", queue, **environment)

    def up(self) -> Process:
        """The whole product, without its queue."""
        return self.manage("up", "--port", str(product.free_port()))

    def start_sweep(self) -> Process:
        self._sweep = self.manage("sweep")
        return self._sweep

    @contextmanager
    def no_sweep(self) -> Iterator[None]:
        assert self._sweep
        freeze(self._sweep)
        try:
            yield
        finally:
            thaw(self._sweep)

    def start_queue(self, *, empty: bool = False) -> Process:
        """Start it with the files it left, or empty, and wait until it answers."""
        files = self.folder / "queue"
        if empty:
            shutil.rmtree(files, ignore_errors=True)
        files.mkdir(exist_ok=True)
        binary = (
            shutil.which("redis-server")
            if os.environ.get("JOBSUI_TEST_REDIS_URL")
            else None
        )
        process = self.start(
            binary or valkey.command()[0],
            "--port",
            "0",
            "--unixsocket",
            str(self.folder / "queue.sock"),
            "--dir",
            str(files),
            "--appendonly",
            "yes",
            "--save",
            "",
        )
        wait_until(self._queue_answers, "the queue")
        self.queue = process
        return process

    def restart_queue(self, *, empty: bool) -> None:
        """Kill it and start it again."""
        assert self.queue
        self.kill(self.queue)
        self.start_queue(empty=empty)

    def enqueue(self, times: int = 1) -> None:
        """Enqueue `drive`, even if it is queued already."""
        with Redis.from_url(self.queue_url) as redis:
            queue = Queue("drive", connection=redis, serializer=JSONSerializer)
            for _ in range(times):
                queue.enqueue("jobsui.jobs.tasks.drive", job_timeout=-1, result_ttl=0)

    def empty_queue(self) -> None:
        with Redis.from_url(self.queue_url) as redis:
            redis.flushall()

    def kill(self, *processes: Process) -> None:
        """kill -9 these processes, and everything that an `up` among them started."""
        for process in processes:
            self.running.remove(process)
            freeze(process)  # Or an `up` would restart the parts that are killed.
        spared = {process.pid for process in self.running}
        for pid in product.processes(Path(settings.DATA_DIR)).keys() - spared:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.kill()
            process.wait(timeout=20)

    def kill_all(self) -> None:
        self.kill(*self.running)

    def have_logged(self, words: str) -> bool:
        return words in (self.folder / "log").read_text(errors="replace")

    def _queue_answers(self) -> bool:
        try:
            with Redis.from_url(self.queue_url) as redis:
                return bool(redis.ping())
        except RedisError:
            return False


def database_url() -> str:
    """The test's own database, as DATABASE_URL names it."""
    database = connection.settings_dict
    name = database["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    user = quote(str(database["USER"]), safe="")
    password = quote(str(database["PASSWORD"]), safe="")
    return f"postgres://{user}:{password}@{database['HOST']}:{database['PORT']}/{name}"


def wait_until(
    is_true: Callable[[], object], what: str, seconds: float = TIMEOUT
) -> None:
    """Fail after `seconds`, saying what did not happen."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"Waited {seconds:g} s for {what}."
        time.sleep(0.02)


def freeze(process: Process) -> None:
    process.send_signal(signal.SIGSTOP)


def thaw(process: Process) -> None:
    process.send_signal(signal.SIGCONT)


def is_owned() -> bool:
    """Whether a driver owns an account."""
    return Lease.objects.live().filter(name__startswith="account:").exists()
