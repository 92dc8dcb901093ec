import re
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from jobsui.connections.models import Connection
from jobsui.jobs.enums import JobState
from tests.api.conftest import Programs
from tests.factories import make_connection, make_object
from tests.harness import Harness
from tests.web import stages

pytestmark = pytest.mark.django_db

CLIENT = {"client_id": "our-client", "client_secret": "s3cret"}
ACME = {"name": "Acme", "subdomain": "acme", "auth": CLIENT}
NO_SECRETS = dict.fromkeys(Connection.SECRETS, "")
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def acme(db: None) -> Connection:  # noqa: ARG001
    """A connection to acme.zendesk.com with an OAuth client and an access token."""
    connection = Connection(
        name="Acme", host="acme.zendesk.com", client_id="our-client"
    )
    connection.set_secret("client_secret", "old-client_secret")
    connection.set_secret("access_token", "old-access_token")
    connection.save()
    return connection


def secrets_of(connection: Connection) -> dict[str, str]:
    stored = Connection.objects.get(pk=connection.pk)
    return {name: stored.secret(name) for name in Connection.SECRETS}


def test_connection_is_created_and_returned_without_its_secret(
    program: Programs, owner: User
) -> None:
    response = program("admin").call(
        "POST", "/connections", ACME | {"production": True, "max_running_jobs": 20}
    )

    created = Connection.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(created.code),
        "name": "Acme",
        "host": "acme.zendesk.com",
        "base_url": "https://acme.zendesk.com",
        "subdomain": "acme",
        "production": True,
        "auth": {
            "method": "oauth_client",
            "client_id": "our-client",
            "email": None,
            "has_secret": True,
            "scopes": [],
            "scope_limits": [],
        },
        "credential": {
            "kind": "oauth_client",
            "scopes": [],
            "authenticated_as": None,
            "last_used_at": None,
            "expires_at": None,
        },
        "requests_per_minute": 400,
        "share": 80,
        "max_running_jobs": 20,
        "early_send": True,
        "tested_at": None,
        "test": None,
        "created_at": created.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert secrets_of(created) == NO_SECRETS | {"client_secret": "s3cret"}
    assert created.secret_set_by == owner


@pytest.mark.parametrize(
    ("auth", "columns", "secrets"),
    [
        (
            {"method": "oauth_client"} | CLIENT,
            ("our-client", ""),
            {"client_secret": "s3cret"},
        ),
        (
            {"method": "oauth_token", "access_token": "a"},
            ("", ""),
            {"access_token": "a"},
        ),
        (
            {"method": "oauth_token", "access_token": "a", "refresh_token": "r"}
            | CLIENT,
            ("our-client", ""),
            {"access_token": "a", "refresh_token": "r", "client_secret": "s3cret"},
        ),
        (
            {"method": "api_token", "email": "ops@acme.example", "token": " t "},
            ("", "ops@acme.example"),
            {"api_token": "t"},
        ),
    ],
)
def test_connection_supports_each_authentication_method(
    program: Programs,
    auth: dict[str, str],
    columns: tuple[str, str],
    secrets: dict[str, str],
) -> None:
    program("admin").call("POST", "/connections", ACME | {"auth": auth})

    created = Connection.objects.get()
    assert created.sign_in == auth["method"]
    assert (created.client_id, created.email) == columns
    assert secrets_of(created) == NO_SECRETS | secrets


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://acme.zendesk.com", "acme.zendesk.com"),
        ("HTTPS://Acme.Zendesk.com/", "acme.zendesk.com"),
        ("http://127.0.0.1:8010", "127.0.0.1:8010"),
    ],
)
def test_connection_is_created_by_its_base_url(
    program: Programs, url: str, host: str
) -> None:
    body = {"name": "Acme", "base_url": url, "auth": CLIENT}

    response = program("admin").call("POST", "/connections", body)

    assert response.status_code == 201
    assert Connection.objects.get().host == host


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"subdomain": None},
            "body: send subdomain, or base_url for a host in JOBSUI_API_HOSTS.",
        ),
        (
            {"base_url": "https://acme.zendesk.com"},
            "body: send subdomain or base_url, not both.",
        ),
        ({"subdomain": "evil.example"}, "'evil.example' is not a Zendesk subdomain."),
        (
            {"subdomain": None, "base_url": "https://evil.example"},
            "'evil.example' is not a Zendesk subdomain.",
        ),
        (
            {"subdomain": None, "base_url": "https://acme"},
            "The base URL of that host is https://acme.zendesk.com. Send it like this",
        ),
        (
            {"subdomain": None, "base_url": "http://acme.zendesk.com"},
            "The base URL of that host is https://acme.zendesk.com. Send it like this",
        ),
        (
            {"subdomain": None, "base_url": "https://me:pw@acme.zendesk.com"},
            "A base URL is https:// and a host",
        ),
        ({"name": " "}, "body.name: string should have at least 1 character."),
        ({"name": "x" * 81}, "body.name: string should have at most 80 characters."),
        (
            {"auth": {"client_id": "c"}},
            "body.auth.oauth_client.client_secret: field required.",
        ),
        (
            {"auth": {"method": "password"}},
            "body.auth: must be an object whose method is oauth_client, oauth_token or api_token.",
        ),
        (
            {"auth": {"method": "api_token", "email": "nobody", "token": "t"}},
            "Enter a valid email address.",
        ),
        (
            {"max_running_jobs": 31},
            "body.max_running_jobs: input should be less than or equal to 30.",
        ),
        (
            {"requests_per_minute": 0},
            "body.requests_per_minute: input should be greater than or equal to 1.",
        ),
        ({"share": "80"}, "body.share: input should be a valid integer."),
        (
            {"share": 0, "shade": 1},
            "body.share: input should be greater than or equal to 1. errors lists 1 more.",
        ),
    ],
)
def test_invalid_connection_is_not_created(
    program: Programs, changes: dict[str, Any], says: str
) -> None:
    response = program("admin").call("POST", "/connections", ACME | changes)

    assert response.status_code == 422
    assert says in response.json()["detail"]
    assert Connection.objects.count() == 0


@pytest.mark.usefixtures("acme")
def test_name_must_be_unique(program: Programs) -> None:
    response = program("admin").call("POST", "/connections", ACME)

    message = "There is already a connection with this name."
    assert response.status_code == 422
    assert response.json()["detail"] == message
    assert response.json()["errors"] == [{"where": "name", "message": message}]


def test_repeated_request_creates_one_connection(program: Programs) -> None:
    administrator = program("admin")

    first = administrator.call("POST", "/connections", ACME, idempotency_key="k1")
    again = administrator.call("POST", "/connections", ACME, idempotency_key="k1")
    other = administrator.call(
        "POST", "/connections", ACME | {"name": "Other"}, idempotency_key="k1"
    )

    assert again.status_code == 201
    assert again.content == first.content
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_key_reused"
    assert Connection.objects.count() == 1


@pytest.mark.usefixtures("acme")
def test_refused_request_can_be_corrected_with_its_key(program: Programs) -> None:
    administrator = program("admin")

    refused = administrator.call("POST", "/connections", ACME, idempotency_key="k1")
    corrected = administrator.call(
        "POST", "/connections", ACME | {"name": "Acme 2"}, idempotency_key="k1"
    )

    assert refused.status_code == 422
    assert corrected.status_code == 201


def test_bound_program_cannot_create_a_connection(
    program: Programs, acme: Connection
) -> None:
    response = program("admin", acme).call(
        "POST", "/connections", ACME | {"name": "Acme 2"}
    )

    assert response.status_code == 403
    assert response.json()["code"] == "token_bound"
    assert Connection.objects.count() == 1


def test_bound_program_lists_only_its_connection(
    program: Programs, acme: Connection
) -> None:
    make_connection(name="Beta", host="beta.zendesk.com")

    every = program("read").call("GET", "/connections").json()
    own = program("read", acme).call("GET", "/connections").json()

    assert [each["name"] for each in every["items"]] == ["Acme", "Beta"]
    assert every["next"] is None
    assert [each["name"] for each in own["items"]] == ["Acme"]


def test_change_keeps_the_other_values(program: Programs, acme: Connection) -> None:
    administrator = program("admin")
    before = administrator.call("GET", f"/connections/{acme.code}").json()

    response = administrator.call(
        "PATCH", f"/connections/{acme.code}", {"name": "Acme 2", "share": 50}
    )
    nothing = administrator.call("PATCH", f"/connections/{acme.code}", {})

    assert response.status_code == 200
    assert response.json() == before | {"name": "Acme 2", "share": 50}
    assert nothing.status_code == 200
    assert nothing.json() == response.json()
    assert secrets_of(acme) == NO_SECRETS | {
        "client_secret": "old-client_secret",
        "access_token": "old-access_token",
    }


@pytest.mark.parametrize(
    ("auth", "secrets"),
    [
        (CLIENT, {"client_secret": "s3cret"}),
        ({"method": "oauth_token", "access_token": "a"}, {"access_token": "a"}),
        (
            {"method": "api_token", "email": "ops@acme.example", "token": "t"},
            {"api_token": "t"},
        ),
    ],
)
def test_auth_is_replaced_as_a_whole(
    program: Programs, acme: Connection, auth: dict[str, str], secrets: dict[str, str]
) -> None:
    response = program("admin").call(
        "PATCH", f"/connections/{acme.code}", {"auth": auth}
    )

    assert response.json()["auth"] == {
        "method": auth.get("method", "oauth_client"),
        "client_id": auth.get("client_id"),
        "email": auth.get("email"),
        "has_secret": True,
        "scopes": [],
        "scope_limits": [],
    }
    assert secrets_of(acme) == NO_SECRETS | secrets


@pytest.mark.parametrize(
    "target", [{"subdomain": "other"}, {"base_url": "http://127.0.0.1:8010"}]
)
def test_stored_secret_is_never_sent_to_another_host(
    program: Programs, acme: Connection, target: dict[str, str]
) -> None:
    administrator = program("admin")

    refused = administrator.call("PATCH", f"/connections/{acme.code}", target)
    between = Connection.objects.get().host
    moved = administrator.call(
        "PATCH", f"/connections/{acme.code}", target | {"auth": CLIENT}
    )

    message = (
        "Enter the secret again: the stored one is not used "
        "after a change of host or authentication."
    )
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"where": "client_secret", "message": message}]
    assert between == "acme.zendesk.com"
    assert moved.status_code == 200
    assert secrets_of(acme) == NO_SECRETS | {"client_secret": "s3cret"}


def test_host_cannot_change_while_jobs_run(program: Programs, acme: Connection) -> None:
    stages.changed(stages.planned(state=JobState.RUNNING), connection=acme)

    moved = program("admin").call(
        "PATCH", f"/connections/{acme.code}", {"subdomain": "other", "auth": CLIENT}
    )

    assert moved.status_code == 409
    assert moved.json()["detail"] == (
        "Jobs of this connection are running. Wait until they have finished "
        "before you change its host or authentication."
    )
    assert Connection.objects.get(pk=acme.pk).host == "acme.zendesk.com"


def test_connection_without_jobs_is_deleted(
    program: Programs, acme: Connection
) -> None:
    make_object(acme)

    response = program("admin").call("DELETE", f"/connections/{acme.code}")

    assert response.status_code == 204
    assert response.content == b""
    assert Connection.objects.count() == 0


def test_connection_with_jobs_cannot_be_deleted(program: Programs) -> None:
    job = stages.settled()

    response = program("admin").call("DELETE", f"/connections/{job.connection.code}")

    message = "Acme cannot be removed: it has jobs, and their history would be lost."
    assert response.status_code == 409
    assert response.json()["detail"] == message
    assert Connection.objects.count() == 1


def test_test_reports_a_working_connection(program: Programs, harness: Harness) -> None:
    operator = program("run")
    path = f"/connections/{harness.connection.code}"

    result = operator.call("POST", f"{path}/test").json()
    data = operator.call("GET", path).json()

    assert result | {"latency_ms": 0, "user": ""} == {
        "ok": True,
        "status": 200,
        "latency_ms": 0,
        "user": "",
        "role": "admin",
        "requests_per_minute": 100_000,
        "error": "",
    }
    assert data["test"] == result
    assert data["tested_at"] is not None


def test_test_reports_why_a_connection_fails(program: Programs) -> None:
    connection = make_connection(host=stages.NOWHERE)

    response = program("run").call("POST", f"/connections/{connection.code}/test")

    assert response.status_code == 200
    assert not response.json()["ok"]
    assert response.json()["status"] is None
    assert re.match(
        "The host refused the connection. Check the host and port",
        response.json()["error"],
    )


def test_invalid_id_is_404(program: Programs) -> None:
    responses = [
        program("read").call("GET", f"/connections/{text}")
        for text in ("acme", UUID(UNKNOWN), "%00", "1")
    ]

    assert [response.status_code for response in responses] == [404] * 4
