import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from jobsui.jobs import queueing
from jobsui.ops import statics, valkey
from jobsui.ops.supervisor import Part, Supervisor
from jobsui.web import first_run

START_SECONDS = 60
PREPARING = 0x6A6F6273
"""A number for the lock that nobody else will choose."""
BASE_PATIENCE = 1.0
"""What the others stand on needs no more once they are gone."""
DRIVER_PATIENCE = 28.0
"""A driver waits for the answers to what it has sent (driving.STOP_SECONDS)."""
EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  # a host people may choose


class Command(BaseCommand):
    help = "Run the whole product on this machine, every part of it watched. Ctrl-C stops all of it."
    requires_system_checks: list[str] = []  # noqa: RUF012  # They make the database, so `handle` has them run.

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--demo",
            action="store_true",
            help="with a sandbox, sample data and a first job",
        )
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers", type=int, default=1, help="how many read, check and plan files"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)  # Whatever we or a part of us writes is for our own eyes.
        self.check()
        lock = self._only_one()
        host = options["host"]
        port = options["port"]
        _require_free(host, port)
        sandbox_port = _free_port(port + 100) if options["demo"] else None
        supervisor = Supervisor(
            Path(settings.DATA_DIR) / "logs",
            _environment(host, sandbox_port),
            self._say,
        )
        supervisor.listen()
        try:
            self._prepare()
            self._start(supervisor, host, port, options["workers"], sandbox_port)
            supervisor.watch()
        finally:
            self._say("Stopping ...")
            supervisor.stop()
            lock.close()
            self._say("Stopped.")

    def _only_one(self) -> Any:
        """Hold the data directory for as long as we run."""
        lock = (Path(settings.DATA_DIR) / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CommandError(
                f"Jobs UI already runs on {settings.DATA_DIR} (process {lock.read().strip()})."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _prepare(self) -> None:
        with _one_host_at_a_time():
            call_command("migrate", verbosity=0)
            call_command("createcachetable", verbosity=0)
        statics.collect()

    def _start(
        self,
        supervisor: Supervisor,
        host: str,
        port: int,
        workers: int,
        sandbox_port: int | None,
    ) -> None:
        if valkey.is_embedded():
            supervisor.start(
                Part("valkey", valkey.command(), base=True, timeout=BASE_PATIENCE)
            )
        if sandbox_port is not None:
            supervisor.start(
                Part(
                    "sandbox", _sandbox(sandbox_port), base=True, timeout=BASE_PATIENCE
                )
            )
        supervisor.watch(
            until=_deadline(queueing.is_reachable, "The queue does not answer.")
        )
        supervisor.start(Part("web", _web(host, port)))
        supervisor.start(
            Part("worker-drive", _manage("work", "drive"), timeout=DRIVER_PATIENCE)
        )
        for number in range(1, workers + 1):
            supervisor.start(Part(f"worker-{number}", _manage("work", "work")))
        supervisor.start(Part("sweep", _manage("sweep")))
        url = _url(host, port)
        supervisor.watch(
            until=_deadline(
                lambda: _is_healthy(url), f"The web server does not answer at {url}."
            )
        )
        if supervisor.is_asked_to_stop:
            return
        self._greet(url)
        if sandbox_port is None:
            self._tell_token(url)
        else:
            supervisor.start(
                Part(
                    "demo", _manage("demo", url, f"127.0.0.1:{sandbox_port}"), once=True
                )
            )

    def _greet(self, url: str) -> None:
        self._say(
            f"Jobs UI is running at {url}  (Ctrl-C stops it; logs are in {settings.DATA_DIR / 'logs'})"
        )

    def _tell_token(self, url: str) -> None:
        if first_run.is_due():
            self._say(
                f"Make the first administrator at {url}/first-run/ with the token {first_run.make_token()}"
            )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


@contextlib.contextmanager
def _one_host_at_a_time() -> Iterator[None]:
    """Hosts that are started together would all make the same tables. SQLite has one
    host, which `up.lock` guards."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARING])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PREPARING])


def _environment(host: str, sandbox_port: int | None) -> dict[str, str]:
    environment = os.environ | {
        "PYTHONUNBUFFERED": "1",
        "JOBSUI_DATA_DIR": str(settings.DATA_DIR),
    }
    if host not in EVERYWHERE:
        environment["ALLOWED_HOSTS"] = ",".join(
            [*settings.ALLOWED_HOSTS, _bracketed(host)]
        )
    if sandbox_port is not None:
        environment["JOBSUI_API_HOSTS"] = ",".join(
            [*settings.API_HOSTS, f"127.0.0.1:{sandbox_port}"]
        )
    return environment


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def _sandbox(port: int) -> list[str]:
    data = str(Path(settings.DATA_DIR) / "sandbox.jsonl")
    return _manage(
        "sandbox",
        "--port",
        str(port),
        "--samples",
        "--data",
        data,
        "--job-seconds",
        "2",
        "--job-spread",
        "0.4",
    )


def _web(host: str, port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "jobsui.wsgi",
        "--bind",
        f"{_bracketed(host)}:{port}",
        "--workers",
        "2",
        "--threads",
        str(settings.WEB_THREADS),
        "--preload",
        "--graceful-timeout",
        "5",
        # Programs that poll keep their connection; one that is closed just as they ask
        # again is an error to them.
        "--timeout",
        "120",
        "--keep-alive",
        "75",
        "--no-control-socket",
        "--log-level",
        "warning",
    ]


def _url(host: str, port: int) -> str:
    return f"http://{'127.0.0.1' if host in EVERYWHERE else _bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    """As an address has it: IPv6 between brackets."""
    return f"[{host}]" if ":" in host else host


def _require_free(host: str, port: int) -> None:
    if trouble := _trouble(host, port):
        raise CommandError(
            f"Port {port} of {host} cannot be used: {trouble}. Choose another one: manage.py up --port {port + 1} (or "
            f'make up ARGS="--port {port + 1}").'
        )


def _trouble(host: str, port: int) -> str:
    """Why nobody could be served there; "" when all is well."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            return (
                "another program has it"
                if error.errno == errno.EADDRINUSE
                else str(error.strerror)
            )
    return ""


def _free_port(first: int) -> int:
    return next(
        port for port in range(first, first + 100) if not _trouble("127.0.0.1", port)
    )


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def _deadline(is_so: Any, otherwise: str) -> Any:
    """`is_so`, or a CommandError once it has taken too long."""
    ends = time.monotonic() + START_SECONDS

    def check() -> bool:
        if time.monotonic() > ends:
            raise CommandError(
                f"{otherwise} Its log is in {settings.DATA_DIR / 'logs'}."
            )
        return bool(is_so())

    return check
