import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections

from jobsui.jobs.control import sweep
from jobsui.jobs.timing import timing_from_settings

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = ()  # `up` and the web process run them.
    help = "Enqueue unfinished work that has no worker, every 15 seconds."

    def handle(self, *_args: Any, **_options: Any) -> None:
        interval = timing_from_settings().sweep_interval
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        while not stopping.is_set():
            try:
                close_old_connections()
                sweep.sweep()
            except DatabaseError as error:
                logger.warning(
                    "The database is not available. The next sweep tries again: %s",
                    error,
                )
            stopping.wait(interval)
