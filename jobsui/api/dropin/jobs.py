"""Zendesk's job endpoint: accepts up to 100,000 items and answers with a job status."""

from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from jobsui.access import limits
from jobsui.access.limits import Limited
from jobsui.access.models import Scope
from jobsui.api.dropin import authentication, errors, statuses
from jobsui.api.dropin.authentication import Caller
from jobsui.connections import objects
from jobsui.connections.errors import ConnectionsError, NotFound, ZendeskError
from jobsui.connections.objects import ObjectRefused
from jobsui.jobs.control import automation, drafts
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import FileRefused, NoRoom, UploadRefused
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RunSettings
from jobsui.jobs.preparation import item_uploads, upload_room
from jobsui.jobs.preparation.item_uploads import Received

MAX_ITEMS = 100_000
CREATE = "api/v2/custom_objects/jobs/create"
CHUNK_BYTES = 64 * 1024
UNPROCESSABLE = "Unprocessable JSON"
# Items are sent as they came: an invalid item fails alone, and nothing is added to the
# others.
OPTIONS = Options(invalid="skip", generate_external_ids=False)
# The job never pauses by itself: a program that polls for completion would wait forever.
RUN_SETTINGS = RunSettings(stop_percent=None, stop_refusals=None)


def create(request: HttpRequest, caller: Caller, key: str) -> HttpResponseBase:
    authentication.require_scope(caller, Scope.RUN)
    limits.count(caller.token, Limited.LAUNCH)
    _require_object(caller, key)
    _require_room(request, caller)
    received = _receive(request, caller)
    try:
        job = _queue(received, caller, key)
    except BaseException:
        received.delete()
        raise
    return statuses.status_response(request, job, http_status=201)


def _require_object(caller: Caller, key: str) -> None:
    try:
        objects.find(caller.connection, key)
    except (ObjectRefused, NotFound):
        raise errors.not_found() from None
    except (ZendeskError, ConnectionsError) as error:
        raise errors.zendesk_failed(error) from error


def _require_room(request: HttpRequest, caller: Caller) -> None:
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    try:
        upload_room.require_room(length, by=caller.token.user)
    except NoRoom as refusal:
        raise errors.no_room(str(refusal)) from None


def _receive(request: HttpRequest, caller: Caller) -> Received:
    # Django would read a chunked body as an empty one.
    if "Transfer-Encoding" in request.headers:
        raise errors.length_required()
    name = f"Request of {caller.token.name}"
    try:
        return item_uploads.receive(_chunks(request), name, max_items=MAX_ITEMS)
    except FileRefused as refusal:
        raise errors.bad_request(UNPROCESSABLE, str(refusal)) from None
    except NoRoom as refusal:
        raise errors.no_room(str(refusal)) from None
    except UploadRefused as refusal:
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        if size > settings.MAX_UPLOAD_BYTES:
            raise errors.too_large(str(refusal)) from None
        raise errors.bad_request(UNPROCESSABLE, "The body is empty.") from None


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK_BYTES):
        yield chunk


def _queue(received: Received, caller: Caller, key: str) -> Job:
    action = _checked_action(received)
    user = caller.token.user
    with transaction.atomic():
        file = received.register(by=user)
        job = drafts.create_draft(
            caller.connection, key, action, file, by=user, options=OPTIONS
        )
        automation.set_auto_target(job, JobState.QUEUED, run_settings=RUN_SETTINGS)
    return job


def _checked_action(received: Received) -> Action:
    """Raises DropinError if Zendesk would not accept the action or the items."""
    problem = _problem(received)
    if problem:
        attribute, rule = problem
        raise errors.invalid_parameter(attribute, rule, CREATE)
    return Action(received.action)


def _problem(received: Received) -> tuple[str, str] | None:
    """(attribute, the rule it breaks)."""
    if received.action is None and received.items is None:
        return "job", "must be an object with action and items"
    if received.action not in Action.values:
        return "job.action", f"must be one of {', '.join(Action.values)}"
    if received.items != "array":
        return "job.items", "must be an array"
    if not received.count:
        return "job.items", "must not be empty"
    if received.count > MAX_ITEMS:
        return "job.items", f"must have at most {MAX_ITEMS} items"
    return None
