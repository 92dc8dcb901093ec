"""The test request: the endpoint's reference for one object, a request prepared from
it, and sending it once."""

import json
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from jobsui.connections import credentials
from jobsui.connections.errors import RequestRefused, explain
from jobsui.connections.models import Connection, CustomObject, SignIn
from jobsui.zendesk.client import Client, raise_for
from jobsui.zendesk.custom_objects import job_status_in
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Answer, Field, Json, Schema

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
MOST_BODY = 1024 * 1024
MOST_SHOWN = 256 * 1024
MOST_LAID_OUT = 4 * 1024 * 1024
PATH = re.compile(r"/api/v2(/[A-Za-z0-9_.~:-]+)+")
QUERY = re.compile(r"[A-Za-z0-9/_.~!$&'()*+,;=:%?@\[\]-]*")
TELLS_SECRETS = re.compile(r"/oauth|/api_tokens|/signing_secret", re.IGNORECASE)
STATUS_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
HIDDEN_HEADERS = {"set-cookie", "authorization"}
ACTIONS = {
    "create": "Makes new records. external_id is optional and unique in the object.",
    "update": "Changes the records named by their Zendesk id.",
    "create_or_update_by_external_id": "Changes the record with that external_id, or makes it.",
    "create_or_update_by_name": "Changes the record with that name, or makes it. Only where names are unique.",
    "delete": "Deletes the records whose Zendesk ids are listed.",
    "delete_by_external_id": "Deletes the records whose external ids are listed.",
}
LIMITS = (
    "100 records a request",
    "30 jobs queued or running at once in the account",
    "32 KB a record",
    "A job status can be read for one day",
)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the request body."""

    name: str
    type: str
    writable: bool
    required: bool
    help: str


MEMBERS = (
    Member("job.action", "string", True, True, "One of the six actions."),
    Member(
        "job.items[]",
        "array",
        True,
        True,
        "Record objects; for the delete actions, strings.",
    ),
    Member(
        "job.items[].id",
        "string",
        True,
        False,
        "The record's Zendesk id: needed to update, never given to create.",
    ),
    Member(
        "job.items[].external_id",
        "string",
        True,
        False,
        "Your own id, unique in the object.",
    ),
    Member(
        "job.items[].name",
        "string",
        True,
        True,
        "What people see. Not allowed where names are numbered by Zendesk.",
    ),
    Member(
        "job.items[].custom_object_fields",
        "object",
        True,
        False,
        "The object's own fields by their keys.",
    ),
    Member(
        "job.items[].custom_object_key",
        "string",
        False,
        False,
        "The object; it comes from the address.",
    ),
    Member("job.items[].url", "string", False, False, "Direct link to the record."),
    Member(
        "job.items[].created_at", "string", False, False, "When the record was made."
    ),
    Member(
        "job.items[].updated_at", "string", False, False, "When it was last changed."
    ),
    Member("job.items[].created_by_user_id", "string", False, False, "Who made it."),
    Member(
        "job.items[].updated_by_user_id", "string", False, False, "Who changed it last."
    ),
)


@dataclass(frozen=True, slots=True)
class Reference:
    path: str
    actions: dict[str, str]
    members: tuple[Member, ...]
    limits: tuple[str, ...]
    schema: Schema


@dataclass(frozen=True, slots=True)
class Prepared:
    method: str
    path: str
    headers: dict[str, str]
    """As they will be sent, the secret masked."""
    body: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back, or in `error` why nothing did. `status_id` names the job status
    the request queued, if any."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    elapsed_ms: int = 0
    error: str = ""
    status_id: str = ""
    is_over: bool = False


def reference(custom_object: CustomObject) -> Reference:
    return Reference(
        _jobs_path(custom_object), ACTIONS, MEMBERS, LIMITS, custom_object.schema
    )


def prepare(custom_object: CustomObject, action: str, body: Json = None) -> Prepared:
    """A request with this body; None: one for `action` (any of ACTIONS, else create)
    with a sample item made of the object's own fields. Raises RequestRefused for a body
    that we do not send."""
    chosen = action if action in ACTIONS else "create"
    sample = {
        "job": {"action": chosen, "items": [_sample_item(chosen, custom_object.schema)]}
    }
    text = (
        json.dumps(sample, indent=2)
        if body is None
        else json.dumps(body, ensure_ascii=False)
    )
    _checked_body("POST", text)
    scheme = (
        "Basic" if custom_object.connection.sign_in == SignIn.API_TOKEN else "Bearer"
    )
    headers = {
        "Authorization": f"{scheme} ********",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    return Prepared("POST", _jobs_path(custom_object), headers, text)


def is_write(method: str) -> bool:
    return method.upper() != "GET"


def send(connection: Connection, method: str, path: str, body: str = "") -> Answered:
    """Send one request to the connection's own host. Raises RequestRefused for what we
    do not send at all."""
    method = method.upper()
    check_path(path)
    content = _checked_body(method, body)

    def call(client: Client) -> Answer:
        answer = client.request(method, path, body=content)
        if answer.status == 401:
            raise_for(answer, what=f"{method} {path}")
        return answer

    begun = time.monotonic()
    try:
        return _answered(credentials.signed_in(connection, call))
    except ZendeskError as error:
        if error.answer is not None:
            return _answered(error.answer)
        return Answered(
            elapsed_ms=round((time.monotonic() - begun) * 1000), error=explain(error)
        )


def follow(connection: Connection, status_id: str) -> Answered:
    """The present state of a job status a test request queued."""
    if not STATUS_ID.fullmatch(status_id):
        raise RequestRefused("That is not a job status id.")
    answered = send(connection, "GET", f"/api/v2/job_statuses/{status_id}")
    return replace(answered, is_over=answered.is_over or answered.status in {401, 403})


def check_path(path: str) -> None:
    """Raises RequestRefused unless it is a plain path of the API. It is put behind the
    connection's host as it is, so nothing in it may be read in two ways: no dot
    segments, however they are written, no other host, no fragment."""
    plain, _, query = path.partition("?")
    plain = unquote(plain)
    if (
        not PATH.fullmatch(plain)
        or not QUERY.fullmatch(query)
        or {".", ".."} & set(plain.split("/"))
    ):
        raise RequestRefused(
            "The address must be a path that begins with /api/v2/, such as /api/v2/users/me."
        )
    if TELLS_SECRETS.search(plain):
        raise RequestRefused(
            "Tokens, OAuth clients and signing secrets are not handled here: answers would show them."
        )


def _checked_body(method: str, body: str) -> bytes | None:
    """The body as it is sent; a GET has none."""
    if method not in METHODS:
        raise RequestRefused(f"The method must be one of {', '.join(METHODS)}.")
    if method == "GET" or not body.strip():
        return None
    content = body.encode("utf-8", "replace")
    if len(content) > MOST_BODY:
        raise RequestRefused("The body is larger than 1 MB. Send large files as a job.")
    try:
        json.loads(body, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"The body is not JSON: {error}.") from None
    return content


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is no value of JSON")


def _answered(answer: Answer) -> Answered:
    data, text = _read(answer)
    status = job_status_in(data)
    return Answered(
        status=answer.status,
        headers={
            name: value
            for name, value in answer.headers.items()
            if name.lower() not in HIDDEN_HEADERS
        },
        body=text,
        elapsed_ms=round(answer.elapsed * 1000),
        status_id=_status_id(status.raw.get("id")),
        is_over=status.is_over,
    )


def _status_id(value: Json) -> str:
    return value if isinstance(value, str) and STATUS_ID.fullmatch(value) else ""


def _read(answer: Answer) -> tuple[Json, str]:
    """The decoded body, None when it is no JSON or too large to be laid out, and its
    text as it is shown."""
    plain = answer.body[:MOST_SHOWN].decode("utf-8", "replace")
    if len(answer.body) > MOST_LAID_OUT:
        return None, plain
    try:
        data = answer.json()
        return data, json.dumps(data, indent=2, ensure_ascii=False)[:MOST_SHOWN]
    except (ValueError, RecursionError):
        return None, plain


def _jobs_path(custom_object: CustomObject) -> str:
    return f"/api/v2/custom_objects/{custom_object.key}/jobs"


def _sample_item(action: str, schema: Schema) -> Any:
    if action == "delete":
        return "01HXSAMPLE0000000000000000"
    if action == "delete_by_external_id":
        return "sample-1"
    item: dict[str, Any] = {}
    if action == "update":
        item["id"] = "01HXSAMPLE0000000000000000"
    if action in {"create", "create_or_update_by_external_id"}:
        item["external_id"] = "sample-1"
    if not schema.name_rules.autonumbered and action != "update":
        item["name"] = "Sample"
    item["custom_object_fields"] = {
        entry.key: _sample(entry) for entry in schema.fields if not entry.readonly
    }
    return item


def _sample(entry: Field) -> Any:
    option = entry.options[0].value if entry.options else None
    samples: dict[str, Any] = {
        "integer": 1,
        "decimal": 1.5,
        "currency": 9.99,
        "checkbox": True,
        "date": "2026-01-31",
        "dropdown": option,
        "multiselect": [option] if option else [],
        "lookup": "external_id:sample",
        "parent": "external_id:sample",
    }
    return samples.get(entry.type, "text")
