import logging
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from jobsui.jobs.control import sweep
from jobsui.jobs.control.pruning import Pruner
from jobsui.jobs.timing import timing_from_settings
from jobsui.ops import expired

MAX_PRUNE_SECONDS = 5.0
"""For how long each sweep prunes. The next one continues."""
PRUNE_INTERVAL = 300.0
"""The pause in seconds after everything that was due is deleted."""

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = ()  # `up` and the web process run them.
    help = (
        "Every 15 seconds: enqueue unfinished work that has no worker, and delete what "
        "the retention settings no longer keep."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        interval = timing_from_settings().sweep_interval
        stopping = threading.Event()
        pruner = Pruner(expired.steps)
        prune_at = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            started = time.monotonic()
            try:
                close_old_connections()
                sweep.sweep()
                if started >= prune_at:
                    pruner.run(stopping, seconds=MAX_PRUNE_SECONDS)
                    if pruner.is_finished:
                        prune_at = started + PRUNE_INTERVAL
            except DatabaseError as error:
                logger.warning(
                    "The database is not available. The next sweep tries again: %s",
                    error,
                )
            elapsed = time.monotonic() - started
            stopping.wait(max(0.0, interval - elapsed))
