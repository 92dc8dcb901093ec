"""Leases: the exclusive right to a piece of work.

They are stored in the database and expire by its clock, so hosts need not agree on the
time. If an owner was suspended for too long, the lease's epoch stops it at its next
commit."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from jobsui.clock import SYSTEM_CLOCK, Clock
from jobsui.jobs import sql
from jobsui.jobs.errors import DATABASE_AWAY
from jobsui.jobs.models import Lease
from jobsui.jobs.timing import timing_from_settings

CLOCK_STEP = timedelta(seconds=5)
"""The database's clock may be corrected by this much without a lease being cut."""
MAX_TRIES = 3
"""How many runs of a task may fail in a row."""
MAX_KILLS = 10
"""How many may be killed in a row. A host that fails again and again kills its workers too."""
FAILED = (
    "Jobs UI tried this several times. The last time it failed with an internal error "
    "({error}). "
    "Administrators find the details under Background tasks."
)
KILLED = (
    f"The worker was killed {MAX_KILLS} times, probably because its memory ran out."
)
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Another owner has taken the lease, so the current transaction must not commit."""


def this_owner() -> str:
    """A name for this thread of this process, for people who read the table."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


@dataclass(slots=True)
class Held:
    """A lease that we own. It expires unless it is renewed."""

    name: str
    owner: str
    epoch: int
    ttl: timedelta
    clock: Clock
    renewed_at: float
    """clock.monotonic() just before the lease was last acquired or renewed."""
    tries: int = 0
    """How many runs of a task in a row have not ended (`tried`), or how many drivers of an
    account in a row have crashed. Stored when the lease is released."""

    @property
    def age(self) -> float:
        """Seconds since the last renewal."""
        return self.clock.monotonic() - self.renewed_at

    def renew(self) -> bool:
        """Extend the lease to a full TTL from now. False: another owner has it."""
        before = self.clock.monotonic()
        if not self._mine.update(expires_at=Now() + self.ttl):
            return False
        self.renewed_at = before
        return True

    def keep(self) -> bool:
        """Renew the lease if a third of its TTL has passed. To be called often in long
        work. False: another owner has it."""
        is_due = self.age > self.ttl.total_seconds() / 3
        return not is_due or self.renew()

    def begin_try(self) -> None:
        """Count this run before it does anything, because a killed worker cannot."""
        self._mine.update(tries=F("tries") + 1)
        self.tries = self._mine.values_list("tries", flat=True).get()

    def note_progress(self) -> None:
        """What this run has done is done for good, so earlier runs no longer count."""
        if self.tries > 1:
            self._mine.update(tries=1)
            self.tries = 1

    def release(self) -> None:
        """Free the lease at once. It is free even if the database's clock is set back
        afterwards."""
        self._mine.update(expires_at=_EPOCH_START, owner="", tries=self.tries)

    @property
    def _mine(self) -> QuerySet[Lease]:
        return Lease.objects.filter(name=self.name, epoch=self.epoch, owner=self.owner)


def acquire(
    name: str,
    *,
    owner: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
    ttl: float | None = None,
) -> Held | None:
    """Take the lease for `ttl` seconds (by default those of the settings). None when it
    is owned already."""
    if ttl is None:
        ttl = timing_from_settings().lease_ttl
    lasts = timedelta(seconds=ttl)
    owner = owner or this_owner()
    before = clock.monotonic()
    Lease.objects.bulk_create(
        [Lease(name=name, expires_at=_EPOCH_START)], ignore_conflicts=True
    )
    free = Lease.objects.filter(name=name, expires_at__lte=Now())
    if not free.update(owner=owner, epoch=F("epoch") + 1, expires_at=Now() + lasts):
        return None
    epoch, tries = Lease.objects.values_list("epoch", "tries").get(name=name)
    return Held(name, owner, epoch, lasts, clock, before, tries)


def shorten(ttl: float) -> None:
    """Cut leases that end later than one of `ttl` seconds can. The database's clock was
    set back since they were renewed, and their owner may be dead. A living owner renews
    its lease long before the new end."""
    longest = timedelta(seconds=ttl)
    too_long = Lease.objects.filter(expires_at__gt=Now() + longest + CLOCK_STEP)
    too_long.update(expires_at=Now() + longest)


def fence(held: Held) -> None:
    """Call inside a transaction, before writing. Raises LeaseLost unless we still own
    the lease.

    The row stays locked until the transaction ends, so no other owner can take the
    lease between this check and the commit."""
    if not sql.is_held(held.name, held.epoch, held.owner):
        raise LeaseLost(held.name)


@contextmanager
def held(
    name: str,
    *,
    owner: str | None = None,
    clock: Clock = SYSTEM_CLOCK,
    ttl: float | None = None,
) -> Iterator[Held | None]:
    """Acquire the lease for a `with` block; None when it is owned already. It is
    released at the end of the block, also after an error."""
    lease = acquire(name, owner=owner, clock=clock, ttl=ttl)
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()


@contextmanager
def tried(name: str, give_up: Callable[[Held, str], None]) -> Iterator[Held | None]:
    """`held` for a task that must end. `give_up` is called with the lease and the reason, a
    sentence, after MAX_TRIES runs in a row that did not end, the last one with an error; after
    MAX_KILLS, if the database was away or they were killed with their worker. It must take
    the work out of the state in which the sweep enqueues it."""
    with held(name) as lease:
        if lease is None:
            yield None
            return
        lease.begin_try()
        if lease.tries > MAX_KILLS:
            give_up(lease, KILLED)
            lease.tries = 0
            yield None
            return
        try:
            yield lease
        except Exception as error:
            # A database that is away is no fault of the work.
            is_away = isinstance(error, DATABASE_AWAY)
            if lease.tries >= (MAX_KILLS if is_away else MAX_TRIES):
                give_up(lease, FAILED.format(error=type(error).__name__))
                lease.tries = 0
            # RQ keeps it for administrators.
            raise
        lease.tries = 0


def forget_tries(name: str) -> None:
    """A person has asked for this work again."""
    Lease.objects.filter(name=name).exclude(tries=0).update(tries=0)
