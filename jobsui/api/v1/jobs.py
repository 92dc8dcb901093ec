"""Jobs: create, list, read, change, discard."""

import json
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import Field

from jobsui import paging
from jobsui.access import limits, lookup
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.api import idempotency, waiting
from jobsui.api.auth import RUN, ApiRequest
from jobsui.api.problems import MAX_ERRORS, invalid, named_in_body
from jobsui.api.schema import Schema
from jobsui.api.v1 import job_in, job_out
from jobsui.api.v1.comparisons import require_comparable
from jobsui.api.v1.job_in import JobChange, JobIn
from jobsui.api.v1.job_out import JobOut
from jobsui.api.v1.mapping_in import stored_mapping
from jobsui.api.v1.types import (
    Code,
    Limit,
    ListOut,
    Text,
    Timestamp,
    list_response,
    responses,
)
from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, automation, drafts, saved_mappings
from jobsui.jobs.enums import Action, JobState, ParentRows
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.mapping.row_reader import MAX_RECORD_BYTES
from jobsui.jobs.mapping.rules import rules_of
from jobsui.jobs.models import File, Job, SavedMapping
from jobsui.jobs.preparation import upload_room, uploads

router = Router()
ROWS_OF_UNDO = (
    "This job undoes another one: it has no mapping. Discard it, and undo that job with other "
    "rows or fields."
)
NO_FILE = UUID(int=0)
"""The code of no file."""


@router.post(
    "",
    auth=RUN,
    operation_id="create_job",
    summary="Create a job",
    response=responses(201, JobOut, 400, 409, 413, 502, 503, 507),
    openapi_extra=idempotency.PARAMETER,
)
def create(request: ApiRequest, body: JobIn) -> HttpResponse:
    """Creates a job from an uploaded file or a list of items. Jobs UI reads and checks
    it in the background. The job is then `ready`, or launched with `"launch": true`. If
    a person has to decide something, the job stays a draft and its `error` says why. A
    job that cannot work is refused at once if that is already known. An object that
    Jobs UI does not know yet is read from Zendesk."""
    limits.count(request.auth, Limited.LAUNCH)
    require_comparable(body.action, body.options)
    items = None
    if body.items is not None:
        items = _items_file(body.items)
        upload_room.require_room(len(items), by=request.auth.user)
    with named_in_body("connection"):
        connection = lookup.connection_called(request.auth, body.connection, Act.RUN)
    custom_object = objects.read_once(connection, body.object)
    with _stored_items(items) as stored:

        def create_job() -> idempotency.Result:
            file = _file(request, body, stored)
            job = _start(request, body, custom_object, file)
            return 201, job_out.current(request, job.code)

        return idempotency.run_once(request, create_job)


class JobFilter(Schema):
    state: JobState | None = None
    connection: Text = ""
    """ID or name."""
    object: Text = ""
    action: Action | None = None
    created_by: Text = ""
    """Username."""
    q: Text = ""
    """Part of the file name."""
    created_after: Timestamp | None = None
    created_before: Timestamp | None = None
    cursor: Text = ""
    limit: Limit = paging.SIZE

    @property
    def conditions(self) -> dict[str, Any]:
        conditions = {
            "state": self.state,
            "object_key": self.object,
            "action": self.action,
            "created_by__username": self.created_by,
            "file__name__icontains": self.q,
            "created_at__gt": self.created_after,
            "created_at__lt": self.created_before,
        }
        return {name: value for name, value in conditions.items() if value}


@router.get(
    "",
    operation_id="list_jobs",
    summary="List jobs",
    response=responses(200, ListOut[JobOut]),
)
def job_list(request: ApiRequest, chosen: Query[JobFilter]) -> Any:
    """Newest first, including drafts. A job must match all filters."""
    jobs = lookup.drafts_and_jobs(request.auth).filter(**chosen.conditions)
    if chosen.connection:
        connections = lookup.connections_called(request.auth, chosen.connection)
        jobs = jobs.filter(connection__in=connections)
    page = paging.by_time(jobs, chosen.cursor, chosen.limit)
    return list_response(request, page, job_out.serializer(request, page.entries))


@router.get(
    "/{uuid:id}",
    operation_id="get_job",
    summary="Get a job",
    response=responses(200, JobOut, 404),
)
def detail(
    request: ApiRequest, code: Code, wait: Annotated[int, Field(ge=0, le=60)] = 0
) -> Any:
    """With `wait`, the response is sent when the job is over or needs a person, and
    after `wait` seconds at the latest. A draft that is `ready` needs a person. If too
    many requests wait already, the response is sent at once: poll again after a
    second."""
    job = lookup.draft_or_job(request.auth, code)
    if wait and job.is_in_progress:
        waiting.wait_until_at_rest(job, wait)
    return job_out.current(request, code)


@router.patch(
    "/{uuid:id}",
    auth=RUN,
    operation_id="change_job",
    summary="Change a job",
    response=responses(200, JobOut, 400, 404, 409, 413),
)
def change(request: ApiRequest, code: Code, body: JobChange) -> Any:
    """A draft is checked again after each change. The run settings of a launched job
    can be changed until it is over."""
    job = lookup.draft_or_job(request.auth, code, Act.RUN)
    is_undo = job.parent_rows == ParentRows.UNDONE
    with transaction.atomic():
        if body.changes_mapping:
            if is_undo:
                raise NotPossibleNow(ROWS_OF_UNDO)
            _change_mapping(job, body, by=request.auth.user)
        if job.is_draft and is_undo:
            run_settings = job_in.run_settings_of(job, body.run_settings)
            automation.set_auto_target(job, JobState.READY, run_settings=run_settings)
        elif job.is_draft:
            run_settings = job_in.run_settings_of(job, body.run_settings)
            automation.require_feasible(job)
            automation.set_auto_target(job, JobState.READY, run_settings=run_settings)
        elif body.run_settings:
            run_settings = body.run_settings.apply(job.run_settings)
            actions.set_run_settings(job, run_settings, by=request.auth.user)
    return job_out.current(request, code)


@router.delete(
    "/{uuid:id}",
    auth=RUN,
    operation_id="delete_job",
    summary="Discard a draft",
    response=responses(204, None, 404, 409),
)
def delete(request: ApiRequest, code: Code) -> Any:
    """Also deletes its file, unless another job uses it. Launched jobs stay in the
    history."""
    drafts.discard(lookup.draft_or_job(request.auth, code, Act.RUN))
    return Status(204, None)


def _items_file(items: list[Any]) -> bytes:
    """The items as a JSON document. Raises Problem with the first ones that are not
    possible."""
    documents: list[bytes] = []
    errors: list[dict[str, str]] = []
    wrong = 0
    for index, item in enumerate(items):
        document = json.dumps(item)
        documents.append(document.encode())
        if message := _item_mistake(item, document):
            wrong += 1
            if len(errors) < MAX_ERRORS:
                errors.append({"where": f"body.items.{index}", "message": message})
    if errors:
        raise invalid(errors, wrong)
    return b"[" + b",".join(documents) + b"]"


def _item_mistake(item: Any, document: str) -> str:
    """`document`: its JSON, in ASCII."""
    if not isinstance(item, dict):
        return "must be an object"
    if len(document) <= MAX_RECORD_BYTES:
        return ""
    text = json.dumps(item, ensure_ascii=False)
    size = len(text.encode(errors="surrogatepass"))
    if size <= MAX_RECORD_BYTES:
        return ""
    return f"takes {size:,} bytes, and a record at most 32 KB"


def _stored_items(
    items: bytes | None,
) -> AbstractContextManager[uploads.Stored | None]:
    """The items in storage, as a file that is deleted unless a job is created of it."""
    if items is None:
        return nullcontext()
    return uploads.storing([items], "items.json")


def _file(request: ApiRequest, body: JobIn, items: uploads.Stored | None) -> File:
    if items:
        return uploads.register(items, by=request.auth.user)
    with named_in_body("file"):
        return lookup.file(request.auth, body.file or NO_FILE)


def _start(
    request: ApiRequest, body: JobIn, custom_object: CustomObject, file: File
) -> Job:
    """The draft, which automation advances to `ready` or launches. Raises UploadRefused
    or MappingRefused if it is already known that it cannot work."""
    mapping, rules = stored_mapping(
        body.mapping or {}, body.constants, custom_object, body.action
    )
    saved = _saved_mapping(request, body, custom_object)
    options = saved_mappings.options_of(saved) if saved else Options()
    job = drafts.create_draft(
        custom_object.connection,
        custom_object.key,
        body.action,
        file,
        by=request.auth.user,
        options=body.options.apply(options),
        mapping=mapping,
        rules=rules,
        saved_mapping=saved,
    )
    automation.require_feasible(job)
    automation.set_auto_target(
        job,
        JobState.QUEUED if body.launch else JobState.READY,
        hold_after_first_batch=body.hold_after_first_batch,
        run_settings=body.run_settings.apply(job.run_settings),
    )
    return job


def _saved_mapping(
    request: ApiRequest, body: JobIn, custom_object: CustomObject
) -> SavedMapping | None:
    """Raises NotPossibleNow if it is for another object or action."""
    if body.saved_mapping is None:
        return None
    with named_in_body("saved_mapping"):
        saved = lookup.saved_mapping(request.auth, body.saved_mapping)
    saved_mappings.require_same_target(
        saved, custom_object.connection_id, custom_object.key, body.action
    )
    return saved


def _change_mapping(job: Job, body: JobChange, *, by: User) -> None:
    custom_object = CustomObject.objects.get(
        connection=job.connection, key=job.object_key
    )
    mapping, rules = stored_mapping(
        body.mapping or {}, body.constants or {}, custom_object, Action(job.action)
    )
    kept = rules_of(job.rules)
    if body.mapping is None:
        mapping = job.mapping
        rules |= {key: rule for key, rule in kept.items() if not rule.constant}
    if body.constants is None:
        # A column replaces a constant.
        mapped = set(mapping.values())
        rules |= {
            key: rule
            for key, rule in kept.items()
            if rule.constant and key not in mapped
        }
    options = Options.from_json(job.options)
    if body.options:
        require_comparable(Action(job.action), body.options)
        options = body.options.apply(options)
    drafts.set_mapping(job, mapping, options, by=by, rules=rules)
