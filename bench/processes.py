"""Starts the processes that are measured, and reads what they cost from /proc."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 120
KINDS = {
    "gunicorn": "web",
    "work drive": "driver",
    "work work": "worker",
    "work read": "worker",
    "jobsui.files.parsing": "parser",
    "manage.py sweep": "sweep",
    "valkey-server": "valkey",
    "manage.py up": "up",
    "jobsui.sandbox": "sandbox",
    "bench.baselines worker": "rq worker",
    "bench.baselines": "script",
    "postgres": "postgres",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU and memory of processes since they started, with their finished children."""

    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    """The most memory that the largest of them held."""
    all_mb: float = 0.0
    """The most memory that each of them held, added up."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_mb, other.peak_mb),
            self.all_mb + other.all_mb,
        )


def costs(roots: Sequence[int]) -> dict[str, Cost]:
    """The costs of these processes and their descendants, by kind."""
    found: dict[str, Cost] = {}
    for pid in _with_descendants(roots):
        try:
            kind = _kind(pid)
            cost = _cost(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended. Its CPU counts with its parent.
        if kind and cost:
            found[kind] = found.get(kind, Cost()) + cost
    return found


class Sandbox:
    """One Zendesk account."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def ask(self, name: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call one of the sandbox's own endpoints: GET, or POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sandbox/{name}", data)
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.load(response)


def forget_peaks(roots: Sequence[int]) -> None:
    """Measure the most memory of these processes and their descendants from now on."""
    for pid in _with_descendants(roots):
        with suppress(FileNotFoundError, ProcessLookupError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def sandbox(
    settings: Mapping[str, Any], *, seed: int, others: int
) -> Iterator[Sandbox]:
    words = ["-m", "jobsui.sandbox", "--port", "0", "--samples", f"--seed={seed}"]
    for name, value in settings.items():
        words.append(f"--{name.replace('_', '-')}={value}")
    with _running(*words) as process:
        started = Sandbox(process, _word_after(process, " at "))
        started.ask("settings", {"other_jobs": others})
        yield started


@dataclass(frozen=True, slots=True)
class Product:
    pid: int
    url: str


@contextmanager
def product(
    port: int, workers: int, environment: Mapping[str, str]
) -> Iterator[Product]:
    """`manage.py up`, as people run it."""
    words = [str(ROOT / "manage.py"), "up", f"--port={port}", f"--workers={workers}"]
    with _running(*words, environment=environment) as process:
        yield Product(process.pid, _word_after(process, "is running at "))


class Program:
    """A module that reports its progress in lines of JSON. It lives until the bench closes
    its standard input, so that its costs can be read from /proc."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> dict[str, Any]:
        """Its next line."""
        assert self.process.stdout
        text = self.process.stdout.readline()
        if not text:
            raise SystemExit(f"{self.process.args!r} ended before it was done.")
        line: dict[str, Any] = json.loads(text)
        return line

    def go(self) -> None:
        """Tell it to start sending."""
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """Tell it to end and to report."""
        assert self.process.stdin
        self.process.stdin.close()


@contextmanager
def program(
    *words: str, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    with _running(
        "-m", *words, environment=environment or {}, stdin=subprocess.PIPE
    ) as process:
        yield Program(process)
        assert process.stdin
        process.stdin.close()
        process.wait(30)


def run(environment: Mapping[str, str], *words: str) -> None:
    """Run a program until it ends."""
    subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=os.environ | environment, check=True
    )


def say(**words: Any) -> None:
    """In a program: report to the bench that started it."""
    print(json.dumps(words), flush=True)


def wait_for_go() -> None:
    """In a program: wait until all programs of the run have read their rows."""
    say(said="read")
    sys.stdin.readline()


def wait_for_end() -> None:
    """In a program: wait until the bench has read its costs."""
    sys.stdin.read()


@contextmanager
def _running(
    *words: str, environment: Mapping[str, str] | None = None, stdin: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | (environment or {}),
        start_new_session=True,  # Ctrl-C ends the bench, which stops them in order.
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _word_after(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        is_ready = select.select([process.stdout], [], [], 1.0)[0]
        if not is_ready:
            continue
        line = process.stdout.readline()
        if words in line:
            return line.split(words)[1].split()[0]
        if not line:
            break
    raise SystemExit(f"{process.args!r} did not say “{words}”.")


def _with_descendants(roots: Sequence[int]) -> Iterator[int]:
    for pid in roots:
        yield pid
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = [
                int(child)
                for task in tasks
                for child in (task / "children").read_text().split()
            ]
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield from _with_descendants(children)


def _kind(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return next((kind for words, kind in KINDS.items() if words in command), "")


def peak_mb(pid: int) -> float | None:
    """The most memory that a process has had in RAM; None: it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    peaks = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peaks[0].split()[1]) / 1024 if peaks else None


def _cost(pid: int) -> Cost | None:
    megabytes = peak_mb(pid)
    if megabytes is None:
        return None
    # After the name in brackets, utime, stime, cutime and cstime are fields 11 to 14.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_seconds = sum(map(int, fields[11:15])) / TICKS
    return Cost(cpu_seconds, megabytes, megabytes)
