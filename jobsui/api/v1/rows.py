"""What became of the rows of a job."""

from typing import Any

from django.http import StreamingHttpResponse
from ninja import Router, Schema

from jobsui import paging
from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.v1.types import Code, Limit, Listed, Text, answers, listed, whole_list
from jobsui.jobs.enums import Outcome
from jobsui.jobs.models import Cause
from jobsui.jobs.reports import job_progress, row_results
from jobsui.jobs.reports.row_results import OutcomeRow

router = Router()
CSV = {"responses": {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}}


class RowOut(Schema):
    row: int
    """Its number in the file, as people see it there."""
    outcome: Outcome
    record_id: str | None
    error_code: str | None
    error: str | None


class CauseOut(Schema):
    """Problems of one kind."""

    id: int
    phase: Cause.Phase
    """check: of a draft; send: of a launched job, rows left out of it among them."""
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
    summary="Rows with their outcomes",
    response=answers(200, Listed[RowOut], 404),
)
def row_list(
    request: ApiRequest,
    code: Code,
    outcome: Outcome | None = None,
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """In the order of the file, as far as the rows are planned (soon after the launch).
    With `outcome`, a page may hold fewer rows than `limit`, even none, and not be the
    last: follow `next` until it is null."""
    job = lookup.draft_or_job(request.auth, code)
    page = row_results.page(
        job, outcome=outcome or "", after=paging.number(cursor or "0"), size=limit
    )
    return listed(request, page, _row)


@router.get(
    "/{uuid:id}/results.csv",
    operation_id="get_results",
    summary="The results as a file",
    response=answers(200, None, 404, 409),
    openapi_extra=CSV,
)
def results(
    request: ApiRequest, code: Code, outcome: Outcome | None = None, raw: bool = False
) -> StreamingHttpResponse:
    """The file's own columns, then `_row`, `_outcome`, `_record_id`, `_error_code`,
    `_error`. Cells that a spreadsheet would run as formulas are made harmless unless
    `raw`. Corrected, it can be uploaded again."""
    lines = row_results.results_csv(
        lookup.draft_or_job(request.auth, code), outcome=outcome or "", raw=raw
    )
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")


@router.get(
    "/{uuid:id}/errors",
    operation_id="list_errors",
    summary="Problems by cause",
    response=answers(200, Listed[CauseOut], 404),
)
def errors(request: ApiRequest, code: Code) -> Any:
    """The most frequent first. Of a draft, what the check found; once launched, what
    came of the rows."""
    job = lookup.draft_or_job(request.auth, code)
    phase = Cause.Phase.CHECK if job.is_draft else Cause.Phase.SEND
    return whole_list([shown(cause) for cause in job_progress.causes(job, phase)])


def shown(cause: Cause) -> CauseOut:
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


def _row(one: OutcomeRow) -> RowOut:
    return RowOut(
        row=one.row,
        outcome=Outcome(one.outcome),
        record_id=one.record_id or None,
        error_code=one.error_code or None,
        error=one.error or None,
    )
