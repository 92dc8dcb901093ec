"""Collecting the static files, which costs seconds of compressing, only when they have
changed."""

import hashlib
import os
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect() -> None:
    """Have in STATIC_ROOT what the web server needs."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    now = _fingerprint()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == now:
        return
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.write_text(now, encoding="utf-8")


def _fingerprint() -> str:
    """Changes when a static file, or where it lies, does."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            seen = os.stat(storage.path(path))  # noqa: PTH116
            digest.update(
                f"{storage.path(path)}\0{seen.st_size}\0{seen.st_mtime_ns}\n".encode()
            )
    return digest.hexdigest()
