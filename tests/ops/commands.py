"""Runs commands in this process."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Ran:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def data(self) -> list[dict[str, Any]]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.lines]


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def run(*words: str, err: io.StringIO | None = None) -> Ran:
    """Run `manage.py WORDS`. Errors are written to `err`, as on a console."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    err = err or io.StringIO()
    status = 0
    try:
        call_command(*words, stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as refusal:
        status = refusal.returncode
        err.write(f"{refusal}\n")
    out.flush()
    return Ran(status, out.buffer.getvalue().decode(), err.getvalue())
