"""The test request: prepares one request to Zendesk's job endpoint, and can send it."""

import json
from typing import Annotated, Any, Literal

from ninja import Router
from pydantic import AfterValidator

from jobsui.access import limits, lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.models import Scope
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import ApiRequest, require_scope
from jobsui.api.problems import named_in_body
from jobsui.api.schema import Schema
from jobsui.api.v1.types import Body, Name, responses
from jobsui.connections import test_request

router = Router()
LONE_SURROGATE = (
    "contains half of a surrogate pair (\\ud800 to \\udfff alone); remove it"
)


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(LONE_SURROGATE) from None
    return body


class RequestIn(Body):
    connection: Name
    """ID or name."""
    object: Name
    """Key of an object that Jobs UI knows."""
    action: Literal[
        "create",
        "update",
        "create_or_update_by_external_id",
        "create_or_update_by_name",
        "delete",
        "delete_by_external_id",
    ] = "create"
    """The action of the sample body."""
    body: Annotated[dict[str, Any], AfterValidator(_encodable)] | None = None
    """Your own body, at most 1 MB. Null: a sample with the object's fields."""
    send: bool = False
    """Send the request to Zendesk, once. This writes records."""


class PreparedOut(Schema):
    method: str
    path: str
    headers: dict[str, str]
    """Secrets are masked."""
    body: dict[str, Any]


class ResponseOut(Schema):
    status: int | None
    """Null if Zendesk did not respond."""
    headers: dict[str, str]
    body: str
    """Long bodies are cut off."""
    elapsed_ms: int
    error: str
    """Why there was no response; empty if there was one."""
    warning: str
    """What Zendesk warned about: members of the body that it left out, for example. Empty
    if it did not warn."""
    status_id: str
    """ID of the job status that Zendesk created; empty if it created none."""


class RequestOut(Schema):
    request: PreparedOut
    response: ResponseOut | None
    """Null if the request was not sent."""


@router.post(
    "",
    operation_id="test_request",
    summary="Prepare or send a test request",
    response=responses(200, RequestOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def send_request(request: ApiRequest, body: RequestIn) -> Any:
    """Returns the request to Zendesk's job endpoint. With `send`, which requires the
    scope `run`, also sends it and returns Zendesk's response."""
    if body.send:
        require_scope(request.auth, Scope.RUN)
        limits.count(request.auth, Limited.TEST_REQUEST)
    act = Act.RUN if body.send else Act.VIEW
    with named_in_body("connection"):
        connection = lookup.connection_called(request.auth, body.connection, act)
    with named_in_body("object"):
        custom_object = lookup.object_of_key(request.auth, connection, body.object)
    prepared = test_request.prepare(custom_object, body.action, body.body)
    if body.send:
        act = policy.act_of_request(connection, writes=True)
        policy.require(request.auth, act, connection.pk)
    if not body.send:
        return RequestOut(request=_serialize_request(prepared), response=None)

    def send() -> idempotency.Result:
        answered = test_request.send(
            connection, prepared.method, prepared.path, prepared.body
        )
        return 200, RequestOut(
            request=_serialize_request(prepared),
            response=ResponseOut.from_orm(answered),
        )

    return idempotency.run_at_most_once(request, send)


def _serialize_request(prepared: test_request.Prepared) -> PreparedOut:
    return PreparedOut(
        method=prepared.method,
        path=prepared.path,
        headers=prepared.headers,
        body=json.loads(prepared.body),
    )
