"""What a rule does to the texts of its column, before it is saved. Reads single cells, so
that web processes can show it."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jobsui.files.kinds import Kind
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.cell_reader import LEAVE_ALONE, NULL, CellReader
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import FIELD, Target, schema_of, targets
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.rules import Rule
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import ColumnFacts, Job
from jobsui.zendesk.payloads import Field, Schema

MAX_SHOWN = 8
MAX_FIRST_PROBLEMS = 5
"""Of the texts shown, those that have a problem without a rule."""
MAX_OTHER_PROBLEMS = 2
"""Further ones that have a problem with the rule."""
MAX_SECONDS = 0.5
"""For the texts of a column. A slow pattern takes longer for each."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A target of a draft, and what is known about its column."""

    job: Job
    schema: Schema
    target: Target
    field: Field | None
    """None: the ID, external ID or name of a record."""
    column: str
    """"" when none is mapped."""
    facts: ColumnFacts | None
    """None: not counted."""
    options: Options

    @property
    def decimal_mark(self) -> str:
        """That of the column: ".", ",", "?" when it is not clear, or "" for no marks."""
        return decimal_marks(self.job.file, self.options).get(self.column, "")

    @property
    def texts(self) -> list[tuple[str, int | None]]:
        """(text, how often; None when it was not counted) of the column, the most frequent
        first. Those of the first rows when the file has too many different ones."""
        if self.facts and self.facts.values:
            return [(text, count) for text, count in self.facts.values if text.strip()]
        found = Counter(text for text in self._sample if text.strip())
        return [(text, None) for text in found]

    @property
    def are_all_texts(self) -> bool:
        """Whether `texts` are all different ones."""
        facts = self.facts
        return bool(facts and facts.distinct == len(facts.values))

    @property
    def _sample(self) -> list[str]:
        if not self.column:
            return []
        index = self.job.file.columns.index(self.column)
        return [cells[index] for _, cells in self.job.file.sample if index < len(cells)]

    def reader(self, rule: Rule) -> CellReader:
        columns: list[str] = self.job.file.columns
        names = [self.column, *rule.also] if self.column else []
        sources = tuple(columns.index(name) for name in names if name in columns)
        marks = decimal_marks(self.job.file, self.options)
        return CellReader(
            sources,
            self.column,
            self.target,
            self.schema,
            self.options,
            marks.get(self.column, "."),
            rule,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What becomes of a text."""

    text: str
    json: str = ""
    """Of the value that is sent. "": none is sent."""
    problem: str = ""
    fix: str = ""

    @property
    def is_sent(self) -> bool:
        return self.json != LEAVE_ALONE

    @property
    def is_cleared(self) -> bool:
        return self.json == NULL


@dataclass(frozen=True, slots=True)
class Preview:
    readings: list[Reading]
    problems: int
    """How many different texts have a problem."""
    texts: int
    """How many different texts were read."""
    is_whole: bool
    """Whether these are all texts of the column."""


def subject_of(job: Job, target_key: str, column: str) -> Subject | None:
    """None: the action cannot fill such a target."""
    schema = schema_of(job)
    offered = {target.key: target for target in targets(schema, Action(job.action))}
    target = offered.get(target_key)
    if target is None:
        return None
    is_field = target.key.startswith(FIELD)
    return Subject(
        job=job,
        schema=schema,
        target=target,
        field=schema.field(target.api_name) if is_field else None,
        column=column,
        facts=job.file.column_facts.filter(name=column).first() if column else None,
        options=Options.from_json(job.options),
    )


def preview(subject: Subject, rule: Rule) -> Preview:
    """What the rule does to texts of the column that show it best."""
    if not subject.column:
        constants = [rule.constant] if rule.constant else []
        readings = list(_readings(subject.reader(rule), constants))
        problems = sum(bool(reading.problem) for reading in readings)
        return Preview(readings, problems, len(readings), is_whole=True)
    texts = _texts(subject, rule)
    without = Rule(also=rule.also, joiner=rule.joiner)
    before = list(_readings(subject.reader(without), texts))
    after = list(_readings(subject.reader(rule), texts))
    shown = _shown(before, after)
    has_blanks = subject.facts and subject.facts.filled < (subject.job.file.rows or 0)
    if has_blanks:
        shown[MAX_SHOWN - 1 :] = _readings(subject.reader(rule), [""])
    return Preview(
        readings=shown,
        problems=sum(bool(reading.problem) for reading in after),
        texts=len(after),
        is_whole=subject.are_all_texts and len(after) == len(texts) and not rule.also,
    )


def count_problems(subject: Subject, rule: Rule, *, most: int) -> int:
    """How many of the `most` most frequent texts of the column have a problem."""
    texts = _texts(subject, rule)[:most]
    found = _readings(subject.reader(rule), texts)
    return sum(bool(reading.problem) for reading in found)


def _texts(subject: Subject, rule: Rule) -> list[str]:
    if not rule.also:
        return [text for text, _ in subject.texts]
    reader = subject.reader(rule)
    kinds = [Kind.TEXT] * len(subject.job.file.columns)
    joined = [
        reader.cell_of(cells, kinds)[0]
        for _, cells in subject.job.file.sample
        if len(cells) >= len(kinds)
    ]
    return list(dict.fromkeys(text for text in joined if text.strip()))


def _readings(reader: CellReader, texts: Sequence[str]) -> Iterator[Reading]:
    """As many as there is time for."""
    end = time.monotonic() + MAX_SECONDS
    for text in texts:
        try:
            yield Reading(text, json=reader.read(text))
        except ValueProblem as problem:
            yield Reading(text, problem=problem.message, fix=problem.fix)
        if time.monotonic() > end:
            return


def _shown(before: list[Reading], after: list[Reading]) -> list[Reading]:
    """Texts that need a rule, those that the rule does not help, and others."""
    wrong_before = [reading.text for reading in before if reading.problem]
    wrong_after = [reading.text for reading in after if reading.problem]
    chosen = dict.fromkeys(wrong_before[:MAX_FIRST_PROBLEMS])
    others = [text for text in wrong_after if text not in chosen]
    chosen |= dict.fromkeys(others[:MAX_OTHER_PROBLEMS])
    for reading in after:
        if len(chosen) >= MAX_SHOWN:
            break
        chosen.setdefault(reading.text)
    return [reading for reading in after if reading.text in chosen]
