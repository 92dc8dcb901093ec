from datetime import datetime

import pytest
import requests

from jobsui.zendesk import oauth
from jobsui.zendesk.errors import RateLimited, Unauthorized, Unconfirmed, ZendeskError
from jobsui.zendesk.payloads import Token
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import responds, serving

SECRET = "canary-41aa"


def test_client_gets_a_token(sandbox: Sandbox) -> None:
    token = oauth.client_credentials(
        sandbox.url, sandbox.client_id, sandbox.client_secret, oauth.GLOBAL_SCOPE
    )

    assert bool(token.access_token)
    assert token.refresh_token == ""
    assert token.expires_in == 1800
    assert token.scope == "read write"


def test_refresh_gives_a_new_pair_and_ends_the_old_one(sandbox: Sandbox) -> None:
    token = oauth.refresh(
        sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.refresh_token
    )

    assert {token.access_token, token.refresh_token} & {
        "",
        sandbox.bearer,
        sandbox.refresh_token,
    } == set()
    with pytest.raises(Unauthorized) as caught:
        oauth.refresh(
            sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.refresh_token
        )
    assert caught.value.code == "invalid_grant"


def test_refresh_asks_for_the_longest_life_of_the_next_pair(sandbox: Sandbox) -> None:
    token = oauth.refresh(
        sandbox.url, sandbox.client_id, sandbox.client_secret, sandbox.refresh_token
    )

    response = requests.get(
        f"{sandbox.url}/api/v2/oauth/tokens/current",
        headers={"Authorization": f"Bearer {token.access_token}"},
        timeout=10,
    )
    shown = response.json()["token"]
    created = datetime.fromisoformat(shown["created_at"])
    expires = datetime.fromisoformat(shown["refresh_token_expires_at"])
    assert (expires - created).days == 90


@pytest.mark.parametrize(
    ("client_id", "secret", "scope", "code"),
    [
        ("nobody", "x", "read", "invalid_client"),
        ("sandbox-client", "wrong", "read", "invalid_client"),
        ("sandbox-client", "sandbox-client-secret", "everything", "invalid_scope"),
    ],
)
def test_refused_client_is_unauthorized(
    sandbox: Sandbox, client_id: str, secret: str, scope: str, code: str
) -> None:
    with pytest.raises(Unauthorized) as caught:
        oauth.client_credentials(sandbox.url, client_id, secret, scope)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (
            f'{{"error": "{SECRET}", "error_description": "{SECRET}"}}',
            "400 Bad Request",
            Unauthorized,
        ),
        (f"<html>{SECRET}</html>", "404 Not Found", Unauthorized),
        (f"{SECRET}", "429 Too Many Requests", RateLimited),
        (f"{SECRET}", "500 Oops", Unconfirmed),
        (f'{{"access_token": "{SECRET}', "200 OK", Unconfirmed),
        (f'{{"token": "{SECRET}"}}', "200 OK", Unconfirmed),
    ],
)
def test_error_never_repeats_the_response(
    body: str, status: str, kind: type[ZendeskError]
) -> None:
    with (
        serving(responds(body.encode(), status)) as server,
        pytest.raises(ZendeskError) as caught,
    ):
        oauth.refresh(server.url, "client", SECRET, SECRET)

    error = caught.value
    assert type(error) is kind
    assert SECRET not in f"{error} {error!r} {vars(error)}"
    assert error.__cause__ is None
    assert error.response is None


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        ("1800", 1800),
        ('"300"', 300),
        ("300.9", 300),
        ("null", None),
        ("-5", None),
        ("true", None),
        ("1e400", None),
        (f'"{"9" * 5000}"', 31_622_400),
    ],
)
def test_lifetime_is_read_tolerantly(lifetime: str, seconds: int | None) -> None:
    with serving(
        responds(f'{{"access_token": "a", "expires_in": {lifetime}}}'.encode())
    ) as server:
        assert oauth.refresh(server.url, "client", "", "r").expires_in == seconds


def test_token_does_not_show_itself() -> None:
    assert SECRET not in repr(Token(SECRET, SECRET, 5))


def test_scope_does_not_repeat_a_secret() -> None:
    body = f'{{"access_token": "new", "scope": ["read", "{SECRET}"]}}'.encode()
    with serving(responds(body)) as server:
        token = oauth.client_credentials(server.url, "client", SECRET, "read")

    assert token.scope == "read [hidden]"
