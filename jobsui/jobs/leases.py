"""Being the only one at a piece of work. Leases live in the database and are measured
by its clock, so that hosts need not agree on the time; a holder that slept is stopped
by the epoch at its next commit."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import F
from django.db.models.functions import Now

from jobsui.jobs import sql
from jobsui.jobs.models import Lease

_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Somebody else took over; what was about to be written is not ours to write any
    more."""


def this_owner() -> str:
    """A name for this thread of this process, for people who look at the table."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


@dataclass(slots=True)
class Held:
    """A lease we took. It runs out unless renewed."""

    name: str
    owner: str
    epoch: int
    renewed: float = field(default_factory=time.monotonic)
    """time.monotonic() just before the lease was last taken or renewed."""

    @property
    def age(self) -> float:
        """Seconds since the last renewal."""
        return time.monotonic() - self.renewed

    def renew(self) -> bool:
        """Another TTL from now. False: it is no longer ours."""
        before = time.monotonic()
        mine = Lease.objects.filter(name=self.name, epoch=self.epoch, owner=self.owner)
        if not mine.update(expires_at=Now() + Lease.TTL):
            return False
        self.renewed = before
        return True

    def release(self) -> None:
        """Let the next one take it at once, also when the database's clock is set
        back."""
        mine = Lease.objects.filter(name=self.name, epoch=self.epoch, owner=self.owner)
        mine.update(expires_at=_EPOCH_START, owner="")


def acquire(name: str, *, owner: str | None = None) -> Held | None:
    """Take the lease if nobody holds it; None when somebody does."""
    owner = owner or this_owner()
    before = time.monotonic()
    Lease.objects.bulk_create(
        [Lease(name=name, expires_at=_EPOCH_START)], ignore_conflicts=True
    )
    free = Lease.objects.filter(name=name, expires_at__lte=Now())
    if not free.update(owner=owner, epoch=F("epoch") + 1, expires_at=Now() + Lease.TTL):
        return None
    epoch = Lease.objects.values_list("epoch", flat=True).get(name=name)
    return Held(name, owner, epoch, before)


def fence(held: Held) -> None:
    """Inside a transaction, before writing: raise LeaseLost unless the lease is still
    ours. The row stays locked to the end of the transaction, so nobody takes over
    between this check and the commit."""
    if not sql.is_held(held.name, held.epoch, held.owner):
        raise LeaseLost(held.name)


@contextmanager
def held(name: str, *, owner: str | None = None) -> Iterator[Held | None]:
    """The lease for a `with` block, None when somebody else has it. It is released at
    the end, also after an error."""
    lease = acquire(name, owner=owner)
    try:
        yield lease
    finally:
        if lease is not None:
            lease.release()
