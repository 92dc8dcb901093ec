"""The process that reads one file: `python -m jobsui.files.parsing`. `parser_process` starts
it and describes the messages.

Files come from strangers. This process has nothing to lose: no secrets, no connections, no
other file, and limits for everything that it may use."""

import ctypes
import errno
import io
import json
import os
import resource
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import msgspec

from jobsui.files.errors import FileRefused
from jobsui.files.intake import Found, take_in
from jobsui.files.layout import Layout
from jobsui.files.source import MAX_BYTES

PR_SET_PDEATHSIG = 1
MAX_OPEN_FILES = 64
BUFFER_BYTES = 1 << 16
NICENESS = 10
"""Web and driver go first."""
CPU_GRACE_SECONDS = 5
OVER_MEMORY = "memory"
OVER_DISK = "disk"


@dataclass(frozen=True, slots=True)
class Request:
    """The first line of standard input, as JSON."""

    name: str
    """Of the file, as it was uploaded."""
    chosen: Layout
    content: int
    """The file's descriptor."""
    out: int
    """The descriptor of an empty file for the staged rows."""
    memory_bytes: int
    cpu_seconds: int
    staged_bytes: int
    parent: int
    """The process that waits for the result."""


def main() -> None:
    messages = _Messages()
    request = msgspec.convert(json.loads(_first_line()), Request)
    _end_with_parent(request.parent)
    _limit(request)
    try:
        found = _take_in(request, messages)
    except MemoryError:
        messages.send(over=OVER_MEMORY)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        messages.send(over=OVER_DISK)
    else:
        messages.send(found=msgspec.to_builtins(found))
    # A regular end would wait for the thread that reads standard input.
    os._exit(0)


class _Messages:
    """JSON objects, one a line, on what was standard output. What libraries print goes to
    standard error."""

    def __init__(self) -> None:
        self._descriptor = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(self, **message: Any) -> None:
        """ASCII, because half a surrogate pair cannot be encoded."""
        rest = json.dumps(message).encode() + b"\n"
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(sys.stdin.fileno(), BUFFER_BYTES)
        if not more:
            os._exit(1)
        line += more
    return line


def _end_with_parent(parent: int) -> None:
    """A worker that is killed must not leave its parser running."""
    # A worker that is asked to stop ends its parser itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_wait_for_end_of_input, daemon=True).start()


def _wait_for_end_of_input() -> None:
    """The parent never writes more than the request."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _limit(request: Request) -> None:
    cpu_seconds = request.cpu_seconds
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _set_limit(resource.RLIMIT_FSIZE, max(request.staged_bytes, 2 * MAX_BYTES))
    _set_limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + CPU_GRACE_SECONDS)
    _set_limit(resource.RLIMIT_AS, request.memory_bytes)
    os.nice(NICENESS)


def _set_limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Where the host allows less, that stays."""
    allowed = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if allowed != resource.RLIM_INFINITY:
        wanted = min(wanted, allowed)
    resource.setrlimit(kind, (min(soft, wanted), wanted))


def _take_in(request: Request, messages: _Messages) -> Found:
    content = os.fdopen(request.content, "rb", buffering=BUFFER_BYTES)
    staged = _StagedFile(request.out, request.staged_bytes)
    out = io.BufferedRandom(staged, BUFFER_BYTES)
    found = take_in(
        content,
        request.name,
        request.chosen,
        cast(BinaryIO, out),
        lambda rows: messages.send(rows=rows),
        lambda found: messages.send(found=msgspec.to_builtins(found)),
    )
    if not found.refusal:
        out.flush()
    return found


class _StagedFile(io.FileIO):
    """A file that refuses to grow beyond a limit."""

    def __init__(self, descriptor: int, max_bytes: int) -> None:
        super().__init__(descriptor, "r+")
        self._max_bytes = max_bytes

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._max_bytes:
            raise FileRefused(
                f"The rows of this file take more than {self._max_bytes >> 20:,} MB, far "
                "more than a file of its size usually has. Upload it in smaller parts."
            )
        return super().write(data)


if __name__ == "__main__":
    main()
