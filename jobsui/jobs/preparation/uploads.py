"""Uploads: streamed to storage unchanged. `file_reading` detects what they are."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile

from jobsui.connections.models import Connection
from jobsui.jobs.errors import UploadRefused
from jobsui.jobs.models import File
from jobsui.jobs.preparation.upload_room import require_reserve
from jobsui.jobs.queueing import enqueue

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """An upload in storage that no File knows yet."""

    name: str
    stored_as: str
    size: int
    sha256: str

    def delete(self) -> None:
        default_storage.delete(self.stored_as)


def receive(
    chunks: Iterable[bytes], name: str, *, by: "User | None", **layout: Any
) -> File:
    """Keep an upload exactly as it comes and have it read. `layout`: encoding,
    delimiter, sheet, quoting, header_row and values as a person chose them; detected
    where left out.

    Raises UploadRefused; nothing is left behind then.
    """
    return register(store(chunks, name), by=by, **layout)


def register(
    stored: Stored,
    *,
    by: "User | None",
    connection: Connection | None = None,
    **layout: Any,
) -> File:
    """Make a File of a stored upload, and have it read. `connection`: the only one for
    which it may be used."""
    file = File.objects.create(
        name=stored.name,
        stored_as=stored.stored_as,
        size=stored.size,
        sha256=stored.sha256,
        uploaded_by=by,
        connection=connection,
        chosen=chosen_of(layout),
        **layout,
    )
    enqueue("read_file", file.pk)
    return file


def chosen_of(layout: dict[str, Any]) -> dict[str, Any]:
    """The settings that a person chose. "" and 0 are detected."""
    return {name: value for name, value in layout.items() if value}


def store(chunks: Iterable[bytes], name: str) -> Stored:
    """Keep an upload exactly as it comes. Raises UploadRefused; nothing is left behind
    then."""
    digest = hashlib.sha256()
    size = 0
    with incoming() as content:
        for chunk in chunks:
            size += len(chunk)
            _require_fit(size)
            require_reserve()
            digest.update(chunk)
            content.write(chunk)
        if not size:
            raise UploadRefused("The file is empty.")
        stored_as = keep(content, "uploads")
    return Stored(_plain_name(name), stored_as, size, digest.hexdigest())


@contextmanager
def storing(chunks: Iterable[bytes], name: str) -> Iterator[Stored]:
    """Store an upload, and delete it after the block unless the block made a File of
    it. Raises UploadRefused."""
    stored = store(chunks, name)
    try:
        yield stored
    finally:
        if not File.objects.filter(stored_as=stored.stored_as).exists():
            stored.delete()


@contextmanager
def incoming() -> Iterator[TemporaryUploadedFile]:
    """An empty file in the folder for incoming uploads, deleted after the block unless
    `keep` moved it."""
    with TemporaryUploadedFile("incoming", "", 0, None) as content:
        yield content


def keep(content: TemporaryUploadedFile, folder: str) -> str:
    """Move an incoming file into this folder of the storage. Returns its name there."""
    content.flush()
    return default_storage.save(f"{folder}/{uuid.uuid4()}", content)


def _require_fit(size: int) -> None:
    if size > settings.MAX_UPLOAD_BYTES:
        limit = settings.MAX_UPLOAD_BYTES // 1024**2
        raise UploadRefused(
            f"The file is larger than {limit:,} MB. Split it, or raise "
            "JOBSUI_MAX_UPLOAD_MB."
        )


def _plain_name(name: str) -> str:
    """A file name that is safe to show: without folders and control characters. Of a
    long name the end is kept, behind an ellipsis."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter for letter in last if letter.isprintable())
    if len(printable) > MAX_NAME:
        return f"…{printable[1 - MAX_NAME :]}"
    return printable or "upload"
