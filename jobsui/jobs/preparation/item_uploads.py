"""Requests with items in Zendesk's own form, kept as a file of rows with one cell each
(mapping/raw_items.py)."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.core.files.storage import default_storage

from jobsui.files import jsonfile
from jobsui.files.encoding import UTF8
from jobsui.files.table import Row, Table, stage
from jobsui.jobs.enums import FileState
from jobsui.jobs.mapping.raw_items import COLUMN
from jobsui.jobs.models import File
from jobsui.jobs.models.file import ITEMS
from jobsui.jobs.preparation import uploads

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Received:
    """A request {"job": {"action": ..., "items": [...]}} as it lies in storage, known
    to no File yet."""

    action: Any
    """As it was given; None when it was not."""
    items: Any
    """"array" for an array, else what was given instead; None when nothing was."""
    count: int
    stored: uploads.Stored
    staged_as: str

    def register(self, *, by: "User | None") -> File:
        """Its File, ready to be checked."""
        stored = self.stored
        return File.objects.create(
            name=stored.name,
            stored_as=stored.stored_as,
            size=stored.size,
            sha256=stored.sha256,
            uploaded_by=by,
            staged_as=self.staged_as,
            state=FileState.READY,
            format=ITEMS,
            encoding=UTF8,
            columns=[COLUMN],
            rows=self.count,
            rows_read=self.count,
        )

    def delete(self) -> None:
        self.stored.delete()
        default_storage.delete(self.staged_as)


def receive(chunks: Iterable[bytes], name: str, *, most: int | None = None) -> Received:
    """Keep a request as it comes, and its items as rows, in constant memory. Of more
    than `most` items one too many is kept, by which the caller knows. Raises
    UploadRefused, and FileRefused when it is no JSON; nothing is left behind then."""
    stored = uploads.store(chunks, name)
    try:
        with default_storage.open(stored.stored_as) as content:
            stream = cast(BinaryIO, content.file)
            found = jsonfile.members(stream, "job")
            count, staged_as = _staged(stream, None if most is None else most + 1)
    except BaseException:
        stored.delete()
        raise
    return Received(found.get("action"), found.get("items"), count, stored, staged_as)


def _staged(stream: BinaryIO, most: int | None) -> tuple[int, str]:
    """How many items there are, at most so many, and under which name they lie as
    rows."""
    count = 0

    def counted() -> Iterable[Row]:
        nonlocal count
        for row in itertools.islice(jsonfile.read_items(stream, "job.items"), most):
            count += 1
            yield row

    with uploads.incoming() as out:
        stage(Table([COLUMN], iter(counted())), cast(BinaryIO, out))
        staged_as = uploads.keep(out, "staged")
    return count, staged_as
