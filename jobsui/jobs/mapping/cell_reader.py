"""What a cell of a mapped column becomes: nothing, a JSON value, or a problem."""

import json
from collections.abc import Mapping, Sequence

from jobsui.files.kinds import Kind
from jobsui.files.number_styles import Mark
from jobsui.jobs.mapping import types
from jobsui.jobs.mapping.field_targets import FIELD, Target, api_name
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import ERRORS, Rewriter, Rule, joined
from jobsui.jobs.mapping.types import ValueProblem, problem
from jobsui.zendesk.payloads import Schema

LEAVE_ALONE = ""
"""Instead of the JSON of a value: the record's field stays as it is."""
NULL = "null"
MARKS: Mapping[str, Mark] = {"point": ".", "comma": ","}
to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class CellReader:
    """A filled target: where its cells are, how to read them, where the values go."""

    def __init__(
        self,
        sources: tuple[int, ...],
        column: str,
        target: Target,
        schema: Schema,
        options: Options,
        decimal_mark: Mark,
        rule: Rule,
    ) -> None:
        """`sources`: the positions of the mapped column and of those joined behind it; ()
        for a constant, whose `column` is ""."""
        self.sources = sources
        self.column = column
        self.target = target
        self.is_field = target.key.startswith(FIELD)
        self.key = api_name(target.key)
        self.rule = rule
        self._rewriter = Rewriter(rule)
        decimal_mark = MARKS.get(rule.decimal_mark, decimal_mark)
        field = schema.field(self.key) if self.is_field else None
        if field:
            self.type = types.of_field(field, decimal_mark)
        else:
            self.type = types.of_member(self.key)
        blank = rule.blank or options.blank
        self._is_cleared = self.is_field and blank == "clear"
        """Whether a blank cell empties the field."""

    def cell_of(self, texts: Sequence[str], kinds: Sequence[int]) -> tuple[str, int]:
        """(text, kind) of what a row has for the target."""
        if not self.sources:
            return self.rule.constant, Kind.TEXT
        cells = [(texts[index], kinds[index]) for index in self.sources]
        return joined(cells, self.rule) if len(cells) > 1 else cells[0]

    def read(self, text: str, kind: int = Kind.TEXT) -> str:
        """The JSON of a cell's value, or LEAVE_ALONE. Raises ValueProblem."""
        return self.read_rewritten(self._rewriter.rewrite(text, kind), kind)

    def read_rewritten(self, text: str, kind: int = Kind.TEXT) -> str:
        """`read` for a text that is rewritten by the rule of the column."""
        match kind:
            case Kind.ABSENT:
                return self._without_value()
            case Kind.NULL:
                return self._null()
            case Kind.NO_RESULT:
                return self._without_result()
            case Kind.ERROR:
                raise _error_cell(text)
            case Kind.NESTED:
                return self._nested(text)
        if not text or text.isspace():
            return self._blank()
        if text.lstrip().startswith("#") and text.strip() in ERRORS:
            raise _error_cell(text)
        if kind == Kind.NUMBER:
            return to_json(self.type.parse_number(text))
        return to_json(self.type.parse(text))

    def _without_value(self) -> str:
        if self.target.required:
            raise self._empty()
        return LEAVE_ALONE

    def _blank(self) -> str:
        if self.target.required:
            raise self._empty()
        return NULL if self._is_cleared else LEAVE_ALONE

    def _null(self) -> str:
        """The file says that the field is to be emptied."""
        if self.target.required:
            raise self._empty()
        if self.is_field:
            return NULL
        label = self.target.label
        raise ValueProblem(
            "null",
            f"{label} is null, and it cannot be emptied.",
            "Write a value, or leave it out of the item.",
        )

    def _without_result(self) -> str:
        if self.target.required:
            raise ValueProblem(
                "no_result",
                f"{self.target.label} is a formula without a stored result.",
                "Open the file in a spreadsheet program, save it, and upload it again.",
            )
        return LEAVE_ALONE

    def _nested(self, text: str) -> str:
        if self.type.takes_lists and text.lstrip().startswith("["):
            return to_json(self.type.parse(text))
        raise problem(
            "nested_value",
            text,
            f"is a JSON object or list, and {self.target.label} takes a single value",
            "Write a text or a number there, or map another column.",
        )

    def _empty(self) -> ValueProblem:
        label = self.target.label
        return ValueProblem(
            "empty", f"{label} is empty.", "Fill it in, or leave the row out."
        )


def _error_cell(text: str) -> ValueProblem:
    return problem(
        "error_cell",
        text,
        "is a formula error, not a value",
        "Correct the formula or the cell in the file, and upload it again.",
    )
