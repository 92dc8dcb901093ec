"""Drivers in processes of their own, which tests kill, freeze and thaw.

They have a fast Timing, and they check at each request whether it may be sent."""

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.db import OperationalError, connection, transaction
from django.db.models import F, Q

if not apps.ready:
    # In the process that drivers are forked from.
    django.setup()

from jobsui.connections.models import Connection
from jobsui.jobs import queueing
from jobsui.jobs.delivery import driver_pool
from jobsui.jobs.enums import Action, BatchState
from jobsui.jobs.live import record_watch
from jobsui.jobs.models import Attempt, Batch, Job, Lease
from tests import failpoints
from tests.failpoints import Edge
from tests.timing import KILLED

TTL = KILLED.lease_ttl
"""Seconds after which a driver that was killed or frozen is replaced."""
MAX_CHECKED_SECONDS = 0.3
"""A thread that was frozen between its last check of the lease and the first byte of its request
sends it all the same. So a request that took longer to begin is not checked."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


class Driver:
    """A process that drives every account, as a worker does, until no job moves."""

    def __init__(
        self, reports: Path, failpoint: str = "", *, then_stop: bool = False
    ) -> None:
        """`reports` is the file to which it writes violations. At the failpoint it ends,
        or stops as by SIGSTOP."""
        database = str(connection.settings_dict["NAME"])
        args = (database, str(reports), failpoint, then_stop)
        self._process: BaseProcess = _context.Process(target=_run, args=args)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def exit_status(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float) -> bool:
        """Whether it ended by itself within that time."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """SIGSTOP at a moment when it holds no lock: a stopped transaction would block
        all others."""
        ends_at = time.monotonic() + 10
        while self.is_alive:
            os.kill(self.pid, signal.SIGSTOP)
            # What runs on another core stops a moment later.
            time.sleep(0.02)
            if not _is_locked():
                return
            os.kill(self.pid, signal.SIGCONT)
            assert time.monotonic() < ends_at, "It always holds a lock."
            time.sleep(0.003)

    def thaw(self) -> None:
        if self.is_alive:
            os.kill(self.pid, signal.SIGCONT)


def reported(reports: Path) -> list[str]:
    """The violations that drivers found."""
    return reports.read_text().splitlines() if reports.exists() else []


def _is_locked() -> bool:
    """Whether a transaction blocks others."""
    with _short_lock_timeout():
        try:
            with transaction.atomic():
                Lease.objects.update(epoch=F("epoch"))
        except OperationalError:
            return True
    return False


@contextmanager
def _short_lock_timeout() -> Iterator[None]:
    short = "SET lock_timeout = '50ms'"
    usual = "SET lock_timeout = 0"
    if connection.vendor == "sqlite":
        short = "PRAGMA busy_timeout = 50"
        usual = "PRAGMA busy_timeout = 20000"
    with connection.cursor() as cursor:
        cursor.execute(short)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(usual)


# In the driver's process


def _run(database: str, reports: str, failpoint: str, then_stop: bool) -> None:
    connection.settings_dict["NAME"] = database
    queueing.backend = lambda *_: None
    watch = _Watch(Path(reports))
    logging.getLogger("jobsui").addHandler(watch)
    failpoints.watch(watch.look)
    if failpoint:
        stop = partial(os.kill, os.getpid(), signal.SIGSTOP)
        failpoints.arm(failpoint, stop if then_stop else failpoints.end)
    while Job.objects.moving().exists():
        stopping = threading.Event()
        driver_pool.drive_accounts(
            stopping=stopping,
            timing=KILLED,
            beside=partial(record_watch.waiting, stopping, KILLED),
        )
        time.sleep(0.05)


class _Watch(logging.Handler):
    """Reports requests that must not be sent, and errors that the product logs."""

    def __init__(self, reports: Path) -> None:
        super().__init__(logging.ERROR)
        self._thread = threading.local()
        self._reports = os.open(reports, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def emit(self, record: logging.LogRecord) -> None:
        self._report(f"An error was logged: {self.format(record)}")

    def look(self, edge: Edge) -> None:
        if not (edge.request.startswith("POST ") and edge.request.endswith("/jobs")):
            return
        if edge.name == "http:before-connect":
            self._thread.begun_at = time.monotonic()
        elif edge.name == "http:before-write":
            violations = [self._unclaimed(edge.body), self._beyond_the_window()]
            if time.monotonic() - self._thread.begun_at < MAX_CHECKED_SECONDS:
                for text in filter(None, violations):
                    self._report(text)

    def _unclaimed(self, body: bytes) -> str:
        """Invariant 3: no POST without a committed `sending` batch of the current
        epoch. This thread has its own database connection, so it sees only what is
        committed."""
        items = json.loads(body)["job"]["items"]
        sending = Batch.objects.filter(state=BatchState.SENDING).select_related(
            "blob", "job__connection"
        )
        epochs = dict(Lease.objects.values_list("name", "epoch"))
        for batch in sending:
            current = epochs.get(f"account:{batch.job.connection.host}")
            if batch.epoch == current and _are_among(items, batch.blob.items):
                return ""
        present = [(batch.pk, batch.epoch) for batch in sending]
        return (
            f"3: {len(items)} items from {items[0]} were sent without a claim. "
            f"Batches being sent: {present}, epochs: {epochs}."
        )

    def _beyond_the_window(self) -> str:
        """Invariant 4: no more batches in flight than the window allows."""
        # When the failures of a repeated `create` are verified, its job is over and takes
        # no slot.
        verified = Q(
            job__action=Action.CREATE,
            attempts__result__in=Attempt.UNCONFIRMED,
            state=BatchState.ACCEPTED,
        )
        in_flight = Batch.objects.filter(
            state__in=(BatchState.SENDING, BatchState.ACCEPTED)
        )
        running = in_flight.exclude(
            pk__in=Batch.objects.filter(verified).values("pk")
        ).count()
        account = Connection.objects.get()
        window = account.max_running_jobs * (2 if account.early_send else 1)
        if running <= window:
            return ""
        return f"4: {running} batches are in flight, {window} are allowed."

    def _report(self, text: str) -> None:
        os.write(self._reports, text.replace("\n", " ").encode() + b"\n")


def _are_among(some: list[Any], every: list[Any]) -> bool:
    """Whether `every` contains `some` in the same order."""
    rest = iter(every)
    return all(any(item == other for other in rest) for item in some)
