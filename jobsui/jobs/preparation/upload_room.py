"""Whether an upload has room: on the disk, and in what its person may store."""

import shutil
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db.models import Sum

from jobsui.jobs.errors import NoRoom
from jobsui.jobs.models import File

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COPIES = 2
"""Of an upload: the file, and its rows as they are staged."""
MEGABYTE = 1024**2


def require_room(size: int, *, by: "User") -> None:
    """Raise NoRoom if an upload of this many bytes would not have room. Called before it is
    read."""
    needed = COPIES * size + _reserve()
    free = _free()
    if free < needed:
        raise NoRoom(
            f"The disk of Jobs UI has {_shown(free)} free, and this upload needs "
            f"{_shown(needed)}: the file, a copy of its rows, and {_shown(_reserve())} in "
            "reserve. Discard drafts that are not needed, or ask an administrator for a larger "
            "disk or a lower JOBSUI_KEEP_FILES_DAYS."
        )
    if not settings.MAX_FILES_MB:
        return
    maximum = settings.MAX_FILES_MB * MEGABYTE
    kept = File.objects.filter(uploaded_by=by, content_pruned_at=None)
    used = kept.aggregate(used=Sum("size"))["used"] or 0
    if used + size > maximum:
        raise NoRoom(
            f"Your uploaded files take {_shown(used)} of {_shown(maximum)}, and this upload has "
            f"{_shown(size)}. Discard drafts that are not needed, or ask an administrator to "
            "raise JOBSUI_MAX_FILES_MB."
        )


def require_reserve() -> None:
    """Raise NoRoom if the disk has less than its reserve. Called while an upload comes: others
    write, too."""
    free = _free()
    if free < _reserve():
        raise NoRoom(
            f"The disk of Jobs UI has only {_shown(free)} free, so the upload was stopped. "
            "Discard drafts that are not needed, or ask an administrator for a larger disk or a "
            "lower JOBSUI_KEEP_FILES_DAYS."
        )


class UploadHandler(TemporaryFileUploadHandler):
    """Django's, which stops when the disk gets full."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            require_reserve()
        except NoRoom:
            self.upload_interrupted()
            raise
        super().receive_data_chunk(raw_data, start)


def _free() -> int:
    return shutil.disk_usage(settings.MEDIA_ROOT).free


def _reserve() -> int:
    reserve: int = settings.MIN_FREE_MB * MEGABYTE
    return reserve


def _shown(size: int) -> str:
    if size >= 1024 * MEGABYTE:
        return f"{size / 1024 / MEGABYTE:,.1f} GB"
    return f"{size / MEGABYTE:,.1f} MB"
