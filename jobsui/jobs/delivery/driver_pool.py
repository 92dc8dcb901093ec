"""The drivers of one worker process: up to eight accounts, each in its own thread."""

import logging
import threading

from django.db import close_old_connections, connection

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import leases
from jobsui.jobs.delivery import restore_guard
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.transitions import DATABASE_AWAY
from jobsui.jobs.models import Job, Lease
from jobsui.jobs.queueing import enqueue
from jobsui.jobs.timing import Timing

logger = logging.getLogger(__name__)

MAX_ACCOUNTS = 8


def drive_accounts(
    *, stopping: threading.Event, timing: Timing, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Drive every account that has open work and no driver, until no work is left or
    `stopping` is set."""
    threads: dict[str, threading.Thread] = {}
    while not stopping.is_set():
        threads = {
            host: thread for host, thread in threads.items() if thread.is_alive()
        }
        for host in hosts_to_drive():
            if host not in threads and len(threads) < MAX_ACCOUNTS:
                threads[host] = _start(host, stopping, timing, clock)
        if not threads:
            break
        first = next(iter(threads.values()))
        first.join(timing.pool_interval)
    for thread in threads.values():
        thread.join()
    if stopping.is_set() and hosts_to_drive():
        # So that another worker continues at once.
        enqueue("drive")


def is_driven(host: str) -> bool:
    """Whether a driver owns the account now."""
    return Lease.objects.live().filter(name=f"account:{host}").exists()


def hosts_to_drive() -> list[str]:
    """The accounts with open work and no driver; none while the database is away."""
    try:
        close_old_connections()
        hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
        owned = set(Lease.objects.live().values_list("name", flat=True))
    except DATABASE_AWAY as error:
        logger.warning("The database cannot be read, trying again: %s", error)
        return []
    return sorted(host for host in hosts if f"account:{host}" not in owned)


def drive(
    host: str,
    *,
    stopping: threading.Event,
    timing: Timing,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Own one account until none of its jobs moves or `stopping` is set. Returns at
    once if it is owned already."""
    name = f"account:{host}"
    seen = restore_guard.last_seen(name)
    with leases.held(name, clock=clock, ttl=timing.lease_ttl) as lease:
        if lease is not None:
            restore_guard.pause_if_restored(lease, host, seen)
            Driver(host, lease, stopping, clock=clock, timing=timing).run()


def drive_or_report(
    host: str, stopping: threading.Event, timing: Timing, clock: Clock
) -> None:
    """`drive`, for a thread of its own. Errors go to the log."""
    try:
        drive(host, stopping=stopping, timing=timing, clock=clock)
    except leases.LeaseLost:
        logger.warning("Another driver took over %s.", host)
    except Exception:
        logger.exception("The driver of %s crashed. Another one starts soon.", host)
        stopping.wait(timing.crash_retry_interval)
    finally:
        connection.close()


def _start(
    host: str, stopping: threading.Event, timing: Timing, clock: Clock
) -> threading.Thread:
    thread = threading.Thread(
        target=drive_or_report,
        args=(host, stopping, timing, clock),
        name=f"driver {host}",
    )
    thread.start()
    return thread
