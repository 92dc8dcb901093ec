"""Corrected workbooks: what a person changed in problems.xlsx becomes corrections."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Protocol

from django.db import transaction

from jobsui.files.errors import FileRefused
from jobsui.jobs import leases
from jobsui.jobs.control import corrections
from jobsui.jobs.control.corrections import CellChange
from jobsui.jobs.enums import FileState, JobState
from jobsui.jobs.errors import JobsError, NotPossibleNow
from jobsui.jobs.mapping.row_reader import Problem
from jobsui.jobs.models import CorrectionUpload, File, Job
from jobsui.jobs.models.correction_upload import MAX_REFUSED
from jobsui.jobs.preparation import correction_workbook, file_reading, uploads
from jobsui.jobs.preparation.correction_workbook import (
    OWN_NUMBER,
    FileRow,
    RowRefused,
    SheetRow,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class RowNow(Protocol):
    """A row with the corrections made so far (reports/problem_rows.py)."""

    @property
    def row(self) -> int: ...

    @property
    def cells(self) -> Sequence[str]: ...

    @property
    def problems(self) -> Sequence[Problem]: ...

    @property
    def can_be_corrected(self) -> bool: ...


type RowsOf = Callable[[Job, Sequence[int]], Sequence[RowNow]]
ROWS_AT_ONCE = 1_000
OTHER_WORKBOOK = (
    "The workbook has no column {}. Download problems.xlsx, correct it, and upload "
    "that."
)
TWICE = "Its row number is there twice."
NO_SUCH_ROW = "The file has no such row."


def receive(job: Job, chunks: Iterable[bytes], name: str, *, by: "User | None") -> None:
    """Keep a corrected workbook, and have it read. It replaces the last one. Raises
    UploadRefused and NotPossibleNow."""
    if job.state != JobState.READY:
        raise NotPossibleNow("This job must be checked first.")
    if not job.file.is_here:
        raise NotPossibleNow(
            f"The file of this job is stored on another machine, {job.file.storage_id}. "
            "Upload the workbook there."
        )
    with uploads.storing(chunks, name) as stored, transaction.atomic():
        forget(job)
        file = uploads.register(
            stored, by=by, sheet=correction_workbook.SHEET, header_row=1
        )
        CorrectionUpload.objects.create(job=job, file=file, name=file.name, by=by)


def forget(job: Job) -> None:
    """Delete the last upload of a job."""
    upload = CorrectionUpload.objects.filter(job=job).select_related("file").first()
    if upload is not None:
        _delete_file(upload)
        upload.delete()


def apply(job: Job, rows_of: RowsOf) -> None:
    """Make corrections of a workbook that was read. Called again without harm. `rows_of`:
    reports/problem_rows.rows."""
    with leases.tried(f"corrections:{job.pk}", partial(_give_up, job)) as lease:
        upload = CorrectionUpload.objects.filter(job=job, file__isnull=False).first()
        if lease is None or upload is None or upload.file is None:
            return
        if upload.file.state == FileState.READING:
            return
        try:
            _apply(job, upload, upload.file, rows_of)
        except (FileRefused, JobsError) as refusal:
            upload.error = str(refusal)
        _delete_file(upload)
        upload.save()


def _give_up(job: Job, _lease: leases.Held, reason: str) -> None:
    upload = CorrectionUpload.objects.get(job=job)
    upload.error = reason
    _delete_file(upload)
    upload.save()


def _apply(job: Job, upload: CorrectionUpload, file: File, rows_of: RowsOf) -> None:
    """Raises FileRefused and JobsError."""
    if file.state == FileState.REJECTED:
        raise NotPossibleNow(file.error)
    found = _Changes()
    with file_reading.open_rows(file) as table:
        columns = job.file.columns
        if not correction_workbook.has_row_numbers(table, columns):
            name = correction_workbook.own_names(columns)[0]
            raise NotPossibleNow(OTHER_WORKBOOK.format(name))
        rows = _by_number(correction_workbook.sheet_rows(table, columns), found)
    for numbers in batched(sorted(rows), ROWS_AT_ONCE):
        for now in rows_of(job, numbers):
            found.compare(rows.pop(now.row), _file_row(job, now))
    for number in rows:
        found.refuse(number, NO_SUCH_ROW)
    if found.changes:
        corrections.correct_many(job, found.changes, by=upload.by)
    upload.corrected = len(found.changes)
    upload.refused = len(found.refusals)
    upload.refusals = found.refusals[:MAX_REFUSED]


class _Changes:
    def __init__(self) -> None:
        self.changes: list[CellChange] = []
        self.refusals: list[tuple[int | None, str]] = []

    def compare(self, sheet: SheetRow, now: FileRow) -> None:
        try:
            changed = correction_workbook.changes(sheet, now)
        except RowRefused as refusal:
            self.refuse(now.number, str(refusal))
            return
        self.changes += [
            CellChange(now.number, column, text) for column, text in changed.items()
        ]

    def refuse(self, row: int | None, reason: str) -> None:
        self.refusals.append((row, reason))


def _by_number(sheet: Iterable[SheetRow], found: _Changes) -> dict[int, SheetRow]:
    rows: dict[int, SheetRow] = {}
    for row in sheet:
        if row.number is None:
            line = f"Row {row.line:,} of the workbook: "
            found.refuse(None, line + OWN_NUMBER.format("_row"))
        elif row.number in rows:
            found.refuse(row.number, TWICE)
        else:
            rows[row.number] = row
    return rows


def _file_row(job: Job, now: RowNow) -> FileRow:
    return FileRow(
        number=now.row,
        cells=dict(zip(job.file.columns, now.cells, strict=False)),
        wrong={problem.column for problem in now.problems},
        can_be_corrected=now.can_be_corrected,
    )


def _delete_file(upload: CorrectionUpload) -> None:
    file = upload.file
    upload.file = None
    if file is None:
        return
    upload.save()
    file.delete()
    transaction.on_commit(file.delete_content)
