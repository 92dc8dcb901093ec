"""Jobs: made, found, followed, changed."""

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from jobsui import paging
from jobsui.access import lookup
from jobsui.api import idempotency, waiting
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import named_in_body
from jobsui.api.v1 import job_in, job_out
from jobsui.api.v1.job_in import JobChange, JobIn
from jobsui.api.v1.job_out import JobOut
from jobsui.api.v1.types import Code, Limit, Listed, Moment, Text, answers, listed
from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, automation
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import uploads

router = Router()
NONE = UUID(int=0)
"""The code of nothing."""


@router.post(
    "",
    auth=RUN,
    operation_id="create_job",
    summary="Make a job",
    response=answers(201, JobOut, 400, 409, 413, 502, 503),
    openapi_extra=idempotency.PARAMETER,
)
def create(request: ApiRequest, body: JobIn) -> HttpResponse:
    """Of an uploaded file or a list of items. It is read and checked in the background;
    then it waits, `ready`, or is launched. Where a person has to decide, it stays a
    draft whose `error` says why. What cannot work is refused at once where that is
    plain already. An object that is not known yet is looked up at Zendesk."""
    with named_in_body("connection"):
        connection = lookup.connection_called(request.auth, body.connection)
    target = objects.read_once(connection, body.object)
    with _kept(body.items) as items:

        def make() -> idempotency.Made:
            file = (
                uploads.register(items, by=request.auth.user)
                if items
                else _file(request, body)
            )
            return 201, job_out.found(request, _begun(request, body, target, file).code)

        return idempotency.once(request, make)


class JobFilter(Schema):
    state: JobState | None = None
    connection: Text = ""
    """Id or name."""
    object: Text = ""
    action: Action | None = None
    created_by: Text = ""
    """A user name."""
    q: Text = ""
    """Part of the file's name."""
    created_after: Moment | None = None
    created_before: Moment | None = None
    cursor: Text = ""
    limit: Limit = paging.SIZE

    @property
    def conditions(self) -> dict[str, Any]:
        chosen = {
            "state": self.state,
            "object_key": self.object,
            "action": self.action,
            "created_by__username": self.created_by,
            "file__name__icontains": self.q,
            "created_at__gt": self.created_after,
            "created_at__lt": self.created_before,
        }
        return {column: value for column, value in chosen.items() if value}


@router.get(
    "", operation_id="list_jobs", summary="Jobs", response=answers(200, Listed[JobOut])
)
def job_list(request: ApiRequest, wanted: Query[JobFilter]) -> Any:
    """Newest first, drafts among them. Every filter narrows."""
    jobs = lookup.drafts_and_jobs(request.auth).filter(**wanted.conditions)
    if wanted.connection:
        jobs = jobs.filter(
            connection__in=lookup.connections_called(request.auth, wanted.connection)
        )
    page = paging.by_time(jobs, wanted.cursor, wanted.limit)
    return listed(request, page, job_out.shower(request, page.entries))


@router.get(
    "/{uuid:id}",
    operation_id="get_job",
    summary="A job",
    response=answers(200, JobOut, 404),
)
def detail(
    request: ApiRequest, code: Code, wait: Annotated[int, Field(ge=0, le=60)] = 0
) -> Any:
    """As it is now. With `wait`, the answer comes as soon as the job is over or needs a
    person (a draft that is ready does), or after so many seconds; when many wait
    already, at once: then ask again a second later."""
    job = lookup.draft_or_job(request.auth, code)
    if wait and job.goes_on:
        waiting.until_at_rest(job, wait)
    return job_out.found(request, code)


@router.patch(
    "/{uuid:id}",
    auth=RUN,
    operation_id="change_job",
    summary="Change a job",
    response=answers(200, JobOut, 400, 404, 409, 413),
)
def change(request: ApiRequest, code: Code, body: JobChange) -> Any:
    """A draft is mapped and read anew, and checked again. Once launched, its rules can
    be changed until it is over."""
    job = lookup.draft_or_job(request.auth, code)
    with transaction.atomic():
        if body.mapping is not None or body.options:
            _remap(job, body)
        if job.is_draft:
            automation.require_way(job)
            automation.aim(
                job, JobState.READY, run_settings=job_in.rules_of(job, body.rules)
            )
        elif body.rules:
            actions.set_run_settings(
                job, body.rules.on(job.run_settings), by=request.auth.user
            )
    return job_out.found(request, code)


@router.delete(
    "/{uuid:id}",
    auth=RUN,
    operation_id="delete_job",
    summary="Throw a draft away",
    response=answers(204, None, 404, 409),
)
def delete(request: ApiRequest, code: Code) -> Any:
    """With its file, unless another job has it. Launched jobs stay in the history."""
    actions.discard(lookup.draft_or_job(request.auth, code), by=request.auth.user)
    return Status(204, None)


def _kept(
    items: list[dict[str, Any]] | None,
) -> AbstractContextManager[uploads.Stored | None]:
    """Items in storage as a file, for as long as it lasts to make a job of them."""
    return (
        nullcontext()
        if items is None
        else uploads.storing([json.dumps(items).encode()], "items.json")
    )


def _file(request: ApiRequest, body: JobIn) -> File:
    with named_in_body("file"):
        return lookup.file(request.auth, body.file or NONE)


def _begun(request: ApiRequest, body: JobIn, target: CustomObject, file: File) -> Job:
    """The draft, on its way. Raises what is plain already."""
    job = actions.draft(
        target.connection,
        target.key,
        body.action,
        file,
        by=request.auth.user,
        options=body.options.on(Options()),
        mapping=job_in.targets(body.mapping or {}, target, body.action),
    )
    automation.require_way(job)
    aim = JobState.QUEUED if body.launch else JobState.READY
    automation.aim(
        job,
        aim,
        hold_after_first_batch=body.hold_after_first_batch,
        run_settings=body.rules.on(job.run_settings),
    )
    return job


def _remap(job: Job, body: JobChange) -> None:
    chosen = job.mapping
    if body.mapping is not None:
        target = CustomObject.objects.get(connection=job.connection, key=job.object_key)
        chosen = job_in.targets(body.mapping, target, Action(job.action))
    options = Options.from_json(job.options)
    actions.set_mapping(
        job, chosen, body.options.on(options) if body.options else options
    )
