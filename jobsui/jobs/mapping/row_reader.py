"""What a row becomes by a mapping: an item ready to be sent, or problems."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.files.layout import OddCells, Row
from jobsui.files.number_styles import Mark
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping import values
from jobsui.jobs.mapping.field_targets import (
    FIELD,
    Target,
    api_name,
    targets,
    unique_targets,
)
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.values import ValueProblem
from jobsui.zendesk.payloads import Schema

MAX_RECORD_BYTES = 32 * 1024
"""Zendesk's limit (docs/zendesk.md, "Sizes")."""
MAX_SHOWN = 200
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell, or with the row as a whole (column "")."""

    row: int
    column: str
    value: str
    code: str
    """The same for all problems of a kind, for programs."""
    message: str
    fix: str
    kind: str = ""
    """The message without the particulars of this row; "" when it has none."""

    @property
    def general(self) -> str:
        """The message for all problems of this kind together."""
        return self.kind or self.message


@dataclass(frozen=True, slots=True)
class Item:
    row: int
    json: str
    """One line, as it is sent."""
    keys: tuple[tuple[str, str], ...]
    """(target key, value) of the values that may appear only once in a file."""


class RowReader:
    """Turns rows into items by a mapping. Built once a file: `read` runs for each row,
    so everything that is the same for all rows is decided here."""

    def __init__(
        self,
        schema: Schema,
        action: Action,
        mapping: Mapping[str, str],
        columns: Sequence[str],
        options: Options,
        marks: Mapping[str, Mark],
    ) -> None:
        """`marks` has the decimal mark of each column; "." for others."""
        self._key = action.key
        self._deletes = action.deletes
        self._generates_external_ids = (
            action is Action.CREATE and options.generate_external_ids
        )
        self._prefix = options.prefix
        self._width = len(columns)
        self._unique = unique_targets(schema, action)
        offered = {target.key: target for target in targets(schema, action)}
        self._cells = [
            _Cell(
                index,
                column,
                offered[mapping[column]],
                schema,
                options,
                marks.get(column, "."),
            )
            for index, column in enumerate(columns)
            if mapping.get(column) in offered
        ]

    def read(self, row: Row) -> Item | list[Problem]:
        number, texts = row
        problems: list[Problem] = []
        if len(texts) > self._width:
            problems += _too_many_cells(number, texts[self._width :], self._width)
        members: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for cell in self._cells:
            text = texts[cell.index]
            record = fields if cell.is_field else members
            try:
                if text and not text.isspace():
                    record[cell.key] = cell.parse(text)
                elif cell.required:
                    raise _empty(cell.label)
                elif cell.is_cleared:
                    record[cell.key] = None
            except ValueProblem as problem:
                problems.append(problem_of(problem, number, cell.column, text))
        if problems:
            return problems
        return self._item(number, members, fields)

    def _item(
        self, number: int, members: dict[str, Any], fields: dict[str, Any]
    ) -> Item | list[Problem]:
        if self._generates_external_ids and not members.get("external_id"):
            members["external_id"] = f"{self._prefix}-{number}"
        if fields:
            members["custom_object_fields"] = fields
        line = _to_json(members[self._key] if self._deletes else members)
        if problem := too_large(number, line):
            return [problem]
        keys = tuple(
            (key, str(members[key])) for key in self._unique if members.get(key)
        )
        return Item(number, line, keys)


class _Cell:
    """A mapped column: where its cell is, how to read it, where the value goes."""

    __slots__ = (
        "column",
        "index",
        "is_cleared",
        "is_field",
        "key",
        "label",
        "parse",
        "required",
    )

    def __init__(
        self,
        index: int,
        column: str,
        target: Target,
        schema: Schema,
        options: Options,
        decimal_mark: Mark,
    ) -> None:
        self.index = index
        self.column = column
        self.label = target.label
        self.required = target.required
        self.is_field = target.key.startswith(FIELD)
        self.key = api_name(target.key)
        self.parse = self._parser(schema, decimal_mark)
        self.is_cleared = self.is_field and options.blank == "clear"
        """Whether a blank cell empties the field."""

    def _parser(self, schema: Schema, decimal_mark: Mark) -> Callable[[str], Any]:
        field = schema.field(self.key) if self.is_field else None
        if field:
            return values.parser(field, decimal_mark)
        parsers = {"id": values.record_id, "external_id": values.external_id}
        return parsers.get(self.key, str.strip)


def too_large(number: int, line: str) -> Problem | None:
    """The problem of an item larger than Zendesk allows. `line`: its JSON."""
    if len(line) <= MAX_RECORD_BYTES // 4:  # A character has at most four bytes.
        return None
    size = len(line.encode())
    if size <= MAX_RECORD_BYTES:
        return None
    return Problem(
        row=number,
        column="",
        value=f"{size:,} bytes",
        code="too_large",
        message="The record would be larger than the 32 KB Zendesk allows.",
        fix="Shorten its longest texts.",
    )


def odd_row(number: int, cells: OddCells) -> Problem:
    """The problem of a row that cannot be read as a row of the table."""
    return Problem(
        row=number,
        column="",
        value=shown(", ".join(filter(None, cells))),
        code=cells.code,
        message=cells.reason,
        fix=cells.fix,
    )


def shown(value: str) -> str:
    """A cell's text as it is stored beside its problem: its beginning, and nothing that
    a database refuses."""
    return value[:MAX_SHOWN].replace("\x00", "\ufffd")


def problem_of(problem: ValueProblem, number: int, column: str, text: str) -> Problem:
    """The problem of a value in the form in which it is stored."""
    return Problem(
        row=number,
        column=column,
        value=shown(text),
        code=problem.code,
        message=problem.message,
        fix=problem.fix,
        kind=problem.kind,
    )


def _empty(label: str) -> ValueProblem:
    return ValueProblem(
        "empty", f"{label} is empty.", "Fill it in, or leave the row out."
    )


def _too_many_cells(number: int, extra: list[str], width: int) -> list[Problem]:
    """Blank cells beyond the header's columns are no problem."""
    filled = [text for text in extra if text.strip()]
    if not filled:
        return []
    problem = Problem(
        row=number,
        column="",
        value=shown(", ".join(filled)),
        code="too_many_cells",
        message=f"The row has more cells than the header has columns ({width}).",
        fix="Quote cells that contain the delimiter.",
    )
    return [problem]
