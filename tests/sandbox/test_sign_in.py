import base64
import hashlib
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.sandbox.conftest import Api

CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
VERIFIER = "a-verifier-of-some-length"
DIGEST = hashlib.sha256(VERIFIER.encode()).digest()
CHALLENGE = base64.urlsafe_b64encode(DIGEST).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:1/back"


@pytest.fixture
def anonymous(api: Api) -> Api:
    api.session.auth = None
    return api


def grant(api: Api, **asked: Any) -> requests.Response:
    return api.call("POST", "/oauth/tokens", CLIENT | asked)


def with_bearer(
    api: Api, token: str, method: str = "GET", path: str = "/api/v2/custom_objects"
) -> requests.Response:
    return api.call(method, path, headers={"Authorization": f"Bearer {token}"})


def test_api_token_signs_in(api: Api) -> None:
    user = api.get("/api/v2/users/me")["user"]

    assert user["email"] == api.sandbox.email
    assert user["role"] == "admin"


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_wrong_api_token_is_refused(anonymous: Api, secret: str) -> None:
    response = anonymous.call(
        "GET", "/api/v2/users/me", auth=(f"{anonymous.sandbox.email}/token", secret)
    )

    assert response.status_code == 401
    assert response.json() == {"error": "Couldn't authenticate you"}


def test_without_credentials_the_user_is_anonymous(anonymous: Api) -> None:
    assert anonymous.get("/api/v2/users/me")["user"]["id"] is None
    assert anonymous.status_of("GET", "/api/v2/custom_objects") == 401


def test_unknown_route_is_a_404_without_credentials(anonymous: Api) -> None:
    response = anonymous.call("GET", "/api/v2/custom_object", auth=("x", "y"))

    assert response.status_code == 404
    assert response.json() == {"error": "InvalidEndpoint", "description": "Not found"}


def test_bearer_signs_in(anonymous: Api) -> None:
    assert with_bearer(anonymous, anonymous.sandbox.bearer).status_code == 200


def test_unknown_bearer_is_refused(anonymous: Api) -> None:
    response = with_bearer(anonymous, "unknown")

    assert response.status_code == 401
    assert response.json()["error"] == "invalid_token"


def test_client_credentials_give_a_token(anonymous: Api) -> None:
    response = grant(
        anonymous, grant_type="client_credentials", scope="read write", expires_in=600
    )

    token = response.json()
    assert response.status_code == 201
    assert token["token_type"] == "bearer"
    assert token["scope"] == "read write"
    assert token["expires_in"] == 600
    assert with_bearer(anonymous, token["access_token"]).status_code == 200
    shown = with_bearer(
        anonymous, token["access_token"], path="/api/v2/oauth/tokens/current"
    ).json()["token"]
    assert shown["scopes"] == ["read", "write"]
    assert shown["token"] == token["access_token"][:10]


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        (
            {"grant_type": "client_credentials", "client_secret": "wrong"},
            401,
            "invalid_client",
        ),
        (
            {"grant_type": "client_credentials", "client_id": "wrong"},
            401,
            "invalid_client",
        ),
        (
            {"grant_type": "client_credentials", "scope": "everything"},
            400,
            "invalid_scope",
        ),
        ({"grant_type": "client_credentials", "expires_in": 1}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        (
            {"grant_type": "refresh_token", "refresh_token": "wrong"},
            400,
            "invalid_grant",
        ),
        ({"grant_type": "authorization_code", "code": "wrong"}, 400, "invalid_grant"),
    ],
)
def test_wrong_grants_are_refused(
    anonymous: Api, asked: dict[str, Any], status: int, error: str
) -> None:
    response = grant(anonymous, **asked)

    assert response.status_code == status
    assert response.json()["error"] == error


def test_refreshing_replaces_the_pair(anonymous: Api) -> None:
    old = {
        "grant_type": "refresh_token",
        "refresh_token": anonymous.sandbox.refresh_token,
    }

    first = grant(anonymous, **old).json()

    assert with_bearer(anonymous, anonymous.sandbox.bearer).status_code == 401
    assert grant(anonymous, **old).json()["error"] == "invalid_grant"
    assert with_bearer(anonymous, first["access_token"]).status_code == 200
    new = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert grant(anonymous, **new).status_code == 201


def test_access_token_ends_after_its_time(anonymous: Api) -> None:
    anonymous.sandbox.settings(token_seconds=0.01)
    token = grant(anonymous, grant_type="client_credentials").json()["access_token"]

    time.sleep(0.02)

    assert with_bearer(anonymous, token).status_code == 401


def sent_back(api: Api, query: dict[str, str]) -> dict[str, list[str]]:
    """The query with which the browser goes back to the client."""
    response = api.call(
        "GET", "/oauth/authorizations/new", params=query, allow_redirects=False
    )
    assert response.status_code == 302
    return parse_qs(urlsplit(response.headers["Location"]).query)


def code(api: Api, **query: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": REDIRECT,
        "scope": "read",
        "decision": "allow",
    } | query
    back = sent_back(api, asked)
    assert back.get("state") == ([query["state"]] if "state" in query else None)
    return back["code"][0]


def test_user_is_asked_and_may_deny(anonymous: Api) -> None:
    query = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": REDIRECT,
        "scope": "read",
        "state": "<s>",
    }

    page = anonymous.call("GET", "/oauth/authorizations/new", params=query)
    denied = sent_back(anonymous, query | {"decision": "deny"})

    assert [page.status_code, page.headers["Content-Type"]] == [
        200,
        "text/html; charset=utf-8",
    ]
    assert [page.text.count(word) for word in ("Allow</a>", "Deny</a>", "<s>")] == [
        1,
        1,
        0,
    ]
    assert [denied["error"], denied["state"]] == [["access_denied"], ["<s>"]]


def test_authorization_code_with_pkce(anonymous: Api) -> None:
    given = code(
        anonymous, state="s", code_challenge=CHALLENGE, code_challenge_method="S256"
    )
    asked = {
        "grant_type": "authorization_code",
        "code": given,
        "redirect_uri": REDIRECT,
        "client_id": "sandbox-client",
    }

    response = anonymous.call(
        "POST", "/oauth/tokens", asked | {"code_verifier": VERIFIER}
    )

    assert response.status_code == 201
    assert with_bearer(anonymous, response.json()["access_token"]).status_code == 200
    assert response.json()["refresh_token"]
    again = anonymous.call("POST", "/oauth/tokens", asked | {"code_verifier": VERIFIER})
    assert again.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "wrong",
    [{"code_verifier": "other"}, {"redirect_uri": "http://127.0.0.1:1/elsewhere"}, {}],
)
def test_code_needs_its_verifier_and_address(
    anonymous: Api, wrong: dict[str, str]
) -> None:
    given = code(anonymous, code_challenge=CHALLENGE, code_challenge_method="S256")
    right = {
        "grant_type": "authorization_code",
        "code": given,
        "redirect_uri": REDIRECT,
    }
    verifier = {"code_verifier": VERIFIER} if wrong else {}

    refused = grant(anonymous, **right | verifier | wrong)

    assert refused.json()["error"] == "invalid_grant"


def test_code_without_pkce_needs_the_secret(anonymous: Api) -> None:
    asked = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}

    with_secret = grant(anonymous, code=code(anonymous), **asked)
    bare = asked | {"code": code(anonymous), "client_id": "sandbox-client"}
    without_secret = anonymous.call("POST", "/oauth/tokens", bare)

    assert with_secret.status_code == 201
    assert without_secret.json()["error"] == "invalid_grant"


def test_scopes_are_kept(anonymous: Api) -> None:
    token = grant(anonymous, grant_type="client_credentials", scope="read").json()[
        "access_token"
    ]
    jobs = "/api/v2/custom_objects/thing/jobs"

    refused = with_bearer(anonymous, token, "POST", jobs)

    assert with_bearer(anonymous, token).status_code == 200
    assert refused.status_code == 403
    missing = "You are missing the following required scopes: write"
    assert refused.json()["description"] == missing


def test_revoked_token_is_void(anonymous: Api) -> None:
    bearer = anonymous.sandbox.bearer

    revoked = with_bearer(anonymous, bearer, "DELETE", "/api/v2/oauth/tokens/current")

    assert revoked.status_code == 204
    assert with_bearer(anonymous, bearer).status_code == 401


@pytest.mark.parametrize(
    ("setting", "status", "error"),
    [
        ({"role": "end-user"}, 403, "Forbidden"),
        ({"custom_objects": False}, 404, "Not Found"),
    ],
)
def test_account_without_permission_is_refused(
    api: Api, setting: dict[str, Any], status: int, error: str
) -> None:
    api.sandbox.settings(**setting)

    response = api.call("GET", "/api/v2/custom_objects")

    assert response.status_code == status
    assert response.json()["error"]["title"] == error


def test_api_tokens_can_be_switched_off(api: Api) -> None:
    api.sandbox.settings(api_tokens=False)

    assert api.status_of("GET", "/api/v2/custom_objects") == 401
    api.session.auth = None
    assert with_bearer(api, api.sandbox.bearer).status_code == 200


def test_agents_cannot_change_objects(api: Api) -> None:
    api.sandbox.settings(role="agent")

    assert (
        api.status_of(
            "POST",
            "/api/v2/custom_objects",
            {"custom_object": {"key": "x", "title": "X"}},
        )
        == 403
    )
    assert api.status_of("GET", "/api/v2/custom_objects") == 200
