"""The rows of a draft that have problems, with their cells, for the grid in which people
correct them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING

from jobsui import paging
from jobsui.jobs.ledger import problem_rows
from jobsui.jobs.ledger.row_sets import RowSet
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Cause, Job
from jobsui.paging import Page

if TYPE_CHECKING:
    from jobsui.files.cells import Block


@dataclass(frozen=True, slots=True)
class ProblemRow:
    row: int
    cells: list[str]
    """One for each column of the file, as corrected."""
    originals: dict[str, str] = field(default_factory=dict)
    """{column: text in the file} of the corrected cells."""
    problems: list[Problem] = field(default_factory=list)
    can_be_corrected: bool = True
    """False: it cannot be read as a row of the table. `cells` has what could be read."""


def page(
    job: Job, cause: Cause | None = None, after: int = 0, size: int = paging.SIZE
) -> Page[ProblemRow]:
    """The rows behind row `after` that have problems, of one cause or of any. Raises
    FileRefused when the stored file can no longer be read."""
    errors = job.causes.filter(phase=Cause.Phase.CHECK, is_warning=False)
    causes = [cause] if cause else errors
    wanted = reduce(or_, problem_rows.rows_of(causes).values(), RowSet())
    found = list(islice(wanted.after(after), size + 1))
    older = str(found[size - 1]) if len(found) > size else ""
    return Page(rows(job, found[:size]), older, "")


def rows(job: Job, numbers: Collection[int]) -> list[ProblemRow]:
    """These rows of a draft, those without problems too. Warnings count as problems. Numbers
    that no row has are left out. Raises FileRefused."""
    # Web processes import this module, and blocks need pyarrow, which takes 46 MB.
    from jobsui.jobs.preparation import (  # noqa: PLC0415
        checked_rows,
        job_blocks,
        staged_rows,
        warned_rows,
    )

    found: dict[int, ProblemRow] = {}
    wanted = sorted(numbers)
    with staged_rows.open_staged(job.file) as staged:
        reader = job_blocks.JobReader(job, staged.columns)
        repeats = checked_rows.repeats_of(job)
        for block in staged_rows.blocks_with(staged, wanted):
            for row in _cells(block, reader.corrected(block), staged.columns):
                found[row.row] = row
            read = reader.read(block)
            repeats.mark(read)
            if read.is_good.true_count:
                warned_rows.adding_warnings(job)(read)
            for problems in read.problems():
                found[problems[0].row].problems.extend(problems)
    return [found[row] for row in wanted if row in found]


def _cells(
    block: "Block", corrected: "Block", columns: list[str]
) -> Iterator[ProblemRow]:
    """The rows of a block, without their problems."""
    before = [column.texts.to_pylist() for column in block.columns]
    after = [column.texts.to_pylist() for column in corrected.columns]
    for index, number in enumerate(block.numbers.to_pylist()):
        originals = {
            column: old[index]
            for column, old, new in zip(columns, before, after, strict=True)
            if old[index] != new[index]
        }
        yield ProblemRow(number, [texts[index] for texts in after], originals)
    for number, cells in block.odd:
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        yield ProblemRow(number, padded[: len(columns)], can_be_corrected=False)
