"""Requests with items in Zendesk's own form, kept as a file of rows with one cell each
(`mapping/raw_items.py`)."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.core.files.storage import default_storage

from jobsui.files import jsonfile, row_lines
from jobsui.files.encoding import UTF8
from jobsui.files.jsonfile import mistake as mistake
from jobsui.files.layout import Row
from jobsui.jobs.enums import FileState
from jobsui.jobs.mapping.raw_items import COLUMN
from jobsui.jobs.models import File
from jobsui.jobs.models.file import ITEMS
from jobsui.jobs.preparation import uploads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User


@dataclass(frozen=True, slots=True)
class Received:
    """A request {"job": {"action": ..., "items": [...]}} in storage that no File knows
    yet."""

    action: Any
    """As it was given; None when it was not."""
    items: Any
    """ "array" for an array, else what was given instead; None when nothing was."""
    count: int
    stored: uploads.Stored
    staged_as: str

    def register(self, *, by: "User | None") -> File:
        """Make a File of it, ready to be checked."""
        return File.objects.create(
            name=self.stored.name,
            stored_as=self.stored.stored_as,
            size=self.stored.size,
            sha256=self.stored.sha256,
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


def receive(
    chunks: "Iterable[bytes]", name: str, *, max_items: int | None = None
) -> Received:
    """Keep a request as it comes, and its items as rows, in constant memory. If there
    are more than `max_items`, one item too many is kept, so `count` shows it.

    Raises UploadRefused, and FileRefused when it is not JSON; nothing is left behind
    then.
    """
    stored = uploads.store(chunks, name)
    try:
        with default_storage.open(stored.stored_as) as content:
            stream = cast(BinaryIO, content.file)
            job = jsonfile.members(stream, "job")
            count, staged_as = _stage(stream, max_items)
    except BaseException:
        stored.delete()
        raise
    return Received(job.get("action"), job.get("items"), count, stored, staged_as)


def _stage(stream: BinaryIO, max_items: int | None) -> tuple[int, str]:
    """Returns how many items were kept as rows, and the name of the rows in storage."""
    count = 0

    def counted_rows() -> Iterator[Row]:
        nonlocal count
        rows = jsonfile.read_items(stream, "job.items")
        stop = None if max_items is None else max_items + 1
        for row in itertools.islice(rows, stop):
            count += 1
            yield row

    with uploads.incoming() as out:
        row_lines.write([COLUMN], counted_rows(), cast(BinaryIO, out))
        staged_as = uploads.keep(out, "staged")
    return count, staged_as
