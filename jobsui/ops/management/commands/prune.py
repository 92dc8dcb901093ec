import signal
import threading
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobsui.jobs.control.pruning import Pruner
from jobsui.jobs.reports import storage
from jobsui.jobs.reports.storage import KeptKind, Sizes
from jobsui.ops import expired
from jobsui.text import counted
from jobsui.web.templatetags.ui import filesize

LEASE_TIMEOUT_SECONDS = 60
BUSY = "Another process is pruning. Wait until it has finished, or let the sweep do the work."


class Command(BaseCommand):
    help = (
        "Delete history that is older than the retention settings "
        "(JOBSUI_KEEP_*_DAYS), in small steps. Sending continues meanwhile. "
        "The sweep does the same by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="show what is due, delete nothing"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        sizes = storage.sizes()
        if options["dry_run"]:
            self._write(_kept(sizes))
            return
        stopping = threading.Event()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: stopping.set())
        deleted = _pruned(stopping)
        if not deleted:
            self.stdout.write("Nothing is due.")
        for what, number in deleted.items():
            self.stdout.write(f"Deleted {counted(number, what)}.")
        self._write(_database(storage.sizes()))

    def _write(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _pruned(stopping: threading.Event) -> dict[str, int]:
    """Prune to the end. The sweep prunes for a few seconds at a time, so this waits."""
    pruner = Pruner(expired.steps)
    for _ in range(LEASE_TIMEOUT_SECONDS):
        deleted = pruner.run(stopping)
        if deleted is not None:
            return deleted
        if stopping.wait(1):
            return {}
    raise CommandError(BUSY)


def _kept(sizes: Sizes) -> Iterable[str]:
    for kind in sizes.kinds:
        yield f"{kind.label}: {_amount(kind)}. {_days(kind)}"
        if kind.due:
            due = counted(kind.due, kind.thing)
            size = f", about {filesize(kind.due_bytes)}" if kind.due_bytes else ""
            yield f"  Due now: {due}{size}."
    yield from _database(sizes)


def _amount(kind: KeptKind) -> str:
    return f"about {filesize(kind.bytes)}"


def _days(kind: KeptKind) -> str:
    kept = f"for {counted(kind.days, 'day')}" if kind.days else "forever"
    return f"Kept {kept} ({kind.variable})."


def _database(sizes: Sizes) -> Iterable[str]:
    yield f"Database: {filesize(sizes.database)}."
    if sizes.reusable:
        yield f"  Of it {filesize(sizes.reusable)} are free and used for new data."
