"""What a row becomes by a mapping: an item ready to be sent, or problems."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jobsui.files.kinds import Kind
from jobsui.files.layout import OddCells, Row
from jobsui.files.number_styles import Mark
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.cell_reader import LEAVE_ALONE, CellReader, to_json
from jobsui.jobs.mapping.field_targets import targets, unique_targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import NO_RULE, Rule
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.zendesk.payloads import Schema

MAX_RECORD_BYTES = 32 * 1024
"""Zendesk's limit (docs/zendesk.md, "Sizes")."""
MAX_SHOWN = 200
WHOLE_ROW = ""
"""The column of problems that concern the row as a whole."""


class Problem(NamedTuple):
    """What is wrong with one cell, or with the row as a whole (WHOLE_ROW)."""

    row: int
    column: str
    value: str
    found: ValueProblem

    @property
    def code(self) -> str:
        """The same for all problems of a kind, for programs."""
        return self.found.code

    @property
    def message(self) -> str:
        return self.found.message

    @property
    def general(self) -> str:
        """The message for all problems of this kind together."""
        return self.found.general

    @property
    def fix(self) -> str:
        return self.found.fix


@dataclass(frozen=True, slots=True)
class Item:
    row: int
    json: str
    """One line, as it is sent."""
    keys: tuple[tuple[str, str], ...]
    """(target key, value) of the values that may appear only once in a file."""


class RowReader:
    """Turns rows into items by a mapping, cell by cell: for a few rows, where blocks are
    not worth their libraries (`block_reader`)."""

    def __init__(
        self,
        schema: Schema,
        action: Action,
        mapping: Mapping[str, str],
        columns: Sequence[str],
        options: Options,
        marks: Mapping[str, Mark],
        rules: Mapping[str, Rule] | None = None,
    ) -> None:
        """`marks` has the decimal mark of each column; "." for others. `rules` are those of
        the targets, by their keys."""
        self._key = action.key
        self._deletes = action.deletes
        self._generates_external_ids = (
            action is Action.CREATE and options.generate_external_ids
        )
        self._prefix = options.prefix
        self._width = len(columns)
        self._unique = unique_targets(schema, action)
        self._cells = cell_readers(
            schema, action, mapping, columns, options, marks, rules
        )

    def read(self, row: Row, kinds: Sequence[int] = ()) -> Item | list[Problem]:
        """`kinds`: those of the cells; () when all are TEXT."""
        number, texts = row
        kinds = kinds or [Kind.TEXT] * len(texts)
        problems = too_many_cells(number, texts[self._width :], self._width)
        members: dict[str, str] = {}
        fields: dict[str, str] = {}
        for cell in self._cells:
            text, kind = cell.cell_of(texts, kinds)
            try:
                value = cell.read(text, kind)
            except ValueProblem as problem:
                problems.append(problem_of(problem, number, cell.column, text))
                continue
            if value != LEAVE_ALONE:
                record = fields if cell.is_field else members
                record[cell.key] = value
        if problems:
            return problems
        return self._item(number, members, fields)

    def _item(
        self, number: int, members: dict[str, str], fields: dict[str, str]
    ) -> Item | list[Problem]:
        if self._generates_external_ids and "external_id" not in members:
            members["external_id"] = to_json(f"{self._prefix}-{number}")
        keys = tuple(
            (key, str(json.loads(members[key])))
            for key in self._unique
            if key in members
        )
        if fields:
            members["custom_object_fields"] = _object(fields)
        line = members[self._key] if self._deletes else _object(members)
        if problem := too_large(number, line):
            return [problem]
        return Item(number, line, keys)


def cell_readers(
    schema: Schema,
    action: Action,
    mapping: Mapping[str, str],
    columns: Sequence[str],
    options: Options,
    marks: Mapping[str, Mark],
    rules: Mapping[str, Rule] | None = None,
) -> list[CellReader]:
    """Those of the mapped columns, in the order of the file, then those of constants."""
    rules = rules or {}
    offered = {target.key: target for target in targets(schema, action)}
    positions = {column: index for index, column in enumerate(columns)}
    found = []
    for column in columns:
        key = mapping.get(column)
        if key not in offered:
            continue
        rule = rules.get(key, NO_RULE)
        sources = [
            positions[name] for name in (column, *rule.also) if name in positions
        ]
        mark = marks.get(column, ".")
        found.append(
            CellReader(
                tuple(sources), column, offered[key], schema, options, mark, rule
            )
        )
    for key, target in offered.items():
        rule = rules.get(key, NO_RULE)
        if rule.constant and key not in mapping.values():
            found.append(CellReader((), "", target, schema, options, ".", rule))
    return found


def _object(members: Mapping[str, str]) -> str:
    """The JSON of an object, of the JSON of its members."""
    return "{" + ",".join(f"{to_json(key)}:{members[key]}" for key in members) + "}"


def too_large(number: int, line: str) -> Problem | None:
    """The problem of an item larger than Zendesk allows. `line`: its JSON."""
    if len(line) <= MAX_RECORD_BYTES // 4:  # A character has at most four bytes.
        return None
    size = len(line.encode())
    return size_problem(number, size) if size > MAX_RECORD_BYTES else None


def size_problem(number: int, size: int) -> Problem:
    """`size`: in bytes."""
    found = ValueProblem(
        "too_large",
        "The record would be larger than the 32 KB Zendesk allows.",
        "Shorten its longest texts.",
    )
    return Problem(number, WHOLE_ROW, f"{size:,} bytes", found)


def odd_row(number: int, cells: OddCells) -> Problem:
    """The problem of a row that cannot be read as a row of the table."""
    found = ValueProblem(cells.code, cells.reason, cells.fix)
    return problem_of(found, number, WHOLE_ROW, ", ".join(filter(None, cells)))


def shown(value: str) -> str:
    """A cell's text as it is stored beside its problem: its beginning, and nothing that
    a database refuses."""
    return value[:MAX_SHOWN].replace("\x00", "\ufffd")


def problem_of(problem: ValueProblem, number: int, column: str, text: str) -> Problem:
    """The problem of a value in the form in which it is stored."""
    return Problem(number, column, shown(text), problem)


def too_many_cells(number: int, extra: list[str], width: int) -> list[Problem]:
    """Blank cells beyond the header's columns are no problem."""
    filled = [text for text in extra if text.strip()]
    if not filled:
        return []
    found = ValueProblem(
        "too_many_cells",
        f"The row has more cells than the header has columns ({width}).",
        "Quote cells that contain the delimiter.",
    )
    return [problem_of(found, number, WHOLE_ROW, ", ".join(filled))]
