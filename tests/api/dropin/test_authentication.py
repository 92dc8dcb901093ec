"""Who gets into the drop-in endpoint."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access import roles
from jobsui.access.models import ApiToken, Role, Scope
from jobsui.api.throttle import MAX_REJECTED_TOKENS
from jobsui.connections.models import Connection
from jobsui.jobs.models import Job
from tests.api.dropin.conftest import Program, basic, make_token, read
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

BASIC_REFUSED = {"error": "Couldn't authenticate you"}
BEARER_REFUSED = {
    "error": "invalid_token",
    "error_description": (
        "The access token provided is expired, revoked, malformed "
        "or invalid for other reasons."
    ),
}


@pytest.fixture
def acme(db: None) -> Connection:  # noqa: ARG001
    return make_connection()


def ask(client: Client, authorization: str = "", path: str = "job_statuses") -> Any:
    return client.get(
        f"/api/v2/{path}",
        headers={"Authorization": authorization} if authorization else {},
    )


@pytest.mark.parametrize("form", ["Bearer {0}", "bearer  {0} ", "basic"])
def test_token_is_accepted_in_zendesks_forms(
    client: Client, ana: User, acme: Connection, form: str
) -> None:
    token = make_token(ana, acme, Scope.READ)

    response = ask(client, basic(token) if form == "basic" else form.format(token))

    assert response.status_code == 200
    assert read(response)["job_statuses"] == []
    assert ApiToken.objects.get().last_used_at is not None


def test_invalid_token_is_refused_as_zendesk_does(
    client: Client, ana: User, acme: Connection
) -> None:
    token = make_token(ana, acme)
    invalid = [
        "",
        basic("wrong"),
        basic(token, "ana@acme.example"),
        "Basic %%%",
        "Digest x",
        f"Bearer {token}x",
    ]

    responses = [ask(client, authorization) for authorization in invalid]

    assert [response.status_code for response in responses] == [401] * 6
    assert [read(response) for response in responses] == [
        *[BASIC_REFUSED] * 5,
        BEARER_REFUSED,
    ]
    assert [response["WWW-Authenticate"][:22] for response in responses] == [
        *['Basic realm="Jobs UI"'] * 5,
        'Bearer realm="Jobs UI"',
    ]


@pytest.mark.usefixtures("acme")
def test_session_does_not_authenticate(client: Client, ana: User) -> None:
    client.force_login(ana)

    assert ask(client).status_code == 401


def test_unbound_token_is_refused_with_the_fix(client: Client, ana: User) -> None:
    response = ask(client, f"Bearer {make_token(ana, None)}")

    assert response.status_code == 403
    assert read(response)["error"] == "Forbidden"
    assert (
        "manage.py createtoken USERNAME --connection NAME"
        in read(response)["description"]
    )


@pytest.mark.usefixtures("client")
def test_read_token_cannot_create_a_job(ana: User, acme: Connection) -> None:
    program = Program(make_token(ana, acme, Scope.READ))

    response = program.post(
        "custom_objects/gadget/jobs", {"job": {"action": "create", "items": [{}]}}
    )

    assert response.status_code == 403
    assert read(response)["error"] == "Forbidden"
    assert read(response)["description"].startswith(
        "You are missing the following required scopes: run."
    )
    assert Job.objects.count() == 0


def test_invalid_tokens_are_limited_and_valid_ones_are_not(
    client: Client, ana: User, acme: Connection
) -> None:
    right = f"Bearer {make_token(ana, acme)}"
    unsigned = [ask(client).status_code for _ in range(MAX_REJECTED_TOKENS)]

    wrong = [
        ask(client, "Bearer wrong").status_code for _ in range(MAX_REJECTED_TOKENS)
    ]
    beyond = ask(client, "Bearer wrong")

    assert set(unsigned) == {401}
    assert set(wrong) == {401}
    assert beyond.status_code == 429
    assert beyond["Retry-After"] == "60"
    assert read(beyond)["error"] == "TooManyInvalidTokens"
    assert ask(client, right).status_code == 200


def test_unknown_route_is_404_with_and_without_token(
    client: Client, ana: User, acme: Connection
) -> None:
    paths = ["", "tickets.json", "job_statuses/1/2", "custom_objectsx", "users/me"]
    right = f"Bearer {make_token(ana, acme)}"

    responses = [
        ask(client, authorization, path)
        for path in paths
        for authorization in ("", right)
    ]

    assert [response.status_code for response in responses] == [404] * 10
    assert [read(response) for response in responses] == [
        {"error": "InvalidEndpoint", "description": "Not found"}
    ] * 10
    assert {response["Cache-Control"] for response in responses} == {
        "no-store, private"
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("put", "job_statuses", "GET"),
        ("get", "custom_objects/gadget/jobs", "POST"),
        ("delete", "custom_objects/gadget/records/1", "GET"),
        ("post", "custom_objects/gadget/records", "GET"),
        ("patch", "custom_objects/gadget/records.json", "GET"),
        ("post", "custom_objects", "GET"),
    ],
)
def test_other_methods_are_refused_in_json(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = getattr(client, method)(f"/api/v2/{path}")

    assert response.status_code == 405
    assert response["Allow"] == allowed
    assert read(response)["error"] == "MethodNotAllowed"
    assert "Send any other request to Zendesk itself" in read(response)["description"]


@pytest.mark.parametrize("path", ["job_statuses", "custom_objects/gadget/records"])
def test_token_whose_owner_has_no_role_is_refused(
    client: Client, ana: User, acme: Connection, path: str
) -> None:
    token = make_token(ana, acme)
    roles.assign(ana, None)
    roles.assign(ana, Role.ADMINISTRATOR, connection=make_connection(name="Other"))

    response = ask(client, f"Bearer {token}", path)

    assert response.status_code == 403
    assert "The owner of this API token has no role for its connection." in str(
        read(response)
    )
