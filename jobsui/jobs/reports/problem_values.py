"""The values of a column that have a problem, to be replaced in all rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.cell_reader import CellReader
from jobsui.jobs.mapping.decimal_marks import decimal_marks
from jobsui.jobs.mapping.field_targets import FIELD, schema_of
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import MAX_SHOWN, cell_readers
from jobsui.jobs.mapping.rules import NO_RULE, rules_of
from jobsui.jobs.mapping.types import ValueProblem
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.preparation.corrected_cells import corrected_cells

MAX_VALUES = 100
REPEATED_KEY = "duplicate_"
"""Begins the codes of problems that are not in the value itself."""


@dataclass(frozen=True, slots=True)
class ProblemValue:
    text: str
    """With the corrections made so far."""
    count: int | None
    """How many cells have it. None: not known."""


def replaceable(job: Job, causes: Iterable[Cause]) -> list[Cause]:
    """Those whose rows share values, so that replacing one corrects several rows. The text
    of joined columns is no value of one cell."""
    with_others = {
        column
        for column, target in job.mapping.items()
        if rules_of(job.rules).get(target, NO_RULE).also
    }
    return [
        cause
        for cause in causes
        if cause.column
        and cause.column not in with_others
        and not cause.code.startswith(REPEATED_KEY)
        and 0 < len(cause.sample_values) < cause.count
    ]


def joined_columns(job: Job) -> list[str]:
    """The columns that are joined behind mapped ones."""
    return [column for rule in rules_of(job.rules).values() for column in rule.also]


def values_of(job: Job, cause: Cause) -> list[ProblemValue]:
    """The values that have this problem, the most frequent first, at most MAX_VALUES. Of a
    column with too many different values: a few of them."""
    if not replaceable(job, [cause]):
        return []
    if found := _judged(job, cause):
        return found[:MAX_VALUES]
    return [
        ProblemValue(text, None)
        for text in cause.sample_values
        if len(text) < MAX_SHOWN
    ]


def options_by_column(job: Job) -> dict[str, list[tuple[str, str]]]:
    """{column: (value, label) of each option} of the columns that fill a dropdown field."""
    schema = schema_of(job)
    found = {}
    for column, target in job.mapping.items():
        field = schema.field(target.removeprefix(FIELD)) if _is_field(target) else None
        if field and field.type == "dropdown":
            found[column] = [(option.value, option.name) for option in field.options]
    return found


def _is_field(target: str) -> bool:
    return target.startswith(FIELD)


def _judged(job: Job, cause: Cause) -> list[ProblemValue]:
    """The most frequent first."""
    facts = job.file.column_facts.filter(name=cause.column).first()
    reader = _reader(job, cause.column)
    if facts is None or reader is None:
        return []
    replaced = corrected_cells(job).texts.get(cause.column, {})
    counts: Counter[str] = Counter()
    for text, count in facts.values:
        counts[replaced.get(text, text)] += count
    return [
        ProblemValue(text, count)
        for text, count in counts.most_common()
        if _code(reader, text) == cause.code
    ]


def _reader(job: Job, column: str) -> CellReader | None:
    options = Options.from_json(job.options)
    readers = cell_readers(
        schema_of(job),
        Action(job.action),
        job.mapping,
        job.file.columns,
        options,
        decimal_marks(job.file, options),
        rules_of(job.rules),
    )
    return next((reader for reader in readers if reader.column == column), None)


def _code(reader: CellReader, text: str) -> str:
    """Of the problem of a text; "" if it has none."""
    try:
        reader.read(text)
    except ValueProblem as problem:
        return problem.code
    return ""
