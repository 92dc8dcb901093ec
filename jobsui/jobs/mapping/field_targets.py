"""Which column fills which target, and what a row becomes by it: an item ready to be
sent, or problems."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.files.table import Row
from jobsui.jobs.enums import Action
from jobsui.jobs.errors import MappingRefused
from jobsui.jobs.mapping import values
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.values import ValueProblem
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
    """Something a column may fill. Keys: "id", "external_id", "name", or
    "field:KEY"."""

    key: str
    label: str
    type: str
    required: bool
    help: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell (or, with column "", the row), in words that are the
    same for all such cells but for the value."""

    row: int
    column: str
    value: str
    code: str
    message: str
    fix: str
    kind: str = ""
    """The message without the row's particulars, "" when it has none."""

    @property
    def general(self) -> str:
        """What is said of all problems of this kind together."""
        return self.kind or self.message


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
        found.append(
            Target(
                action.key,
                label,
                "key",
                required=True,
                help="Says which record is meant.",
            )
        )
    if action.deletes:
        return found
    if not schema.name_rules.autonumbered:
        found.append(_name(schema, action))
    if action.key != "external_id":
        found.append(
            Target(
                "external_id",
                "External ID",
                "text",
                required=False,
                help="Your own id, used once.",
            )
        )
    return found + [
        _field(field, action) for field in schema.fields if not field.readonly
    ]


def suggest(columns: Sequence[str], offered: Iterable[Target]) -> dict[str, str]:
    """Columns matched to targets by name: exact keys first, then exact labels, then
    what people write differently. No target twice."""
    found: dict[str, str] = {}
    for read, by_name in _ways_to_name(list(offered)):
        for column in columns:
            key = by_name.get(read(column))
            if key and column not in found and key not in found.values():
                found[column] = key
    return {column: found[column] for column in columns if column in found}


def target_key(text: str, offered: Iterable[Target]) -> str:
    """The key of the target that programs call `text`: "name", "external_id", "id", or
    a field's key. Raises MappingRefused when it is not offered."""
    by_name: dict[str, str] = {}
    for target in offered:  # Where a field's key is also the name of a member, the member is meant; it comes first.
        by_name.setdefault(target.key.removeprefix(FIELD), target.key)
    if text not in by_name:
        can = ", ".join(by_name) or "nothing"
        raise MappingRefused(
            [f"{text!r} is no field that this action can fill. It can fill: {can}."]
        )
    return by_name[text]


def check_mapping(
    mapping: Mapping[str, str],
    columns: Sequence[str],
    action: Action,
    schema: Schema,
    options: Options,
) -> None:
    """Raise MappingRefused with every reason why the mapping cannot work."""
    offered = {target.key: target for target in targets(schema, action)}
    problems = []
    if action is Action.UPSERT_BY_NAME and not schema.name_rules.unique:
        problems.append(
            "Names of this object need not be unique in Zendesk, so records cannot be told by name. "
            "Use the external ID instead."
        )
    used = list(mapping.values())
    problems += [
        f"The file has no column {column!r}."
        for column in mapping
        if column not in columns
    ]
    unknown = sorted(set(used) - set(offered))
    problems += [
        f"{key.removeprefix(FIELD)} cannot be filled by this action." for key in unknown
    ]
    problems += [
        f"Two columns fill {offered[key].label}: {', '.join(c for c in columns if mapping.get(c) == key)}. Keep one."
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
        problems.append(
            "Nothing but the ID is chosen, so nothing would change. Choose a column to write."
        )
    if problems:
        raise MappingRefused(problems)


class RowReader:
    """Turns rows into items by a mapping. Built once a file; `read` does as little as
    it can for each row."""

    def __init__(
        self,
        schema: Schema,
        action: Action,
        mapping: Mapping[str, str],
        columns: Sequence[str],
        options: Options,
    ) -> None:
        self._action, self._options, self._width = action, options, len(columns)
        self._unique = unique_targets(schema, action)
        offered = {target.key: target for target in targets(schema, action)}
        self._cells = [
            _Cell(place, column, offered[mapping[column]], schema, options)
            for place, column in enumerate(columns)
            if mapping.get(column) in offered
        ]

    def read(self, row: Row) -> Item | list[Problem]:
        number, cells = row
        problems: list[Problem] = []
        if len(cells) > self._width and any(
            cell.strip() for cell in cells[self._width :]
        ):
            problems.append(_too_wide(number, cells[self._width :], self._width))
        top: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for cell in self._cells:
            text = cells[cell.place]
            try:
                if text and not text.isspace():
                    (fields if cell.is_field else top)[cell.key] = cell.parse(text)
                elif cell.required:
                    raise ValueProblem(
                        "empty",
                        f"{cell.label} is empty.",
                        "Fill it in, or leave the row out.",
                    )
                elif cell.is_cleared:
                    fields[cell.key] = None
            except ValueProblem as p:
                problems.append(
                    Problem(
                        number,
                        cell.column,
                        shown(text),
                        p.code,
                        p.message,
                        p.fix,
                        p.kind,
                    )
                )
        if problems:
            return problems
        return self._item(number, top, fields)

    def _item(
        self, number: int, top: dict[str, Any], fields: dict[str, Any]
    ) -> Item | list[Problem]:
        if (
            self._action is Action.CREATE
            and self._options.generate_external_ids
            and not top.get("external_id")
        ):
            top["external_id"] = f"{self._options.prefix}-{number}"
        if fields:
            top["custom_object_fields"] = fields
        line = _dump(top[self._action.key] if self._action.deletes else top)
        if len(line) > MOST_BYTES // 4 and len(line.encode()) > MOST_BYTES:
            return [too_large(number, len(line.encode()))]
        keys = tuple((key, str(top[key])) for key in self._unique if top.get(key))
        return Item(number, line, keys)


class _Cell:
    """A mapped column: where its cell is, how to read it, where the value goes."""

    __slots__ = (
        "column",
        "is_cleared",
        "is_field",
        "key",
        "label",
        "parse",
        "place",
        "required",
    )

    def __init__(
        self, place: int, column: str, target: Target, schema: Schema, options: Options
    ) -> None:
        self.place, self.column, self.label, self.required = (
            place,
            column,
            target.label,
            target.required,
        )
        self.is_field = target.key.startswith(FIELD)
        self.key = target.key.removeprefix(FIELD)
        own = schema.field(self.key) if self.is_field else None
        self.parse: Callable[[str], Any] = values.parser(own) if own else str.strip
        self.is_cleared = self.is_field and options.blank == "clear"
        """Whether a blank cell empties the field."""


def _name(schema: Schema, action: Action) -> Target:
    unique = schema.name_rules.unique
    help_text = "Unique in this object." if unique else ""
    if action is Action.UPSERT_BY_EXTERNAL_ID:
        help_text = f"Records that do not exist yet need one. {help_text}".strip()
    required = action in {Action.CREATE, Action.UPSERT_BY_NAME}
    return Target("name", "Name", "text", required=required, help=help_text)


def _field(field: Field, action: Action) -> Target:
    required = field.required and action is Action.CREATE
    return Target(
        f"{FIELD}{field.key}",
        field.title or field.key,
        field.type,
        required,
        field.description,
    )


def unique_targets(schema: Schema, action: Action) -> tuple[str, ...]:
    """The targets whose values may stand only once in a file."""
    keys = [action.key] if action.key else []
    if not action.deletes:
        keys.append("external_id")
        if schema.name_rules.unique:
            keys.append("name")
    return tuple(dict.fromkeys(keys))


def _ways_to_name(
    offered: Sequence[Target],
) -> Iterator[tuple[Callable[[str], str], dict[str, str]]]:
    """How to read a column's name, and {name: target key}; the surest way first."""
    keys = [(target.key.removeprefix(FIELD), target) for target in offered]
    yield str, {name: target.key for name, target in reversed(keys)}
    yield str, _told_apart((target.label, target) for target in offered)
    yield _plain, _told_apart((_plain(name), target) for name, target in keys)
    yield _plain, _told_apart((_plain(target.label), target) for target in offered)
    yield (
        _plain,
        {
            name: target.key
            for target in offered
            for name in SYNONYMS.get(target.key, ())
        },
    )


def _told_apart(named: Iterable[tuple[str, Target]]) -> dict[str, str]:
    """Of these names, those of one target only."""
    found: dict[str, set[str]] = {}
    for name, target in named:
        found.setdefault(name, set()).add(target.key)
    return {name: keys.pop() for name, keys in found.items() if name and len(keys) == 1}


def _plain(name: str) -> str:
    """A name without what people write differently: case, spaces, signs, Zendesk's
    prefix."""
    return re.sub(r"[\W_]", "", name.casefold().removeprefix("custom_object_fields."))


def shown(value: str) -> str:
    """A cell's text as it is kept beside its problem: its beginning, fit for any
    database."""
    return value[:200].replace("\x00", "\ufffd")


def _too_wide(number: int, extra: list[str], width: int) -> Problem:
    message = f"The row has more cells than the header has columns ({width})."
    value = shown(", ".join(cell for cell in extra if cell.strip()))
    return Problem(
        number,
        "",
        value,
        "too_many_cells",
        message,
        "Quote cells that hold the delimiter.",
    )


def too_large(number: int, size: int) -> Problem:
    message = "The record would be larger than the 32 KB Zendesk allows."
    return Problem(
        number,
        "",
        f"{size:,} bytes",
        "too_large",
        message,
        "Shorten its longest texts.",
    )
