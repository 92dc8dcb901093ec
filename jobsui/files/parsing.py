"""The parser server, `python -m jobsui.files.parsing`, and the processes that it forks: one
for each file. `parser_process` starts the server and describes the messages.

Files come from strangers. The process that reads one has nothing to lose: no secrets, no
connections, no other file, and limits for everything that it may use. The server itself
reads nothing of a file. It imports what every reader needs, because that takes far longer
than a small file does."""

import ctypes
import errno
import gc
import io
import json
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple, NoReturn, cast

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
STDIN = 0
STDOUT = 1
STDERR = 2
PRELOADED = (
    "chardet",
    "dateutil.relativedelta",  # which pyarrow imports when it is first used
    "encodings.utf_8_sig",
    "jobsui.files.delimited_blocks",
    "jobsui.files.facts",
    "jobsui.files.json_blocks",
    "jobsui.files.ods.workbook",
    "jobsui.files.staging",
    "jobsui.files.table_reader",
    "jobsui.files.xls.workbook",
    "jobsui.files.xlsx.workbook",
)
"""Readers import them where they use them, because web processes do not need them."""


@dataclass(frozen=True, slots=True)
class Request:
    """A line of JSON. The Descriptors come with it."""

    name: str
    """Of the file, as it was uploaded."""
    chosen: Layout
    memory_bytes: int
    cpu_seconds: int
    staged_bytes: int
    folder: str
    """For temporary files."""


class Descriptors(NamedTuple):
    content: int
    """The file."""
    out: int
    """An empty file for the staged rows."""
    conversation: int
    """A socket for messages. The parser ends at the end of its input."""
    errors: int
    """A file for what is printed."""


def main() -> None:
    """Serve requests until the worker closes standard input."""
    # A worker that is asked to stop ends its parser itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for name in PRELOADED:
        import_module(name)
    gc.collect()
    gc.freeze()
    worker = socket.socket(fileno=STDIN)
    # The worker may end at any time.
    with suppress(BrokenPipeError):
        _serve(worker)


def _serve(worker: socket.socket) -> None:
    worker.sendall(b"ready\n")
    while received := _receive(worker):
        line, descriptors = received
        exit_code = _run(line, descriptors)
        worker.sendall(b"%d\n" % exit_code)


def _receive(worker: socket.socket) -> tuple[bytes, Descriptors] | None:
    """A request. None: the worker has ended."""
    count = len(Descriptors._fields)
    line, descriptors, _, _ = socket.recv_fds(worker, BUFFER_BYTES, count)
    while not line.endswith(b"\n"):
        more = worker.recv(BUFFER_BYTES)
        if not more:
            return None
        line += more
    return line, Descriptors(*descriptors)


def _run(line: bytes, descriptors: Descriptors) -> int:
    """Fork a parser. Returns its exit code, or its signal as a negative number."""
    server = os.getpid()
    ended, alive = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ended)
        _parse(line, descriptors, server)
    for descriptor in (alive, *descriptors):
        os.close(descriptor)
    # The worker sends nothing while a file is read, so input means that it has ended. A
    # signal would also come when only the thread ends that started the server.
    if STDIN in select.select([ended, STDIN], [], [])[0]:
        os._exit(1)
    os.close(ended)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _parse(line: bytes, descriptors: Descriptors, server: int) -> NoReturn:
    """The life of a parser."""
    exit_code = 1
    try:
        _take_over(descriptors)
        _end_with_server(server)
        request = msgspec.convert(json.loads(line), Request)
        _use_folder(request.folder)
        _limit(request)
        _answer(request, descriptors, _Messages())
        exit_code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # A regular end would wait for the thread that reads standard input.
        os._exit(exit_code)


def _take_over(descriptors: Descriptors) -> None:
    """Replace the server's standard streams."""
    os.dup2(descriptors.conversation, STDIN)
    os.dup2(descriptors.errors, STDOUT)
    os.dup2(descriptors.errors, STDERR)
    os.close(descriptors.conversation)
    os.close(descriptors.errors)


def _end_with_server(server: int) -> None:
    """To end a parser, the worker kills the server. Where no signal follows, the parser
    ends with the conversation."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    threading.Thread(target=_wait_for_end_of_input, daemon=True).start()


def _wait_for_end_of_input() -> None:
    """The worker sends nothing to a parser."""
    os.read(STDIN, 1)
    os._exit(1)


def _use_folder(folder: str) -> None:
    os.chdir(folder)
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = folder


def _answer(request: Request, descriptors: Descriptors, messages: "_Messages") -> None:
    try:
        found = _take_in(request, descriptors.content, descriptors.out, messages)
    except MemoryError:
        messages.send(over=OVER_MEMORY)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        messages.send(over=OVER_DISK)
    else:
        messages.send(found=msgspec.to_builtins(found))


class _Messages:
    """JSON objects, one a line."""

    def send(self, **message: Any) -> None:
        """ASCII, because half a surrogate pair cannot be encoded."""
        rest = json.dumps(message).encode() + b"\n"
        while rest:
            rest = rest[os.write(STDIN, rest) :]


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


def _take_in(
    request: Request, content_descriptor: int, out_descriptor: int, messages: _Messages
) -> Found:
    content = os.fdopen(content_descriptor, "rb", buffering=BUFFER_BYTES)
    staged = _StagedFile(out_descriptor, request.staged_bytes)
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
