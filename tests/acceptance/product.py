"""The product as people run it: `manage.py up` with real processes, on ports and in a
data directory of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import databases

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
STOP_SECONDS = 30
NOT_OURS = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "JOBSUI_ENCRYPTION_KEYS",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def processes(data: Path) -> dict[int, str]:
    """Every process that was started for this data directory, whoever is its parent
    now: {pid: command}. Valkey writes its own title over its environment, the socket in
    it."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if (
                f"JOBSUI_DATA_DIR={data}\0".encode()
                in (folder / "environ").read_bytes()
                or f"{data}/run" in command
            ):
                found[int(folder.name)] = command
        except OSError:
            continue
    return found


@dataclass
class Product:
    data: Path
    port: int
    process: subprocess.Popen[str]
    environment: Mapping[str, str]
    lines: list[str] = field(default_factory=list)
    """What the console has printed."""
    _said: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def console(self, pattern: str) -> re.Match[str]:
        """The first match in a line of the console, waited for."""
        with self._said:
            found = self._said.wait_for(lambda: self._match(pattern), START_SECONDS)
        assert isinstance(found, re.Match), (
            f"The console never said {pattern}:\n{''.join(self.lines)}"
        )
        return found

    def manage(self, *words: str, **environment: str) -> None:
        """Another command of manage.py on the same installation."""
        command = [sys.executable, str(ROOT / "manage.py"), *words]
        subprocess.run(
            command,
            check=True,
            env={**self.environment, **environment},
            capture_output=True,
        )

    def stop(self) -> int:
        """Ctrl-C; how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """kill -9 for all of it, as when the host loses its power: nobody starts
        anything again or says goodbye."""
        self.process.send_signal(signal.SIGSTOP)
        for pid in sorted(processes(self.data), reverse=True):
            if pid != self.process.pid:
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        self.process.stdout.close()
        with self._said:
            self._said.notify_all()

    def _match(self, pattern: str) -> re.Match[str] | bool | None:
        """The match, or True when there will be no more lines."""
        found = next(
            filter(None, (re.search(pattern, line) for line in self.lines)), None
        )
        return found or (
            self.process.poll() is not None
            and bool(self.process.stdout and self.process.stdout.closed)
        )


def start(data: Path, *words: str, **settings: str) -> Product:
    """`manage.py up WORDS`, waited for until it says where it is."""
    data.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    environment = kept | {
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
