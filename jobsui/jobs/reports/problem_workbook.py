"""problems.xlsx: the rows with problems as a workbook, to be corrected in a spreadsheet and
uploaded to the same draft again (control/correction_uploads.py)."""

from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import Any

import xlsxwriter

from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import correction_workbook
from jobsui.jobs.preparation.correction_workbook import (
    MAX_CELL,
    MAX_ROWS,
    SHEET,
    TOO_LONG,
)
from jobsui.jobs.reports import problem_rows
from jobsui.jobs.reports.problem_rows import ProblemRow

PAGE_SIZE = 500
MAX_COLUMNS = 16_384
"""Of a sheet."""
MAX_CELLS = 1_000_000
CHUNK_BYTES = 1 << 16
TEXT = {"num_format": "@"}
"""In cells with this format, a spreadsheet keeps leading zeros and long numbers."""
WRONG = {"num_format": "@", "bg_color": "#FFC7CE", "font_color": "#9C0006", "border": 2}
NOTE_WIDTH = 60
COLUMN_WIDTH = 18


def problems_xlsx(job: Job) -> Iterator[bytes]:
    """The workbook, as chunks. Raises NotPossibleNow at once when the job cannot have one."""
    columns = job.file.columns
    if len(columns) + 2 > MAX_COLUMNS:
        raise NotPossibleNow(
            f"A workbook cannot have the {len(columns):,} columns of this file. "
            "Correct the rows on the page, or in the file."
        )
    if not job.file.is_here:
        raise NotPossibleNow(
            f"The file of this job is stored on another machine, {job.file.storage_id}. "
            "Download the workbook there."
        )
    return _content(job)


def max_rows(columns: int) -> int:
    """The most rows that a workbook with this number of columns gets."""
    return min(MAX_ROWS, MAX_CELLS // max(columns, 1))


def _content(job: Job) -> Iterator[bytes]:
    columns = job.file.columns
    with TemporaryFile() as out:
        with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
            _Sheet(book, columns).write(_rows(job, max_rows(len(columns))))
        out.seek(0)
        while chunk := out.read(CHUNK_BYTES):
            yield chunk


def _rows(job: Job, most: int) -> Iterator[ProblemRow]:
    after = 0
    left = most
    while left:
        page = problem_rows.page(job, after=after, size=min(PAGE_SIZE, left))
        yield from page.entries
        left -= len(page.entries)
        if not page.older:
            return
        after = int(page.older)


class _Sheet:
    def __init__(self, book: Any, columns: Sequence[str]) -> None:
        self._columns = columns
        self._sheet = book.add_worksheet(SHEET)
        self._bold = book.add_format({"bold": True})
        self._text = book.add_format(TEXT)
        self._wrong = book.add_format(WRONG)
        self._note = book.add_format({"text_wrap": True, "valign": "top"})

    def write(self, rows: Iterable[ProblemRow]) -> None:
        sheet = self._sheet
        sheet.freeze_panes(1, 2)
        sheet.set_column(1, 1, NOTE_WIDTH)
        sheet.set_column(2, len(self._columns) + 1, COLUMN_WIDTH, self._text)
        own_names = correction_workbook.own_names(self._columns)
        for index, name in enumerate([*own_names, *self._columns]):
            sheet.write_string(0, index, name[:MAX_CELL], self._bold)
        for index, row in enumerate(rows, 1):
            self._write_row(index, row)

    def _write_row(self, index: int, row: ProblemRow) -> None:
        sheet = self._sheet
        wrong = {problem.column for problem in row.problems}
        sheet.write_number(index, 0, row.row)
        sheet.write_string(index, 1, _note(row.problems), self._note)
        for place, (column, text) in enumerate(
            zip(self._columns, row.cells, strict=False), 2
        ):
            style = self._wrong if column in wrong else self._text
            if text:
                sheet.write_string(index, place, _fitting(text), style)
            elif column in wrong:
                sheet.write_blank(index, place, None, style)


def _note(problems: Iterable[Problem]) -> str:
    """What is wrong with a row, one problem a line."""
    lines = []
    for problem in problems:
        named = f"{problem.column}: " if problem.column else ""
        lines.append(f"{named}{problem.message} {problem.fix}".rstrip())
    return "\n".join(lines)[:MAX_CELL]


def _fitting(text: str) -> str:
    return text if len(text) <= MAX_CELL else TOO_LONG
