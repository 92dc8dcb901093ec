import contextlib
import errno
import fcntl
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
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

START_TIMEOUT = 60
PREPARATION_LOCK = 0x6A6F6273
"""Key of the advisory lock."""
BASE_TIMEOUT = 1.0
"""For parts that the others depend on, once those have stopped."""
DRIVER_TIMEOUT = 28.0
"""A driver waits for the responses to its requests (Timing.stop_timeout)."""
ALL_INTERFACES = {"", "0.0.0.0", "::"}  # noqa: S104  # people may choose these


class Command(BaseCommand):
    help = (
        "Run the whole product on this machine and keep every part alive. "
        "Ctrl-C stops it."
    )
    # The checks create the database, so `handle` runs them.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--demo",
            action="store_true",
            help="with a sandbox, sample data and a first job",
        )
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument(
            "--workers",
            type=int,
            default=1,
            help="number of workers that read, check and plan files",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        self.check()
        lock = self._lock_data_dir()
        host = options["host"]
        port = options["port"]
        _require_free(host, port)
        sandbox_port = _free_port(port + 100) if options["demo"] else None
        logs = Path(settings.DATA_DIR) / "logs"
        supervisor = Supervisor(logs, _environment(host, sandbox_port), self._say)
        supervisor.handle_signals()
        try:
            self._prepare()
            self._start(supervisor, host, port, options["workers"], sandbox_port)
            supervisor.watch()
        finally:
            self._say("Stopping ...")
            supervisor.stop()
            lock.close()
            self._say("Stopped.")

    def _lock_data_dir(self) -> Any:
        """An open file that holds the lock."""
        lock = (Path(settings.DATA_DIR) / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CommandError(
                f"Jobs UI already runs on {settings.DATA_DIR} "
                f"(process {lock.read().strip()})."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _prepare(self) -> None:
        with _one_machine_at_a_time():
            call_command("migrate", verbosity=0)
        statics.collect()

    def _start(
        self,
        supervisor: Supervisor,
        host: str,
        port: int,
        workers: int,
        sandbox_port: int | None,
    ) -> None:
        for part in _base_parts(sandbox_port):
            supervisor.start(part)
        supervisor.watch(
            until=_or_timeout(queueing.is_reachable, "The queue does not respond.")
        )
        for part in _parts(host, port, workers):
            supervisor.start(part)
        url = _url(host, port)
        supervisor.watch(
            until=_or_timeout(
                lambda: _is_healthy(url), f"The web server does not respond at {url}."
            )
        )
        if supervisor.is_stopping:
            return
        self._say(
            f"Jobs UI is running at {url}  "
            f"(Ctrl-C stops it; logs are in {settings.DATA_DIR / 'logs'})"
        )
        if sandbox_port is None:
            self._say_first_run(url)
        else:
            demo = _manage("demo", url, f"127.0.0.1:{sandbox_port}")
            supervisor.start(Part("demo", demo, once=True))

    def _say_first_run(self, url: str) -> None:
        if first_run.is_due():
            token = first_run.make_token()
            self._say(
                f"Create the first administrator at {url}/first-run/ "
                f"with the token {token}"
            )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _base_parts(sandbox_port: int | None) -> list[Part]:
    """The parts that the others depend on."""
    parts = []
    if valkey.is_embedded():
        parts.append(Part("valkey", valkey.command(), base=True, timeout=BASE_TIMEOUT))
    if sandbox_port is not None:
        sandbox = _sandbox(sandbox_port)
        parts.append(Part("sandbox", sandbox, base=True, timeout=BASE_TIMEOUT))
    return parts


def _parts(host: str, port: int, workers: int) -> list[Part]:
    return [
        Part("web", _web(host, port)),
        Part("worker-drive", _manage("work", "drive"), timeout=DRIVER_TIMEOUT),
        *(
            Part(f"worker-{number}", _manage("work", "work"))
            for number in range(1, workers + 1)
        ),
        Part("worker-read", _manage("work", "read")),
        Part("worker-notify", _manage("work", "notify")),
        Part("sweep", _manage("sweep")),
    ]


@contextlib.contextmanager
def _one_machine_at_a_time() -> Iterator[None]:
    """Machines that start together would create the same tables. SQLite is used by one
    machine only, where up.lock is enough."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [PREPARATION_LOCK])


def _environment(host: str, sandbox_port: int | None) -> dict[str, str]:
    environment = dict(os.environ)
    environment["PYTHONUNBUFFERED"] = "1"
    environment["JOBSUI_DATA_DIR"] = str(settings.DATA_DIR)
    if host not in ALL_INTERFACES:
        allowed = [*settings.ALLOWED_HOSTS, _bracketed(host)]
        environment["ALLOWED_HOSTS"] = ",".join(allowed)
    if sandbox_port is not None:
        api_hosts = [*settings.API_HOSTS, f"127.0.0.1:{sandbox_port}"]
        environment["JOBSUI_API_HOSTS"] = ",".join(api_hosts)
    return environment


def _manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


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
        "--worker-class",
        "jobsui.ops.web_worker.WebWorker",
        "--bind",
        f"{_bracketed(host)}:{port}",
        "--workers",
        "2",
        "--threads",
        str(settings.WEB_THREADS),
        "--preload",
        "--graceful-timeout",
        "5",
        "--timeout",
        "120",
        # Programs that poll reuse their connection. One that closes as they send the
        # next request is an error for them.
        "--keep-alive",
        "75",
        "--no-control-socket",
        "--log-level",
        "warning",
    ]


def _url(host: str, port: int) -> str:
    address = "127.0.0.1" if host in ALL_INTERFACES else _bracketed(host)
    return f"http://{address}:{port}"


def _bracketed(host: str) -> str:
    """The host in a URL: IPv6 addresses are in brackets."""
    return f"[{host}]" if ":" in host else host


def _require_free(host: str, port: int) -> None:
    if problem := _bind_problem(host, port):
        another = port + 1
        raise CommandError(
            f"Port {port} on {host} is not available: {problem}. Choose another port: "
            f"manage.py up --port {another} "
            f'(or make up ARGS="--port {another}").'
        )


def _bind_problem(host: str, port: int) -> str:
    """Why a server could not listen there; "" if it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "another program uses it"
            return str(error.strerror)
    return ""


def _free_port(first: int) -> int:
    candidates = range(first, first + 100)
    return next(port for port in candidates if not _bind_problem("127.0.0.1", port))


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except OSError:
        return False


def _or_timeout(is_done: Callable[[], bool], problem: str) -> Callable[[], bool]:
    """`is_done`, which raises CommandError once START_TIMEOUT is over."""
    deadline = time.monotonic() + START_TIMEOUT

    def check() -> bool:
        if time.monotonic() > deadline:
            raise CommandError(f"{problem} Its log is in {settings.DATA_DIR / 'logs'}.")
        return is_done()

    return check
