"""Authentication, invalid bodies, and secrets in responses."""

import base64
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobsui.access import tokens
from jobsui.access.models import ApiToken, Scope
from jobsui.api import throttle
from jobsui.api.models import IdempotencyRecord
from jobsui.connections.models import Connection
from tests.api.conftest import Program, Programs
from tests.factories import make_connection, make_user
from tests.harness import Harness
from tests.web.test_access import everything

pytestmark = pytest.mark.django_db

WRONG = "jobsui_abcdefgh_" + "x" * 43
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ACME = {
    "name": "Acme",
    "subdomain": "acme",
    "auth": {"client_id": "c", "client_secret": "s"},
}


def test_token_authenticates_and_its_use_is_recorded(program: Programs) -> None:
    response = program("read").call("GET", "/connections")

    assert response.status_code == 200
    assert response.json() == {"items": [], "next": None}
    assert response["Content-Type"] == "application/json; charset=utf-8"
    assert response["Cache-Control"] == "no-store, private"
    assert ApiToken.objects.get().last_used_at is not None


@pytest.mark.parametrize(
    "text", ["", WRONG, "x", "jobsui_\x00", "jobsui_" + "x" * 5000, "jobsui_é"]
)
@pytest.mark.usefixtures("db")
def test_invalid_token_is_refused_with_what_to_do(text: str) -> None:
    response = Program(text).call("GET", "/connections")

    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == 'Bearer realm="Jobs UI"'
    assert response.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "code": "not_authenticated",
        "detail": "Send a valid API token in the header Authorization: Bearer TOKEN. "
        "Create one at /tokens/ or with manage.py createtoken.",
    }


def test_expired_or_revoked_token_is_refused(program: Programs, owner: User) -> None:
    _, text = tokens.create(make_user("ana"), "Own")
    programs = [program("read"), program("read"), Program(text)]
    before = [each.call("GET", "/connections").status_code for each in programs]
    first, second = ApiToken.objects.filter(user=owner).order_by("pk")
    ApiToken.objects.filter(pk=first.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    tokens.revoke(second)
    User.objects.filter(username="ana").update(is_active=False)

    after = [each.call("GET", "/connections").status_code for each in programs]

    assert before == [200, 200, 200]
    assert after == [401, 401, 401]


def test_missing_scope_is_named(program: Programs) -> None:
    response = program("read").call("POST", "/connections", ACME)

    assert response.status_code == 403
    assert response.json()["code"] == "scope_missing"
    assert response.json()["detail"] == (
        "This requires a token with the scope admin. "
        "Your token has the scope read. Create another one at /tokens/."
    )


def test_invisible_and_missing_things_are_the_same_404(
    program: Programs,
) -> None:
    own = make_connection()
    other = make_connection(name="Other")
    bound = program("read", own)

    seen = bound.call("GET", f"/connections/{own.code}")
    foreign = bound.call("GET", f"/connections/{other.code}")
    missing = bound.call("GET", f"/connections/{UNKNOWN}")

    assert [response.status_code for response in (seen, foreign, missing)] == [
        200,
        404,
        404,
    ]
    assert foreign.content == missing.content


def test_too_many_invalid_tokens_are_limited(
    program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MAX_REJECTED_TOKENS", 3)

    responses = [Program(WRONG).call("GET", "/connections") for _ in range(5)]
    valid = program("read").call("GET", "/connections")

    assert [response.status_code for response in responses] == [401, 401, 401, 429, 429]
    assert responses[-1]["Retry-After"] == "60"
    assert responses[-1].json()["detail"] == "Too many invalid tokens. Wait 60 seconds."
    assert valid.status_code == 200


def test_invalid_tokens_are_counted_by_client(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    monkeypatch.setattr(throttle, "MAX_REJECTED_TOKENS", 2)
    settings.TRUSTED_PROXIES = 1
    clients = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "::"]

    statuses = [
        Client()
        .get(
            "/api/v1/connections",
            headers={
                "Authorization": f"Bearer {WRONG}",
                "X-Forwarded-For": f"203.0.113.{number}, {address}",
            },
        )
        .status_code
        for number, address in enumerate(clients)
    ]

    assert statuses == [401, 401, 429, 401, 401]


def test_unknown_address_is_a_problem(program: Programs) -> None:
    response = program("read").call("GET", "/nonsense")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"].endswith("/api/v1/docs lists all operations.")


def test_unsupported_method_is_a_problem(program: Programs) -> None:
    response = program("admin").call("PUT", "/connections")

    assert response.status_code == 405
    assert response["Allow"] == "GET, POST"
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "This address supports GET, POST."


@pytest.mark.usefixtures("owner")
def test_openapi_is_public_and_its_page_requires_sign_in(client: Client) -> None:
    described = client.get("/api/v1/openapi.json")
    page = client.get("/api/v1/docs")

    assert described.status_code == 200
    assert described.json()["info"]["title"] == "Jobs UI"
    assert page.status_code == 302
    assert page["Location"] == "/accounts/login/?next=/api/v1/docs"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ("", 422, "body: field required."),
        (
            "{",
            400,
            "The body is not JSON: the text ends where a name should begin at line 1, "
            "column 2.",
        ),
        (b'{"name": "\xff"}', 400, "The body has a byte (0xFF) that is not UTF-8."),
        ('{"name": NaN}', 400, "NaN in “name”, which is not a JSON number."),
        (
            '{"share": -Infinity}',
            400,
            "-Infinity in “share”, which is not a JSON number.",
        ),
        ('{"share": ' + "9" * 5000 + "}", 400, "The body is not JSON"),
        (
            '{"name": ' + "[" * 1000 + "]" * 1000 + "}",
            400,
            "The body is nested more than 100 levels deep.",
        ),
        ("[" * 200_000, 400, "The body is nested more than 100 levels deep."),
        ("[]", 422, "body: "),
        ("null", 422, "body: "),
        ('"text"', 422, "body: "),
        (ACME | {"nam": "x"}, 422, "body.nam: extra inputs are not permitted."),
        (ACME | {"name": 5}, 422, "body.name: input should be a valid string."),
        (
            ACME | {"name": "a\x00b"},
            422,
            "body.name: contains a NUL character",
        ),
        (ACME | {"name": "a\ud800b"}, 422, "body.name: "),
        (
            ACME | {"production": "yes"},
            422,
            "body.production: input should be a valid boolean.",
        ),
        (
            ACME | {"requests_per_minute": 2**63},
            422,
            "body.requests_per_minute: input should be less than or equal",
        ),
    ],
)
def test_invalid_body_is_refused_and_changes_nothing(
    program: Programs, body: Any, status: int, says: str
) -> None:
    administrator = program("admin")
    administrator.call("GET", "/connections")  # Notes the use of the token.
    before = everything()

    response = administrator.call("POST", "/connections", body, idempotency_key="k")

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert says in response.json()["detail"]
    assert everything() == before


def test_body_that_is_too_large_is_refused_unread(
    program: Programs, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    response = program("admin").call(
        "POST", "/connections", ACME | {"name": "x" * 1000}
    )

    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"
    assert (
        response.json()["detail"]
        == "The request body is too large. The maximum is 10 MB. "
        "Upload rows as a file: POST /api/v1/files."
    )


@pytest.mark.parametrize("key", ["x" * 256, "a\x00b"])
def test_invalid_idempotency_key_is_refused(program: Programs, key: str) -> None:
    response = program("admin").call("POST", "/connections", ACME, idempotency_key=key)

    assert response.status_code == 400
    assert response.json()["code"] == "bad_idempotency_key"


def test_users_do_not_share_idempotency_keys(program: Programs) -> None:
    chief = make_user("chief", admin=True)
    _, text = tokens.create(chief, "Other", scope=Scope.ADMIN)
    other = Program(text)

    responses = [
        program("admin").call("POST", "/connections", ACME, idempotency_key="k"),
        other.call("POST", "/connections", ACME | {"name": "Own"}, idempotency_key="k"),
    ]

    assert [response.status_code for response in responses] == [201, 201]


def test_no_response_and_no_log_contains_a_secret(
    program: Programs,
    harness: Harness,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    custom_object = harness.object()
    administrator = program("admin")
    path = f"/connections/{harness.connection.code}"
    named = {"connection": "Sandbox", "object": custom_object.key}
    auth = {
        "method": "api_token",
        "email": harness.sandbox.email,
        "token": harness.sandbox.api_token,
    }
    twice = {
        "method": "oauth_client",
        "client_id": "seen-client",
        "client_secret": "canary-client-secret",
    }
    typed = {
        "name": "Typed",
        "base_url": "https://canary-user:canary-word@acme.zendesk.com",
        "auth": twice,
    }
    calls: list[tuple[str, str, Any]] = [
        ("POST", "/connections", {"name": "Mine", "subdomain": "mine", "auth": twice}),
        ("POST", "/connections", {"name": "Mine", "subdomain": "mine", "auth": twice}),
        (
            "POST",
            "/connections",
            {
                "name": "",
                "subdomain": "mine",
                "auth": twice | {"extra": "canary-extra"},
            },
        ),
        (
            "POST",
            "/connections",
            {
                "name": "Mine",
                "subdomain": "mine",
                "auth": twice | {"method": "canary-method"},
            },
        ),
        ("POST", "/connections", '{"auth": {"client_secret": "canary-client-secret" '),
        ("POST", "/connections", typed),
        ("PATCH", path, {"auth": auth}),
        ("PATCH", path, {"subdomain": "other"}),
        ("GET", path, None),
        ("GET", "/connections", None),
        ("POST", f"{path}/test", None),
        ("POST", f"{path}/objects/sync", None),
        ("GET", f"{path}/objects", None),
        ("POST", f"{path}/objects", {"key": "missing"}),
        ("GET", f"{path}/objects/gadget?refresh=true", None),
        ("POST", "/requests", named),
        ("POST", "/requests", named | {"send": True}),
        ("DELETE", path, None),
    ]

    responses = [
        administrator.call(*call, idempotency_key=f"k{n}")
        for n, call in enumerate(calls)
    ]

    basic = base64.b64encode(
        f"{harness.sandbox.email}/token:{harness.sandbox.api_token}".encode()
    ).decode()
    secrets = {
        "canary",
        harness.sandbox.api_token,
        basic,
        administrator.token,
    }
    kept = [str(row) for row in IdempotencyRecord.objects.values_list()]
    out = "".join(
        [
            *(response.text for response in responses),
            *kept,
            caplog.text,
            *capfd.readouterr(),
        ]
    )
    assert [response.status_code for response in responses] == [
        201,
        422,
        422,
        422,
        400,
        422,
        200,
        422,
        200,
        200,
        200,
        200,
        200,
        422,
        200,
        200,
        200,
        204,
    ]
    assert [secret for secret in secrets if secret in out] == []
    assert "seen-client" in out
    assert "/api/v1/connections" in out
    assert Connection.objects.get().secret("client_secret") == "canary-client-secret"
