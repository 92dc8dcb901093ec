"""Connections: the Zendesk accounts. No response contains a secret."""

from typing import Any

from django.http import HttpResponse
from ninja import Router

from jobsui.access import limits, lookup, policy
from jobsui.access.limits import Limited
from jobsui.access.policy import Act
from jobsui.api import idempotency
from jobsui.api.auth import ADMIN, RUN, ApiRequest
from jobsui.api.problems import Problem
from jobsui.api.v1.connection_schemas import (
    ConnectionChange,
    ConnectionIn,
    ConnectionOut,
    TestOut,
    serialize,
)
from jobsui.api.v1.types import Code, ListOut, responses, unpaged_response
from jobsui.connections import editing, health
from jobsui.jobs.control import actions

router = Router()
BOUND_CANNOT_CREATE = (
    "This token is bound to one connection. "
    "Create connections with a token that is not bound."
)


@router.get(
    "",
    operation_id="list_connections",
    summary="List connections",
    response=responses(200, ListOut[ConnectionOut]),
)
def list_connections(request: ApiRequest) -> dict[str, Any]:
    """The connections this token can access, by name, all on one page."""
    connections = lookup.connections(request.auth)
    return unpaged_response([serialize(connection) for connection in connections])


@router.post(
    "",
    auth=ADMIN,
    operation_id="create_connection",
    summary="Create a connection",
    response=responses(201, ConnectionOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def create(request: ApiRequest, body: ConnectionIn) -> HttpResponse:
    """Secrets are stored encrypted and are never returned. Test the connection next,
    then sync its objects."""
    if request.auth.connection is not None:
        raise Problem(403, "token_bound", BOUND_CANNOT_CREATE)
    policy.require_everywhere(request.auth, Act.MANAGE)

    def create_connection() -> idempotency.Result:
        connection = editing.create(body.values(), body.secrets(), by=request.auth.user)
        return 201, serialize(connection)

    return idempotency.run_once(request, create_connection)


@router.get(
    "/{uuid:id}",
    operation_id="get_connection",
    summary="Get a connection",
    response=responses(200, ConnectionOut, 404),
)
def detail(request: ApiRequest, code: Code) -> ConnectionOut:
    """Includes the result of its latest test."""
    return serialize(lookup.connection(request.auth, code))


@router.patch(
    "/{uuid:id}",
    auth=ADMIN,
    operation_id="change_connection",
    summary="Change a connection",
    response=responses(200, ConnectionOut, 400, 404, 409, 413),
)
def change(request: ApiRequest, code: Code, body: ConnectionChange) -> ConnectionOut:
    """Members that are left out or null keep their values. `auth` replaces the whole
    authentication. A change of the host requires `auth`, because a stored secret is
    never sent to another host. The host cannot be changed while jobs are open."""
    connection = lookup.connection(request.auth, code, Act.MANAGE)
    editing.change(
        connection,
        body.values(),
        body.secrets(),
        is_busy=actions.has_open_jobs(connection),
        by=request.auth.user,
    )
    return serialize(lookup.connection(request.auth, code, Act.MANAGE))


@router.delete(
    "/{uuid:id}",
    auth=ADMIN,
    operation_id="delete_connection",
    summary="Remove a connection",
    response=responses(204, None, 404, 409),
)
def delete(request: ApiRequest, code: Code) -> HttpResponse:
    """Also deletes its secrets, its objects and the tokens bound to it. A connection
    that has jobs cannot be removed, because their history would be lost."""
    editing.remove(lookup.connection(request.auth, code, Act.MANAGE))
    return HttpResponse(status=204)


@router.post(
    "/{uuid:id}/test",
    auth=RUN,
    operation_id="test_connection",
    summary="Test a connection",
    response=responses(200, TestOut, 404),
)
def test(request: ApiRequest, code: Code) -> TestOut:
    """Sends read-only requests. Returns whether the connection works and whom it
    authenticates as; otherwise `error` says why and what to do."""
    limits.count(request.auth, Limited.CONNECTION_TEST)
    return TestOut.from_orm(health.test(lookup.connection(request.auth, code, Act.RUN)))
