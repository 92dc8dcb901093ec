"""Commands as people type them, in this process."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

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
    """Standard error where a person looks at it."""

    def isatty(self) -> bool:
        return True


def run(*words: str, err: io.StringIO | None = None) -> Ran:
    """Run `manage.py WORDS`; a refusal ends up in `err` as it does on a console."""
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
