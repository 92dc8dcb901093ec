"""Job statuses: jobs in Zendesk's form. They never expire, but their results may be
deleted (jobs/retention.py). They are streamed, because one may have 100,000 results."""

import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse

from jobsui.access import lookup
from jobsui.api.dropin import errors, pages
from jobsui.api.dropin.authentication import Caller
from jobsui.api.dropin.results import results
from jobsui.jobs import retention
from jobsui.jobs.enums import OVER, Action, JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports.row_results import in_pieces
from jobsui.jobs.retention import Kind

INDEX = "api/v2/job_statuses/index"
SHOW_MANY = "api/v2/job_statuses/show_many"
MAX_IDS = 100
PREFIX = "V3-"
QUEUED = "queued"
WORKING = "working"
COMPLETED = "completed"
FAILED = "failed"
STATUS = {
    JobState.CHECKING: QUEUED,
    JobState.QUEUED: QUEUED,
    JobState.RUNNING: WORKING,
    JobState.PAUSING: WORKING,
    JobState.PAUSED: WORKING,
    JobState.CANCELLING: WORKING,
    JobState.COMPLETED: COMPLETED,
    JobState.NEEDS_DECISION: COMPLETED,
    JobState.CANCELLED: FAILED,
    JobState.FAILED: FAILED,
}
JOB_TYPES = {
    Action.CREATE: "Bulk Create Custom Object Record",
    Action.UPDATE: "Bulk Update Custom Object Record",
    Action.UPSERT_BY_EXTERNAL_ID: "Bulk Create Or Update Custom Object Record",
    Action.UPSERT_BY_NAME: "Bulk Create Or Update Custom Object Record",
    Action.DELETE: "Bulk Delete Custom Object Record",
    Action.DELETE_BY_EXTERNAL_ID: "Bulk Delete Custom Object Record",
}
WITH_RESULTS = (*OVER, JobState.NEEDS_DECISION)
NEEDS_LAUNCH = "The job waits in Jobs UI for a person to launch it."


def index(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    page = pages.page(request, lookup.requested_jobs(caller.token), INDEX)
    return _list_response(request, page.jobs, page.navigation)


def show(request: HttpRequest, caller: Caller, status_id: str) -> HttpResponseBase:
    job = _jobs_by_id(caller, [status_id]).get(status_id)
    if job is None:
        raise Http404
    return status_response(request, job)


def show_many(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Unknown IDs are left out."""
    given = request.GET.get("ids", "").split(",")
    ids = list(dict.fromkeys(filter(None, given)))
    if not 1 <= len(ids) <= MAX_IDS:
        rule = f"must have 1 to {MAX_IDS} ids"
        raise errors.invalid_parameter("ids", rule, SHOW_MANY)
    jobs = _jobs_by_id(caller, ids)
    found = [jobs[status_id] for status_id in ids if status_id in jobs]
    return _list_response(request, found, {})


def status_response(
    request: HttpRequest, job: Job, *, http_status: int = 200
) -> HttpResponseBase:
    pieces = itertools.chain(['{"job_status":'], _status_json(request, job), ["}"])
    return _streamed(pieces, http_status)


def _list_response(
    request: HttpRequest, jobs: Iterable[Job], navigation: dict[str, Any]
) -> HttpResponseBase:
    statuses = _array(_status_json(request, job) for job in jobs)
    members = _json(navigation)[1:-1]
    end = f",{members}}}" if members else "}"
    return _streamed(itertools.chain(['{"job_statuses":'], statuses, [end]), 200)


def _jobs_by_id(caller: Caller, ids: Iterable[str]) -> dict[str, Job]:
    """{status ID: job} for the known IDs."""
    codes = [code for status_id in ids if (code := _parse_id(status_id))]
    jobs = lookup.requested_jobs(caller.token).filter(code__in=codes)
    return {_status_id(job.code): job for job in jobs}


def _parse_id(status_id: str) -> UUID | None:
    try:
        code = UUID(status_id.removeprefix(PREFIX))
    except ValueError:
        return None
    return code if status_id == _status_id(code) else None


def _status_id(code: UUID) -> str:
    return PREFIX + code.hex


def _status_json(request: HttpRequest, job: Job) -> Iterator[str]:
    """The job status as JSON, in pieces."""
    status = _status(job)
    status_id = _status_id(job.code)
    has_progress = status != QUEUED and not job.is_draft
    head = {
        "id": status_id,
        "job_type": JOB_TYPES[Action(job.action)],
        "url": request.build_absolute_uri(f"/api/v2/job_statuses/{status_id}.json"),
        "total": job.file.rows if job.is_draft else job.rows,
        "progress": job.settled if has_progress else None,
        "status": status,
        "message": _message(job),
    }
    yield f'{_json(head)[:-1]},"results":'
    if job.state in WITH_RESULTS and not job.results_pruned_at:
        yield from _array([_json(result)] for result in results(job))
    else:
        yield "null"
    yield "}"


def _status(job: Job) -> str:
    """A draft that needs a person is "failed": a program that polls would otherwise wait
    forever."""
    if job.is_draft:
        return QUEUED if job.is_in_progress else FAILED
    return STATUS[JobState(job.state)]


def _message(job: Job) -> str | None:
    """With what was deleted of the job, because programs would wonder about results that
    are null."""
    message = _state_message(job)
    deleted = retention.notice(job, Kind.RESULTS)
    if message and deleted:
        return f"{message.rstrip('.')}. {deleted}"
    return message


def _state_message(job: Job) -> str | None:
    if job.state in {JobState.COMPLETED, JobState.NEEDS_DECISION}:
        return f"Completed at {_format(job.finished_at)}"
    if job.state == JobState.CANCELLED:
        return f"Failed at {_format(job.finished_at)}: cancelled in Jobs UI."
    if job.state == JobState.FAILED:
        return f"Failed at {_format(job.finished_at)}: {job.reason}"
    if job.is_draft and not job.is_in_progress:
        return job.reason or NEEDS_LAUNCH
    return job.reason or None


def _format(at: datetime | None) -> str:
    if at is None:
        return "an unknown time"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000"


def _array(entries: Iterable[Iterable[str]]) -> Iterator[str]:
    """A JSON array whose entries come in pieces."""
    yield "["
    for number, pieces in enumerate(entries):
        if number:
            yield ","
        yield from pieces
    yield "]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _streamed(pieces: Iterable[str], http_status: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        in_pieces(pieces),
        status=http_status,
        content_type="application/json; charset=utf-8",
    )
