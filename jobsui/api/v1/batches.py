"""The requests a job is sent in."""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Path, Router, Schema

from jobsui import paging
from jobsui.access import lookup
from jobsui.api.auth import ApiRequest
from jobsui.api.v1.types import Code, Id, Limit, Listed, Text, answers, listed
from jobsui.jobs.enums import BatchState
from jobsui.jobs.models import Attempt, Batch
from jobsui.jobs.reports import job_progress

of_job = Router()
router = Router()


class BatchOut(Schema):
    id: int
    number: int
    """Its place in the job, from 1."""
    state: BatchState
    rows: int
    first_row: int
    last_row: int
    succeeded: int
    failed: int
    uncertain: int
    cancelled: int
    attempts: int
    job_status: str | None
    """Zendesk's id of the job it became there."""
    sent_at: datetime | None
    accepted_at: datetime | None
    done_at: datetime | None


class SentOut(Schema):
    method: str
    url: str
    headers: dict[str, str]
    """The secret masked."""
    body: Any


class AttemptOut(Schema):
    number: int
    at: datetime
    rows: int
    result: str | None
    """accepted, not_sent, limited, refused, unsure, or lost; null while on its way."""
    note: str | None
    http_status: int | None
    elapsed_ms: int | None
    response_headers: dict[str, str]


class BatchDetail(BatchOut):
    job: UUID
    request: SentOut
    answer: Any
    """Body of the last answer to the request; text where it is no JSON, null without
    one."""
    reply: Any
    """The last job status Zendesk gave; null before there is one."""
    tries: list[AttemptOut]


@of_job.get(
    "/{uuid:id}/batches",
    operation_id="list_batches",
    summary="The batches of a job",
    response=answers(200, Listed[BatchOut], 404),
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
    found = batches.filter(state=state) if state else batches
    return listed(
        request,
        paging.by_number(found, "seq", cursor, limit),
        lambda batch: BatchOut(**_facts(batch)),
    )


@router.get(
    "/{id}",
    operation_id="get_batch",
    summary="A batch",
    response=answers(200, BatchDetail, 404),
)
def detail(request: ApiRequest, pk: Annotated[Id, Path(alias="id")]) -> Any:
    """The request as it was sent, all its items in it, and what was answered."""
    batch = lookup.batch_by_id(request.auth, pk)
    told = job_progress.exchange(batch)
    sent = SentOut(
        method=told.method,
        url=told.url,
        headers=told.headers,
        body=json.loads(told.body),
    )
    return BatchDetail(
        **_facts(batch),
        job=batch.job.code,
        request=sent,
        answer=_parsed(told.answer),
        reply=_parsed(told.reply),
        tries=[_attempt(one) for one in told.attempts],
    )


def _facts(batch: Batch) -> dict[str, Any]:
    same = (
        "state",
        "first_row",
        "last_row",
        "succeeded",
        "failed",
        "uncertain",
        "cancelled",
        "sent_at",
        "accepted_at",
        "done_at",
    )
    return {name: getattr(batch, name) for name in same} | {
        "id": batch.pk,
        "number": batch.seq,
        "rows": batch.size,
        "attempts": batch.attempts_made,
        "job_status": batch.status_id or None,
    }


def _attempt(attempt: Attempt) -> AttemptOut:
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


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
