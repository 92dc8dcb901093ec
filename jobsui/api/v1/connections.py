"""Connections: whose Zendesk. No answer holds a secret."""

from typing import Any

from django.http import HttpResponse
from ninja import Router

from jobsui.access import lookup
from jobsui.api import idempotency
from jobsui.api.auth import ADMIN, RUN, ApiRequest
from jobsui.api.problems import Problem
from jobsui.api.v1.connection_schemas import (
    ConnectionChange,
    ConnectionIn,
    ConnectionOut,
    TestOut,
    shown,
)
from jobsui.api.v1.types import Code, Listed, answers, whole_list
from jobsui.connections import editing, health
from jobsui.jobs.control import actions

router = Router()


@router.get(
    "",
    operation_id="list_connections",
    summary="Connections",
    response=answers(200, Listed[ConnectionOut]),
)
def list_connections(request: ApiRequest) -> dict[str, Any]:
    """Those this token sees, by name, on one page."""
    return whole_list([shown(each) for each in lookup.connections(request.auth)])


@router.post(
    "",
    auth=ADMIN,
    operation_id="create_connection",
    summary="Add a connection",
    response=answers(201, ConnectionOut, 400, 409, 413),
    openapi_extra=idempotency.PARAMETER,
)
def make(request: ApiRequest, body: ConnectionIn) -> HttpResponse:
    """Secrets are stored encrypted and never come out again. Test the new connection,
    then sync its objects."""
    if request.auth.connection is not None:
        raise Problem(
            403,
            "token_bound",
            "This token is bound to one connection. Add others with a token that is not.",
        )

    def making() -> idempotency.Made:
        return 201, shown(
            editing.make(body.values(), body.secrets(), by=request.auth.user)
        )

    return idempotency.once(request, making)


@router.get(
    "/{uuid:id}",
    operation_id="get_connection",
    summary="A connection",
    response=answers(200, ConnectionOut, 404),
)
def detail(request: ApiRequest, code: Code) -> ConnectionOut:
    """With the result of its last test."""
    return shown(lookup.connection(request.auth, code))


@router.patch(
    "/{uuid:id}",
    auth=ADMIN,
    operation_id="change_connection",
    summary="Change a connection",
    response=answers(200, ConnectionOut, 400, 404, 409, 413),
)
def change(request: ApiRequest, code: Code, body: ConnectionChange) -> ConnectionOut:
    """Members left out, or null, stay as they are; `auth` replaces the sign-in as a
    whole. Another host needs `auth` again: a stored secret is never sent to another
    place. With jobs under way a connection does not move."""
    connection = lookup.connection(request.auth, code)
    is_busy = actions.has_open_jobs(connection)
    editing.change(
        connection, body.values(), body.secrets(), is_busy=is_busy, by=request.auth.user
    )
    return shown(lookup.connection(request.auth, code))


@router.delete(
    "/{uuid:id}",
    auth=ADMIN,
    operation_id="delete_connection",
    summary="Remove a connection",
    response=answers(204, None, 404, 409),
)
def remove(request: ApiRequest, code: Code) -> HttpResponse:
    """With its secrets, its objects and the tokens bound to it. One with jobs stays:
    their history would be lost."""
    editing.remove(lookup.connection(request.auth, code))
    return HttpResponse(status=204)


@router.post(
    "/{uuid:id}/test",
    auth=RUN,
    operation_id="test_connection",
    summary="Test a connection",
    response=answers(200, TestOut, 404),
)
def test(request: ApiRequest, code: Code) -> TestOut:
    """Harmless reads that tell whether it works, as whom, and if not, in `error`, why
    and what to do."""
    return TestOut.from_orm(health.test(lookup.connection(request.auth, code)))
