"""The results of a job: rows, causes of problems, the results file."""

from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from ninja import Router

from jobsui import paging
from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.api.auth import ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1.types import (
    Code,
    Limit,
    ListOut,
    Text,
    list_response,
    responses,
    unpaged_response,
)
from jobsui.jobs.enums import Outcome
from jobsui.jobs.models import Cause
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.reports import job_details, reading_log, row_results
from jobsui.jobs.reports.row_results import OutcomeRow

router = Router()
CSV = {"responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}}


class RowOut(Schema):
    row: int | None
    """Row number in the file; null for a record that only the account had."""
    outcome: Outcome
    record_id: str | None
    error_code: str | None
    error: str | None


class RowListOut(ListOut[RowOut]):
    pruned_at: datetime | None
    """When the retention settings deleted the results of the job's rows; null: they are
    kept."""


class CauseOut(Schema):
    """Problems that share a cause."""

    id: int
    phase: Cause.Phase
    """`check`: found before the launch. `send`: of a launched job, including its invalid
    rows."""
    code: str
    column: str | None
    message: str
    fix: str | None
    count: int
    sample_rows: list[int]
    sample_values: list[str]


@router.get(
    "/{uuid:id}/rows",
    operation_id="list_rows",
    summary="List rows with their outcomes",
    response=responses(200, RowListOut, 404),
)
def row_list(
    request: ApiRequest,
    code: Code,
    outcome: Outcome | None = None,
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """In the order of the file; records that only the account had come last. A row appears
    once it is part of a batch, soon after the launch. With `outcome`, a page may have fewer
    rows than `limit`, or none, before the last page. Follow `next` until it is null. Results
    that were deleted have no rows: see `pruned_at`."""
    job = lookup.draft_or_job(request.auth, code)
    after = paging.after(cursor)
    page = row_results.page(job, outcome=outcome or "", after=after, size=limit)
    body = list_response(request, page, _serialize_row)
    return body | {"pruned_at": job.results_pruned_at}


@router.get(
    "/{uuid:id}/results.csv",
    operation_id="get_results",
    summary="Download the results",
    response=responses(200, None, 404, 409),
    openapi_extra=CSV,
)
def results(
    request: ApiRequest, code: Code, outcome: Outcome | None = None, raw: bool = False
) -> StreamingHttpResponse:
    """The columns of the file, then `_row`, `_outcome`, `_record_id`, `_error_code` and
    `_error`. Values that a spreadsheet would run as a formula are escaped, unless `raw`
    is true. Records that only the account had come last, with their external ID and without
    `_row`. When the file is uploaded again, the added columns are ignored. After the
    retention settings have deleted the file of the job, only the added columns. 409 after
    they have deleted the results."""
    limits.count(request.auth, Limited.EXPORT)
    job = lookup.draft_or_job(request.auth, code)
    lines = row_results.results_csv(job, outcome=outcome or "", raw=raw)
    reading_log.exported(job, "results.csv", outcome=outcome or "")
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")


@router.get(
    "/{uuid:id}/errors",
    operation_id="list_errors",
    summary="List problems by cause",
    response=responses(200, ListOut[CauseOut], 404),
)
def errors(request: ApiRequest, code: Code) -> Any:
    """Most frequent first. For a draft, the problems the check found. For a launched
    job, the problems of its rows."""
    job = lookup.draft_or_job(request.auth, code)
    phase = Cause.Phase.CHECK if job.is_draft else Cause.Phase.SEND
    causes = job_details.causes(job, phase)
    return unpaged_response([serialize_cause(cause) for cause in causes])


def serialize_cause(cause: Cause) -> CauseOut:
    return CauseOut(
        id=cause.pk,
        phase=Cause.Phase(cause.phase),
        code=cause.code,
        column=cause.column or None,
        message=cause.message,
        fix=cause.fix or None,
        count=cause.count,
        sample_rows=cause.sample_rows,
        sample_values=cause.sample_values,
    )


def _serialize_row(row: OutcomeRow) -> RowOut:
    return RowOut(
        row=file_row(row.row),
        outcome=Outcome(row.outcome),
        record_id=row.record_id or None,
        error_code=row.error_code or None,
        error=row.error or None,
    )
