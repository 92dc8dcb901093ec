"""Reads a file in a process of its own (`parsing.py`), under limits of memory and time.

Starting Python and pyarrow takes longer than reading a small file. So a worker starts a
server once, and the server forks a parser for each file. A server serves one file at a time.

The server gets a clean environment, and requests on its standard input, a socket. With each
come descriptors: the open file, an open file for the staged rows, a socket for the
conversation with the parser, and a file for errors. It answers with the parser's exit code
when the parser has ended.

The parser sends JSON objects, one a line: {"rows": 20000} while it reads, {"found": …} as soon
as the layout is known and again at the end, {"over": "memory"} if a limit ended it. When the
server is killed or the conversation is closed, the parser ends."""

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec

from jobsui.files.intake import Found
from jobsui.files.layout import Layout
from jobsui.files.parsing import OVER_MEMORY, Descriptors, Request

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
    # Freed memory is kept for the next block. Giving it back and getting it again takes a
    # sixth of the time of reading.
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
    # Importing pyarrow starts no thread, so the server can fork.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
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
    for _ in range(MAX_KILLS):
        content.seek(0)
        out.seek(0)
        out.truncate()
        with tempfile.TemporaryDirectory(prefix="reading-", dir=folder) as own:
            request = Request(
                name=name,
                chosen=chosen,
                memory_bytes=limits.memory_mb << 20,
                cpu_seconds=limits.seconds(size),
                staged_bytes=limits.staged_bytes(size),
                folder=own,
            )
            run = _Run(request, content, out, progress, report, tick)
            run.wait()
        if not run.killed_by:
            break
    run.found.refusal = run.found.refusal or run.refusal()
    return run.found


class _Server:
    """A process that forks a parser for each file, one at a time."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        own, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-s", "-P", "-m", MODULE],
                cwd="/",
                env={**kept, **ENVIRONMENT},
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        self._socket = own
        self._lines = own.makefile("rb")
        self._is_ready = False

    @property
    def is_alive(self) -> bool:
        """False in a fork of the process that started it: the fork needs its own."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Or until it has ended."""
        if not self._is_ready:
            self._next_line()
            self._is_ready = True

    @contextmanager
    def parser(
        self, request: Request, content: BinaryIO, out: BinaryIO, errors: IO[bytes]
    ) -> Iterator[socket.socket]:
        """A conversation with a parser. An exception ends both server and parser."""
        line = json.dumps(asdict(request)).encode() + b"\n"
        conversation, theirs = socket.socketpair()
        with conversation:
            descriptors = Descriptors(
                content.fileno(), out.fileno(), theirs.fileno(), errors.fileno()
            )
            # The server may have ended. Then the conversation ends at once.
            with theirs, suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._socket, [line], descriptors)
            try:
                yield conversation
            except BaseException:
                self.end()
                _wait_for_end(conversation)
                raise

    def exit_code(self) -> int:
        """That of the parser, which has ended. If the server has ended, too, its own, which
        is never 0."""
        self.wait_until_ready()
        line = self._next_line()
        return int(line) if line else self._process.wait() or 1

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()
        self._socket.close()

    def _next_line(self) -> bytes:
        """b"" if the server has ended."""
        try:
            return self._lines.readline()
        except ConnectionResetError:
            # It ended before it read a request.
            return b""


_idle: list[_Server] = []


def start() -> None:
    """Start a server, unless one is idle, and wait until it is ready."""
    with _borrowed_server() as server:
        server.wait_until_ready()


def stop() -> None:
    """End the idle servers."""
    while _idle:
        _idle.pop().end()


atexit.register(stop)


@contextmanager
def _borrowed_server() -> Iterator[_Server]:
    """For as long as the block lasts, only the caller uses it."""
    server = _idle_server() or _Server()
    try:
        yield server
    finally:
        if server.is_alive:
            _idle.append(server)
        else:
            server.end()


def _idle_server() -> _Server | None:
    try:
        server = _idle.pop()
    except IndexError:
        return None
    if server.is_alive:
        return server
    server.end()
    return None


def _wait_for_end(conversation: socket.socket) -> None:
    """Until the parser writes to no file."""
    # On macOS the parser must not have ended yet.
    with suppress(OSError):
        conversation.shutdown(socket.SHUT_WR)
    while conversation.recv(CHUNK_BYTES):
        pass


class _TimeOver(Exception):
    pass


class _Run:
    """One run of a parser."""

    def __init__(
        self,
        request: Request,
        content: BinaryIO,
        out: BinaryIO,
        progress: Callable[[int], None],
        report: Callable[[Found], None],
        tick: Callable[[], None],
    ) -> None:
        self._request = request
        self._content = content
        self._out = out
        self._progress = progress
        self._report = report
        self._tick = tick
        self.found = Found(layout=request.chosen)
        self.killed_by = ""
        """The name of a signal that need not have to do with the file."""
        self._over = ""

    def wait(self) -> None:
        """Raises ParserFailed, and what `progress`, `report` and `tick` raise."""
        with tempfile.TemporaryFile(dir=self._request.folder) as errors:
            try:
                with (
                    _borrowed_server() as server,
                    server.parser(
                        self._request, self._content, self._out, errors
                    ) as conversation,
                ):
                    self._talk(conversation)
                    exit_code = server.exit_code()
            except _TimeOver:
                self._over = "time"
            else:
                self._judge(exit_code, errors)

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

    def _talk(self, conversation: socket.socket) -> None:
        """Until the parser has ended. Raises _TimeOver."""
        deadline = time.monotonic() + self._request.cpu_seconds
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(conversation, selectors.EVENT_READ)
            while True:
                self._tick()
                if time.monotonic() > deadline:
                    raise _TimeOver
                if not selector.select(TICK_SECONDS):
                    continue
                chunk = conversation.recv(CHUNK_BYTES)
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

    def _judge(self, exit_code: int, errors: IO[bytes]) -> None:
        if self._over or exit_code == 0:
            return
        if exit_code > 0:
            size = errors.seek(0, os.SEEK_END)
            errors.seek(max(0, size - MAX_ERROR_BYTES))
            text = errors.read().decode("utf-8", "replace")
            raise ParserFailed(text or f"It ended with {exit_code}.")
        name = signal.Signals(-exit_code).name
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
