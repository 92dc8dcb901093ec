"""The causes that a check has found, while corrections change them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobsui.jobs.ledger import causes, problem_rows
from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.preparation.found_causes import (
    MAX_CAUSES,
    MAX_VALUES,
    OTHER,
    new_cause,
    set_values,
    warning_cause,
)

if TYPE_CHECKING:
    from jobsui.jobs.preparation.job_blocks import JobBlock
    from jobsui.jobs.preparation.row_warnings import RowWarning


class WholeCheckNeeded(Exception):
    """It is not known what a correction changes without reading all rows."""


@dataclass(slots=True)
class _Entry:
    cause: Cause
    rows: RowSet
    values: dict[str, int]
    is_changed: bool = False

    def count(self, value: str, change: int) -> None:
        self.is_changed = True
        if value in self.values:
            self.values[value] += change
            if self.values[value] <= 0:
                del self.values[value]
        elif value and change > 0 and len(self.values) < MAX_VALUES:
            self.values[value] = change


class CheckCauses:
    def __init__(self, job: Job) -> None:
        """Raises WholeCheckNeeded."""
        self._job = job
        stored = list(Cause.objects.filter(job=job, phase=Cause.Phase.CHECK))
        rows = problem_rows.rows_of(stored)
        self._entries: dict[str, _Entry] = {}
        for cause in stored:
            found = rows.get(cause.pk, RowSet())
            if cause.code == OTHER or len(found) != cause.count:
                raise WholeCheckNeeded
            values = dict(cause.value_counts)
            self._entries[cause.signature] = _Entry(cause, found, values)

    def remove(self, problem: Problem, rows: RowSet) -> None:
        """These rows no longer have this problem. Raises WholeCheckNeeded."""
        entry = self._entry_of(problem)
        entry.rows -= rows
        entry.count(problem.value, -len(rows))

    def add(self, problem: Problem, rows: RowSet) -> None:
        """These rows have this problem now. Raises WholeCheckNeeded."""
        entry = self._entry_of(problem)
        entry.rows |= rows
        entry.count(problem.value, len(rows))

    def change(self, removed: Iterable[Problem], added: Iterable[Problem]) -> None:
        """Rows no longer have the first of these problems, and have the others now. Raises
        WholeCheckNeeded."""
        for problems in self._by_cause(removed):
            entry = self._entry_of(problems[0])
            entry.rows -= RowSet.of([problem.row for problem in problems])
            for problem in problems:
                entry.count(problem.value, -1)
        for problems in self._by_cause(added):
            entry = self._entry_of(problems[0])
            entry.rows |= RowSet.of([problem.row for problem in problems])
            for problem in problems:
                entry.count(problem.value, 1)

    def invalid_rows(self, *, without_codes: str = "") -> RowSet:
        """`without_codes`: the beginning of the codes of problems that do not count."""
        found = RowSet()
        for entry in self._entries.values():
            code = entry.cause.code
            is_left_out = without_codes and code.startswith(without_codes)
            if not (is_left_out or entry.cause.is_warning):
                found |= entry.rows
        return found

    def warned_rows(self) -> RowSet:
        found = RowSet()
        for entry in self._entries.values():
            if entry.cause.is_warning:
                found |= entry.rows
        return found - self.invalid_rows()

    def change_warning(
        self, warning: "RowWarning", block: "JobBlock", *, is_added: bool
    ) -> None:
        """Rows have this warning now, or no longer have it."""
        if warning.signature not in self._entries:
            cause = warning_cause(self._job, warning)
            self._entries[warning.signature] = _Entry(cause, RowSet(), {})
        entry = self._entries[warning.signature]
        entry.is_changed = True
        rows = warning.rows(block)
        entry.rows = entry.rows | rows if is_added else entry.rows - rows
        if warning.values is None:
            return
        for problem in warning.problems(block):
            entry.count(problem.value, 1 if is_added else -1)

    def remove_warnings(self, rows: RowSet) -> None:
        """These rows have no warning for now. Raises WholeCheckNeeded, before any change, where
        values would have to be counted again."""
        concerned = [
            entry
            for entry in self._entries.values()
            if entry.cause.is_warning and entry.rows & rows
        ]
        if any(entry.values for entry in concerned):
            raise WholeCheckNeeded
        for entry in concerned:
            entry.rows -= rows
            entry.is_changed = True

    def first_rows(self) -> set[int]:
        """The first row of each cause of errors that has changed."""
        changed = (
            entry
            for entry in self._entries.values()
            if entry.is_changed and not entry.cause.is_warning
        )
        return {next(iter(entry.rows)) for entry in changed if entry.rows}

    def describe(self, problems: Iterable[Problem]) -> None:
        """Let the changed causes say what they say of their first rows. `problems`: all those
        of `first_rows`."""
        found = {(signature_of(problem), problem.row): problem for problem in problems}
        for signature, entry in self._entries.items():
            if not (entry.is_changed and entry.rows) or entry.cause.is_warning:
                continue
            problem = found[signature, next(iter(entry.rows))]
            entry.cause.message = problem.general
            entry.cause.fix = problem.fix

    def save(self) -> None:
        """Store what has changed, in the caller's transaction."""
        for entry in self._entries.values():
            if entry.is_changed:
                _save(entry)

    def _by_cause(self, problems: Iterable[Problem]) -> Iterable[list[Problem]]:
        found: defaultdict[tuple[str, str], list[Problem]] = defaultdict(list)
        for problem in problems:
            found[problem.code, problem.column].append(problem)
        return found.values()

    def _entry_of(self, problem: Problem) -> _Entry:
        signature = signature_of(problem)
        if signature not in self._entries:
            if len(self._entries) >= MAX_CAUSES:
                raise WholeCheckNeeded
            cause = new_cause(
                self._job, problem.code, problem.column, problem.general, problem.fix
            )
            self._entries[signature] = _Entry(cause, RowSet(), {})
        return self._entries[signature]


def signature_of(problem: Problem) -> str:
    return causes.signature(problem.code, problem.column, "")


def _save(entry: _Entry) -> None:
    cause = entry.cause
    if not entry.rows:
        if cause.pk:
            cause.delete()
        return
    cause.count = len(entry.rows)
    first_rows = zip(range(causes.MAX_SAMPLE_ROWS), entry.rows, strict=False)
    cause.sample_rows = [row for _, row in first_rows]
    set_values(cause, entry.values)
    cause.save()
    problem_rows.replace(cause, entry.rows)
