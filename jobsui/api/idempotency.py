"""A POST that makes something may be sent again with the same Idempotency-Key: it is
answered as the first time, and nothing is made twice. Keys belong to a person, and are
kept for a day."""

import hashlib
from collections.abc import Callable

from django.db import transaction
from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from ninja import Schema

from jobsui.api.auth import ApiRequest
from jobsui.api.models import IdempotencyRecord
from jobsui.api.problems import Problem
from jobsui.connections.errors import ConnectionsError
from jobsui.jobs.errors import JobsError

HEADER = "Idempotency-Key"
PARAMETER = {
    "parameters": [
        {
            "in": "header",
            "name": HEADER,
            "required": False,
            "schema": {"type": "string", "maxLength": 255},
            "description": "Sent again within 24 hours with the same key, the request is answered as before and makes "
            "nothing twice.",
        }
    ]
}
"""For the description of an operation that honours it."""
REFUSALS = (Problem, Http404, JobsError, ConnectionsError)
Made = tuple[int, Schema]
"""HTTP status and body of an answer."""


def once(
    request: ApiRequest, make: Callable[[], Made], *, fingerprint: str = ""
) -> HttpResponse:
    """The answer `make` gives, or the one it gave to an earlier request with this key.
    All that `make` writes is in one transaction with the memory of it, so it must not
    call Zendesk. `fingerprint` of the body; "": it is worked out.

    Raises Problem for a key that came with another request before.
    """
    key = _key(request)
    if not key:
        with transaction.atomic():
            return _answer(*make())
    _forget_old()
    with transaction.atomic():
        replay, is_new = _begin(request, key, fingerprint)
        if not is_new:
            return _again(replay)
        response = _answer(*make())
        _remember(replay, response)
    return response


def at_most_once(request: ApiRequest, act: Callable[[], Made]) -> HttpResponse:
    """The same for `act` that calls Zendesk. When nobody knows what came of an earlier
    request, a person has to look. What `act` refuses, it must refuse before it has done
    anything."""
    key = _key(request)
    if not key:
        return _answer(*act())
    _forget_old()
    replay, is_new = _begin(request, key, "")
    if not is_new:
        return _again(replay)
    try:
        response = _answer(*act())
    except REFUSALS:
        replay.delete()
        raise
    _remember(replay, response)
    return response


def _key(request: ApiRequest) -> str:
    key: str = request.headers.get(HEADER, "")
    if len(key) > 255 or not key.isprintable():
        raise Problem(
            400,
            "bad_idempotency_key",
            f"{HEADER} must be at most 255 printable characters.",
        )
    return key


def _begin(
    request: ApiRequest, key: str, fingerprint: str
) -> tuple[IdempotencyRecord, bool]:
    facts = [
        request.method or "",
        request.get_full_path(),
        fingerprint or hashlib.sha256(request.body).hexdigest(),
    ]
    # Keyed: a body may hold secrets, and what is stored must not help to guess them.
    digest = salted_hmac(
        "jobsui.api.idempotency", "\n".join(facts), algorithm="sha256"
    ).hexdigest()
    replay, is_new = IdempotencyRecord.objects.get_or_create(
        user=request.auth.user, key=key, defaults={"fingerprint": digest}
    )
    if replay.fingerprint != digest:
        raise Problem(
            409,
            "idempotency_key_reused",
            f"Another request came with this {HEADER} already. Use a new key for a new request.",
        )
    return replay, is_new


def _again(replay: IdempotencyRecord) -> HttpResponse:
    if replay.status is None:
        raise Problem(
            409,
            "outcome_unknown",
            "A request with this key is under way, or ended without an answer. Look at what it was to do before you "
            "send it again with a new key.",
        )
    response = HttpResponse(
        replay.body, status=replay.status, content_type="application/json"
    )
    response["Idempotency-Replayed"] = "true"
    return response


def _remember(replay: IdempotencyRecord, response: HttpResponse) -> None:
    replay.status = response.status_code
    replay.body = response.content.decode()
    replay.save(update_fields=["status", "body"])


def _forget_old() -> None:
    IdempotencyRecord.objects.filter(
        created_at__lt=timezone.now() - IdempotencyRecord.KEPT
    ).delete()


def _answer(status: int, body: Schema) -> HttpResponse:
    return HttpResponse(
        body.model_dump_json(), status=status, content_type="application/json"
    )
