"""The product as people run it: `manage.py up` with real processes, its own ports and
its own data directory."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import databases

ROOT = Path(__file__).resolve().parents[2]
PORTS = (20_000, 32_000)
START_SECONDS = 120
STOP_SECONDS = 30
NOT_INHERITED = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "JOBSUI_ENCRYPTION_KEYS",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
)


def inherited_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name not in NOT_INHERITED
    }


def free_port() -> int:
    """A port that no program uses at the moment. It is below those that the system gives to
    connections, so none of them takes it before the program starts."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


def processes(data: Path) -> dict[int, str]:
    """{pid: command} of every process that was started for this data directory,
    whichever process is its parent now."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        # Valkey writes its title, with the address of its socket, over its environment.
        is_valkey = f"{data}/run" in command
        if is_valkey or f"JOBSUI_DATA_DIR={data}".encode() in environment:
            found[int(folder.name)] = command
    return found


@dataclass
class Product:
    data: Path
    port: int
    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    lines: list[str] = field(default_factory=list)
    """What the console has printed so far."""
    _printed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def console(self, pattern: str) -> re.Match[str]:
        """Wait until a line of the console matches, and return the match."""
        with self._printed:
            self._printed.wait_for(
                lambda: self._match(pattern) or self._has_ended, START_SECONDS
            )
        found = self._match(pattern)
        assert found, f"The console did not print {pattern}:\n{''.join(self.lines)}"
        return found

    def manage(self, *words: str, **environment: str) -> str:
        """Run a command of manage.py on the same installation. Returns its output."""
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        done = subprocess.run(
            command,
            check=True,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
        )
        return done.stdout

    def stop(self) -> int:
        """Stop it as Ctrl-C does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """kill -9 all of it, as a power cut does."""
        self.process.send_signal(signal.SIGSTOP)
        for pid in sorted(processes(self.data), reverse=True):
            if pid != self.process.pid:
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._printed:
                self.lines.append(line)
                self._printed.notify_all()
        self.process.stdout.close()
        # Otherwise nothing would say that it has ended.
        self.process.wait()
        with self._printed:
            self._printed.notify_all()

    def _match(self, pattern: str) -> re.Match[str] | None:
        matches = (re.search(pattern, line) for line in self.lines)
        return next(filter(None, matches), None)

    @property
    def _has_ended(self) -> bool:
        """Whether the console will print no more lines."""
        console = self.process.stdout
        return self.process.poll() is not None and bool(console and console.closed)


def start(data: Path, *words: str, **settings: str) -> Product:
    """`manage.py up WORDS`. Returns when the console has printed the address."""
    data.mkdir(parents=True, exist_ok=True)
    environment = inherited_environment() | {
        "DJANGO_SETTINGS_MODULE": "jobsui.settings",
        "JOBSUI_DATA_DIR": str(data),
    }
    if "DATABASE_URL" not in settings:
        environment |= databases.environment(data)
    environment |= settings
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    product = Product(data, port, process, environment)
    threading.Thread(target=product.listen, daemon=True).start()
    try:
        product.console("Jobs UI is running at")
    except AssertionError:
        product.stop()
        raise
    return product
