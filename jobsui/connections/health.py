"""*Test*: reads that show whether a connection works and whom it authenticates as. If
it does not work, the result says why and what to do."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from django.utils import timezone

from jobsui.connections import credentials, hosts
from jobsui.connections.credentials import SignedClient
from jobsui.connections.errors import NO_API, HostRefused, explain
from jobsui.connections.models import Connection, SignIn
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client, decoded
from jobsui.zendesk.errors import Forbidden, NotFound, Unconfirmed, ZendeskError
from jobsui.zendesk.payloads import Response, User

READ_SECONDS = 8.0
"""For each read: a person waits at the page."""
STAFF = {"admin", "agent"}


@dataclass(frozen=True, slots=True)
class TestResult:
    __test__ = False  # Not a test of pytest's.

    ok: bool
    status: int | None = None
    latency_ms: int | None = None
    user: str = ""
    role: str = ""
    requests_per_minute: int | None = None
    """None when Zendesk gave no limit."""
    error: str = ""
    """What is wrong and what to do; "" when all is well."""
    user_id: int | None = None
    """None when Zendesk did not show the user."""


def test(
    connection: Connection,
    *,
    timeout: float = READ_SECONDS,  # noqa: PT028
) -> TestResult:
    """Read who the credentials are and whether they can list custom objects. The result
    is stored with the connection. `timeout`: seconds for each read."""
    result = _test(connection, timeout)
    connection.tested_at = timezone.now()
    connection.test_passed = result.ok
    connection.test_result = asdict(result)
    connection.save(update_fields=["tested_at", "test_passed", "test_result"])
    return result


test.__test__ = False  # type: ignore[attr-defined]


def _test(connection: Connection, timeout: float) -> TestResult:
    if not credentials.has_secret(connection):
        return TestResult(
            ok=False, error="No secret is stored for this connection. Enter it first."
        )
    try:
        client = credentials.client_for(connection)
        result = _read_all(client, timeout)
        _learn_scopes(connection, client, timeout)
    except HostRefused as error:
        return TestResult(ok=False, error=str(error))
    except ZendeskError as error:
        return _failed(error)
    return result


def test_token(
    host: str,
    token: str,
    *,
    timeout: float = READ_SECONDS,  # noqa: PT028
) -> TestResult:
    """As `test`, with an access token that is not stored. Raises HostRefused."""
    client = Client(hosts.base_url(host), lambda: f"Bearer {token}")
    try:
        return _read_all(client, timeout)
    except ZendeskError as error:
        return _failed(error)


test_token.__test__ = False  # type: ignore[attr-defined]


def user_of(connection: Connection, *, timeout: float = READ_SECONDS) -> TestResult:
    """Whom the stored credentials belong to, as far as Zendesk shows it. Raises HostRefused
    and what a request raises."""
    client = credentials.client_for(connection)
    return client.renewing(partial(_read_user, client, timeout))


def _read_all(client: Client, timeout: float) -> TestResult:
    result = _called(client, partial(_read_user, client, timeout))
    error = result.error or _reads_error(client, timeout)
    return replace(result, ok=not error, error=error)


def _called[T](client: Client, call: Callable[[], T]) -> T:
    """With a token that is stored, a rejected one is replaced."""
    return client.renewing(call) if isinstance(client, SignedClient) else call()


def _failed(error: ZendeskError) -> TestResult:
    latency = round(error.response.elapsed * 1000) if error.response else None
    return TestResult(
        ok=False, status=error.status, latency_ms=latency, error=_sentence(error)
    )


def _read_user(client: Client, timeout: float) -> TestResult:
    """What users/me shows. A token that covers custom objects only may be refused it,
    which says nothing about jobs."""
    response = client.request("GET", f"{custom_objects.API}/users/me", deadline=timeout)
    result = TestResult(
        ok=False,
        status=response.status,
        latency_ms=round(response.elapsed * 1000),
        requests_per_minute=_requests_per_minute(response),
    )
    if response.status == 403:
        return result
    user = custom_objects.read_user(decoded(response, what="GET users/me"))
    return replace(
        result,
        user=user.name or user.email,
        role=user.role,
        user_id=user.id,
        error=_user_error(user),
    )


def _user_error(user: User) -> str:
    if user.id is None:
        return (
            "Zendesk treated the request as one of an anonymous user: the credentials "
            "are wrong. Replace the secret."
        )
    if user.role not in STAFF:
        name = user.name or user.email or "The user"
        role = f"the role {user.role}" if user.role else "no role"
        return (
            f"{name} has {role}. "
            "Jobs need the credentials of an agent or administrator."
        )
    return ""


def _reads_error(client: Client, timeout: float) -> str:
    """Why jobs could not read what they need, or ""."""
    try:
        for read in (custom_objects.list_objects, custom_objects.recent_job_statuses):
            _called(client, partial(read, client, deadline=timeout))
    except NotFound:
        return (
            "Custom objects are turned off in this account, or its plan does not "
            "include them. An administrator of the account can turn them on."
        )
    except Forbidden as refusal:
        return explain(refusal)
    return ""


def _learn_scopes(connection: Connection, client: SignedClient, timeout: float) -> None:
    """Store which scopes the token has. Zendesk says so when it issues a token, but not
    for one that a person entered."""
    connection.refresh_from_db(fields=["scopes", "granular_scopes"])
    if connection.sign_in == SignIn.API_TOKEN or connection.scopes:
        return
    try:
        held = client.renewing(
            partial(custom_objects.token_scopes, client, deadline=timeout)
        )
    except ZendeskError:
        return
    connection.scopes = " ".join(held)[: credentials.MAX_SCOPES]
    connection.save(update_fields=["scopes"])


def _sentence(error: ZendeskError) -> str:
    if isinstance(error, NotFound):
        return NO_API
    if (
        isinstance(error, Unconfirmed)
        and error.status is not None
        and error.status < 500
    ):
        return "The host did not respond like Zendesk's API. Check the subdomain."
    return explain(error)


def _requests_per_minute(response: Response) -> int | None:
    headers = response.headers
    text = headers.get("X-Rate-Limit") or headers.get("ratelimit-limit") or ""
    return int(text) if text.isdecimal() and len(text) < 10 else None
