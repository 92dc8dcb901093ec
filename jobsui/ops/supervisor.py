"""Keeps a few processes alive, and stops all of them together."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 6.5
STABLE_SECONDS = 60.0
"""A part that ran this long starts with the shortest restart delay again."""
MAX_RESTART_DELAY = 30.0
WATCH_INTERVAL = 0.2
MAX_LOG_BYTES = 10 * 1024 * 1024
PR_SET_PDEATHSIG = 1


@dataclass
class Part:
    """One process of the product."""

    name: str
    command: list[str]
    once: bool = False
    """Ends by itself and is not restarted. Its standard output is the console."""
    base: bool = False
    """Other parts depend on it, so it stops after them."""
    timeout: float = STOP_SECONDS
    """Seconds it has to stop before it is killed."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    """In a row."""
    due_at: float = 0.0
    """When it is restarted."""

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Starts parts in order, restarts those that end, with growing delays, and stops all
    of them."""

    def __init__(
        self, logs: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._say = say
        self._parts: list[Part] = []
        self._is_stopping = False
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    def handle_signals(self) -> None:
        """Stop on Ctrl-C, on SIGTERM, and when the terminal closes."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)

    def start(self, part: Part) -> None:
        """Does nothing while stopping."""
        if self._is_stopping:
            return
        self._parts.append(part)
        self._launch(part)

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keep all parts alive until a signal arrives or `until` returns True."""
        while not self._is_stopping and not until():
            for part in self._parts:
                self._restart_if_due(part)
            time.sleep(WATCH_INTERVAL)

    def stop(self) -> None:
        """Stop all parts; kill those that exceed their timeout."""
        _stop(part for part in self._parts if not part.base)
        _stop(part for part in self._parts if part.base)

    def _request_stop(self, *_: object) -> None:
        self._is_stopping = True

    def _restart_if_due(self, part: Part) -> None:
        if part.is_alive or part.once:
            return
        if part.process is not None:
            self._schedule_restart(part, part.process)
        if time.monotonic() >= part.due_at:
            self._launch(part)

    def _schedule_restart(self, part: Part, ended: "subprocess.Popen[bytes]") -> None:
        # Its children must not run at the same time as those of its successor.
        _kill_group(ended)
        part.process = None
        now = time.monotonic()
        was_stable = now - part.started_at > STABLE_SECONDS
        part.failures = 1 if was_stable else part.failures + 1
        delay = _restart_delay(part.failures)
        part.due_at = now + delay
        when = f"in {delay:.0f} s" if delay else "now"
        self._say(
            f"{part.name} ended ({_reason(ended.returncode)}). Restarting {when}."
        )

    def _launch(self, part: Part) -> None:
        part.started_at = time.monotonic()
        with self._log(part) as log:
            part.process = subprocess.Popen(  # noqa: S603  # our own commands
                part.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=None if part.once else log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @contextlib.contextmanager
    def _log(self, part: Part) -> Iterator[int]:
        path = self._logs / f"{part.name}.log"
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)


def _restart_delay(failures: int) -> float:
    """Seconds: none after the first failure, then 2, 4, 8 ..."""
    if failures <= 1:
        return 0.0
    return min(MAX_RESTART_DELAY, 2.0 ** (failures - 1))


def _stop(parts: Iterable[Part]) -> None:
    """Ask all parts at once to stop, the last started first. Kill each one that exceeds
    its timeout, and all its children."""
    asked_at = time.monotonic()
    running = [
        (part.process, part.timeout)
        for part in reversed(list(parts))
        if part.process is not None
    ]
    for process, _ in running:
        process.terminate()
    for process, timeout in sorted(running, key=lambda pair: pair[1]):
        remaining = max(0.0, asked_at + timeout - time.monotonic())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(remaining)
        _kill_group(process)
        process.wait()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    # PermissionError: macOS, if every process of the group has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """On Linux, the kernel sends SIGTERM to the parts if the supervisor is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _reason(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"status {code}"
