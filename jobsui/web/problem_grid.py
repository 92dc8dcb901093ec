"""The grid of rows with problems, as its page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Cause, Job
from jobsui.jobs.reports import job_details, problem_values
from jobsui.jobs.reports.problem_rows import ProblemRow

MAX_ROWS = 25
MIN_ROWS = 5
MAX_CELLS = 1_500
"""Of a page, unless its rows have very many."""
MAX_EDITED = 10_000
"""Characters of a cell that a page offers to change."""
LONG = 60
"""A longer text gets several lines."""


@dataclass(frozen=True, slots=True)
class GridColumn:
    position: int
    """In the file, from 0."""
    name: str
    label: str
    """Of the field that it fills."""
    options: Sequence[str]
    """What a dropdown field takes."""


@dataclass(frozen=True, slots=True)
class GridCell:
    id: str
    position: int
    column: str
    text: str
    was: str | None
    """In the file, if it was corrected."""
    problems: Sequence[Problem]
    options: Sequence[str]
    is_warning: bool
    """Zendesk may refuse it, but it has no error."""
    is_open: bool
    """Shown as a field to write in."""
    has_focus: bool
    edit: str
    """Where it is opened."""

    @property
    def style(self) -> str:
        if not self.problems:
            return ""
        return "is-bad is-warned" if self.is_warning else "is-bad"

    @property
    def is_long(self) -> bool:
        return len(self.text) > LONG or "\n" in self.text or "\r" in self.text


@dataclass(frozen=True, slots=True)
class GridRow:
    number: int
    cells: Sequence[GridCell]
    problems: Sequence[Problem]
    """Those that belong to no column."""
    text: str
    """Of a row that cannot be read."""
    can_change: bool
    is_good: bool
    refusal: str = ""
    """Why the last change was not accepted."""


class Grid:
    """Draws rows of a job."""

    def __init__(self, job: Job, cause: Cause | None, after: str) -> None:
        self.cause = cause
        self.after = after
        self.warning_codes = {each.code for each in job_details.warnings(job)}
        self.columns = _columns(job, cause.column if cause else "")

    @property
    def size(self) -> int:
        """How many rows a page has."""
        fitting = MAX_CELLS // max(len(self.columns), 1)
        return min(max(fitting, MIN_ROWS), MAX_ROWS)

    def row(
        self, row: ProblemRow, *, opened: int | None = None, refusal: str = ""
    ) -> GridRow:
        """`opened`: position of a column whose cell is shown as a field."""
        shown = {column.name for column in self.columns}
        return GridRow(
            number=row.row,
            cells=[self._cell(row, column, opened) for column in self.columns],
            problems=[each for each in row.problems if each.column not in shown],
            text="" if row.can_be_corrected else ", ".join(filter(None, row.cells)),
            can_change=row.can_be_corrected,
            is_good=all(self._is_settled(each) for each in row.problems),
            refusal=refusal,
        )

    def _is_settled(self, problem: Problem) -> bool:
        """Whether a row with it counts as fixed: it is a warning, and another one than that
        of the page."""
        is_asked_for = self.cause is not None and problem.code == self.cause.code
        return problem.code in self.warning_codes and not is_asked_for

    def _cell(
        self, row: ProblemRow, column: GridColumn, opened: int | None
    ) -> GridCell:
        position = column.position
        text = row.cells[position] if position < len(row.cells) else ""
        problems = [each for each in row.problems if each.column == column.name]
        has_focus = position == opened
        can_open = len(text) <= MAX_EDITED
        return GridCell(
            id=f"c{row.row}-{position}",
            position=position,
            column=column.name,
            text=text,
            was=row.originals.get(column.name),
            problems=problems,
            options=column.options,
            is_warning=all(each.code in self.warning_codes for each in problems),
            is_open=can_open and (has_focus or bool(problems)),
            has_focus=has_focus,
            edit=self._address(row.row, position),
        )

    def _address(self, row: int, position: int) -> str:
        cell = urlencode({"row": row, "column": position})
        return f"?{self.page_query}&{cell}"

    @property
    def query(self) -> str:
        """The query of the address, without the position in the list."""
        return urlencode({"cause": self.cause.pk if self.cause else ""})

    @property
    def page_query(self) -> str:
        """The query of the address of this page."""
        position = urlencode({"after": self.after}) if self.after else ""
        return "&".join(filter(None, [self.query, position]))


def _columns(job: Job, first: str) -> list[GridColumn]:
    """The mapped and joined ones, in the order of the file. The column `first` comes before
    them."""
    joined = dict.fromkeys(problem_values.joined_columns(job), "joined")
    labels = joined | {entry.column: entry.target for entry in job_details.mapped(job)}
    options = problem_values.options_by_column(job)
    found = [
        GridColumn(
            position=position,
            name=name,
            label=labels[name],
            options=[value for value, _ in options.get(name, ())],
        )
        for position, name in enumerate(job.file.columns)
        if name in labels
    ]
    return sorted(found, key=lambda column: column.name != first)
