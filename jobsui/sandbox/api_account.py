"""Endpoints of the account: its users, organizations, tickets, tokens and settings, and the
incremental export."""

import html
import time
from urllib.parse import urlencode

from jobsui.sandbox import pages, related, tokens
from jobsui.sandbox.calls import Call, no_content
from jobsui.sandbox.errors import (
    Refused,
    export_error,
    invalid_parameter,
    not_authenticated,
    not_found,
    role_may_not,
)
from jobsui.sandbox.ids import ADMIN_ID
from jobsui.sandbox.protocol import JsonObject, Response, json_response
from jobsui.sandbox.schema import CustomObject, now
from jobsui.sandbox.serializers import record_json
from jobsui.sandbox.table import Record

SETTLED_SECONDS = 60
MAX_EXPORT_PAGE = 1_000
MAX_SHOWN = 100


def me(call: Call) -> Response:
    """The user of the credentials. Without credentials it may be an anonymous user, not
    an error."""
    if not call.signed_in and call.account.assumptions.anonymous_user == "401":
        raise not_authenticated()
    user = signed_in_user(call) if call.signed_in else anonymous_user()
    return json_response(200, {"user": user})


def anonymous_user() -> JsonObject:
    return {
        "id": None,
        "name": "Anonymous user",
        "email": "invalid@example.com",
        "role": "end-user",
    }


def signed_in_user(call: Call) -> JsonObject:
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


def users(call: Call) -> Response:
    shown = show_many(call, "users", "external_id")
    if call.account.assumptions.deleted_users == "left-out":
        shown = [user for user in shown if user["active"]]
    return json_response(200, {"users": shown})


def organizations(call: Call) -> Response:
    shown = show_many(call, "organizations", "external_id")
    return json_response(200, {"organizations": shown})


def tickets(call: Call) -> Response:
    return json_response(200, {"tickets": show_many(call, "tickets")})


def show_many(call: Call, name: str, *more_members: str) -> list[JsonObject]:
    """The entries of a list that a request names by id, or by one of `more_members`. Unknown
    ones are left out. Raises Refused."""
    if call.account.settings.role == "end-user":
        raise role_may_not()
    members = ("id", *more_members)
    member = next((each for each in members if call.query.get(f"{each}s")), "id")
    keys = [key for key in call.query.get(f"{member}s", "").split(",") if key]
    if not 1 <= len(keys) <= MAX_SHOWN:
        rule = f"must have 1 to {MAX_SHOWN} ids"
        raise invalid_parameter("ids", rule, f"api/v2/{name}/show_many")
    return related.with_keys(name, member, keys)


def settings(_call: Call) -> Response:
    features = {"sandbox": True, "user_tagging": True, "ticket_forms": True}
    api = {"accepted_api_agreement": True, "api_token_access": "true"}
    return json_response(200, {"settings": {"active_features": features, "api": api}})


def list_tokens(call: Call) -> Response:
    shown = [
        tokens.token_json(token, call.origin)
        for token in call.account.tokens.by_access.values()
    ]
    return json_response(200, {"tokens": shown})


def current_token(call: Call) -> Response:
    token = token_of(call)
    return json_response(200, {"token": tokens.token_json(token, call.origin)})


def token_of(call: Call) -> tokens.Token:
    if call.token is None:
        raise not_found()
    return call.token


def revoke_current_token(call: Call) -> Response:
    call.account.tokens.revoke(token_of(call))
    return no_content()


def show_token(call: Call, token_id: str) -> Response:
    token = find_token(call, token_id)
    return json_response(200, {"token": tokens.token_json(token, call.origin)})


def revoke_token(call: Call, token_id: str) -> Response:
    call.account.tokens.revoke(find_token(call, token_id))
    return no_content()


def find_token(call: Call, token_id: str) -> tokens.Token:
    for token in call.account.tokens.by_access.values():
        if str(token.id) == token_id:
            return token
    raise not_found()


def grant_token(call: Call) -> Response:
    """POST /oauth/tokens, outside /api."""
    account = call.account
    grant = account.tokens.exchange(
        call.body(), account.settings.token_seconds, account.assumptions
    )
    return json_response(201, grant)


def authorize(call: Call) -> Response:
    """GET /oauth/authorizations/new: a page that asks the user. Its links are this address
    with their decision."""
    account = call.account
    match call.query.get("decision"):
        case "allow":
            code = account.tokens.authorize(call.query, account.assumptions)
            return back_to_client(call, {"code": code})
        case "deny":
            account.tokens.check_authorization(call.query, account.assumptions)
            denial = "The end-user or authorization server denied the request."
            return back_to_client(
                call, {"error": "access_denied", "error_description": denial}
            )
    account.tokens.check_authorization(call.query, account.assumptions)
    return Response(
        200, authorization_page(call), {"Content-Type": "text/html; charset=utf-8"}
    )


def authorization_page(call: Call) -> bytes:
    scope = html.escape(call.query.get("scope") or "read")
    links = [
        f'<a href="?{html.escape(urlencode(call.query | {"decision": word.lower()}))}">{word}</a>'
        for word in ("Allow", "Deny")
    ]
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Sandbox</title>'
        f"<h1>Allow access to the sandbox?</h1><p>Scopes: {scope}</p>"
        f"<p>{links[0]} {links[1]}</p></html>"
    ).encode()


def back_to_client(call: Call, query: dict[str, str]) -> Response:
    if "state" in call.query:
        query["state"] = call.query["state"]
    target = call.query["redirect_uri"]
    separator = "&" if "?" in target else "?"
    return Response(302, b"", {"Location": f"{target}{separator}{urlencode(query)}"})


def export(call: Call, key: str) -> Response:
    """The incremental export: records changed after a time, deleted ones included."""
    custom_object = exported_object(call, key)
    limits = call.account.settings
    if not call.account.exports.take(
        limits.exports_per_minute, limits.window_seconds, call.account.assumptions
    ):
        raise too_many_exports(call)
    changed = changed_records(call, custom_object)
    size = min(int(call.query.get("per_page") or MAX_EXPORT_PAGE), MAX_EXPORT_PAGE)
    has_more = len(changed) > size
    return export_page(call, custom_object, changed[:size], has_more=has_more)


def changed_records(call: Call, custom_object: CustomObject) -> list[Record]:
    """The records to export, in the order of their last change."""
    start = export_start(call)
    with_deleted = call.query.get("filter[exclude_deleted]") != "true"
    changed = [
        record
        for record in custom_object.table.rows
        if record and by_change(record) > start
    ]
    if not with_deleted:
        changed = [record for record in changed if not record.deleted]
    lag = call.account.assumptions.export_lag
    if lag:
        newest = now() - int(lag * 1000)
        changed = [record for record in changed if record.updated <= newest]
    return sorted(changed, key=by_change)


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
    wait = call.account.exports.reset_in(limits.window_seconds)
    refusal.response.headers["Retry-After"] = str(wait)
    return refusal


def by_change(record: Record) -> tuple[int, int]:
    return (record.updated, record.row)


def export_start(call: Call) -> tuple[int, int]:
    """The export has the changes after this one. Raises Refused."""
    cursor = call.query.get("cursor")
    if cursor:
        return decode_cursor(cursor)
    start = call.query.get("start_time", "")
    if not start.isdigit():
        raise export_error(400, "InvalidStartTime", "start_time must be a Unix time")
    if int(start) > time.time() - SETTLED_SECONDS:
        raise export_error(
            400, "StartTimeTooRecent", "start_time must be more than 60 seconds ago"
        )
    return (int(start) * 1000, -1)


def decode_cursor(cursor: str) -> tuple[int, int]:
    try:
        updated, row = pages.decoded(cursor, "") or []
    except (Refused, ValueError):
        raise export_error(
            400, "InvalidCursor", "cursor is invalid or expired"
        ) from None
    return (updated, row)


def export_page(
    call: Call, custom_object: CustomObject, records: list[Record], *, has_more: bool
) -> Response:
    last = by_change(records[-1]) if records else export_start(call)
    cursor = pages.encoded(list(last))
    path = f"{call.origin}/api/v2/incremental/custom_objects/{custom_object.key}/cursor"
    body = {
        "custom_object_records": [
            exported_json(call, custom_object, record) for record in records
        ],
        "after_cursor": cursor,
        "after_url": f"{path}?{urlencode({'cursor': cursor})}",
        "before_cursor": None,
        "before_url": None,
        "meta": {"has_more": has_more},
        "end_of_stream": not has_more,
    }
    return json_response(200, body)


def exported_json(
    call: Call, custom_object: CustomObject, record: Record
) -> JsonObject:
    exported = record_json(call.account, custom_object, record, call.origin)
    del exported["photo"]
    if record.deleted:
        keys = exported["custom_object_fields"]
        exported["custom_object_fields"] = dict.fromkeys(keys, "[DELETED]")
    return exported
