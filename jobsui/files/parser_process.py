"""Reads a file in a process of its own (`parsing.py`), under limits of memory and time.

The process gets a clean environment, the open file, an open file for the staged rows, and a
request on standard input. It sends JSON objects, one a line: {"rows": 20000} while it reads,
{"found": …} as soon as the layout is known and again at the end, {"over": "memory"} if a limit
ended it. When standard input closes, it ends."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec

from jobsui.files.intake import Found
from jobsui.files.layout import Layout
from jobsui.files.parsing import OVER_MEMORY, Request

MODULE = "jobsui.files.parsing"
PROJECT = Path(__file__).resolve().parents[2]
MAX_KILLS = 2
TICK_SECONDS = 0.2
CHUNK_BYTES = 1 << 16
MAX_ERROR_BYTES = 8192
SMALLER_FILE = "Upload the file in another format or in smaller parts."
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "SYSTEMROOT")
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(PROJECT),
    # These three keep the address space small.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True, slots=True)
class Limits:
    memory_mb: int = 1024
    """Of address space."""
    max_seconds: int = 900
    """For a file of any size."""
    min_seconds: int = 90
    """For the smallest file, so that it does not delay other people's for long."""
    seconds_per_mb: float = 2.0
    min_staged_mb: int = 512
    max_staged_mb: int = 4096
    max_growth: int = 16
    """Above `min_staged_mb`, how many times as large as the file the staged rows may be."""

    def seconds(self, size: int) -> int:
        wanted = self.min_seconds + self.seconds_per_mb * (size >> 20)
        return int(min(wanted, self.max_seconds))

    def staged_bytes(self, size: int) -> int:
        wanted = max(self.min_staged_mb << 20, self.max_growth * size)
        return min(wanted, self.max_staged_mb << 20)


class ParserFailed(Exception):
    """The process ended with an error of ours."""


def take_in(
    content: BinaryIO,
    name: str,
    chosen: Layout,
    out: BinaryIO,
    *,
    limits: Limits,
    folder: Path,
    progress: Callable[[int], None],
    tick: Callable[[], None],
    report: Callable[[Found], None] = lambda _: None,
) -> Found:
    """`intake.take_in`, in a process of its own. A limit that ends it is a refusal.

    `content` and `out` are open files. `folder` gets temporary files. `tick` is called
    several times a second. It, `progress` and `report` may raise an exception to stop the process.
    Raises ParserFailed.
    """
    size = os.fstat(content.fileno()).st_size
    request = Request(
        name=name,
        chosen=chosen,
        content=content.fileno(),
        out=out.fileno(),
        memory_bytes=limits.memory_mb << 20,
        cpu_seconds=limits.seconds(size),
        staged_bytes=limits.staged_bytes(size),
        parent=os.getpid(),
    )
    for _ in range(MAX_KILLS):
        content.seek(0)
        out.seek(0)
        out.truncate()
        with tempfile.TemporaryDirectory(prefix="reading-", dir=folder) as own:
            run = _Run(request, Path(own), progress, report, tick)
            run.wait()
        if not run.killed_by:
            break
    run.found.refusal = run.found.refusal or run.refusal()
    return run.found


class _Run:
    """One run of the process."""

    def __init__(
        self,
        request: Request,
        folder: Path,
        progress: Callable[[int], None],
        report: Callable[[Found], None],
        tick: Callable[[], None],
    ) -> None:
        self._request = request
        self._folder = folder
        self._progress = progress
        self._report = report
        self._tick = tick
        self.found = Found(layout=request.chosen)
        self.killed_by = ""
        """The name of a signal that need not have to do with the file."""
        self._over = ""

    def wait(self) -> None:
        """Raises ParserFailed, and what `progress` and `tick` raise."""
        with tempfile.TemporaryFile(dir=self._folder) as errors:
            process = self._start(errors)
            try:
                self._talk(process)
                self._judge(process.wait(), errors)
            finally:
                process.kill()
                process.communicate()

    def refusal(self) -> str:
        """Why the process did not end by itself; "" if it did."""
        if self.killed_by == "SIGSEGV":
            return f"The file crashes the program that reads it. {SMALLER_FILE}"
        if self._over == OVER_MEMORY or self.killed_by == "SIGABRT":
            limit = _in_gb(self._request.memory_bytes)
            return f"Reading the file needs more than {limit} of memory. {SMALLER_FILE}"
        if self.killed_by:
            return (
                f"The program that reads the file was killed twice ({self.killed_by}), "
                "probably because the server's memory ran out. "
                f"{SMALLER_FILE}"
            )
        if self._over == "time":
            limit = _in_words(self._request.cpu_seconds)
            return f"Reading the file takes longer than {limit}. {SMALLER_FILE}"
        if self._over:
            return (
                "The server has not enough disk space to read the file. Ask an "
                "administrator to make room, and upload it again."
            )
        return ""

    def _start(self, errors: IO[bytes]) -> "subprocess.Popen[bytes]":
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-s", "-m", MODULE],
            cwd=self._folder,
            env={**kept, **ENVIRONMENT, "TMPDIR": str(self._folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            pass_fds=(self._request.content, self._request.out),
        )
        requests = cast(IO[bytes], process.stdin)
        # It may have ended already.
        with contextlib.suppress(BrokenPipeError):
            requests.write(json.dumps(asdict(self._request)).encode() + b"\n")
        return process

    def _talk(self, process: "subprocess.Popen[bytes]") -> None:
        """Until the process closes its output, or its time is over."""
        stdout = cast(IO[bytes], process.stdout)
        deadline = time.monotonic() + self._request.cpu_seconds
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                self._tick()
                if time.monotonic() > deadline:
                    self._over = "time"
                    process.kill()
                    return
                if not selector.select(TICK_SECONDS):
                    continue
                chunk = os.read(stdout.fileno(), CHUNK_BYTES)
                if not chunk:
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "rows" in message:
            self._progress(message["rows"])
        if "found" in message:
            self.found = msgspec.convert(message["found"], Found)
            self._report(self.found)
        if "over" in message:
            self._over = message["over"]

    def _judge(self, status: int, errors: IO[bytes]) -> None:
        if self._over or status == 0:
            return
        if status > 0:
            size = errors.seek(0, os.SEEK_END)
            errors.seek(max(0, size - MAX_ERROR_BYTES))
            raise ParserFailed(errors.read().decode("utf-8", "replace"))
        name = signal.Signals(-status).name
        if name == "SIGXCPU":
            self._over = "time"
        else:
            self.killed_by = name


def _in_gb(count: int) -> str:
    megabytes = count >> 20
    return f"{megabytes / 1024:.3g} GB" if megabytes >= 1024 else f"{megabytes} MB"


def _in_words(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes"
