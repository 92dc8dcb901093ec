"""The causes of problems that a check finds: counted, with the rows of each."""

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from jobsui.jobs.ledger import causes
from jobsui.jobs.ledger.row_sets import RowCollector, RowSet
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Cause, Job, ProblemRows

if TYPE_CHECKING:
    from jobsui.jobs.preparation.job_blocks import JobBlock
    from jobsui.jobs.preparation.row_warnings import RowWarning

MAX_CAUSES = 200
MAX_VALUES = 100
"""Different values of a cause that are counted."""
OTHER = "other"
"""The code of the cause of all problems beyond MAX_CAUSES causes."""


class FoundCauses:
    """Problems grouped by cause as the check finds them, in bounded memory."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._found: dict[tuple[str, str], _Found] = {}

    def add(self, problems: list[Problem]) -> None:
        """The problems of a row."""
        for problem in problems:
            self._found_of(problem).add(problem)

    def add_warning(self, warning: "RowWarning", block: "JobBlock") -> None:
        """Rows of a block that Zendesk may refuse."""
        key = (warning.code, warning.signature)
        if key not in self._found:
            self._found[key] = _Found(warning_cause(self._job, warning))
        found = self._found[key]
        if warning.values is None:
            found.add_rows(warning.rows(block))
            return
        for problem in warning.problems(block):
            found.add(problem)

    def save(self) -> None:
        """Replace the causes of the previous check."""
        Cause.objects.filter(job=self._job, phase=Cause.Phase.CHECK).delete()
        Cause.objects.bulk_create(found.complete() for found in self._found.values())
        for found in self._found.values():
            ProblemRows.objects.bulk_create(
                ProblemRows(cause=found.cause, part=part, packed_bits=bits)
                for part, bits in found.rows.packed().items()
            )

    def _found_of(self, problem: Problem) -> "_Found":
        key = (problem.code, problem.column)
        if key in self._found:
            return self._found[key]
        if len(self._found) < MAX_CAUSES:
            return self._new(*key, problem.general, problem.fix)
        other = (OTHER, "")
        if other in self._found:
            return self._found[other]
        return self._new(
            *other, "Problems of other kinds.", "Fix the problems above first."
        )

    def _new(self, code: str, column: str, message: str, fix: str) -> "_Found":
        found = _Found(new_cause(self._job, code, column, message, fix))
        self._found[code, column] = found
        return found


@dataclass(slots=True)
class _Found:
    cause: Cause
    count: int = 0
    rows: RowCollector = field(default_factory=RowCollector)
    values: dict[str, int] = field(default_factory=dict)

    def add(self, problem: Problem) -> None:
        self.count += 1
        self.rows.add(problem.row)
        if self.count <= causes.MAX_SAMPLE_ROWS:
            self.cause.sample_rows.append(problem.row)
        value = problem.value
        if value in self.values:
            self.values[value] += 1
        elif value and len(self.values) < MAX_VALUES:
            self.values[value] = 1

    def add_rows(self, rows: RowSet) -> None:
        """Rows without values."""
        self.count += len(rows)
        self.rows.add_all(rows)
        sample = self.cause.sample_rows
        sample += islice(rows, causes.MAX_SAMPLE_ROWS - len(sample))

    def complete(self) -> Cause:
        self.cause.count = self.count
        set_values(self.cause, self.values)
        return self.cause


def new_cause(job: Job, code: str, column: str, message: str, fix: str) -> Cause:
    """A cause of the check, not saved yet."""
    return Cause(
        job=job,
        phase=Cause.Phase.CHECK,
        signature=causes.signature(code, column, ""),
        code=code,
        column=column[:255],
        message=message,
        fix=fix,
    )


def warning_cause(job: Job, warning: "RowWarning") -> Cause:
    """A cause of the check, not saved yet."""
    cause = new_cause(job, warning.code, warning.column, warning.message, warning.fix)
    cause.signature = warning.signature
    cause.is_warning = True
    return cause


def set_values(cause: Cause, counts: dict[str, int]) -> None:
    """`counts`: {value: how often}, in the order in which they were found."""
    cause.value_counts = [list(pair) for pair in counts.items()]
    cause.sample_values = list(counts)[: causes.MAX_SAMPLE_VALUES]
