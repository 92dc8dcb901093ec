"""Undoes a job by another job: what that puts back, and which rows it leaves as they are."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Router
from pydantic import Field

from jobsui import paging
from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import invalid
from jobsui.api.schema import Schema
from jobsui.api.v1 import job_out, reads
from jobsui.api.v1.job_out import JobOut
from jobsui.api.v1.reads import (
    MAX_CHOSEN,
    ChangeOut,
    ReadOut,
    RowChoiceIn,
    RowNumber,
    field_name,
)
from jobsui.api.v1.types import (
    Body,
    Code,
    Limit,
    ListOut,
    Name,
    Text,
    list_response,
    responses,
)
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import automation, undo
from jobsui.jobs.enums import JobState, ParentRows, ReadState, Verdict
from jobsui.jobs.live import undo_rows
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.records.compare import FIELDS, MEMBERS
from jobsui.jobs.reports import undone_rows
from jobsui.jobs.reports.undone_rows import UndoList, UndoneRow

router = Router()
NO_UNDO = (
    "This job undoes no other job. Undo a job: POST /api/v1/jobs/{id}/undo. "
    "The plan belongs to the new job."
)
NOT_DONE = "The records are still being read. Wait for it, or read them again."
RowRange = Annotated[str, Field(pattern="^[0-9]{1,18}-[0-9]{1,18}$")]


class UndoIn(Body):
    rows: (
        Annotated[
            list[RowNumber | RowRange], Field(min_length=1, max_length=MAX_CHOSEN)
        ]
        | None
    ) = None
    """Row numbers of the file, or ranges of them such as `"2-500"`. Null: all rows."""
    fields: Annotated[list[Name], Field(min_length=1, max_length=1000)] | None = None
    """Keys of fields, `name` and `external_id`. Only these get their old values back, and
    records that the job created or deleted stay as they are. Null: everything is undone."""
    launch: bool = False
    """Launch the undo as soon as its plan is done. Waits for other jobs of the object, and for a
    day the records are read again after them."""


class UndoCounts(Schema):
    """Rows by what happens to their records."""

    change: int
    """Values are put back."""
    create: int
    """A deleted record is created again, with a new ID."""
    delete: int
    """A created record is deleted."""
    same: int
    """The record is as it was before."""
    kept: int
    """Kept, because the record was changed since."""
    impossible: int
    """Cannot be undone; of a launched undo, also rows that failed."""
    left_out: int
    """A person or program has chosen not to undo them. The other counts are without them."""


class RestoredCells(Schema):
    field: str
    cells: int
    """How many values are put back."""


class UndoPlanOut(ReadOut):
    job: UUID
    """The job that undoes."""
    undoes: UUID
    """The job that is undone."""
    state: ReadState
    """How far the records are read. The job can be launched once this is `done`."""
    rows: list[str] | None
    """The chosen rows, as numbers and ranges. Null: all."""
    fields: list[str] | None
    """The chosen fields. Null: all."""
    counts: UndoCounts
    """What the launch would do, or of a launched job what it has done."""
    restored_cells: list[RestoredCells]
    """By field, most frequent first. Counts existing records only, including rows that were left
    out."""


class UndoVerdict(StrEnum):
    """What happens to the record: see the counts of the plan."""

    CHANGE = "change"
    CREATE = "create"
    DELETE = "delete"
    KEPT = "kept"
    IMPOSSIBLE = "impossible"


class UndoneRowOut(Schema):
    row: int | None
    """Row number in the file; null for a record that only the account had."""
    key: str | None
    """Null if the file has record IDs, or its rows are no longer stored."""
    record_id: str | None
    verdict: UndoVerdict
    is_left_out: bool
    changes: list[ChangeOut]
    """`old` is what the record held when it was read, `new` what is put back."""
    reasons: list[str]
    """Why something is kept or cannot be undone. Rows that are put back in part have some
    too."""
    later_jobs: list[UUID]
    """The jobs that the reasons name."""


@router.post(
    "/{uuid:id}/undo",
    auth=RUN,
    operation_id="undo_job",
    summary="Undo a job",
    response=responses(201, JobOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def create(request: ApiRequest, code: Code, body: UndoIn | None = None) -> HttpResponse:
    """Creates a job that puts back what this one changed, unless it was changed again since. The
    new job first reads the records. Nothing changes in Zendesk before it is launched. To
    return, undo the new job."""
    limits.count(request.auth, Limited.LAUNCH)
    chosen = body or UndoIn()

    def create_undo() -> idempotency.Result:
        job = lookup.job(request.auth, code, Act.RUN)
        draft = undo.create(
            job,
            by=request.auth.user,
            rows=_ranges(chosen.rows),
            fields=_names(job, chosen.fields),
        )
        if chosen.launch:
            automation.set_auto_target(draft, JobState.QUEUED)
        return 201, job_out.current(request, draft.code)

    return idempotency.run_once(request, create_undo)


@router.get(
    "/{uuid:id}/undo-plan",
    operation_id="get_undo_plan",
    summary="Get what an undo puts back",
    response=responses(200, UndoPlanOut, 404),
    url_name="undo-plan",
)
def detail(request: ApiRequest, code: Code) -> Any:
    """Only of a job that undoes another one."""
    job, read = _planned(request, code)
    return serialize(job, read)


@router.post(
    "/{uuid:id}/undo-plan/read",
    auth=RUN,
    operation_id="read_undo_again",
    summary="Plan an undo again",
    response=responses(200, UndoPlanOut, 404, 409),
)
def read_again(request: ApiRequest, code: Code) -> Any:
    """Reads the records again, as they are now. Rows that were left out stay so."""
    job, _ = _planned(request, code)
    undo.read_again(job, by=request.auth.user)
    return serialize(*_planned(request, code))


@router.get(
    "/{uuid:id}/undo-plan/rows",
    operation_id="list_undone_rows",
    summary="List the rows of an undo",
    response=responses(200, ListOut[UndoneRowOut], 404, 409),
)
def row_list(
    request: ApiRequest,
    code: Code,
    list: UndoList = UndoList.RESTORED,  # noqa: A002
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """One of three lists, in the order of the file: `restored`, `kept` because the record
    was changed since, and `impossible`. Of a launched undo, `impossible` also has the rows
    that failed. A page may have fewer rows than `limit`, or none, before the last page. Follow
    `next` until it is null. 409 until the plan is done."""
    job, read = _planned(request, code)
    reads.require_done(read, NOT_DONE)
    read.job = job
    after = paging.after(cursor)
    page = undone_rows.page(read, list, after=after, size=limit)
    return list_response(request, page, _serialize_row)


@router.post(
    "/{uuid:id}/undo-plan/rows",
    auth=RUN,
    operation_id="choose_undone_rows",
    summary="Leave rows out of an undo",
    response=responses(200, UndoPlanOut, 400, 404, 409, 413),
)
def choose_rows(request: ApiRequest, code: Code, body: RowChoiceIn) -> Any:
    """Only before the launch. Rows that would not be sent anyway are ignored."""
    job, read = _planned(request, code, Act.RUN)
    reads.require_done(read, NOT_DONE)
    reads.choose_rows(read, body, by=request.auth.user)
    return serialize(job, _planned(request, code)[1])


def serialize(job: Job, read: RecordRead) -> UndoPlanOut:
    assert job.parent is not None  # noqa: S101  # An undo has one.
    rows = undo_rows.chosen_rows(job)
    fields = undo_rows.chosen_fields(job)
    return UndoPlanOut(
        **reads.members(job, read),
        undoes=job.parent.code,
        rows=None if rows is None else str(rows).split(", "),
        fields=None if fields is None else sorted(map(field_name, fields)),
        counts=_counts(job, read),
        restored_cells=[
            RestoredCells(field=field, cells=cells)
            for field, cells, _ in reads.cells(read)
        ],
    )


def _counts(job: Job, read: RecordRead) -> UndoCounts:
    rows = undone_rows.planned(read) if job.is_draft else undone_rows.done(job, read)
    return UndoCounts(
        change=rows.changes,
        create=rows.creates,
        delete=rows.deletes,
        same=rows.same,
        kept=rows.kept,
        impossible=rows.impossible,
        left_out=rows.left_out,
    )


def _serialize_row(row: UndoneRow) -> UndoneRowOut:
    compared = row.compared
    return UndoneRowOut(
        row=file_row(row.row),
        key=compared.key or None,
        record_id=compared.record_id or None,
        verdict=UndoVerdict[Verdict(compared.verdict).name],
        is_left_out=compared.is_left_out,
        changes=reads.changes(compared.values),
        reasons=[str(reason) for reason in row.reasons],
        later_jobs=[UUID(reason.job) for reason in row.reasons if reason.job],
    )


def _planned(
    request: ApiRequest, code: UUID, act: Act = Act.VIEW
) -> tuple[Job, RecordRead]:
    """The job that undoes another one, and what it reads. Raises Problem for another
    job."""
    job = lookup.draft_or_job(request.auth, code, act)
    read = undo.current(job) if job.parent_rows == ParentRows.UNDONE else None
    return job, reads.existing(read, NO_UNDO)


def _ranges(rows: list[int | str] | None) -> RowRanges | None:
    """Raises Problem for a range that ends before it begins."""
    if rows is None:
        return None
    for index, each in enumerate(rows):
        first, _, last = str(each).partition("-")
        if last and int(last) < int(first):
            message = "ends before it begins"
            raise invalid([{"where": f"body.rows.{index}", "message": message}], 1)
    return RowRanges.parsed(",".join(map(str, rows)))


def _names(job: Job, fields: list[str] | None) -> list[str] | None:
    """Of the values, as an undo has them. Raises Problem for a field that is unknown."""
    if fields is None:
        return None
    known = CustomObject.objects.get(connection=job.connection, key=job.object_key)
    errors = [
        {"where": f"body.fields.{index}", "message": "is no field of the object"}
        for index, key in enumerate(fields)
        if key not in MEMBERS and known.schema.field(key) is None
    ]
    if errors:
        raise invalid(errors, len(errors))
    return [key if key in MEMBERS else f"{FIELDS}.{key}" for key in fields]
