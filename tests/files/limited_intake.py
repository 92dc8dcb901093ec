"""Reads a file as `jobsui.files.parsing` does, under the same limits, in a process that
starts at once: it is forked from one that has imported everything."""

import multiprocessing
import os
import tempfile
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

from jobsui.files import parsing, staging  # noqa: F401  # staging imports pyarrow
from jobsui.files.intake import Found
from jobsui.files.layout import Layout, OddCells
from jobsui.files.parser_process import Limits
from jobsui.files.parsing import Request
from jobsui.files.table import open_staged
from tests.files.corpus.hostile.file import File

SHOWN_ROWS = 2
SHOWN_ODD = 2
SHOWN_CELLS = 4
SHOWN_LENGTH = 20
NO_TIME = "It took too long."
NO_MEMORY = "It needed too much memory."

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def outcome(file: File, folder: Path, limits: Limits) -> str:
    """The sentence of the refusal, or what was read, in a line."""
    path = folder / "content"
    path.write_bytes(file.make())
    receiving, sending = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(
        target=_run, args=(file.name, file.chosen, path, limits, sending)
    )
    process.start()
    sending.close()
    try:
        if not receiving.poll(limits.max_seconds):
            return NO_TIME
        return str(receiving.recv())
    except EOFError:
        process.join()
        return f"It ended with {process.exitcode}."
    finally:
        process.kill()
        process.join()
        receiving.close()


def _run(
    name: str, chosen: Layout, path: Path, limits: Limits, sending: Connection
) -> None:
    size = path.stat().st_size
    with path.open("rb") as content, tempfile.TemporaryFile(dir=path.parent) as out:
        request = Request(
            name=name,
            chosen=chosen,
            memory_bytes=limits.memory_mb << 20,
            cpu_seconds=limits.max_seconds,
            staged_bytes=limits.staged_bytes(size),
            folder=str(path.parent),
        )
        parsing._limit(request)
        messages = SimpleNamespace(send=lambda **_: None)
        try:
            found = parsing._take_in(
                request,
                os.dup(content.fileno()),
                os.dup(out.fileno()),
                cast(parsing._Messages, messages),
            )
        except MemoryError:
            sending.send(NO_MEMORY)
            return
        sending.send(found.refusal or _described(found, cast(BinaryIO, out)))


def _described(found: Found, out: BinaryIO) -> str:
    """ "csv utf-8-sig ,: 3 rows: 2 A-1|Drill; 3 A-2|Saw; odd 4 row_width" """
    layout = found.layout
    settings = [layout.format, layout.encoding, layout.sheet, repr(layout.delimiter)]
    kind = " ".join(each for each in settings if each not in ("", "''"))
    rows = list(islice(open_staged(out).rows, 1_000))
    odd = [(number, row) for number, row in rows if isinstance(row, OddCells)]
    whole = [(number, row) for number, row in rows if not isinstance(row, OddCells)]
    shown = [f"{number} {_cells(row)}" for number, row in whole[:SHOWN_ROWS]]
    shown += [f"odd {number} {row.code}" for number, row in odd[:SHOWN_ODD]]
    return f"{kind}: {found.rows} of {_cells(found.columns)}: {'; '.join(shown)}"


def _cells(cells: list[str]) -> str:
    shown = [cell[:SHOWN_LENGTH] for cell in cells[:SHOWN_CELLS]]
    return "|".join([*shown, *(["…"] if len(cells) > SHOWN_CELLS else [])])
