"""Keeping a handful of processes alive, and ending all of them together."""

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
STEADY_SECONDS = 60.0
MOST_WAIT = 30.0
MOST_LOG_BYTES = 10 * 1024 * 1024
PR_SET_PDEATHSIG = 1


@dataclass
class Part:
    """One process of the product."""

    name: str
    command: list[str]
    once: bool = False
    """It is meant to end by itself; it speaks to the console and is not started
    again."""
    base: bool = False
    """Others need it until they have ended, so it ends after them."""
    timeout: float = STOP_SECONDS
    """How many seconds it has to end by itself."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    due_at: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Starts parts in order, starts again what dies (waiting longer each time), and
    stops all of them."""

    def __init__(
        self, logs: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._say = say
        self._parts: list[Part] = []
        self._asked = False
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def is_asked_to_stop(self) -> bool:
        return self._asked

    def listen(self) -> None:
        """Let Ctrl-C, SIGTERM and the end of the terminal ask for the end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "_asked", True))

    def start(self, part: Part) -> None:
        """Start it, unless we are to stop."""
        if not self._asked:
            self._parts.append(part)
            self._launch(part)

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keep all parts alive until asked to stop, or until `until` says so."""
        while not self._asked and not until():
            for part in self._parts:
                self._look_after(part)
            time.sleep(0.2)

    def stop(self) -> None:
        """End everything, each part within its timeout; what does not listen is
        killed."""
        _end(part for part in self._parts if not part.base)
        _end(part for part in self._parts if part.base)

    def _look_after(self, part: Part) -> None:
        if part.is_alive or part.once:
            return
        now = time.monotonic()
        if part.process is not None:
            _kill_group(
                part.process
            )  # What it had started must not work on beside what comes after it.
            code = part.process.returncode
            part.process = None
            part.failures = (
                1 if now - part.started_at > STEADY_SECONDS else part.failures + 1
            )
            wait = (
                min(MOST_WAIT, 2.0 ** (part.failures - 1)) if part.failures > 1 else 0.0
            )
            part.due_at = now + wait
            self._say(
                f"{part.name} ended ({_ending(code)}) and is started again{f' in {wait:.0f} s' if wait else ''}."
            )
        if now >= part.due_at:
            self._launch(part)

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
        if path.exists() and path.stat().st_size > MOST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield handle
        finally:
            os.close(handle)


def _end(parts: Iterable[Part]) -> None:
    """Ask all of them at once, the last one started first, then kill what is left when
    its timeout is over, with all it started."""
    asked = time.monotonic()
    running = [
        (part.process, part.timeout)
        for part in reversed(list(parts))
        if part.process is not None
    ]
    for process, _ in running:
        process.terminate()
    for process, timeout in sorted(running, key=lambda each: each[1]):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, asked + timeout - time.monotonic()))
        _kill_group(process)
        process.wait()


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # macOS: a group of the dead alone
        os.killpg(process.pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """On Linux: when the supervisor is killed outright, its parts get SIGTERM from the
    kernel."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
