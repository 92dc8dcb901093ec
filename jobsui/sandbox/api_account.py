"""Endpoints of the account: who one is, tokens, settings, the incremental export."""

import time
from urllib.parse import urlencode

from jobsui.sandbox import pages, tokens
from jobsui.sandbox.calls import Call, no_content
from jobsui.sandbox.errors import Refused, export_error, not_found
from jobsui.sandbox.protocol import Answer, Json, json_answer
from jobsui.sandbox.reading import shown_record
from jobsui.sandbox.schema import ADMIN_ID, CustomObject
from jobsui.sandbox.table import Record

SETTLED_SECONDS = 60
MAX_EXPORT_PAGE = 1_000


def me(call: Call) -> Answer:
    """Whoever asks; without credentials an anonymous user, which is no error."""
    return json_answer(
        200, {"user": signed_in_user(call) if call.signed_in else anonymous_user()}
    )


def anonymous_user() -> dict[str, Json]:
    return {
        "id": None,
        "name": "Anonymous user",
        "email": "invalid@example.com",
        "role": "end-user",
    }


def signed_in_user(call: Call) -> dict[str, Json]:
    return {
        "id": int(ADMIN_ID),
        "url": f"{call.origin}/api/v2/users/{ADMIN_ID}.json",
        "name": "Sandbox Admin",
        "email": tokens.EMAIL,
        "role": call.account.settings.role,
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z",
        "time_zone": "UTC",
        "iana_time_zone": "Etc/UTC",
        "locale": "en-US",
        "locale_id": 1,
        "active": True,
        "verified": True,
        "suspended": False,
        "restricted_agent": False,
        "authenticity_token": "sandbox",
    }


def settings(call: Call) -> Answer:
    features = {"sandbox": True, "user_tagging": True, "ticket_forms": True}
    api = {"accepted_api_agreement": True, "api_token_access": "true"}
    return json_answer(200, {"settings": {"active_features": features, "api": api}})


def list_tokens(call: Call) -> Answer:
    shown = [
        tokens.shown_token(token, call.origin)
        for token in call.account.tokens.by_access.values()
    ]
    return json_answer(200, {"tokens": shown})


def current_token(call: Call) -> Answer:
    return json_answer(
        200, {"token": tokens.shown_token(the_current(call), call.origin)}
    )


def the_current(call: Call) -> tokens.Token:
    if call.token is None:
        raise not_found()
    return call.token


def revoke_current_token(call: Call) -> Answer:
    call.account.tokens.revoke(the_current(call))
    return no_content()


def show_token(call: Call, token_id: str) -> Answer:
    return json_answer(
        200, {"token": tokens.shown_token(find_token(call, token_id), call.origin)}
    )


def revoke_token(call: Call, token_id: str) -> Answer:
    call.account.tokens.revoke(find_token(call, token_id))
    return no_content()


def find_token(call: Call, token_id: str) -> tokens.Token:
    for token in call.account.tokens.by_access.values():
        if str(token.id) == token_id:
            return token
    raise not_found()


def grant_token(call: Call) -> Answer:
    """POST /oauth/tokens, outside /api."""
    return json_answer(
        201,
        call.account.tokens.exchange(call.body(), call.account.settings.token_seconds),
    )


def authorize(call: Call) -> Answer:
    """GET /oauth/authorizations/new: the person at the browser is taken to have said
    yes."""
    code, target = call.account.tokens.authorize(call.query), call.query["redirect_uri"]
    query = {"code": code} | (
        {"state": call.query["state"]} if "state" in call.query else {}
    )
    return Answer(
        302,
        b"",
        {"Location": f"{target}{'&' if '?' in target else '?'}{urlencode(query)}"},
    )


def export(call: Call, key: str) -> Answer:
    """The incremental export: what changed since a moment, deleted records among it."""
    custom_object = exported_object(call, key)
    limits = call.account.settings
    if not call.account.exports.take(limits.exports_per_minute, limits.window_seconds):
        raise too_many_exports(call)
    changed = [
        record
        for record in custom_object.table.rows
        if record and by_change(record) > export_start(call)
    ]
    if call.query.get("filter[exclude_deleted]") == "true":
        changed = [record for record in changed if not record.deleted]
    changed.sort(key=by_change)
    size = min(int(call.query.get("per_page") or MAX_EXPORT_PAGE), MAX_EXPORT_PAGE)
    return export_page(
        call, custom_object, changed[:size], has_more=len(changed) > size
    )


def exported_object(call: Call, key: str) -> CustomObject:
    if not call.account.settings.custom_objects:
        raise export_error(
            404, "FeatureNotEnabled", "Custom objects feature is not enabled"
        )
    if key not in call.account.objects:
        raise export_error(404, "CustomObjectNotFound", "Custom object not found")
    return call.account.objects[key]


def too_many_exports(call: Call) -> Refused:
    limits = call.account.settings
    title = (
        f"Rate limit exceeded. Maximum {limits.exports_per_minute} requests per minute."
    )
    refusal = export_error(429, "RateLimitExceeded", title)
    refusal.answer.headers["Retry-After"] = str(
        call.account.exports.reset_in(limits.window_seconds)
    )
    return refusal


def by_change(record: Record) -> tuple[int, int]:
    return (record.updated, record.row)


def export_start(call: Call) -> tuple[int, int]:
    """Where to go on: after this change."""
    cursor = call.query.get("cursor")
    if cursor:
        try:
            updated, row = pages.decoded(cursor, "") or []
        except (Refused, ValueError):
            raise export_error(
                400, "InvalidCursor", "cursor is invalid or expired"
            ) from None
        return (updated, row)
    start = call.query.get("start_time", "")
    if not start.isdigit():
        raise export_error(400, "InvalidStartTime", "start_time must be a Unix time")
    if int(start) > time.time() - SETTLED_SECONDS:
        raise export_error(
            400, "StartTimeTooRecent", "start_time must be more than 60 seconds ago"
        )
    return (int(start) * 1000, -1)


def export_page(
    call: Call, custom_object: CustomObject, records: list[Record], *, has_more: bool
) -> Answer:
    last = by_change(records[-1]) if records else export_start(call)
    cursor = pages.encoded(list(last))
    path = f"{call.origin}/api/v2/incremental/custom_objects/{custom_object.key}/cursor"
    return json_answer(
        200,
        {
            "custom_object_records": [
                exported(call, custom_object, record) for record in records
            ],
            "after_cursor": cursor,
            "after_url": f"{path}?{urlencode({'cursor': cursor})}",
            "before_cursor": None,
            "before_url": None,
            "meta": {"has_more": has_more},
            "end_of_stream": not has_more,
        },
    )


def exported(
    call: Call, custom_object: CustomObject, record: Record
) -> dict[str, Json]:
    shown = shown_record(call.account, custom_object, record, call.origin)
    del shown["photo"]
    if record.deleted:
        shown["custom_object_fields"] = dict.fromkeys(
            shown["custom_object_fields"], "[DELETED]"
        )
    return shown
