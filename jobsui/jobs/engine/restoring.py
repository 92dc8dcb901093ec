"""Noticing that the database has gone back in time. A backup knows nothing of what was sent after it was made, so what
it takes for unsent may be in Zendesk already: a person looks before anything goes on."""

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from jobsui.jobs.engine import recording
from jobsui.jobs.engine.leases import Held
from jobsui.jobs.enums import SENDABLE
from jobsui.jobs.models import Job, Lease

RESTORED = (
    "The database is older than what this server has already sent: it seems that a backup was restored. Rows that are "
    "shown as waiting may be in Zendesk already. Compare before you let the job go on."
)


def pause_if_restored(lease: Held, host: str, last_epoch: int) -> None:
    """Under a fresh lease of the account: have its jobs wait for a person if the lease's epoch was seen before, with
    what was known as the last one before the lease was taken: a sweep may note this one at once."""
    if lease.epoch <= last_epoch:
        for job in Job.objects.on_host(host).filter(state__in=SENDABLE):
            recording.stop_job(job.pk, RESTORED)
    _remember(lease.name, lease.epoch)


def remember() -> None:
    """Note how far the leases are, those that other hosts hold too."""
    for name, epoch in Lease.objects.filter(name__startswith="account:").values_list("name", "epoch"):
        if epoch > last_epoch(name):
            _remember(name, epoch)


def _remember(name: str, epoch: int) -> None:
    place = _place(name)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    # Whole or not at all, for whoever reads at this moment, or after a kill at it.
    draft = place.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    draft.write_text(str(epoch))
    draft.replace(place)


def last_epoch(name: str) -> int:
    """The last one of this lease that is known here, 0 when none is."""
    with suppress(FileNotFoundError, ValueError):
        return int(_place(name).read_text())
    return 0


def _place(name: str) -> Path:
    """Beside the database, in the data directory; another database has a past of its own."""
    database = settings.DATABASES["default"]
    whose = [str(database.get(key, "")) for key in ("ENGINE", "HOST", "PORT", "NAME")]
    return Path(settings.DATA_DIR) / "epochs" / hashlib.sha256("\0".join([*whose, name]).encode()).hexdigest()[:32]
