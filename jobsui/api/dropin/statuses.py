"""Job statuses: our jobs as Zendesk would tell of them, for good, and streamed: one may
have 100,000 results."""

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
from jobsui.jobs.enums import OVER, Action, JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports.row_results import in_pieces

INDEX = "api/v2/job_statuses/index"
SHOW_MANY = "api/v2/job_statuses/show_many"
MOST_IDS = 100
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
TOLD = (*OVER, JobState.NEEDS_DECISION)
"""States with results."""


def index(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    page = pages.page(request, lookup.requested_jobs(caller.token), INDEX)
    return _many(request, page.jobs, page.ends)


def show(request: HttpRequest, caller: Caller, status_id: str) -> HttpResponseBase:
    job = _jobs(caller, [status_id]).get(status_id)
    if job is None:
        raise Http404
    return one(request, job)


def show_many(request: HttpRequest, caller: Caller) -> HttpResponseBase:
    """Ids that are not known are left out."""
    ids = list(dict.fromkeys(filter(None, request.GET.get("ids", "").split(","))))
    if not 1 <= len(ids) <= MOST_IDS:
        raise errors.invalid_parameter(
            "ids", f"must have 1 to {MOST_IDS} ids", SHOW_MANY
        )
    found = _jobs(caller, ids)
    return _many(request, [found[each] for each in ids if each in found], {})


def one(request: HttpRequest, job: Job, *, status: int = 200) -> HttpResponseBase:
    return _streamed(
        itertools.chain(['{"job_status":'], _told(request, job), ["}"]), status
    )


def _many(
    request: HttpRequest, jobs: Iterable[Job], ends: dict[str, Any]
) -> HttpResponseBase:
    told = _listed(_told(request, job) for job in jobs)
    rest = _json(ends)[1:-1]
    return _streamed(
        itertools.chain(['{"job_statuses":'], told, [f",{rest}}}" if rest else "}"]),
        200,
    )


def _jobs(caller: Caller, ids: Iterable[str]) -> dict[str, Job]:
    """{id: job} of those ids that are known."""
    codes = {code: each for each in ids if (code := _code(each))}
    return {
        codes[job.code]: job
        for job in lookup.requested_jobs(caller.token).filter(code__in=codes)
    }


def _code(status_id: str) -> UUID | None:
    text = status_id.removeprefix(PREFIX)
    try:
        code = UUID(text)
    except ValueError:
        return None
    return code if status_id == _id(code) else None


def _id(code: UUID) -> str:
    return PREFIX + code.hex


def _told(request: HttpRequest, job: Job) -> Iterator[str]:
    """The job status as JSON, piece by piece."""
    status = _status(job)
    head = {
        "id": _id(job.code),
        "job_type": JOB_TYPES[Action(job.action)],
        "url": request.build_absolute_uri(f"/api/v2/job_statuses/{_id(job.code)}.json"),
        "total": job.file.rows if job.is_draft else job.rows,
        "progress": None if status == QUEUED or job.is_draft else job.settled,
        "status": status,
        "message": _message(job),
    }
    yield f'{_json(head)[:-1]},"results":'
    if job.state in TOLD:
        yield from _listed([_json(result)] for result in results(job))
    else:
        yield "null"
    yield "}"


def _status(job: Job) -> str:
    """A draft that does not go on by itself waits for a person; a program that polls
    would wait for ever."""
    if job.is_draft:
        return QUEUED if job.goes_on else FAILED
    return STATUS[JobState(job.state)]


def _message(job: Job) -> str | None:
    if job.state in {JobState.COMPLETED, JobState.NEEDS_DECISION}:
        return f"Completed at {_moment(job.finished_at)}"
    if job.state == JobState.CANCELLED:
        return f"Failed at {_moment(job.finished_at)}: cancelled in Jobs UI."
    if job.state == JobState.FAILED:
        return f"Failed at {_moment(job.finished_at)}: {job.reason}"
    if job.is_draft and not job.goes_on:
        return job.reason or "It waits in Jobs UI for a person to launch it."
    return job.reason or None


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} +0000" if at else "an unknown time"


def _listed(entries: Iterable[Iterable[str]]) -> Iterator[str]:
    """A JSON array of entries that come in pieces."""
    yield "["
    for number, pieces in enumerate(entries):
        if number:
            yield ","
        yield from pieces
    yield "]"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _streamed(pieces: Iterable[str], status: int) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        in_pieces(pieces), status=status, content_type="application/json; charset=utf-8"
    )
