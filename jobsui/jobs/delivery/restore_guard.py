"""Notices that the database has gone back in time.

A backup knows nothing of what was sent after it was made. What it shows as waiting may
be in Zendesk already, so the account's jobs wait for a person before anything is sent."""

import hashlib
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection

from jobsui.jobs.delivery import transitions
from jobsui.jobs.enums import SENDABLE
from jobsui.jobs.leases import Held
from jobsui.jobs.models import Batch, Job, Lease

RESTORED = (
    "A backup seems to have been restored: the database is a copy, or older than what "
    "this server has sent. Pending rows may already be in Zendesk. "
    "Compare them with Zendesk before you resume the job."
)


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What the data directory knows of an account's lease."""

    epoch: int
    """The last epoch; 0: none."""
    file: int
    """The number of the database's file; 0: unknown, or the database is on a server."""


def last_seen(name: str) -> LastSeen:
    """To be read before the lease is acquired, because a sweep may note the new epoch
    at once."""
    with suppress(FileNotFoundError, ValueError):
        epoch, file = _path(name).read_text().split()
        return LastSeen(int(epoch), int(file))
    host = name.removeprefix("account:")
    # Not by its attempts, because the retention settings delete them.
    sent = Batch.objects.filter(attempts_made__gt=0)
    if sent.filter(job__connection__host=host).exists():
        # The database knows of sending, but this data directory does not.
        return LastSeen(0, 0)
    _remember(name, 0)
    return LastSeen(0, _database_file())


def pause_if_restored(lease: Held, host: str, seen: LastSeen) -> None:
    """Call under a fresh lease of the account. Pauses its jobs if the lease's epoch was
    seen before, or if the database is another file."""
    if lease.epoch <= seen.epoch or seen.file != _database_file():
        for job in Job.objects.on_account(host).filter(state__in=SENDABLE):
            transitions.pause_job(job.pk, RESTORED)
    _remember(lease.name, lease.epoch)


def remember() -> None:
    """Note the epochs of all account leases, also of those that other hosts hold."""
    accounts = Lease.objects.filter(name__startswith="account:")
    for name, epoch in accounts.values_list("name", "epoch"):
        seen = last_seen(name)
        if epoch > seen.epoch and seen.file == _database_file():
            _remember(name, epoch)


def _remember(name: str, epoch: int) -> None:
    path = _path(name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # Replaced as a whole: a reader at this moment, or after a kill, sees the old content or
    # the new one.
    draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    draft.write_text(f"{epoch} {_database_file()}")
    draft.replace(path)


def _database_file() -> int:
    """The inode of SQLite's file, which differs in each copy; 0 for a database on a
    server."""
    if connection.vendor != "sqlite":
        return 0
    return Path(str(settings.DATABASES["default"]["NAME"])).stat().st_ino


def _path(name: str) -> Path:
    """In the data directory, and different for each database."""
    database = settings.DATABASES["default"]
    parts = [str(database.get(key, "")) for key in ("ENGINE", "HOST", "PORT", "NAME")]
    digest = hashlib.sha256("\0".join([*parts, name]).encode()).hexdigest()
    return Path(settings.DATA_DIR) / "epochs" / digest[:32]
