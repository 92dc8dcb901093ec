"""The test request: one request of the job endpoint, prepared and, if wanted, sent."""

import json
from typing import Annotated, Any, Literal

from ninja import Router, Schema
from pydantic import AfterValidator

from jobsui.access import lookup
from jobsui.access.models import Scope
from jobsui.api import idempotency
from jobsui.api.auth import ApiRequest, require
from jobsui.api.problems import named_in_body
from jobsui.api.v1.types import Body, Name, answers
from jobsui.connections import test_request

router = Router()


def _encodable(body: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(
            "holds half of a character (\\ud800 to \\udfff alone); remove it"
        ) from None
    return body


class RequestIn(Body):
    connection: Name
    """Id or name."""
    object: Name
    """Key of an object that is known here."""
    action: Literal[
        "create",
        "update",
        "create_or_update_by_external_id",
        "create_or_update_by_name",
        "delete",
        "delete_by_external_id",
    ] = "create"
    """What the sample is made for when there is no `body`."""
    body: Annotated[dict[str, Any], AfterValidator(_encodable)] | None = None
    """The request's own, up to 1 MB; null: a sample made of the object's fields."""
    send: bool = False
    """Send it to Zendesk, once. This writes records."""


class PreparedOut(Schema):
    method: str
    path: str
    headers: dict[str, str]
    """As they are sent, the secret masked."""
    body: dict[str, Any]


class AnsweredOut(Schema):
    status: int | None
    """Null when Zendesk did not answer."""
    headers: dict[str, str]
    body: str
    """As text; the beginning of a very long one."""
    elapsed_ms: int
    error: str
    """Why there was no answer; empty when there was."""
    status_id: str
    """The job status the request queued; empty when it queued none."""


class RequestOut(Schema):
    request: PreparedOut
    answer: AnsweredOut | None
    """Null when it was not sent."""


@router.post(
    "",
    operation_id="test_request",
    summary="Prepare or send a test request",
    response=answers(200, RequestOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def send_request(request: ApiRequest, body: RequestIn) -> Any:
    """The request of Zendesk's job endpoint, its secret masked; with `send`, which
    needs the scope run, also what Zendesk answered to it."""
    if body.send:
        require(request.auth, Scope.RUN)
    with named_in_body("connection"):
        connection = lookup.connection_called(request.auth, body.connection)
    with named_in_body("object"):
        custom_object = lookup.object_of_key(request.auth, connection, body.object)
    prepared = test_request.prepare(custom_object, body.action, body.body)
    if not body.send:
        return _told(prepared)

    def sending() -> idempotency.Made:
        return 200, _told(
            prepared,
            test_request.send(
                connection, prepared.method, prepared.path, prepared.body
            ),
        )

    return idempotency.at_most_once(request, sending)


def _told(
    prepared: test_request.Prepared, answered: test_request.Answered | None = None
) -> RequestOut:
    return RequestOut(
        request=PreparedOut(
            method=prepared.method,
            path=prepared.path,
            headers=prepared.headers,
            body=json.loads(prepared.body),
        ),
        answer=None if answered is None else AnsweredOut.from_orm(answered),
    )
