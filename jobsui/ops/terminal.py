"""What commands for people and scripts share: sentences instead of tracebacks, exit
statuses, tables, JSON lines, and a bar that tells how far something is."""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import DatabaseError

from jobsui.access.errors import TokenRefused
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import ConnectionsError, ZendeskError, explain
from jobsui.files.errors import FileRefused
from jobsui.jobs.errors import JobsError

LINE_SECONDS = 15
"""Between two lines that tell how far something is, where no bar can move."""
BAR = 24


class Exit(IntEnum):
    """How a command ended."""

    ALL_SUCCEEDED = 0
    SOME_DID_NOT = 1
    COULD_NOT = 2
    INTERRUPTED = 130
    """By Ctrl-C."""
    CUT_OFF = 141
    """Whoever read the output has stopped, as `head` does."""


def could_not(sentence: str) -> CommandError:
    """To be raised when what was asked could not be done at all; the sentence says what
    to do."""
    return CommandError(printable(sentence), returncode=Exit.COULD_NOT)


class TerminalCommand(BaseCommand):
    """Says on standard error what is wrong, in a sentence, and ends with an exit status
    that tells what came of it. Standard output holds results alone."""

    requires_system_checks: list[str] = []  # noqa: RUF012  # They end with 1, which means something else here.

    def run_from_argv(self, argv: list[str]) -> None:
        # A queue that does not answer is told in a sentence, once.
        logging.getLogger("jobsui.jobs.queueing").setLevel(logging.ERROR)
        super().run_from_argv(argv)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = self.act(options)
            self.stdout.flush()
        except KeyboardInterrupt:
            self.tell("Interrupted.")
            status = Exit.INTERRUPTED
        except BrokenPipeError:
            # Else Python itself would stumble over it when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = Exit.CUT_OFF
        except Exception as error:
            if sentence := _sentence(error):
                raise could_not(sentence) from error
            raise
        if status:
            sys.exit(status)

    def act(self, options: dict[str, Any]) -> Exit:
        raise NotImplementedError

    def put(self, text: str) -> None:
        """A result."""
        self.stdout.write(printable(text))

    def put_bytes(self, data: bytes) -> None:
        """A part of a result that has an encoding of its own."""
        cast(BinaryIO, self.stdout.buffer).write(data)

    def put_json(self, data: dict[str, Any]) -> None:
        """A result as one line, at once."""
        self.stdout.write(json.dumps(data, ensure_ascii=False, default=str))
        self.stdout.flush()

    def put_table(
        self, header: Sequence[str], rows: Iterable[Sequence[str | int]]
    ) -> None:
        for line in aligned(header, rows):
            self.put(line)

    def tell(self, text: str) -> None:
        """Something besides the results, for whoever watches."""
        self.stderr.write(printable(text), style_func=str)


class Meter:
    """How far something is: on a terminal a line that moves, elsewhere a line now and
    then."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._moves = out.isatty()
        self._told_at = time.monotonic()

    def show(self, text: str, percent: int | None = None) -> None:
        line = printable(text if percent is None else f"{percent:3} %  {text}")
        if self._moves:
            room = min(BAR, _width() - len(line) - 3)
            bar = (
                f"[{'#' * (percent * room // 100):.<{room}}] "
                if percent is not None and room > 0
                else ""
            )
            self._draw(bar + line)
        elif time.monotonic() - self._told_at >= LINE_SECONDS:
            self._told_at = time.monotonic()
            self._out.write(line, style_func=str)

    def clear(self) -> None:
        """Make room for other lines."""
        if self._moves:
            self._draw("")
            self._out.write("\r", style_func=str, ending="")

    def _draw(self, line: str) -> None:
        self._out.write(f"\r{line[: _width()]:<{_width()}}", style_func=str, ending="")
        self._out.flush()


def _width() -> int:
    """Characters that a line may have without going on in the next."""
    return shutil.get_terminal_size().columns - 1


def aligned(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> list[str]:
    """The lines of a table; numbers stand to the right."""
    body = list(rows)
    lines = [list(header), *([_cell(cell) for cell in row] for row in body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    signs = [
        ">" if isinstance(cell, int) else "<" for cell in (body[0] if body else header)
    ]
    return [
        "  ".join(
            f"{cell:{sign}{width}}"
            for cell, sign, width in zip(line, signs, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(value)


def printable(text: str) -> str:
    """Without what a terminal would obey: names and cells come from elsewhere."""
    return "".join(
        sign
        if sign.isprintable() or sign == "\n"
        else " "
        if sign.isspace()
        else "\ufffd"
        for sign in text
    )


def _sentence(error: Exception) -> str:
    """What is wrong and what to do; "" for what nobody can help but us."""
    match error:
        case ZendeskError():
            return explain(error)
        case (
            JobsError()
            | ConnectionsError()
            | TokenRefused()
            | FileRefused()
            | SecretUnreadable()
        ):
            return str(error)
        case DatabaseError():
            said = str(error).partition("\n")[0].rstrip(".")
            return f"The database cannot be used: {said}. If it was never set up, run manage.py migrate."
        case OSError():
            return (
                f"{error.strerror or error}: {error.filename}."
                if error.filename
                else f"{error.strerror or error}."
            )
    return ""
