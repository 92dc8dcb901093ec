"""A file is read in a process of its own. What ends that process is a sentence."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec
import pytest

from jobsui.files import intake, parser_process
from jobsui.files.intake import Found
from jobsui.files.layout import DETECT_ALL, Layout
from jobsui.files.parser_process import Limits, ParserFailed
from tests.files.corpus.workbooks import book_of, texts

LIMITS = Limits(memory_mb=640)
SMALLER = "Upload the file in another format or in smaller parts."


class Stopped(Exception):
    pass


@contextmanager
def opened(content: bytes) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The file, and an empty one for its rows."""
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as out:
        file.write(content)
        file.flush()
        yield cast(BinaryIO, file), cast(BinaryIO, out)


def take_in(
    content: bytes, name: str, folder: Path, chosen: Layout = DETECT_ALL, **given: Any
) -> tuple[Found, bytes]:
    """What was found, and what was staged."""
    options = {
        "limits": LIMITS,
        "progress": lambda _: None,
        "tick": lambda: None,
        **given,
    }
    with opened(content) as (file, out):
        found = parser_process.take_in(
            file, name, chosen, out, folder=folder, **options
        )
        out.seek(0)
        return found, out.read()


def taken_in_here(content: bytes, name: str) -> tuple[Found, bytes]:
    with tempfile.TemporaryFile() as out:
        found = intake.take_in(
            io.BytesIO(content), name, DETECT_ALL, cast(BinaryIO, out), lambda _: None
        )
        out.seek(0)
        return found, out.read()


def as_json(found: Found) -> str:
    return json.dumps(msgspec.to_builtins(found))


def test_first_rows_are_reported_before_the_others(tmp_path: Path) -> None:
    content = b"id\n" + b"".join(b"%d\n" % number for number in range(100_000))
    reports: list[tuple[int, int]] = []

    def report(found: Found) -> None:
        reports.append((len(found.sample), found.rows))

    take_in(content, "rows.csv", tmp_path, report=report)

    (_, layout_only), (sample, begun), (_, all_rows) = reports
    assert layout_only == 0
    assert sample == 20
    assert 0 < begun < 100_000
    assert all_rows == 100_000


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"id;name\n1;Drill\n2;Saw;too wide\n3;Gr\xc3\xbc\xc3\x9fe\n", "a.csv"),
        (b'{"id": "1", "tags": ["a"]}\n{"id": "2"}\n', "a.jsonl"),
        (b"id,name\n1,caf\xe9\n", "latin.csv"),
        (b"\x89PNG\r\n", "a.csv"),
        (b"id,name\n1,x\n", "line\nbreak \udcff.csv"),
        (book_of(texts("id", "name"), texts("A-1", "Drill")).content(), "a.xlsx"),
    ],
)
def test_process_finds_the_same(content: bytes, name: str, tmp_path: Path) -> None:
    found, staged = take_in(content, name, tmp_path)

    here, staged_here = taken_in_here(content, name)
    assert as_json(found) == as_json(here)
    assert staged == staged_here
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("broken_parser")
@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("memory", f"Reading the file needs more than 640 MB of memory. {SMALLER}"),
        (
            "SIGABRT",
            f"Reading the file needs more than 640 MB of memory. {SMALLER}",
        ),
        ("crash", f"The file crashes the program that reads it. {SMALLER}"),
        (
            "SIGKILL",
            "The program that reads the file was killed twice (SIGKILL), probably because "
            f"the server's memory ran out. {SMALLER}",
        ),
        (
            "disk",
            "The server has not enough disk space to read the file. Ask an administrator "
            "to make room, and upload it again.",
        ),
    ],
)
def test_death_is_a_sentence(name: str, refusal: str, tmp_path: Path) -> None:
    found, _ = take_in(b"id\n1\n", name, tmp_path)

    assert found.refusal == refusal
    # What was detected survives.
    assert found.layout.format == "xlsx"
    assert found.sheets == ["Assets", "People"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("broken_parser")
@pytest.mark.parametrize("name", ["spin", "sleep"])
def test_time_is_limited(name: str, tmp_path: Path) -> None:
    limits = replace(LIMITS, min_seconds=2)

    found, _ = take_in(b"id\n1\n", name, tmp_path, limits=limits)

    assert found.refusal == f"Reading the file takes longer than 2 seconds. {SMALLER}"


@pytest.mark.usefixtures("broken_parser")
def test_process_that_was_killed_once_runs_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    found, _ = take_in(b"id\n1\n", str(mark), tmp_path)

    assert mark.exists()
    assert found.refusal == ""


@pytest.mark.usefixtures("broken_parser")
def test_error_of_ours_is_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(ParserFailed, match="ValueError: broken"):
        take_in(b"id\n1\n", "error", tmp_path)


@pytest.mark.usefixtures("broken_parser")
def test_process_has_no_secrets_and_no_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")

    found, _ = take_in(b"id\n1\n", "look", tmp_path)

    known = {*parser_process.ENVIRONMENT, "LC_CTYPE", "LD_LIBRARY_PATH", "TMPDIR", "TZ"}
    assert set(found.columns) <= known
    files = [each for each in found.sheets if each.startswith("/")]
    kinds = [each.partition(":")[0] for each in found.sheets if each not in files]
    # The file, its staged rows, and the file of errors for both outputs.
    assert len(files) == 4
    assert len(set(files)) == 3
    # The conversation, and the pipe that shows the server when the process has ended.
    assert sorted(kinds) == ["pipe", "socket"]


@pytest.mark.usefixtures("broken_parser")
def test_staged_rows_are_limited(tmp_path: Path) -> None:
    limits = replace(LIMITS, min_staged_mb=1, max_growth=1)

    with pytest.raises(ParserFailed, match="FileRefused: The rows of this file take"):
        take_in(b"id\n1\n", "staged", tmp_path, limits=limits)


def test_too_many_staged_rows_are_a_refusal(tmp_path: Path) -> None:
    limits = replace(LIMITS, min_staged_mb=1, max_growth=0)
    content = b"id\n" + b"".join(b"%09d\n" % number for number in range(200_000))

    found, _ = take_in(content, "a.csv", tmp_path, limits=limits)

    assert found.refusal == (
        "The rows of this file take more than 1 MB, far more than a file of its size "
        "usually has. Upload it in smaller parts."
    )
    assert found.layout.format == "csv"


@pytest.mark.usefixtures("broken_parser")
def test_process_is_stopped_by_an_exception(tmp_path: Path) -> None:
    processes: set[int] = set()

    def tick() -> None:
        processes.update(broken_parsers(os.getpid()))
        if len(processes) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        take_in(b"id\n1\n", "sleep", tmp_path, tick=tick)

    wait_for_end(processes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("broken_parser")
def test_server_serves_one_file_after_the_other(tmp_path: Path) -> None:
    first, _ = take_in(b"id\n1\n", "server", tmp_path)
    with pytest.raises(ParserFailed):
        take_in(b"id\n1\n", "error", tmp_path)
    second, _ = take_in(b"id\n1\n", "server", tmp_path)

    [server] = broken_parsers(os.getpid())
    assert first.sheets == [str(server)]
    assert second.sheets == [str(server)]


@pytest.mark.usefixtures("broken_parser")
def test_server_has_no_threads_when_it_forks(tmp_path: Path) -> None:
    take_in(b"id\n1\n", "look", tmp_path)

    [server] = broken_parsers(os.getpid())
    threads = list(Path(f"/proc/{server}/task").iterdir())
    assert len(threads) == 1


@pytest.mark.usefixtures("broken_parser")
def test_killed_server_counts_as_a_kill(tmp_path: Path) -> None:
    found, _ = take_in(b"id\n1\n", "end server", tmp_path)
    next_found, _ = take_in(b"id\n1\n", "look", tmp_path)

    assert found.refusal == (
        "The program that reads the file was killed twice (SIGKILL), probably because the "
        f"server's memory ran out. {SMALLER}"
    )
    assert next_found.refusal == ""


@pytest.mark.usefixtures("broken_parser")
def test_server_that_is_killed_before_it_reads_is_replaced(tmp_path: Path) -> None:
    killed: list[int] = []

    def tick() -> None:
        if not killed:
            killed.extend(broken_parsers(os.getpid()))
            for server in killed:
                os.kill(server, signal.SIGKILL)

    found, _ = take_in(b"id\n1\n", "server", tmp_path, tick=tick)

    [server] = broken_parsers(os.getpid())
    assert found.refusal == ""
    assert found.sheets == [str(server)]
    assert server != killed[0]


@pytest.mark.usefixtures("broken_parser")
def test_idle_server_that_was_killed_is_replaced(tmp_path: Path) -> None:
    parser_process.start()
    [idle] = broken_parsers(os.getpid())
    os.kill(idle, signal.SIGKILL)

    found, _ = take_in(b"id\n1\n", "server", tmp_path)

    [server] = broken_parsers(os.getpid())
    assert found.sheets == [str(server)]
    assert server != idle


@pytest.mark.usefixtures("broken_parser")
def test_server_that_cannot_start_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser_process, "MODULE", "tests.files.no_such_module")

    with pytest.raises(ParserFailed, match="It ended with 1"):
        take_in(b"id\n1\n", "look", tmp_path)


@pytest.mark.usefixtures("broken_parser")
def test_threads_read_with_a_server_each(tmp_path: Path) -> None:
    is_sleeping = threading.Event()
    is_read = threading.Event()

    def tick() -> None:
        if len(broken_parsers(os.getpid())) == 2:
            is_sleeping.set()
        if is_read.is_set():
            raise Stopped

    def sleep() -> None:
        try:
            with pytest.raises(Stopped):
                take_in(b"id\n1\n", "sleep", tmp_path, tick=tick)
        finally:
            is_sleeping.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    is_sleeping.wait()
    found, _ = take_in(b"id\n1\n", "look", tmp_path)
    is_read.set()
    thread.join()

    assert found.refusal == ""


WORKER = """
import os, sys, tempfile
from pathlib import Path
from jobsui.files import parser_process
from jobsui.files.layout import DETECT_ALL

parser_process.MODULE = "tests.files.broken_parsing"

def read(name):
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as out:
        found = parser_process.take_in(
            file, name, DETECT_ALL, out, limits=parser_process.Limits(),
            folder=Path(sys.argv[1]), progress=print, tick=lambda: None,
            report=lambda _: print("It reads.", flush=True),
        )
        print(found.sheets[-1], flush=True)
"""
FORK = """
read("server")
child = os.fork()
read("server")
if child:
    os.waitpid(child, 0)
    read("server")
"""


@pytest.mark.parametrize("name", ["sleep", "hang"])
def test_process_ends_with_the_worker(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f'{WORKER}read("{name}")', str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        cast(IO[bytes], worker.stdout).readline()
        processes = broken_parsers(worker.pid)
        worker.kill()

    assert len(processes) == 2
    wait_for_end(processes)


def test_idle_server_ends_with_the_worker() -> None:
    idle = 'parser_process.start(); print("It is idle.", flush=True); input()'
    command = [sys.executable, "-c", f"{WORKER}{idle}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as worker:
        cast(IO[bytes], worker.stdout).readline()
        processes = broken_parsers(worker.pid)
        worker.kill()

    assert len(processes) == 1
    wait_for_end(processes)


def test_forked_worker_starts_its_own_server(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"{WORKER}{FORK}", str(tmp_path)]

    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)

    servers = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert len(servers) == 4
    # That of the worker, three times, and that of the fork.
    assert servers.count(servers[0]) == 3
    assert servers[-1] == servers[0]


def wait_for_end(processes: Collection[int]) -> None:
    deadline = time.monotonic() + 10
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def broken_parsers(worker: int) -> list[int]:
    """The server and the parser that it has forked."""
    return [pid for pid in descendants(worker) if is_broken_parser(pid)]


def descendants(pid: int) -> list[int]:
    """Each before its own."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def is_broken_parser(pid: int) -> bool:
    try:
        return (
            b"tests.files.broken_parsing" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
