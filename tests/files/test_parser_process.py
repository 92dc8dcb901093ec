"""A file is read in a process of its own. What ends that process is a sentence."""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

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


@pytest.fixture
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_process, "MODULE", "tests.files.broken_parsing")


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


@pytest.mark.usefixtures("_broken")
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


@pytest.mark.usefixtures("_broken")
@pytest.mark.parametrize("name", ["spin", "sleep"])
def test_time_is_limited(name: str, tmp_path: Path) -> None:
    limits = replace(LIMITS, min_seconds=2)

    found, _ = take_in(b"id\n1\n", name, tmp_path, limits=limits)

    assert found.refusal == f"Reading the file takes longer than 2 seconds. {SMALLER}"


@pytest.mark.usefixtures("_broken")
def test_process_that_was_killed_once_runs_again(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    found, _ = take_in(b"id\n1\n", str(mark), tmp_path)

    assert mark.exists()
    assert found.refusal == ""


@pytest.mark.usefixtures("_broken")
def test_error_of_ours_is_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(ParserFailed, match="ValueError: broken"):
        take_in(b"id\n1\n", "error", tmp_path)


@pytest.mark.usefixtures("_broken")
def test_process_has_no_secrets_and_no_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")

    found, _ = take_in(b"id\n1\n", "look", tmp_path)

    known = {*parser_process.ENVIRONMENT, "LC_CTYPE", "LD_LIBRARY_PATH", "TMPDIR", "TZ"}
    assert set(found.columns) <= known
    kinds = [each.partition(":")[0] for each in found.sheets]
    # Input, messages, the file, its staged rows and the file of errors; nothing else.
    assert len(kinds) <= 7
    assert "socket" not in kinds


@pytest.mark.usefixtures("_broken")
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


@pytest.mark.usefixtures("_broken")
def test_process_is_stopped_by_an_exception(tmp_path: Path) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            raise Stopped

    with pytest.raises(Stopped):
        take_in(b"id\n1\n", "sleep", tmp_path, tick=tick)

    assert list(tmp_path.iterdir()) == []


PARENT = """
import sys, tempfile
from pathlib import Path
from jobsui.files import parser_process
from jobsui.files.layout import DETECT_ALL

parser_process.MODULE = "tests.files.broken_parsing"
with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as out:
    parser_process.take_in(
        file, "sleep", DETECT_ALL, out, limits=parser_process.Limits(),
        folder=Path(sys.argv[1]), progress=print, tick=lambda: print(flush=True),
    )
"""


def test_process_ends_with_the_worker(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        children = wait_for_children(parent.pid)
        parent.kill()

    deadline = time.monotonic() + 10
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if children := [int(child) for child in listed.read_text().split()]:
            return children
        time.sleep(0.01)
    raise AssertionError("It has no child.")


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
