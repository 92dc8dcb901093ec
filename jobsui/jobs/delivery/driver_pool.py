"""Where drivers live: one worker process drives up to eight accounts, each in a thread
of its own."""

import logging
import threading

from django.db import close_old_connections, connection

from jobsui.jobs import leases
from jobsui.jobs.delivery import restore_guard
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.delivery.transitions import DATABASE_AWAY
from jobsui.jobs.models import Job, Lease
from jobsui.jobs.queueing import enqueue

logger = logging.getLogger(__name__)

MAX_ACCOUNTS = 8
CRASH_SECONDS = 10.0


def drive_accounts(*, stopping: threading.Event) -> None:
    """Drive every account that has open work and no driver, each in a thread, until
    there is nothing left to drive."""
    threads: dict[str, threading.Thread] = {}
    while not stopping.is_set():
        threads = {
            host: thread for host, thread in threads.items() if thread.is_alive()
        }
        for host in _hosts_to_drive():
            if host not in threads and len(threads) < MAX_ACCOUNTS:
                threads[host] = threading.Thread(
                    target=_drive_in_thread,
                    args=(host, stopping),
                    name=f"driver {host}",
                )
                threads[host].start()
        if not threads:
            break
        next(iter(threads.values())).join(1.0)
    for thread in threads.values():
        thread.join()
    if stopping.is_set() and _hosts_to_drive():
        enqueue("drive")  # Another worker goes on at once.


def is_driven(host: str) -> bool:
    """Whether a driver owns the account now."""
    return Lease.objects.live().filter(name=f"account:{host}").exists()


def drive(host: str, *, stopping: threading.Event) -> None:
    """Own one account until none of its jobs moves any more or `stopping` is set;
    return at once if it is owned."""
    name = f"account:{host}"
    past = restore_guard.past_of(name)
    with leases.held(name) as lease:
        if lease is not None:
            restore_guard.pause_if_restored(lease, host, past)
            Driver(host, lease, stopping).run()


def _drive_in_thread(host: str, stopping: threading.Event) -> None:
    try:
        drive(host, stopping=stopping)
    except leases.LeaseLost:
        logger.warning("Another driver took %s over.", host)
    except Exception:
        logger.exception("The driver of %s stopped; another is started soon.", host)
        stopping.wait(CRASH_SECONDS)
    finally:
        connection.close()


def _hosts_to_drive() -> list[str]:
    """Accounts with open work that nobody drives; none while the database is away."""
    try:
        close_old_connections()
        hosts = set(Job.objects.moving().values_list("connection__host", flat=True))
        owned = set(Lease.objects.live().values_list("name", flat=True))
    except DATABASE_AWAY as error:
        logger.warning("The database cannot be read, trying again: %s", error)
        return []
    return sorted(host for host in hosts if f"account:{host}" not in owned)
