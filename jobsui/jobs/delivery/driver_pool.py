"""The drivers of one worker process, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.db.models import Count, Max, Sum

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import leases
from jobsui.jobs.delivery import restore_guard, transitions
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.turns import Revision, Turn, choose_leaving
from jobsui.jobs.enums import SENDABLE
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.models import Job, Lease
from jobsui.jobs.queueing import enqueue
from jobsui.jobs.timing import Timing

logger = logging.getLogger(__name__)

Accounts = Mapping[str, Revision]
"""{host: revision}."""

MAX_CRASHES = 5
"""After this many crashes of drivers in a row without a commit, an account's jobs pause."""
CRASHED = (
    f"Jobs UI failed {MAX_CRASHES} times in a row with an internal error ({{error}}) while it "
    "sent the jobs of this account. The log has the details. Resume the job to try again."
)


type OtherWork = Callable[[], Mapping[str, Callable[[], None]]]
"""Returns {name: function} of work that no process does now. Each function runs in a thread of
its own and raises nothing."""


def drive_accounts(
    *,
    stopping: threading.Event,
    timing: Timing,
    clock: Clock = SYSTEM_CLOCK,
    max_accounts: int | None = None,
    beside: OtherWork = lambda: {},
) -> None:
    """Drive every account that has open work and no driver, until no work is left or
    `stopping` is set. `max_accounts`: how many at a time, by default as in the settings.
    `beside`: what else this process does at the same time."""
    start = partial(_start_thread, stopping, timing, clock)
    most = max_accounts or settings.MAX_ACCOUNTS
    DriverPool(stopping, timing, clock, most, start, beside).run()


class DriverThread(Protocol):
    """What the pool needs of threading.Thread."""

    def is_alive(self) -> bool: ...

    def join(self, timeout: float | None = None) -> None: ...


type Start = Callable[[str, Turn], DriverThread]
"""Starts the driver of a host for a turn, in a thread of its own."""


class DriverPool:
    """The drivers of this process. If there are more accounts than drivers are allowed, the
    drivers that have nothing to send now, or have sent for a long time, give way."""

    def __init__(
        self,
        stopping: threading.Event,
        timing: Timing,
        clock: Clock,
        max_accounts: int,
        start: Start,
        beside: OtherWork = lambda: {},
    ) -> None:
        self._stopping = stopping
        self._timing = timing
        self._clock = clock
        self._max_accounts = max_accounts
        self._start_driver = start
        self._beside = beside
        self._threads: dict[str, DriverThread] = {}
        self._others: dict[str, threading.Thread] = {}
        """{name of the work: its thread}."""
        self._turns: dict[str, Turn] = {}
        """The last turn of each account with open work."""

    def run(self) -> None:
        while not self._stopping.is_set():
            self._threads = {
                host: thread
                for host, thread in self._threads.items()
                if thread.is_alive()
            }
            accounts = accounts_to_drive()
            self._forget_all_but(accounts)
            waiting = self._start(accounts)
            self._make_room(waiting, accounts)
            self._start_others()
            threads = [*self._threads.values(), *self._others.values()]
            if not threads:
                break
            threads[0].join(self._timing.pool_interval)
        for thread in [*self._threads.values(), *self._others.values()]:
            thread.join()
        if self._stopping.is_set() and accounts_to_drive():
            # Another worker can then continue at once.
            enqueue("drive")

    def _start(self, accounts: Accounts) -> list[str]:
        """Start drivers: first for accounts that may have something to do, of these first
        for the one that has waited for longest. Returns the others."""

        def rank(host: str) -> tuple[bool, float]:
            turn = self._turns.get(host)
            ended_at = turn.ended_at if turn else float("-inf")
            return not self._is_ready(host, accounts), ended_at

        waiting = sorted(
            (host for host in accounts if host not in self._threads), key=rank
        )
        free = self._max_accounts - len(self._threads)
        for host in waiting[:free]:
            turn = Turn(self._clock, self._timing, self._turns.get(host))
            turn.revision = accounts[host]
            self._turns[host] = turn
            self._threads[host] = self._start_driver(host, turn)
        return waiting[free:]

    def _start_others(self) -> None:
        self._others = {
            name: thread for name, thread in self._others.items() if thread.is_alive()
        }
        for name, work in self._beside().items():
            if name not in self._others:
                self._others[name] = threading.Thread(target=work, name=name)
                self._others[name].start()

    def _is_ready(self, host: str, accounts: Accounts) -> bool:
        """Whether a driver may have something to do."""
        turn = self._turns.get(host)
        return turn is None or turn.may_follow(accounts[host])

    def _make_room(self, waiting: Sequence[str], accounts: Accounts) -> None:
        """Ask drivers to give way to accounts that may have something to do."""
        ready = [host for host in waiting if self._is_ready(host, accounts)]
        turns = [self._turns[host] for host in self._threads]
        leaving = sum(turn.leaving.is_set() for turn in turns)
        for turn in choose_leaving(turns, len(ready) - leaving):
            turn.leaving.set()

    def _forget_all_but(self, hosts: Iterable[str]) -> None:
        keep = {*hosts, *self._threads}
        self._turns = {host: turn for host, turn in self._turns.items() if host in keep}


def _start_thread(
    stopping: threading.Event, timing: Timing, clock: Clock, host: str, turn: Turn
) -> threading.Thread:
    thread = threading.Thread(
        target=drive_or_report,
        args=(host, stopping, timing, clock, turn),
        name=f"driver {host}",
    )
    thread.start()
    return thread


def is_driven(host: str) -> bool:
    """Whether a driver owns the account now."""
    return Lease.objects.live().filter(name=f"account:{host}").exists()


def accounts_to_drive() -> Accounts:
    """The accounts with open work and no driver; none while the database is away."""
    moving = Job.objects.moving().order_by().values_list("connection__host")
    revisions = moving.annotate(Count("pk"), Max("pk"), Sum("version"))
    try:
        close_old_connections()
        found = {host: tuple(revision) for host, *revision in revisions}
        owned = set(Lease.objects.live().values_list("name", flat=True))
    except DATABASE_AWAY as error:
        logger.warning("The database cannot be read, trying again: %s", error)
        return {}
    return {
        host: found[host] for host in sorted(found) if f"account:{host}" not in owned
    }


def drive(
    host: str,
    *,
    stopping: threading.Event,
    timing: Timing,
    clock: Clock = SYSTEM_CLOCK,
    turn: Turn | None = None,
) -> None:
    """Own one account until none of its jobs moves, its turn is over or `stopping` is
    set. Returns at once if it is owned already."""
    name = f"account:{host}"
    seen = restore_guard.last_seen(name)
    with leases.held(name, clock=clock, ttl=timing.lease_ttl) as lease:
        if lease is not None:
            restore_guard.pause_if_restored(lease, host, seen)
            turn = turn or Turn(clock, timing)
            turn.begin(lease.epoch)
            driver = Driver(
                host, lease, stopping, clock=clock, timing=timing, turn=turn
            )
            try:
                driver.run()
            except leases.LeaseLost:
                raise
            except Exception as error:
                _note_crash(lease, host, error)
                raise


def _note_crash(lease: leases.Held, host: str, error: Exception) -> None:
    """Pause the account's jobs when one driver after the other crashes, so that people
    learn why nothing is sent."""
    lease.tries = min(lease.tries + 1, MAX_CRASHES)
    if lease.tries < MAX_CRASHES:
        return
    reason = CRASHED.format(error=type(error).__name__)
    with transaction.atomic():
        leases.fence(lease)
        for job in Job.objects.on_account(host).filter(state__in=SENDABLE):
            transitions.pause_job(job.pk, reason)


def drive_or_report(
    host: str,
    stopping: threading.Event,
    timing: Timing,
    clock: Clock,
    turn: Turn | None = None,
) -> None:
    """`drive`, for a thread of its own. Errors go to the log."""
    turn = turn or Turn(clock, timing)
    try:
        drive(host, stopping=stopping, timing=timing, clock=clock, turn=turn)
    except leases.LeaseLost:
        logger.warning("Another driver took over %s.", host)
    except Exception:
        logger.exception("The driver of %s crashed. Another one starts soon.", host)
        stopping.wait(timing.crash_retry_interval)
    finally:
        turn.end()
        connection.close()
