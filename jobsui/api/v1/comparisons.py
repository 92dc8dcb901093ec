"""What the rows of a job would change in Zendesk, compared before the launch."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Router, Status

from jobsui.access import lookup
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import Problem, invalid
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Code, responses
from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Action, ReadState, Verdict
from jobsui.jobs.live.compare import FIELDS
from jobsui.jobs.models import Job, RecordRead

router = Router()
NO_COMPARISON = (
    "This job has no comparison of its present rows. "
    "Start one: POST /api/v1/jobs/{id}/compare."
)
NOT_FOR_CREATE = "new records have no record to be compared with; leave compare out"


class PageCounts(Schema):
    """A page has up to 100 rows."""

    read: int
    total: int
    """Grows while the state is `dividing`."""


class ComparisonCounts(Schema):
    """Rows by verdict: what they would do."""

    same: int
    """Nothing. These rows are not sent, and become `unchanged`."""
    change: int
    create: int
    delete: int
    missing: int
    """There is no record to update or delete. These rows are not sent."""
    ambiguous: int
    """More than one record has the key. These rows are not sent."""
    unknown: int
    """Zendesk cannot say for certain whether a record has the key. These rows are sent as
    they are."""


class ChangedCells(Schema):
    field: str
    cells: int
    """How many values of existing records change."""
    blank: int
    """How many of them become blank."""


class ComparisonOut(Schema):
    job: UUID
    state: ReadState
    """`dividing` and `reading`: it runs. With `done`, the launch sends only what
    differs. With `cancelled` and `failed`, it sends all rows."""
    reason: str | None
    """Why it failed or was cancelled, if it was not by a person."""
    created_at: datetime
    started_at: datetime | None
    """When the first page was read."""
    finished_at: datetime | None
    requests: int
    """How many requests it takes, those that are repeated not counted."""
    pages: PageCounts
    counts: ComparisonCounts
    """Of the pages that are read."""
    changed_cells: list[ChangedCells]
    """By field, most frequent first."""


@router.post(
    "/{uuid:id}/compare",
    auth=RUN,
    operation_id="start_comparison",
    summary="Compare a job with Zendesk",
    response=responses(201, ComparisonOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def start(request: ApiRequest, code: Code) -> HttpResponse:
    """Reads the record of each valid row of a job that is `ready`. Replaces an earlier
    comparison. The launch then sends only what differs. Not for `create`."""

    def start_comparison() -> idempotency.Result:
        job = lookup.draft_or_job(request.auth, code)
        read = comparisons.start(job, by=request.auth.user)
        return 201, serialize(job, read)

    return idempotency.run_once(request, start_comparison)


@router.post(
    "/{uuid:id}/compare/cancel",
    auth=RUN,
    operation_id="cancel_comparison",
    summary="Cancel a comparison",
    response=responses(200, ComparisonOut, 404, 409),
)
def cancel(request: ApiRequest, code: Code) -> Any:
    """A job that waits for it is not launched."""
    job = lookup.draft_or_job(request.auth, code)
    comparisons.cancel(_current(job))
    return serialize(job, _current(job))


@router.get(
    "/{uuid:id}/comparison",
    operation_id="get_comparison",
    summary="Get a job's comparison",
    response=responses(200, ComparisonOut, 404),
    url_name="comparison",
)
def detail(request: ApiRequest, code: Code) -> Any:
    """404 if the rows were not compared, or have changed since."""
    job = lookup.draft_or_job(request.auth, code)
    return serialize(job, _current(job))


@router.delete(
    "/{uuid:id}/comparison",
    auth=RUN,
    operation_id="delete_comparison",
    summary="Delete a job's comparison",
    response=responses(204, None, 404, 409),
)
def delete(request: ApiRequest, code: Code) -> Any:
    """The launch then sends all rows. Not after the launch."""
    job = lookup.draft_or_job(request.auth, code)
    _current(job)
    comparisons.skip(job)
    return Status(204, None)


def serialize(job: Job, read: RecordRead) -> ComparisonOut:
    return ComparisonOut(
        job=job.code,
        state=ReadState(read.state),
        reason=read.reason or None,
        created_at=read.created_at,
        started_at=read.started_at,
        finished_at=read.finished_at,
        requests=comparisons.cost_of(job).requests,
        pages=PageCounts(read=read.pages_read, total=read.pages_total),
        counts=_serialize_counts(read),
        changed_cells=_changed_cells(read),
    )


def require_comparable(action: Action, *, compare: bool) -> None:
    """Raise Problem if a job is to be compared that cannot be."""
    if compare and not action.key:
        error = {"where": "body.options.compare", "message": NOT_FOR_CREATE}
        raise invalid([error], 1)


def _current(job: Job) -> RecordRead:
    read = comparisons.current(job)
    if read is None:
        raise Problem(404, "not_found", NO_COMPARISON)
    return read


def _serialize_counts(read: RecordRead) -> ComparisonCounts:
    names = [verdict.name.lower() for verdict in Verdict]
    return ComparisonCounts(**{name: read.counts.get(name, 0) for name in names})


def _changed_cells(read: RecordRead) -> list[ChangedCells]:
    found = [
        ChangedCells(field=field_name(name), cells=cells, blank=blank)
        for name, (cells, blank) in read.changed_cells.items()
    ]
    return sorted(found, key=lambda each: (-each.cells, each.field))


def field_name(name: str) -> str:
    """What programs call a value of a record."""
    return name.removeprefix(f"{FIELDS}.")
