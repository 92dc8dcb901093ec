"""Whether a job has landed: its records are read again and compared with what was sent."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from ninja import Router

from jobsui import paging
from jobsui.access import lookup
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1 import reads
from jobsui.api.v1.reads import ReadOut, field_name
from jobsui.api.v1.types import Code, Limit, ListOut, Text, list_response, responses
from jobsui.jobs.control import comparisons, proofs
from jobsui.jobs.enums import Landing
from jobsui.jobs.mapping.comparison import Form
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.reports import proved_rows, record_history
from jobsui.jobs.reports.proved_rows import NOT_LANDED, ProvedRow
from jobsui.paging import Page

router = Router()
NO_PROOF = "This job was not proved. Start it: POST /api/v1/jobs/{id}/proof."
NOT_DONE = "The proof is not done. Wait for it, or prove the job again."


class ProofCounts(Schema):
    """Rows that succeeded, by what their records hold."""

    exact: int
    """Exactly what was sent, or deleted as asked."""
    other_form: int
    """The same in another form, such as a date with a time."""
    altered: int
    """Another value, although the record was not changed since: a trigger or the account has
    changed it."""
    changed_since: int
    """Another value, and the record was changed after the job had written it."""
    gone: int
    """The record is deleted, or hidden from this connection."""
    still_there: int
    """The job deleted the record, and Zendesk shows it."""
    unknown: int
    """Zendesk cannot say for certain."""


class DifferingCells(Schema):
    field: str
    cells: int
    """How many values are not as sent."""


class OtherFormOut(Schema):
    field: str
    form: Form
    """How records hold the same in another form."""
    records: int
    sent: str | None
    """Of one of them, as text, shortened. Null for blank, here and in `held`."""
    held: str | None


class ProofOut(ReadOut):
    requests: int
    """How many requests it takes, without repeated ones."""
    counts: ProofCounts
    """Of the pages that are read."""
    differing_cells: list[DifferingCells]
    """By field, most frequent first."""
    other_forms: list[OtherFormOut]
    """By field and form, most frequent first."""


class ProofResult(StrEnum):
    """See the counts of the proof."""

    EXACT = "exact"
    OTHER_FORM = "other_form"
    ALTERED = "altered"
    CHANGED_SINCE = "changed_since"
    GONE = "gone"
    STILL_THERE = "still_there"
    UNKNOWN = "unknown"


class DifferenceOut(Schema):
    field: str
    sent: str | None
    """Null for blank, here and in `held`."""
    held: str | None


class ProvedRowOut(Schema):
    row: int | None
    """Row number in the file; null for a record that only the account had."""
    key: str | None
    record_id: str | None
    result: ProofResult
    differences: list[DifferenceOut]
    updated_at: str | None
    """Of the record, as Zendesk reports it, if the record differs."""
    updated_by: str | None
    """ID of the user who changed it last, if it differs and Zendesk says so."""
    later_job: UUID | None
    """The last job launched since that has touched the record."""


@router.post(
    "/{uuid:id}/proof",
    auth=RUN,
    operation_id="start_proof",
    summary="Prove that a job has landed",
    response=responses(201, ProofOut, 400, 404, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def start(request: ApiRequest, code: Code) -> HttpResponse:
    """Reads the records of all rows of an ended job that succeeded, and compares them with
    what was sent. Replaces an earlier proof."""

    def start_proof() -> idempotency.Result:
        job = lookup.job(request.auth, code, Act.RUN)
        read = proofs.start(job, by=request.auth.user)
        return 201, serialize(job, read)

    return idempotency.run_once(request, start_proof)


@router.get(
    "/{uuid:id}/proof",
    operation_id="get_proof",
    summary="Get a job's proof",
    response=responses(200, ProofOut, 404),
    url_name="proof",
)
def detail(request: ApiRequest, code: Code) -> Any:
    """404 if the job was not proved."""
    job = lookup.draft_or_job(request.auth, code)
    return serialize(job, _current(job))


@router.get(
    "/{uuid:id}/proof/rows",
    operation_id="list_proved_rows",
    summary="List rows by what their records hold",
    response=responses(200, ListOut[ProvedRowOut], 404, 409),
)
def row_list(
    request: ApiRequest,
    code: Code,
    result: ProofResult | None = None,
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """In the order of the file. Without `result`, the rows whose records are not as sent. A
    page may have fewer rows than `limit`, or none, before the last page. Follow `next`
    until it is null. 409 until the proof is done."""
    job = lookup.draft_or_job(request.auth, code)
    read = _current(job)
    reads.require_done(read, NOT_DONE)
    landings = frozenset({Landing[result.name]}) if result else NOT_LANDED
    after = paging.after(cursor)
    page = proved_rows.page(read, landings, after=after, size=limit)
    ids = {row.record_id for row in page.entries if row.record_id}
    later = record_history.later_jobs(job, ids)
    rows = [_serialize_row(row, later.get(row.record_id)) for row in page.entries]
    serialized = Page(rows, page.older, page.newer)
    return list_response(request, serialized, lambda row: row)


def serialize(job: Job, read: RecordRead) -> ProofOut:
    return ProofOut(
        **reads.members(job, read),
        requests=comparisons.requests_for(job.succeeded),
        counts=reads.counts(ProofCounts, read),
        differing_cells=[
            DifferingCells(field=field, cells=cells)
            for field, cells, _ in reads.cells(read)
        ],
        other_forms=[
            OtherFormOut(
                field=field_name(each.name),
                form=Form(each.form),
                records=each.records,
                sent=each.sent or None,
                held=each.held or None,
            )
            for each in proved_rows.other_forms(read)
        ],
    )


def _current(job: Job) -> RecordRead:
    return reads.existing(proofs.current(job), NO_PROOF)


def _serialize_row(row: ProvedRow, later_job: Job | None) -> ProvedRowOut:
    return ProvedRowOut(
        row=file_row(row.row),
        key=row.key or None,
        record_id=row.record_id or None,
        result=ProofResult[row.landing.name],
        differences=[
            DifferenceOut(
                field=field_name(value.name),
                sent=value.old or None,
                held=value.new or None,
            )
            for value in row.values
        ],
        updated_at=row.updated_at or None,
        updated_by=row.updated_by or None,
        later_job=later_job.code if later_job else None,
    )
