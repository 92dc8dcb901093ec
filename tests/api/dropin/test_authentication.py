"""Who gets into the drop-in endpoint."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobsui.access.models import ApiToken, Scope
from jobsui.api.throttle import MAX_REJECTED_TOKENS
from jobsui.connections.models import Connection
from jobsui.jobs.models import Job
from tests.api.dropin.conftest import Program, basic, make_token, read
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

BASIC_REFUSED = {"error": "Couldn't authenticate you"}
BEARER_REFUSED = {
    "error": "invalid_token",
    "error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons.",
}


@pytest.fixture
def acme(db: None) -> Connection:
    return make_connection()


def ask(client: Client, authorization: str = "", path: str = "job_statuses") -> Any:
    return client.get(
        f"/api/v2/{path}",
        headers={"Authorization": authorization} if authorization else {},
    )


@pytest.mark.parametrize("form", ["Bearer {0}", "bearer  {0} ", "basic"])
def test_token_is_taken_in_the_forms_of_zendesk(
    client: Client, ana: User, acme: Connection, form: str
) -> None:
    token = make_token(ana, acme, Scope.READ)

    answer = ask(client, basic(token) if form == "basic" else form.format(token))

    assert answer.status_code == 200
    assert read(answer)["job_statuses"] == []
    assert ApiToken.objects.get().last_used_at is not None


def test_wrong_token_is_refused_as_zendesk_does(
    client: Client, ana: User, acme: Connection
) -> None:
    token = make_token(ana, acme)
    given = [
        "",
        basic("wrong"),
        basic(token, "ana@acme.example"),
        "Basic %%%",
        "Digest x",
        f"Bearer {token}x",
    ]

    answers = [ask(client, each) for each in given]

    assert [answer.status_code for answer in answers] == [401] * 6
    assert [read(answer) for answer in answers] == [
        *[BASIC_REFUSED] * 5,
        BEARER_REFUSED,
    ]
    assert [answer["WWW-Authenticate"][:22] for answer in answers] == [
        *['Basic realm="Jobs UI"'] * 5,
        'Bearer realm="Jobs UI"',
    ]


def test_session_of_a_person_opens_nothing(
    client: Client, ana: User, acme: Connection
) -> None:
    client.force_login(ana)

    assert ask(client).status_code == 401


def test_token_without_connection_is_refused_with_the_fix(
    client: Client, ana: User
) -> None:
    answer = ask(client, f"Bearer {make_token(ana, None)}")

    assert answer.status_code == 403
    assert read(answer)["error"] == "Forbidden"
    assert (
        "manage.py createtoken USERNAME --connection NAME"
        in read(answer)["description"]
    )


def test_token_that_may_only_read_runs_no_job(
    client: Client, ana: User, acme: Connection
) -> None:
    program = Program(make_token(ana, acme, Scope.READ))

    answer = program.post(
        "custom_objects/gadget/jobs", {"job": {"action": "create", "items": [{}]}}
    )

    assert answer.status_code == 403
    assert read(answer)["error"] == "Forbidden"
    assert read(answer)["description"].startswith(
        "You are missing the following required scopes: run."
    )
    assert Job.objects.count() == 0


def test_many_wrong_tokens_are_told_to_wait_and_right_ones_are_not(
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


def test_unknown_route_is_not_there_for_anybody(
    client: Client, ana: User, acme: Connection
) -> None:
    paths = ["", "tickets.json", "job_statuses/1/2", "custom_objectsx", "users/me"]
    right = f"Bearer {make_token(ana, acme)}"

    answers = [
        ask(client, authorization, path)
        for path in paths
        for authorization in ("", right)
    ]

    assert [answer.status_code for answer in answers] == [404] * 10
    assert [read(answer) for answer in answers] == [
        {"error": "InvalidEndpoint", "description": "Not found"}
    ] * 10
    assert {answer["Cache-Control"] for answer in answers} == {"no-store, private"}


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
    answer = getattr(client, method)(f"/api/v2/{path}")

    assert answer.status_code == 405
    assert answer["Allow"] == allowed
    assert read(answer)["error"] == "MethodNotAllowed"
    assert "Send any other request to Zendesk itself" in read(answer)["description"]
