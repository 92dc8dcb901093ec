"""Items that a program gave as Zendesk takes them: sent as they came. What their fields
hold is for Zendesk to judge; we look at what is ours to know: which record is meant,
that no record is meant twice, and that it is not too large."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django.core.files.storage import default_storage

from jobsui.files import jsonfile
from jobsui.files.encoding import UTF8
from jobsui.files.table import Row, Table, stage
from jobsui.jobs.engine import intake
from jobsui.jobs.engine.mapping import (
    MOST_BYTES,
    Item,
    Problem,
    shown,
    too_large,
    unique_targets,
)
from jobsui.jobs.enums import Action, FileState
from jobsui.jobs.models import File
from jobsui.jobs.models.file import ITEMS
from jobsui.zendesk.payloads import Schema

if TYPE_CHECKING:
    from django.contrib.auth.models import User

COLUMN = "item"


@dataclass(frozen=True, slots=True)
class Received:
    """A request {"job": {"action": ..., "items": [...]}} as it lies in storage, known
    to no File yet."""

    action: Any
    """As it was given; None when it was not."""
    items: Any
    """"array" for an array, else what was given instead; None when nothing was."""
    count: int
    stored: intake.Stored
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
    stored = intake.store(chunks, name)
    try:
        with default_storage.open(stored.stored_as) as content:
            stream = cast(BinaryIO, content.file)
            found = jsonfile.members(stream, "job")
            count, staged_as = _staged(stream, None if most is None else most + 1)
    except BaseException:
        stored.delete()
        raise
    return Received(found.get("action"), found.get("items"), count, stored, staged_as)


class ItemReader:
    """Turns rows whose one cell is an item's JSON into items, as RowReader does by a
    mapping."""

    def __init__(self, schema: Schema, action: Action) -> None:
        self._action = action
        self._unique = unique_targets(schema, action)

    def read(self, row: Row) -> Item | list[Problem]:
        number, (line, *_) = row
        item = json.loads(line)
        if len(line) > MOST_BYTES // 4 and len(line.encode()) > MOST_BYTES:
            return [too_large(number, len(line.encode()))]
        keys = self._deleted(item) if self._action.deletes else self._record(item)
        if isinstance(keys, str):
            return [
                Problem(
                    number,
                    COLUMN,
                    shown(line),
                    "not_an_item",
                    keys,
                    "Correct the item and send it again.",
                )
            ]
        return Item(number, line, keys)

    def _deleted(self, item: Any) -> tuple[tuple[str, str], ...] | str:
        """Its keys, or what is wrong with it."""
        if not _is_key(item):
            return f"An item to delete is the record's {self._action.key}, as text."
        return ((self._action.key, str(item)),)

    def _record(self, item: Any) -> tuple[tuple[str, str], ...] | str:
        """Its keys, or what is wrong with it."""
        if not isinstance(item, dict):
            return "An item is an object with the record's members."
        if self._action.key and not _is_key(item.get(self._action.key)):
            return (
                f"The item has no {self._action.key}, which says which record is meant."
            )
        return tuple(
            (key, str(item[key])) for key in self._unique if _is_key(item.get(key))
        )


def _is_key(value: Any) -> bool:
    return (
        isinstance(value, str | int)
        and not isinstance(value, bool)
        and str(value).strip() != ""
    )


def _staged(stream: BinaryIO, most: int | None) -> tuple[int, str]:
    """How many items there are, at most so many, and under which name they lie as
    rows."""
    count = 0

    def counted() -> Iterable[Row]:
        nonlocal count
        for row in itertools.islice(jsonfile.read_items(stream, "job.items"), most):
            count += 1
            yield row

    with intake.incoming() as out:
        stage(Table([COLUMN], iter(counted())), cast(BinaryIO, out))
        staged_as = intake.keep(out, "staged")
    return count, staged_as
