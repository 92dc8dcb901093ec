"""Noticing that the database has gone back in time. A backup knows nothing of what was
sent after it was made, so what it takes for unsent may be in Zendesk already: a person
looks before anything goes on."""

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
from jobsui.jobs.models import Attempt, Job, Lease

RESTORED = (
    "The database is older than what this server has already sent, or a copy of it: it seems that a backup was "
    "restored. Rows that are shown as waiting may be in Zendesk already. Compare before you let the job go on."
)


@dataclass(frozen=True, slots=True)
class Past:
    """What is known here of an account's lease."""

    epoch: int
    """The last one; 0: none."""
    file: int
    """Which file the database was; 0: not known, or it is on a server."""


def past_of(name: str) -> Past:
    """To be asked before the lease is taken: a sweep may note the new epoch at once."""
    with suppress(FileNotFoundError, ValueError):
        epoch, file = _place(name).read_text().split()
        return Past(int(epoch), int(file))
    if Attempt.objects.filter(
        batch__job__connection__host=name.removeprefix("account:")
    ).exists():
        return Past(0, 0)  # Sent by whom?
    _remember(name, 0)
    return Past(0, _database_file())


def pause_if_restored(lease: Held, host: str, past: Past) -> None:
    """Under a fresh lease of the account: have its jobs wait for a person if the
    lease's epoch was seen before, or the database is not the file it was."""
    if lease.epoch <= past.epoch or past.file != _database_file():
        for job in Job.objects.on_account(host).filter(state__in=SENDABLE):
            transitions.stop_job(job.pk, RESTORED)
    _remember(lease.name, lease.epoch)


def remember() -> None:
    """Note how far the leases are, those that other hosts hold too."""
    for name, epoch in Lease.objects.filter(name__startswith="account:").values_list(
        "name", "epoch"
    ):
        past = past_of(name)
        if epoch > past.epoch and past.file == _database_file():
            _remember(name, epoch)


def _remember(name: str, epoch: int) -> None:
    place = _place(name)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    # Whole or not at all, for whoever reads at this moment, or after a kill at it.
    draft = place.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    draft.write_text(f"{epoch} {_database_file()}")
    draft.replace(place)


def _database_file() -> int:
    """The number of SQLite's file, another one for each copy; 0 for a database on a
    server."""
    return (
        Path(str(settings.DATABASES["default"]["NAME"])).stat().st_ino
        if connection.vendor == "sqlite"
        else 0
    )


def _place(name: str) -> Path:
    """Beside the database, in the data directory; another database has a past of its
    own."""
    database = settings.DATABASES["default"]
    whose = [str(database.get(key, "")) for key in ("ENGINE", "HOST", "PORT", "NAME")]
    return (
        Path(settings.DATA_DIR)
        / "epochs"
        / hashlib.sha256("\0".join([*whose, name]).encode()).hexdigest()[:32]
    )
