"""Items that a program gave in Zendesk's own form: sent as they came. Zendesk judges what
their fields hold. Checked here: which record is meant, that no record is meant twice, and
that the item is not too large."""

import json
from typing import Any

from jobsui.files.table import Row
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import (
    MOST_BYTES,
    Item,
    Problem,
    shown,
    too_large,
    unique_targets,
)
from jobsui.zendesk.payloads import Schema

COLUMN = "item"


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
