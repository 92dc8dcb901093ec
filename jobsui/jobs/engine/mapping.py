"""Which column fills which target, and what a row becomes by it: an item ready to be sent, or problems."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.files.table import Row
from jobsui.jobs.engine import values
from jobsui.jobs.engine.options import Options
from jobsui.jobs.engine.values import ValueProblem
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.zendesk.payloads import Field, Schema

FIELD = "field:"
MOST_BYTES = 32 * 1024
"""Of one record (docs/zendesk.md, "Sizes")."""
SYNONYMS = {
    "external_id": {"externalid", "extid", "externalkey", "standardexternalid"},
    "id": {"zendeskid", "recordid", "zendeskrecordid"},
    "name": {"recordname", "standardname"},
}
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Target:
    """Something a column may fill. Keys: "id", "external_id", "name", or "field:KEY"."""

    key: str
    label: str
    type: str
    required: bool
    help: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell (or, with column "", the row), in words that are the same for all such cells but for
    the value."""

    row: int
    column: str
    value: str
    code: str
    message: str
    cure: str


@dataclass(frozen=True, slots=True)
class Item:
    row: int
    json: str
    """One line, as it is sent."""
    keys: tuple[tuple[str, str], ...]
    """What may stand only once in a file: (target key, value)."""


def targets(schema: Schema, action: Action) -> list[Target]:
    """What this action can fill in records of this object, the key first."""
    found = []
    if action.key in {"id", "external_id"}:
        label = {"id": "Zendesk ID", "external_id": "External ID"}[action.key]
        found.append(Target(action.key, label, "key", required=True, help="Says which record is meant."))
    if action.deletes:
        return found
    if not schema.name_rules.autonumbered:
        found.append(_name(schema, action))
    if action.key != "external_id":
        found.append(Target("external_id", "External ID", "text", required=False, help="Your own id, used once."))
    return found + [_field(field, action) for field in schema.fields if not field.readonly]


def suggest(columns: Sequence[str], offered: Iterable[Target]) -> dict[str, str]:
    """Columns matched to targets by name: the key first, then labels and what people usually write. No target twice."""
    by_name: dict[str, str] = {}
    for target in offered:
        for name in _names(target):
            by_name.setdefault(name, target.key)
    found: dict[str, str] = {}
    for column in columns:
        key = by_name.get(_plain(column))
        if key and key not in found.values():
            found[column] = key
    return found


def check_mapping(
    mapping: Mapping[str, str], columns: Sequence[str], action: Action, schema: Schema, options: Options
) -> None:  # fmt: skip
    """Raise MappingRefused with every reason why the mapping cannot work."""
    offered = {target.key: target for target in targets(schema, action)}
    problems = []
    if action is Action.UPSERT_BY_NAME and not schema.name_rules.unique:
        problems.append(
            "Names of this object need not be unique in Zendesk, so records cannot be told by name. "
            "Use the external ID instead."
        )
    used = list(mapping.values())
    problems += [f"The file has no column {column!r}." for column in mapping if column not in columns]
    problems += [f"{key.removeprefix(FIELD)} cannot be filled by this action." for key in set(used) - set(offered)]
    problems += [
        f"Two columns fill {offered[key].label}: {', '.join(c for c, k in mapping.items() if k == key)}. Keep one."
        for key in offered
        if used.count(key) > 1
    ]
    problems += [
        f"{target.label} must be filled. Choose its column."
        for target in offered.values()
        if target.required and target.key not in used
    ]
    if not mapping and not problems:
        problems.append("No column is chosen. Choose at least one.")
    if action is Action.UPDATE and set(used) == {"id"}:
        problems.append("Nothing but the ID is chosen, so nothing would change. Choose a column to write.")
    if problems:
        raise MappingRefused(problems)


class RowReader:
    """Turns rows into items by a mapping. Built once a file; `read` does as little as it can for each row."""

    def __init__(
        self, schema: Schema, action: Action, mapping: Mapping[str, str], columns: Sequence[str], options: Options
    ) -> None:
        self._action, self._options, self._width = action, options, len(columns)
        self._unique = _unique_targets(schema, action)
        offered = {target.key: target for target in targets(schema, action)}
        self._cells = [
            _Cell(place, column, offered[mapping[column]], schema, options)
            for place, column in enumerate(columns)
            if mapping.get(column) in offered
        ]

    def read(self, row: Row) -> Item | list[Problem]:
        number, cells = row
        problems: list[Problem] = []
        if len(cells) > self._width:
            problems.append(_too_wide(number, len(cells), self._width))
        top: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for cell in self._cells:
            try:
                cell.place_in(fields if cell.field else top, cells[cell.place])
            except ValueProblem as p:
                problems.append(Problem(number, cell.column, cells[cell.place][:200], p.code, p.message, p.cure))
        if problems:
            return problems
        return self._item(number, top, fields)

    def _item(self, number: int, top: dict[str, Any], fields: dict[str, Any]) -> Item | list[Problem]:
        if self._action is Action.CREATE and self._options.own_external_ids and not top.get("external_id"):
            top["external_id"] = f"{self._options.prefix}-{number}"
        if fields:
            top["custom_object_fields"] = fields
        line = _dump(top[self._action.key] if self._action.deletes else top)
        if len(line) > MOST_BYTES // 4 and len(line.encode()) > MOST_BYTES:
            return [_too_large(number, len(line.encode()))]
        keys = tuple((key, str(top[key])) for key in self._unique if top.get(key))
        return Item(number, line, keys)


class _Cell:
    """A mapped column: finds its cell, reads it, places the value in the item."""

    __slots__ = ("_blank", "_parse", "_target", "column", "field", "key", "place")

    def __init__(self, place: int, column: str, target: Target, schema: Schema, options: Options) -> None:
        self.place, self.column, self._target = place, column, target
        self.field = target.key.startswith(FIELD)
        self.key = target.key.removeprefix(FIELD)
        own = schema.field(self.key) if self.field else None
        self._parse: Callable[[str], Any] = values.parser(own) if own else str.strip
        self._blank = options.blank

    def place_in(self, values: dict[str, Any], text: str) -> None:
        if text and not text.isspace():
            values[self.key] = self._parse(text)
        elif self._target.required:
            message = f"{self._target.label} is empty."
            raise ValueProblem("empty", message, "Fill it in, or leave the row out.")
        elif self._blank == "clear" and self.key not in {"id", "external_id", "name"}:
            values[self.key] = None


def _name(schema: Schema, action: Action) -> Target:
    unique = schema.name_rules.unique
    help_text = "Unique in this object." if unique else ""
    required = action in {Action.CREATE, Action.UPSERT_BY_NAME, Action.UPSERT_BY_EXTERNAL_ID}
    return Target("name", "Name", "text", required=required, help=help_text)


def _field(field: Field, action: Action) -> Target:
    required = field.required and action is Action.CREATE
    return Target(f"{FIELD}{field.key}", field.title or field.key, field.type, required, field.description)


def _unique_targets(schema: Schema, action: Action) -> tuple[str, ...]:
    keys = [action.key] if action.key else []
    if not action.deletes:
        keys.append("external_id")
        if schema.name_rules.unique:
            keys.append("name")
    return tuple(dict.fromkeys(keys))


def _names(target: Target) -> Iterable[str]:
    key = target.key.removeprefix(FIELD)
    yield _plain(key)
    yield _plain(target.label)
    yield from SYNONYMS.get(target.key, ())


def _plain(name: str) -> str:
    """A name without what people write differently: case, spaces, signs, Zendesk's prefix."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("custom_object_fields."))


def _too_wide(number: int, found: int, width: int) -> Problem:
    message = f"The row has more cells than the header has columns ({width})."
    return Problem(number, "", str(found), "too_many_cells", message, "Quote cells that hold the delimiter.")


def _too_large(number: int, size: int) -> Problem:
    message = "The record would be larger than the 32 KB Zendesk allows."
    return Problem(number, "", f"{size:,} bytes", "too_large", message, "Shorten its longest texts.")
