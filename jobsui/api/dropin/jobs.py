"""Zendesk's job endpoint: takes up to 100,000 items, and answers with a job status."""

from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase

from jobsui.access.models import Scope
from jobsui.api.dropin import authentication, errors, statuses
from jobsui.api.dropin.authentication import Caller
from jobsui.connections import objects
from jobsui.connections.errors import ConnectionsError, NotFound, ZendeskError
from jobsui.connections.objects import ObjectRefused
from jobsui.jobs.control import actions, automation
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import FileRefused, UploadRefused
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RunSettings
from jobsui.jobs.preparation import item_uploads
from jobsui.jobs.preparation.item_uploads import Received

MOST_ITEMS = 100_000
CREATE = "api/v2/custom_objects/jobs/create"
PIECE = 64 * 1024
# Items go out as they came: one that cannot be sent fails alone, and nothing is added
# to the others.
OPTIONS = Options(invalid="skip", generate_external_ids=False)
# A program that asks until the job is completed knows no job that waits for a person.
RULES = RunSettings(stop_percent=None, stop_refusals=None)


def create(request: HttpRequest, caller: Caller, key: str) -> HttpResponseBase:
    authentication.require(caller, Scope.RUN)
    _require_object(caller, key)
    received = _receive(request, caller)
    try:
        job = _queue(received, caller, key)
    except BaseException:
        received.delete()
        raise
    return statuses.one(request, job, status=201)


def _require_object(caller: Caller, key: str) -> None:
    try:
        objects.find(caller.connection, key)
    except (ObjectRefused, NotFound):
        raise errors.not_found() from None
    except (ZendeskError, ConnectionsError) as error:
        raise errors.no_answer(error) from error


def _receive(request: HttpRequest, caller: Caller) -> Received:
    if (
        "Transfer-Encoding" in request.headers
    ):  # Django would take the body for an empty one.
        raise errors.no_length()
    try:
        return item_uploads.receive(
            _pieces(request), f"Request of {caller.token.name}", most=MOST_ITEMS
        )
    except FileRefused as refusal:
        raise errors.bad_request(
            "Unprocessable JSON", f"The body is not JSON as it should be. {refusal}"
        ) from None
    except UploadRefused as refusal:
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES:
            raise errors.too_large(str(refusal)) from None
        raise errors.bad_request("Unprocessable JSON", "The body is empty.") from None


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    return iter(lambda: request.read(PIECE), b"")


def _queue(received: Received, caller: Caller, key: str) -> Job:
    action = _checked_action(received)
    by = caller.token.user
    with transaction.atomic():
        job = actions.draft(
            caller.connection,
            key,
            action,
            received.register(by=by),
            by=by,
            options=OPTIONS,
        )
        automation.aim(job, JobState.QUEUED, run_settings=RULES)
    return job


def _checked_action(received: Received) -> Action:
    """Raises Refused when action or items are not what Zendesk takes."""
    if received.action is None and received.items is None:
        raise errors.invalid_parameter(
            "job", "must be an object with action and items", CREATE
        )
    if received.action not in Action.values:
        raise errors.invalid_parameter(
            "job.action", f"must be one of {', '.join(Action.values)}", CREATE
        )
    if received.items != "array":
        raise errors.invalid_parameter("job.items", "must be an array", CREATE)
    if not received.count:
        raise errors.invalid_parameter("job.items", "must not be empty", CREATE)
    if received.count > MOST_ITEMS:
        raise errors.invalid_parameter(
            "job.items", f"must have at most {MOST_ITEMS} items", CREATE
        )
    return Action(received.action)
