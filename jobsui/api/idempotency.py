"""The Idempotency-Key: a repeated POST returns the first response and creates nothing
again. Keys belong to a user and are kept for a day."""

import hashlib
from collections.abc import Callable

from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from jobsui.api.auth import ApiRequest
from jobsui.api.models import IdempotencyRecord
from jobsui.api.problems import Problem
from jobsui.api.schema import Schema
from jobsui.connections.errors import ConnectionsError
from jobsui.jobs.errors import JobsError

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
PARAMETER = {
    "parameters": [
        {
            "in": "header",
            "name": HEADER,
            "required": False,
            "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
            "description": (
                "Repeat a request with the same key within 24 hours to get the first "
                "response again. Nothing is created twice."
            ),
        }
    ]
}
"""Describes the header of an operation that supports it."""
BAD_KEY = f"{HEADER} must be at most {MAX_KEY_LENGTH} printable characters."
KEY_REUSED = (
    f"Another request already used this {HEADER}. Use a new key for a new request."
)
RESULT_UNKNOWN = (
    "A request with this key is in progress, or it ended without a response. "
    "Check what it did before you send it again with a new key."
)
ERRORS = (Problem, Http404, JobsError, ConnectionsError)
Result = tuple[int, Schema]
"""HTTP status and body of a response."""


def run_once(
    request: ApiRequest, create: Callable[[], Result], *, body_identity: str = ""
) -> HttpResponse:
    """The response from `create`, or the stored response of an earlier request with
    this key. One transaction holds everything `create` writes and the stored response,
    so `create` must not call Zendesk. `body_identity` replaces the body where two
    requests are compared.

    Raises Problem if another request used the key.
    """
    key = _key(request)
    if not key:
        with transaction.atomic():
            return _response(*create())
    _delete_expired()
    with transaction.atomic():
        record, is_new = _begin(request, key, body_identity)
        if not is_new:
            return _replay(record)
        response = _response(*create())
        _store(record, response)
    return response


def run_at_most_once(request: ApiRequest, act: Callable[[], Result]) -> HttpResponse:
    """Like run_once() for an `act` that calls Zendesk. If the result of an earlier
    request is unknown, the repeated request is refused. `act` must raise its errors
    before it changes anything."""
    key = _key(request)
    if not key:
        return _response(*act())
    _delete_expired()
    record, is_new = _begin(request, key, "")
    if not is_new:
        return _replay(record)
    try:
        response = _response(*act())
    except ERRORS:
        record.delete()
        raise
    _store(record, response)
    return response


def _key(request: ApiRequest) -> str:
    key: str = request.headers.get(HEADER, "")
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise Problem(400, "bad_idempotency_key", BAD_KEY)
    return key


def _begin(
    request: ApiRequest, key: str, body_identity: str
) -> tuple[IdempotencyRecord, bool]:
    """The record of this key, and whether it is new."""
    fingerprint = _fingerprint(request, body_identity)
    record, is_new = IdempotencyRecord.objects.get_or_create(
        user=request.auth.user, key=key, defaults={"fingerprint": fingerprint}
    )
    if record.fingerprint != fingerprint:
        raise Problem(409, "idempotency_key_reused", KEY_REUSED)
    return record, is_new


def _fingerprint(request: ApiRequest, body_identity: str) -> str:
    parts = [
        request.method or "",
        request.get_full_path(),
        body_identity or hashlib.sha256(request.body).hexdigest(),
    ]
    # Keyed, because a body may contain secrets that a plain digest helps to guess.
    mac = salted_hmac("jobsui.api.idempotency", "\n".join(parts), algorithm="sha256")
    return mac.hexdigest()


def _replay(record: IdempotencyRecord) -> HttpResponse:
    if record.status is None:
        raise Problem(409, "outcome_unknown", RESULT_UNKNOWN)
    response = HttpResponse(
        record.body, status=record.status, content_type="application/json"
    )
    response["Idempotency-Replayed"] = "true"
    return response


def _store(record: IdempotencyRecord, response: HttpResponse) -> None:
    record.status = response.status_code
    record.body = response.content.decode()
    record.save(update_fields=["status", "body"])


def _delete_expired() -> None:
    oldest = timezone.now() - IdempotencyRecord.RETENTION
    IdempotencyRecord.objects.filter(created_at__lt=oldest).delete()


def _response(status: int, body: Schema) -> HttpResponse:
    return HttpResponse(
        body.model_dump_json(), status=status, content_type="application/json"
    )
