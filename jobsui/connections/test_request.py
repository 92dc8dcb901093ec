"""The test request: the endpoint's reference for one object, a request prepared from
it, and sending it once."""

import json
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from jobsui.audit import log
from jobsui.audit.models import Action
from jobsui.connections import credentials
from jobsui.connections.editing import subject_of
from jobsui.connections.errors import RequestRefused, explain
from jobsui.connections.models import Connection, CustomObject, SignIn
from jobsui.files.jsonfile import mistake
from jobsui.zendesk.api_warnings import api_warning
from jobsui.zendesk.client import Client, raise_for
from jobsui.zendesk.custom_objects import job_status_in
from jobsui.zendesk.errors import ZendeskError
from jobsui.zendesk.payloads import Field, Json, Response, Schema

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
MAX_BODY_BYTES = 1024 * 1024
MAX_SHOWN = 256 * 1024
"""Characters of a response that are shown."""
MAX_FORMATTED_BYTES = 4 * 1024 * 1024
"""A larger response is shown as it came."""
PATH = re.compile(r"/api/v2(/[A-Za-z0-9_.~:-]+)+")
QUERY = re.compile(r"[A-Za-z0-9/_.~!$&'()*+,;=:%?@\[\]-]*")
SECRET_PATHS = re.compile(r"/oauth|/api_tokens|/signing_secret", re.IGNORECASE)
STATUS_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
HIDDEN_HEADERS = {"set-cookie", "authorization"}
SAMPLE_ID = "01HXSAMP1E0000000000000000"
ACTIONS = {
    "create": (
        "Creates new records. external_id is optional and unique in the object."
    ),
    "update": "Changes the records with these Zendesk IDs.",
    "create_or_update_by_external_id": (
        "Changes the record with that external_id, or creates it."
    ),
    "create_or_update_by_name": (
        "Changes the record with that name, or creates it. Only where names are unique."
    ),
    "delete": "Deletes the records with these Zendesk IDs.",
    "delete_by_external_id": "Deletes the records with these external IDs.",
}
LIMITS = (
    "100 records per request",
    "30 jobs queued or running at once in the account",
    "32 KB per record",
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


def _writable(name: str, kind: str, text: str, *, required: bool = False) -> Member:
    return Member(name, kind, writable=True, required=required, help=text)


def _read_only(name: str, text: str) -> Member:
    return Member(name, "string", writable=False, required=False, help=text)


MEMBERS = (
    _writable("job.action", "string", "One of the six actions.", required=True),
    _writable(
        "job.items[]",
        "array",
        "Record objects; strings for the delete actions.",
        required=True,
    ),
    _writable(
        "job.items[].id",
        "string",
        "The record's Zendesk ID: required to update, not allowed to create.",
    ),
    _writable(
        "job.items[].external_id", "string", "Your own ID, unique in the object."
    ),
    _writable(
        "job.items[].name",
        "string",
        "Name of the record. Not allowed where names are autonumbered.",
        required=True,
    ),
    _writable(
        "job.items[].custom_object_fields",
        "object",
        "The object's own fields by their keys.",
    ),
    _read_only(
        "job.items[].custom_object_key", "Key of the object. The address sets it."
    ),
    _read_only("job.items[].url", "Direct link to the record."),
    _read_only("job.items[].created_at", "When the record was created."),
    _read_only("job.items[].updated_at", "When it was last changed."),
    _read_only("job.items[].created_by_user_id", "Who created it."),
    _read_only("job.items[].updated_by_user_id", "Who changed it last."),
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
class TestResponse:
    __test__ = False  # Not a test of pytest's.

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    elapsed_ms: int = 0
    error: str = ""
    """Why there was no response."""
    warning: str = ""
    """What Zendesk warned about: members of the body that it left out, for example."""
    status_id: str = ""
    """Of the job status that the request created; "" for none."""
    is_over: bool = False
    """Whether that job status is final."""


def reference(custom_object: CustomObject) -> Reference:
    return Reference(
        path=_jobs_path(custom_object),
        actions=ACTIONS,
        members=MEMBERS,
        limits=LIMITS,
        schema=custom_object.schema,
    )


def prepare(custom_object: CustomObject, action: str, body: Json = None) -> Prepared:
    """A request with this body. None: a body for `action` (any of ACTIONS, else create)
    with a sample item of the object's own fields. Raises RequestRefused for a body that
    cannot be sent."""
    if body is None:
        text = json.dumps(_sample_body(action, custom_object.schema), indent=2)
    else:
        text = json.dumps(body, ensure_ascii=False)
    _checked_body("POST", text)
    is_basic = custom_object.connection.sign_in == SignIn.API_TOKEN
    headers = {
        "Authorization": f"{'Basic' if is_basic else 'Bearer'} ********",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    return Prepared("POST", _jobs_path(custom_object), headers, text)


def is_write(method: str) -> bool:
    return method.upper() != "GET"


def send(
    connection: Connection, method: str, path: str, body: str = ""
) -> TestResponse:
    """Send one request to the connection's own host. Raises RequestRefused for one that
    may not be sent."""
    method = method.upper()
    check_path(path)
    content = _checked_body(method, body)
    log.record(
        Action.REQUEST_SENT,
        subject_of(connection),
        after={"method": method, "path": path},
    )
    return _sent(connection, method, path, content)


def _sent(
    connection: Connection, method: str, path: str, content: bytes | None
) -> TestResponse:
    def call(client: Client) -> Response:
        response = client.request(method, path, body=content)
        if response.status in {401, 403}:
            raise_for(response, what=f"{method} {path}")
        return response

    started = time.monotonic()
    try:
        return _test_response(credentials.signed_in(connection, call))
    except ZendeskError as error:
        if error.response is not None:
            return _test_response(error.response)
        elapsed = time.monotonic() - started
        return TestResponse(elapsed_ms=round(elapsed * 1000), error=explain(error))


def poll(connection: Connection, status_id: str) -> TestResponse:
    """The current state of a job status that a test request created."""
    if not STATUS_ID.fullmatch(status_id):
        raise RequestRefused("That is not the ID of a job status.")
    response = _sent(connection, "GET", f"/api/v2/job_statuses/{status_id}", None)
    is_over = response.is_over or response.status in {401, 403}
    return replace(response, is_over=is_over)


def check_path(path: str) -> None:
    """Raise RequestRefused unless it is a plain path of the API. It is appended to the
    connection's host as it is, so it must not be ambiguous: no dot segments in any
    encoding, no other host, no fragment."""
    plain, _, query = path.partition("?")
    plain = unquote(plain)
    has_dot_segments = bool({".", ".."} & set(plain.split("/")))
    is_plain = PATH.fullmatch(plain) and QUERY.fullmatch(query)
    if has_dot_segments or not is_plain:
        raise RequestRefused(
            "The address must be a path that begins with /api/v2/, such as "
            "/api/v2/users/me."
        )
    if SECRET_PATHS.search(plain):
        raise RequestRefused(
            "A test request cannot read or change tokens, OAuth clients and signing "
            "secrets, because the response would show secrets."
        )


def _checked_body(method: str, body: str) -> bytes | None:
    """The body as it is sent; None for a GET."""
    if method not in METHODS:
        raise RequestRefused(f"The method must be one of {', '.join(METHODS)}.")
    if method == "GET" or not body.strip():
        return None
    try:
        content = body.encode()
    except UnicodeEncodeError:
        raise RequestRefused(
            "The body has half of a character. Write the whole one, or remove it."
        ) from None
    if len(content) > MAX_BODY_BYTES:
        raise RequestRefused("The body is larger than 1 MB. Send large files as a job.")
    try:
        json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RequestRefused(mistake(content)) from None
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _test_response(response: Response) -> TestResponse:
    data, text = _formatted(response)
    status = job_status_in(data)
    visible_headers = {
        name: value
        for name, value in response.headers.items()
        if name.lower() not in HIDDEN_HEADERS
    }
    return TestResponse(
        status=response.status,
        headers=visible_headers,
        body=text,
        elapsed_ms=round(response.elapsed * 1000),
        warning=api_warning(response),
        status_id=_status_id(status.raw.get("id")),
        is_over=status.is_over,
    )


def _status_id(value: Json) -> str:
    return value if isinstance(value, str) and STATUS_ID.fullmatch(value) else ""


def _formatted(response: Response) -> tuple[Json, str]:
    """The decoded body, None when it is not JSON or too large to be formatted; and the
    text to show."""
    plain = response.body[:MAX_SHOWN].decode("utf-8", "replace")
    if len(response.body) > MAX_FORMATTED_BYTES:
        return None, plain
    try:
        data = response.json()
        return data, json.dumps(data, indent=2, ensure_ascii=False)[:MAX_SHOWN]
    except (ValueError, RecursionError):
        return None, plain


def _jobs_path(custom_object: CustomObject) -> str:
    return f"/api/v2/custom_objects/{custom_object.key}/jobs"


def _sample_body(action: str, schema: Schema) -> Json:
    known = action if action in ACTIONS else "create"
    return {"job": {"action": known, "items": [_sample_item(known, schema)]}}


def _sample_item(action: str, schema: Schema) -> Json:
    if action == "delete":
        return SAMPLE_ID
    if action == "delete_by_external_id":
        return "sample-1"
    item: dict[str, Any] = {}
    if action == "update":
        item["id"] = SAMPLE_ID
    if action in {"create", "create_or_update_by_external_id"}:
        item["external_id"] = "sample-1"
    if not schema.name_rules.autonumbered and action != "update":
        item["name"] = "Sample"
    item["custom_object_fields"] = {
        entry.key: _sample_value(entry) for entry in schema.fields if not entry.readonly
    }
    return item


def _sample_value(entry: Field) -> Json:
    option = entry.options[0].value if entry.options else None
    samples: dict[str, Json] = {
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
