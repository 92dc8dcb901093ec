"""Shared by commands for people and scripts: error sentences instead of tracebacks, exit
statuses, tables, JSON lines, and a progress bar."""

import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import DatabaseError

from jobsui.access.errors import TokenRefused
from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import ConnectionsError, ZendeskError, explain
from jobsui.files.errors import FileRefused
from jobsui.jobs.errors import JobsError

PROGRESS_INTERVAL = 15
"""Seconds between two progress lines where the output is not a terminal."""
MAX_BAR_WIDTH = 24
REPLACEMENT = "\ufffd"


class Exit(IntEnum):
    """Exit status of a command."""

    ALL_SUCCEEDED = 0
    SOME_FAILED = 1
    """Some rows did not succeed."""
    ERROR = 2
    INTERRUPTED = 130
    """By Ctrl-C."""
    BROKEN_PIPE = 141
    """The reader of the output stopped, as `head` does."""


def command_error(sentence: str) -> CommandError:
    """An error that ends the command with Exit.ERROR."""
    return CommandError(printable(sentence), returncode=Exit.ERROR)


class TerminalCommand(BaseCommand):
    """Writes results to standard output and everything else to standard error. Ends with
    an Exit status."""

    # Django's checks exit with 1, which has another meaning here.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def run_from_argv(self, argv: list[str]) -> None:
        # The command reports an unavailable queue itself, in one sentence.
        logging.getLogger("jobsui.jobs.queueing").setLevel(logging.ERROR)
        super().run_from_argv(argv)

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            status = self.run(options)
            self.stdout.flush()
        except KeyboardInterrupt:
            self.log("Interrupted.")
            status = Exit.INTERRUPTED
        except BrokenPipeError:
            # Otherwise Python fails when it flushes standard output at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = Exit.BROKEN_PIPE
        except Exception as error:
            if sentence := _sentence(error):
                raise command_error(sentence) from error
            raise
        if status:
            sys.exit(status)

    def run(self, options: dict[str, Any]) -> Exit:
        raise NotImplementedError

    def write(self, text: str) -> None:
        self.stdout.write(printable(text))

    def write_bytes(self, data: bytes) -> None:
        """For output with its own encoding."""
        cast(BinaryIO, self.stdout.buffer).write(data)

    def write_json(self, data: dict[str, Any]) -> None:
        """One line, flushed at once."""
        self.stdout.write(json.dumps(data, ensure_ascii=False, default=str))
        self.stdout.flush()

    def write_table(
        self, header: Sequence[str], rows: Iterable[Sequence[str | int]]
    ) -> None:
        for line in aligned(header, rows):
            self.write(line)

    def log(self, text: str) -> None:
        """Write a line to standard error."""
        self.stderr.write(printable(text), style_func=str)


class ProgressBar:
    """A moving line on a terminal; elsewhere one line every PROGRESS_INTERVAL."""

    def __init__(self, out: OutputWrapper, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._clock = clock
        self._written_at = clock.monotonic()

    def show(self, text: str, percent: int | None = None) -> None:
        line = printable(text if percent is None else f"{percent:3} %  {text}")
        if self._is_terminal:
            self._draw(_bar(percent, len(line)) + line)
            return
        now = self._clock.monotonic()
        if now - self._written_at >= PROGRESS_INTERVAL:
            self._written_at = now
            self._out.write(line, style_func=str)

    def clear(self) -> None:
        """Remove the moving line, so that other lines can be written."""
        if self._is_terminal:
            self._draw("")
            self._out.write("\r", style_func=str, ending="")

    def _draw(self, line: str) -> None:
        width = _line_width()
        self._out.write(f"\r{line[:width]:<{width}}", style_func=str, ending="")
        self._out.flush()


def _bar(percent: int | None, text_length: int) -> str:
    """ "[####....] ", as wide as the text leaves room for; "" without room."""
    width = min(MAX_BAR_WIDTH, _line_width() - text_length - 3)
    if percent is None or width <= 0:
        return ""
    done = "#" * (percent * width // 100)
    return f"[{done:.<{width}}] "


def _line_width() -> int:
    """Characters that fit on one line without wrapping."""
    return shutil.get_terminal_size().columns - 1


def aligned(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> list[str]:
    """The lines of a table. Columns of numbers are aligned to the right."""
    body = list(rows)
    lines = [list(header)]
    lines += [[_format_cell(cell) for cell in row] for row in body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    typical = body[0] if body else header
    alignments = [">" if isinstance(cell, int) else "<" for cell in typical]
    formats = [
        f"{{:{alignment}{width}}}"
        for alignment, width in zip(alignments, widths, strict=True)
    ]
    template = "  ".join(formats)
    return [template.format(*line).rstrip() for line in lines]


def _format_cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else printable(value)


def printable(text: str) -> str:
    """Without control characters, which a terminal would obey: names and cells come from
    outside."""
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return " " if character.isspace() else REPLACEMENT


def _sentence(error: Exception) -> str:
    """What went wrong and what to do; "" for a programming error."""
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
            reason = str(error).partition("\n")[0].rstrip(".")
            return (
                f"The database is not available: {reason}. "
                "If it is new, run manage.py migrate."
            )
        case OSError():
            reason = str(error.strerror or error)
            if error.filename:
                return f"{reason}: {error.filename}."
            return f"{reason}."
    return ""
