"""Batches: the requests that send a job's rows to Zendesk."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Path, Router
from pydantic import Field

from jobsui import paging
from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Code, Id, Limit, ListOut, Text, list_response, responses
from jobsui.jobs.enums import AttemptResult, BatchState
from jobsui.jobs.models import Attempt, Batch
from jobsui.jobs.models.record_rows import file_row
from jobsui.jobs.reports import batch_details, reading_log

job_router = Router()
router = Router()
ATTEMPT_RESULTS = [result.value for result in AttemptResult if result.value]


class BatchOut(Schema):
    id: int
    number: int
    """Position in the job, starting at 1."""
    state: BatchState
    rows: int
    first_row: int | None
    """In the file; null for records that only the account had. So is `last_row`."""
    last_row: int | None
    succeeded: int
    failed: int
    uncertain: int
    cancelled: int
    attempt_count: int
    """How often the batch was sent, apart from `attempts_without_effect`."""
    temporary_failures: int
    """How often rows failed for a temporary reason, such as a deadlock. They are sent
    again."""
    attempts_without_effect: int
    """How many more attempts changed nothing and are not listed: Zendesk was busy,
    refused the request or could not be reached."""
    job_status: str | None
    """ID of the job status that Zendesk created for the batch; null before that."""
    sent_at: datetime | None
    accepted_at: datetime | None
    done_at: datetime | None


class BatchRequestOut(Schema):
    method: str
    url: str
    headers: dict[str, str]
    """Secrets are masked."""
    body: Any
    """Null after it was deleted: see `pruned`."""


class AttemptOut(Schema):
    number: int
    at: datetime
    rows: int
    result: Annotated[str, Field(json_schema_extra={"enum": ATTEMPT_RESULTS})] | None
    """Null while the request is in flight."""
    note: str | None
    http_status: int | None
    elapsed_ms: int | None
    response_headers: dict[str, str]


class BatchPrunedOut(Schema):
    """When the retention settings deleted parts of the batch; null: they are kept."""

    bodies: datetime | None
    """The body of the request, and the responses."""
    attempts: datetime | None


class BatchDetailOut(BatchOut):
    job: UUID
    pruned: BatchPrunedOut
    request: BatchRequestOut
    response: Any
    """Body of the latest response to the request: JSON, or a string if it was not JSON.
    Null without a response."""
    job_status_body: Any
    """The latest job status from Zendesk; null before the first."""
    api_warnings: list[str]
    """What Zendesk warned about in its responses: members of the rows that it left out,
    for example."""
    attempts: list[AttemptOut]


@job_router.get(
    "/{uuid:id}/batches",
    operation_id="list_batches",
    summary="List a job's batches",
    response=responses(200, ListOut[BatchOut], 404),
)
def batch_list(
    request: ApiRequest,
    code: Code,
    state: BatchState | None = None,
    cursor: Text = "",
    limit: Limit = paging.SIZE,
) -> Any:
    """In the order of the file."""
    batches = lookup.draft_or_job(request.auth, code).batches.all()
    if state:
        batches = batches.filter(state=state)
    page = paging.by_number(batches, "seq", cursor, limit)
    return list_response(request, page, serialize)


@router.get(
    "/{id}",
    operation_id="get_batch",
    summary="Get a batch",
    response=responses(200, BatchDetailOut, 404),
)
def detail(request: ApiRequest, pk: Annotated[Id, Path(alias="id")]) -> Any:
    """Includes the request with all its items, and the responses of Zendesk."""
    batch = lookup.batch_by_id(request.auth, pk)
    reading_log.bodies_seen(batch)
    details = batch_details.details(batch)
    return BatchDetailOut(
        **serialize(batch).dict(),
        job=batch.job.code,
        pruned=BatchPrunedOut(
            bodies=batch.job.bodies_pruned_at, attempts=batch.job.attempts_pruned_at
        ),
        request=BatchRequestOut(
            method=details.method,
            url=details.url,
            headers=details.headers,
            body=_json_or_text(details.body),
        ),
        response=_json_or_text(details.response),
        job_status_body=_json_or_text(details.job_status),
        api_warnings=details.warnings,
        attempts=[_serialize_attempt(attempt) for attempt in details.attempts],
    )


def serialize(batch: Batch) -> BatchOut:
    return BatchOut(
        id=batch.pk,
        number=batch.seq,
        state=BatchState(batch.state),
        rows=batch.size,
        first_row=file_row(batch.first_row),
        last_row=file_row(batch.last_row),
        succeeded=batch.succeeded,
        failed=batch.failed,
        uncertain=batch.uncertain,
        cancelled=batch.cancelled,
        attempt_count=batch.attempts_made,
        temporary_failures=batch.temporary_failures,
        attempts_without_effect=batch.attempts_without_effect,
        job_status=batch.status_id or None,
        sent_at=batch.sent_at,
        accepted_at=batch.accepted_at,
        done_at=batch.done_at,
    )


def _serialize_attempt(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        number=attempt.number,
        at=attempt.at,
        rows=attempt.items,
        result=attempt.result or None,
        note=attempt.note or None,
        http_status=attempt.http_status,
        elapsed_ms=attempt.elapsed_ms,
        response_headers=attempt.response_headers,
    )


def _json_or_text(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
