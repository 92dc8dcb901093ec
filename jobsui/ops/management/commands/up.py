import fcntl
import os
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobsui.jobs import queueing
from jobsui.ops import valkey
from jobsui.ops.supervisor import Part, Supervisor
from jobsui.web import first_run

START_SECONDS = 60


class Command(BaseCommand):
    help = "Run the whole product on this machine, every part of it watched. Ctrl-C stops all of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="with a sandbox, sample data and a first job")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1, help="how many read, check and plan files")

    def handle(self, *args: Any, **options: Any) -> None:
        lock = self._only_one()
        host, port = options["host"], options["port"]
        _require_free(host, port)
        sandbox_port = _free_port(port + 100) if options["demo"] else None
        self._prepare()
        supervisor = Supervisor(Path(settings.DATA_DIR) / "logs", _environment(sandbox_port), self._say)
        supervisor.listen()
        try:
            self._start(supervisor, host, port, options["workers"], sandbox_port)
            supervisor.watch()
        finally:
            self._say("Stopping ...")
            supervisor.stop()
            lock.close()
            self._say("Stopped.")

    def _only_one(self) -> Any:
        """Hold the data directory for as long as we run."""
        path = Path(settings.DATA_DIR) / "up.lock"
        lock = path.open("a+")
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
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)

    def _start(self, supervisor: Supervisor, host: str, port: int, workers: int, sandbox_port: int | None) -> None:
        if valkey.is_embedded():
            supervisor.start(Part("valkey", valkey.command()))
        if sandbox_port is not None:
            supervisor.start(Part("sandbox", _sandbox(sandbox_port)))
        supervisor.watch(until=_deadline(queueing.answers, "The queue does not answer."))
        supervisor.start(Part("web", _web(host, port)))
        supervisor.start(Part("worker-drive", _manage("work", "drive")))
        for number in range(1, workers + 1):
            supervisor.start(Part(f"worker-{number}", _manage("work", "work")))
        supervisor.start(Part("sweep", _manage("sweep")))
        url = f"http://{_shown(host)}:{port}"
        supervisor.watch(until=_deadline(lambda: _is_healthy(url), f"The web server does not answer at {url}."))
        if supervisor.is_asked_to_stop:
            return
        self._greet(url)
        if sandbox_port is not None:
            supervisor.start(Part("demo", _manage("demo", url, f"127.0.0.1:{sandbox_port}"), once=True))

    def _greet(self, url: str) -> None:
        self._say(f"Jobs UI is running at {url}  (Ctrl-C stops it; logs are in {settings.DATA_DIR / 'logs'})")
        if first_run.is_due() and "--demo" not in sys.argv:
            self._say(f"Make the first administrator at {url}/first-run/ with the token {first_run.make_token()}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _environment(sandbox_port: int | None) -> dict[str, str]:
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "JOBSUI_DATA_DIR": str(settings.DATA_DIR)}
    if sandbox_port is not None:
        environment["JOBSUI_API_HOSTS"] = ",".join([*settings.API_HOSTS, f"127.0.0.1:{sandbox_port}"])
    return environment


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def _sandbox(port: int) -> list[str]:
    data = str(Path(settings.DATA_DIR) / "sandbox.jsonl")
    return _manage("sandbox", "--port", str(port), "--samples", "--data", data, "--job-seconds", "2")


def _web(host: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "gunicorn", "jobsui.wsgi", "--bind", f"{host}:{port}", "--workers", "2", "--threads", "8",
        "--preload", "--graceful-timeout", "6", "--timeout", "120", "--no-control-socket", "--log-level", "warning",
    ]  # fmt: skip


def _shown(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104


def _require_free(host: str, port: int) -> None:
    if not _is_free(host, port):
        raise CommandError(f"Port {port} of {host} is taken by another program. Choose one with --port.")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(first: int) -> int:
    return next(port for port in range(first, first + 100) if _is_free("127.0.0.1", port))


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
            raise CommandError(f"{otherwise} Its log is in {settings.DATA_DIR / 'logs'}.")
        return bool(is_so())

    return check
