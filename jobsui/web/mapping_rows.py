"""What the mapping page shows: a row for each target, and what is left to decide."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from jobsui.jobs.mapping import suggested_rules
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import FIELD, Target, schema_of
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rule_preview import Subject, count_problems
from jobsui.jobs.mapping.rule_words import rules_in_words
from jobsui.jobs.mapping.rules import NO_RULE, Rule, rules_of, used_columns
from jobsui.jobs.models import ColumnFacts, File, Job
from jobsui.text import counted
from jobsui.web.forms.mapping import SOURCE, SUGGESTED, MappingForm
from jobsui.web.value_table import TABLED

NUMBERS = frozenset({"integer", "decimal", "currency"})
DATES_ARE_AMBIGUOUS = "Day and month are ambiguous. Choose their order."
DATES_CONTRADICT = "Some dates have the day first, others the month. Choose one order."
MARKS_ARE_AMBIGUOUS = "The decimal mark is ambiguous. Choose it."
MAX_VALUES_READ = 50
"""Of each column, the most frequent ones, to say which match no option."""
MAX_SAMPLES = 3
MAX_OPTIONS = 12
MAX_OPEN_COLUMNS = 12
"""More columns that are not imported are behind a summary."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of the file as its target's row shows it."""

    name: str
    samples: list[str]
    """The first different texts."""
    filled: int | None
    """How many cells have a text. None: not counted."""
    rows: int

    @property
    def fill_rate(self) -> str:
        """ "93% filled (200 of 215 rows)"; "" when it is not known."""
        if self.filled is None or not self.rows:
            return ""
        if self.filled >= self.rows:
            return "Filled in every row"
        if not self.filled:
            return "Empty in every row"
        percent = min(max(round(100 * self.filled / self.rows), 1), 99)
        return f"{percent}% filled ({self.filled:,} of {self.rows:,} rows)"


@dataclass(frozen=True, slots=True)
class MappingRow:
    number: int
    """Of the row, for the ids of its parts."""
    target: Target
    input_name: str
    chosen: str
    """The label of the chosen column as it was entered."""
    errors: list[str]
    column: SourceColumn | None
    options: Sequence[Any] = ()
    rule: Rule = NO_RULE
    suggested: Rule = NO_RULE
    """For a target without a rule."""
    is_suggestion_used: bool = True
    """Whether the box beside the suggestion is ticked."""
    question: str = ""
    """What only a person can decide, as a sentence."""

    @property
    def suggestion_name(self) -> str:
        """Of the box. Its value is the column, so that it means this column only."""
        return SUGGESTED + self.target.key

    @property
    def rule_words(self) -> str:
        return rules_in_words(self.rule)

    @property
    def suggested_words(self) -> str:
        return rules_in_words(self.suggested)

    @property
    def shown_options(self) -> Sequence[Any]:
        return self.options[:MAX_OPTIONS]

    @property
    def more_options(self) -> int:
        return len(self.options) - len(self.shown_options)

    @property
    def is_missing(self) -> bool:
        return self.target.required and not self.is_filled

    @property
    def is_filled(self) -> bool:
        return self.column is not None or bool(self.rule.constant)

    @property
    def key(self) -> str:
        return self.target.api_name


@dataclass(frozen=True, slots=True)
class Summary:
    """What is mapped, and what still has to be."""

    mapped: int
    targets: int
    missing: list[MappingRow] = field(default_factory=list)
    """Required, without a column."""
    unused: list[str] = field(default_factory=list)
    """Labels of the columns that are not imported."""

    @property
    def lists_unused(self) -> bool:
        """Whether they are few enough to be in view."""
        return len(self.unused) <= MAX_OPEN_COLUMNS


class MappingRows:
    """Those of a draft, in the state of its form."""

    def __init__(self, job: Job, form: MappingForm, changed: str = "") -> None:
        """`changed`: the name of the input in which a person has just chosen."""
        self._job = job
        self._form = form
        self._changed = changed
        self._rules = rules_of(job.rules)
        self._mapping = form.present_mapping()
        self._suggested = suggested_rules.suggest(job, self._mapping)

    def __iter__(self) -> Iterator[MappingRow]:
        return iter(self._rows)

    @property
    def changed(self) -> MappingRow | None:
        """The row in which a person has just chosen."""
        name = self._changed
        return next((row for row in self._rows if row.input_name == name), None)

    @cached_property
    def _rows(self) -> list[MappingRow]:
        return [
            self._row(number, target)
            for number, target in enumerate(self._form.targets, 1)
        ]

    def _row(self, number: int, target: Target) -> MappingRow:
        source = self._form.source(target)
        column = self._form.chosen(target)
        rule = self._rules.get(target.key, NO_RULE)
        if column and rule.constant:
            rule = replace(rule, constant="")
        suggested = self._suggested.get(target.key, NO_RULE)
        row = MappingRow(
            number=number,
            target=target,
            input_name=SOURCE + target.key,
            chosen=source.value() or "",
            errors=[str(error) for error in source.errors],
            column=source_column(self._job.file, column, self._facts.get(column)),
            options=self._options(target),
            rule=rule,
            suggested=suggested if rule == NO_RULE else NO_RULE,
        )
        return replace(
            row,
            is_suggestion_used=self._is_used(row),
            question=self._question(row, column),
        )

    def _is_used(self, row: MappingRow) -> bool:
        """A suggestion is used unless a person has seen and left it."""
        if row.input_name == self._changed:
            return True
        if self._form.is_bound:
            return self._form.uses_suggestion(row.target)
        return not self._job.mapping

    def _question(self, row: MappingRow, column: str) -> str:
        target = row.target
        rule = row.rule
        if target.type == "date" and not rule.date_order and column in self._facts:
            orders = self._facts[column].date_orders
            match suggested_rules.judge_dates(orders):
                case "ambiguous":
                    return DATES_ARE_AMBIGUOUS
                case "contradictory":
                    return DATES_CONTRADICT
        has_mark = rule.decimal_mark or self._marks.get(column) != "?"
        if target.type in NUMBERS and not has_mark:
            return MARKS_ARE_AMBIGUOUS
        if column in self._valued:
            return self._values_left(row, column)
        return ""

    def _values_left(self, row: MappingRow, column: str) -> str:
        """What the table of values still lacks. A suggested rule is beside it."""
        facts = self._valued[column]
        subject = Subject(
            job=self._job,
            schema=self._schema,
            target=row.target,
            field=self._fields.get(row.target.key),
            column=column,
            facts=facts,
            options=Options.from_json(self._job.options),
        )
        rule = row.suggested if row.rule == NO_RULE else row.rule
        left = count_problems(subject, rule, most=MAX_VALUES_READ)
        if not left:
            return ""
        is_whole = facts.distinct is not None and facts.distinct <= MAX_VALUES_READ
        values = counted(left, "value")
        number = values if is_whole else f"At least {values}"
        match = "matches" if left == 1 else "match"
        wanted = "neither yes nor no" if row.target.type == "checkbox" else "no option"
        return f"{number} {match} {wanted}. Choose what to send."

    @cached_property
    def _valued(self) -> dict[str, ColumnFacts]:
        """The facts of the columns whose targets have a table of values."""
        types = {target.key: target.type for target in self._form.targets}
        columns = [c for c, key in self._mapping.items() if types[key] in TABLED]
        found = self._job.file.column_facts.filter(name__in=columns)
        return {facts.name: facts for facts in found}

    def _options(self, target: Target) -> Sequence[Any]:
        own = self._fields.get(target.key)
        return own.options if own else ()

    @cached_property
    def _fields(self) -> Mapping[str, Any]:
        return {f"{FIELD}{own.key}": own for own in self._schema.fields}

    @cached_property
    def _schema(self) -> Any:
        return schema_of(self._job)

    @cached_property
    def _marks(self) -> Mapping[str, str]:
        mark = self._form.initial["decimal_mark"]
        return decimal_marks(self._job.file, Options(decimal_mark=mark))

    @cached_property
    def _facts(self) -> dict[str, ColumnFacts]:
        found = self._job.file.column_facts.defer("values")
        return {facts.name: facts for facts in found}

    @property
    def summary(self) -> Summary:
        used = used_columns(self._mapping, self._rules)
        labels = self._form.labels
        return Summary(
            mapped=sum(row.is_filled for row in self._rows),
            targets=len(self._rows),
            missing=[row for row in self._rows if row.is_missing],
            unused=[label for label in labels if labels.value(label) not in used],
        )


def source_column(
    file: File, name: str, facts: ColumnFacts | None
) -> SourceColumn | None:
    """None for no column, or one that the file does not have."""
    if name not in file.columns:
        return None
    index = file.columns.index(name)
    texts = (cells[index] for _, cells in file.sample if index < len(cells))
    different = dict.fromkeys(text for text in texts if text.strip())
    return SourceColumn(
        name=name,
        samples=list(different)[:MAX_SAMPLES],
        filled=facts.filled if facts else None,
        rows=file.rows or 0,
    )
