"""Items that a program gave in Zendesk's own form. They are sent as they came, and
Zendesk validates their fields. Checked here: each item identifies its record by an ID that
can be one, no record appears twice, and no item is too large."""

import json
from typing import Any

from jobsui.files.layout import Row
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.field_targets import unique_targets
from jobsui.jobs.mapping.row_reader import (
    WHOLE_ROW,
    Item,
    Problem,
    problem_of,
    too_large,
)
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.mapping.types.record_id import checked_record_id
from jobsui.zendesk.payloads import Schema

COLUMN = "item"
"""The column of a problem: an item is all that its row has."""


class ItemReader:
    """Turns rows into items like RowReader. Each row's one cell is an item's JSON."""

    def __init__(self, schema: Schema, action: Action) -> None:
        self._action = action
        self._unique = unique_targets(schema, action)

    def read(self, row: Row) -> Item | list[Problem]:
        number, (line, *_) = row
        item = json.loads(line)
        if problem := too_large(number, line):
            return [problem]
        if message := self._mistake(item):
            return [_not_an_item(number, line, message)]
        try:
            self._check_record_id(item)
        except ValueProblem as mistake:
            return [problem_of(mistake, number, WHOLE_ROW, line)]
        return Item(number, line, self._keys(item))

    def _mistake(self, item: Any) -> str:
        """What keeps the item from being sent, or ""."""
        key = self._action.key
        if self._action.deletes:
            return "" if _is_key(item) else f"An item to delete is the record's {key}."
        if not isinstance(item, dict):
            return "An item is an object with the record's members."
        if key and not _is_key(item.get(key)):
            return f"The item has no {key} to identify the record."
        return ""

    def _check_record_id(self, item: Any) -> None:
        """Raises ValueProblem."""
        if self._action.key == "id":
            record_id = item if self._action.deletes else item["id"]
            checked_record_id(str(record_id))

    def _keys(self, item: Any) -> tuple[tuple[str, str], ...]:
        if self._action.deletes:
            return ((self._action.key, str(item)),)
        return tuple(
            (key, str(item[key])) for key in self._unique if _is_key(item.get(key))
        )


def _not_an_item(number: int, line: str, message: str) -> Problem:
    found = ValueProblem("not_an_item", message, "Correct the item and send it again.")
    return problem_of(found, number, WHOLE_ROW, line)


def _is_key(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, str | int) and str(value).strip() != ""
