import socket
import ssl
from dataclasses import asdict

import pytest
from django.conf import LazySettings

from jobsui.connections import credentials, health, hosts
from jobsui.connections.health import TestResult
from jobsui.connections.models import Connection, SignIn
from tests.connections.conftest import made
from tests.factories import make_connection
from tests.sandbox_server import Sandbox
from tests.zendesk.raw_server import (
    Behavior,
    hangs_up,
    http_response,
    read_request,
    responds,
    serving,
)

ADMIN = (
    b'{"user": {"id": 1, "name": "Ana", "email": "ana@acme.example", '
    b'"role": "admin"}, "custom_objects": [], "job_statuses": []}'
)
"""Good for all calls of a test."""
FORBIDDEN = b'{"error": {"title": "Forbidden", "message": "You do not have access to this page."}}'


def at(host: str) -> Connection:
    """An API-token connection to this host."""
    return make_connection(name=host, host=host)


def answered(*behaviors: Behavior, timeout: float = health.READ_SECONDS) -> TestResult:
    """What *Test* says of a host that answers like this."""
    with serving(*behaviors) as server:
        host = server.url.removeprefix("http://")
        return health.test(at(host), timeout=timeout)


@pytest.mark.parametrize("way", ["api_token", "oauth_client", "oauth_token"])
def test_success_shows_who_and_how_fast(
    request: pytest.FixtureRequest, sandbox: Sandbox, way: str
) -> None:
    sandbox.settings(requests_per_minute=700)
    connection: Connection = request.getfixturevalue(way)
    result = health.test(connection)

    assert result.ok
    assert result.status == 200
    assert result.error == ""
    assert result.user == "Sandbox Admin"
    assert result.role == "admin"
    assert result.requests_per_minute == 700
    assert result.latency_ms is not None
    assert 0 <= result.latency_ms < 8000
    connection.refresh_from_db()
    assert connection.test_passed
    assert connection.test_result == asdict(result)
    assert connection.tested_at is not None


def test_agent_is_enough(api_token: Connection, sandbox: Sandbox) -> None:
    sandbox.settings(role="agent")

    assert health.test(api_token).ok
    assert health.test(api_token).role == "agent"


def test_failure_is_stored_too(api_token: Connection, sandbox: Sandbox) -> None:
    health.test(api_token)
    sandbox.settings(api_tokens=False)
    result = health.test(api_token)

    api_token.refresh_from_db()
    assert not api_token.test_passed
    assert api_token.test_result == asdict(result)


@pytest.mark.usefixtures("db")
def test_no_secret_asks_for_one(sandbox: Sandbox) -> None:
    result = health.test(made(sandbox.host, SignIn.OAUTH_CLIENT, client_id="c"))

    assert result == TestResult(
        ok=False, error="No secret is stored for this connection. Enter it first."
    )
    assert sandbox.log() == []


def test_host_no_longer_listed_names_the_setting(
    api_token: Connection, settings: LazySettings
) -> None:
    settings.API_HOSTS = ["*.zendesk.com"]

    assert (
        health.test(api_token).error
        == f"The host {api_token.host} is not listed in JOBSUI_API_HOSTS."
    )


def unresolved(monkeypatch: pytest.MonkeyPatch, host: str, errno: int) -> str:
    """What *Test* says when DNS fails like this."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "from the resolver")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    return health.test(at(host)).error


@pytest.mark.usefixtures("db")
def test_subdomain_that_dns_does_not_know_may_be_misspelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = unresolved(monkeypatch, "acmee.zendesk.com", socket.EAI_NONAME)

    assert error == (
        "DNS has no host acmee.zendesk.com. The subdomain may be misspelled. "
        "If it is right, check the DNS of this server."
    )


@pytest.mark.parametrize("errno", [socket.EAI_AGAIN, socket.EAI_FAIL])
@pytest.mark.usefixtures("db")
def test_dns_that_does_not_answer_says_nothing_about_the_account(
    monkeypatch: pytest.MonkeyPatch, errno: int
) -> None:
    error = unresolved(monkeypatch, "acme.zendesk.com", errno)

    assert error == (
        "The name acme.zendesk.com could not be resolved: DNS did not answer. "
        "Check the network and DNS of this server, then try again."
    )


@pytest.mark.usefixtures("db")
def test_other_host_that_dns_does_not_know_is_not_called_a_subdomain(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_HOSTS = ["zendesk.internal:8443"]

    error = unresolved(monkeypatch, "zendesk.internal:8443", socket.EAI_NONAME)

    assert error == (
        "DNS has no host zendesk.internal. The host name may be misspelled. "
        "If it is right, check the DNS of this server."
    )


NO_API = (
    "The host responded, but it has no Zendesk API (404). Check the subdomain, and "
    "that the account is still open."
)


@pytest.mark.usefixtures("db")
def test_host_without_the_api_says_so() -> None:
    page = responds(b"<html>No help desk here</html>", "404 Not Found")

    assert answered(page).error == NO_API


@pytest.mark.usefixtures("db")
def test_host_without_a_token_endpoint_says_so() -> None:
    with serving(
        responds(b"<html>No help desk here</html>", "404 Not Found")
    ) as server:
        host = server.url.removeprefix("http://")
        connection = made(host, SignIn.OAUTH_CLIENT, client_id="c")
        credentials.save_secrets(connection, {"client_secret": "s"}, by=None)

        assert health.test(connection).error == NO_API


@pytest.mark.usefixtures("db")
def test_refused_connection_has_its_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert health.test(at(f"127.0.0.1:{port}")).error == (
        "The host refused the connection. Check the host and port, and the network of this server."
    )


def says_nothing(peer: socket.socket) -> None:
    while read_request(peer):
        pass


def goes_silent(peer: socket.socket) -> None:
    peer.sendall(http_response(ADMIN))
    says_nothing(peer)


@pytest.mark.parametrize("behavior", [says_nothing, goes_silent])
@pytest.mark.usefixtures("db")
def test_timeout_has_its_sentence(behavior: Behavior) -> None:
    assert (
        answered(behavior, timeout=0.3).error
        == "Zendesk did not respond in time. Try again in a minute."
    )


@pytest.mark.usefixtures("db", "settings")
def test_untrusted_certificate_has_its_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def distrust(*_args: object, **_options: object) -> None:
        raise ssl.SSLCertVerificationError("self-signed certificate")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", distrust)
    with serving(hangs_up) as server:
        host = server.url.removeprefix("http://")
        monkeypatch.setattr(hosts, "address", lambda _: f"https://{host}")
        result = health.test(at(host))

    assert result.error == (
        "Secure connection failed: the certificate is not trusted. Check the host, or a "
        "proxy in between."
    )


@pytest.mark.usefixtures("db")
def test_broken_connection_has_its_sentence() -> None:
    error = answered(hangs_up).error

    assert error.startswith("The connection to 127.0.0.1:")
    assert error.endswith(
        "broke before the response was complete. Try again. If it happens again, check "
        "the host and Zendesk's status page."
    )


def test_wrong_api_token_has_its_sentence(api_token: Connection) -> None:
    credentials.save_secrets(api_token, {"api_token": "wrong"}, by=None)
    result = health.test(api_token)

    assert not result.ok
    assert result.status == 401
    assert result.error == (
        "Zendesk does not accept the credentials (Couldn't authenticate you). "
        "Replace the secret of this connection."
    )


def test_wrong_client_secret_has_its_sentence(oauth_client: Connection) -> None:
    credentials.save_secrets(oauth_client, {"client_secret": "wrong"}, by=None)
    result = health.test(oauth_client)

    assert result.error == (
        "Zendesk does not know the OAuth client, or its secret is wrong. Check "
        "the client ID, and replace the secret."
    )


def test_expired_token_without_refresh_token_has_its_sentence(
    oauth_token: Connection,
) -> None:
    credentials.save_secrets(oauth_token, {"access_token": "ended"}, by=None)

    assert health.test(oauth_token).error == (
        "The access token has expired or was revoked. "
        "Reconnect: create a new token in Zendesk and enter it in this connection."
    )


def test_used_refresh_token_has_its_sentence(oauth_token: Connection) -> None:
    credentials.save_secrets(
        oauth_token, {"access_token": "ended", "refresh_token": "spent"}, by=None
    )

    assert health.test(oauth_token).error.startswith(
        "The refresh token has expired, was revoked or was already used. Reconnect:"
    )


@pytest.mark.usefixtures("db")
def test_client_without_the_scopes_has_its_sentence() -> None:
    with serving(responds(b'{"error": "invalid_scope"}', "400 Bad Request")) as server:
        connection = made(
            server.url.removeprefix("http://"), SignIn.OAUTH_CLIENT, client_id="c"
        )
        credentials.save_secrets(connection, {"client_secret": "s"}, by=None)
        assert health.test(connection).error == (
            "The OAuth client has neither the scopes custom_objects:read and "
            "custom_objects:write nor read and write. Give it one of these pairs in "
            "Zendesk."
        )


@pytest.mark.usefixtures("db")
def test_missing_scope_has_its_sentence() -> None:
    content = (
        b'{"error": "Forbidden", "description": "You are missing the following '
        b'required scopes: read"}'
    )

    assert answered(responds(content, "403 Forbidden")).error == (
        "The token lacks a scope (You are missing the following required scopes: read). "
        "Give its OAuth client the scopes read and write."
    )


def then(first: bytes, *second: bytes | str) -> Behavior:
    """One answer, and another for the next request on the same connection."""

    def behavior(peer: socket.socket) -> None:
        peer.sendall(http_response(first))
        read_request(peer)
        peer.sendall(http_response(*second))  # type: ignore[arg-type]

    return behavior


@pytest.mark.parametrize(
    "behavior",
    [responds(FORBIDDEN, "403 Forbidden"), then(ADMIN, FORBIDDEN, "403 Forbidden")],
)
@pytest.mark.usefixtures("db")
def test_role_without_permission_has_its_sentence(behavior: Behavior) -> None:
    assert answered(behavior).error == (
        "The credentials lack a permission (You do not have access to this page). "
        "Give their role access to custom objects."
    )


def test_end_user_is_not_staff(api_token: Connection, sandbox: Sandbox) -> None:
    sandbox.settings(role="end-user")
    result = health.test(api_token)

    assert not result.ok
    assert result.role == "end-user"
    assert result.error == (
        "Sandbox Admin has the role end-user. Jobs need the credentials of an "
        "agent or administrator."
    )


@pytest.mark.usefixtures("db")
def test_anonymous_user_means_wrong_credentials() -> None:
    result = answered(
        responds(
            b'{"user": {"id": null, "name": "Anonymous user", "role": "end-user"}}'
        )
    )

    assert not result.ok
    assert result.status == 200
    assert result.error == (
        "Zendesk treated the request as one of an anonymous user: the credentials are "
        "wrong. Replace the secret."
    )


def test_custom_objects_switched_off_have_their_sentence(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.settings(custom_objects=False)
    result = health.test(api_token)

    assert not result.ok
    assert result.user == "Sandbox Admin"
    assert result.role == "admin"
    assert result.error == (
        "Custom objects are turned off in this account, or its plan does not include "
        "them. An administrator of the account can turn them on."
    )


def test_used_up_rate_limit_has_its_sentence(
    api_token: Connection, sandbox: Sandbox
) -> None:
    sandbox.faults(rate_429=1)
    result = health.test(api_token)

    assert result.status == 429
    assert (
        result.error
        == "The account's request limit is used up for this minute. Try again shortly."
    )


@pytest.mark.parametrize("fault", ["503", "html-502"])
def test_fault_of_zendesk_has_its_sentence(
    api_token: Connection, sandbox: Sandbox, fault: str
) -> None:
    sandbox.faults(**{fault: 1})
    result = health.test(api_token)

    assert result.status in {502, 503}
    assert result.error.startswith(
        f"Zendesk responded to GET users/me with {result.status}"
    )
    assert result.error.endswith(
        "Try again. If it happens again, check the host and Zendesk's status page."
    )
    assert "<" not in result.error


@pytest.mark.parametrize(
    "content",
    [
        http_response(b"<html>Sign in</html>"),
        http_response(b"[]"),
        http_response(b"{}"),
        http_response(b"", "302 Found", "Location: https://x/"),
    ],
)
@pytest.mark.usefixtures("db")
def test_response_of_something_else_has_its_sentence(content: bytes) -> None:
    assert answered(lambda peer: peer.sendall(content)).error == (
        "The host did not respond like Zendesk's API. Check the subdomain."
    )


@pytest.mark.parametrize(
    ("header", "limit"),
    [
        ("X-Rate-Limit: 400", 400),
        ("ratelimit-limit: 200", 200),
        ("x-rate-limit: many", None),
        ("X-Other: 1", None),
        (f"X-Rate-Limit: {'9' * 5000}", None),
    ],
)
@pytest.mark.usefixtures("db")
def test_requests_per_minute_are_read_from_the_headers(
    header: str, limit: int | None
) -> None:
    assert answered(responds(ADMIN, "200 OK", header)).requests_per_minute == limit


@pytest.mark.parametrize("fault", ["rate-429", "503", "html-200", "bearer-expired"])
def test_no_secret_is_in_a_result(
    oauth_client: Connection, sandbox: Sandbox, fault: str
) -> None:
    health.test(oauth_client)
    token = Connection.objects.get().secret("access_token")
    sandbox.faults(**{fault: 1})
    result = health.test(oauth_client)

    assert not result.ok
    assert token not in str(result)
    assert sandbox.client_secret not in str(result)
