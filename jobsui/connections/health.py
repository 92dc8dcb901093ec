"""*Test*: reads that show whether a connection works and whom it authenticates as. If
it does not work, the result says why and what to do."""

from dataclasses import asdict, dataclass, replace
from functools import partial

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.errors import NO_API, HostRefused, explain
from jobsui.connections.models import Connection
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
        return credentials.signed_in(connection, partial(_read, timeout=timeout))
    except HostRefused as error:
        return TestResult(ok=False, error=str(error))
    except ZendeskError as error:
        latency = round(error.response.elapsed * 1000) if error.response else None
        return TestResult(
            ok=False, status=error.status, latency_ms=latency, error=_sentence(error)
        )


def _read(client: Client, *, timeout: float) -> TestResult:
    response = client.request("GET", f"{custom_objects.API}/users/me", deadline=timeout)
    user = custom_objects.read_user(decoded(response, what="GET users/me"))
    result = TestResult(
        ok=False,
        status=response.status,
        latency_ms=round(response.elapsed * 1000),
        user=user.name or user.email,
        role=user.role,
        requests_per_minute=_requests_per_minute(response),
    )
    error = _user_error(user) or _custom_objects_error(client, timeout)
    return replace(result, ok=not error, error=error)


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


def _custom_objects_error(client: Client, timeout: float) -> str:
    try:
        custom_objects.list_objects(client, deadline=timeout)
    except NotFound:
        return (
            "Custom objects are turned off in this account, or its plan does not "
            "include them. An administrator of the account can turn them on."
        )
    except Forbidden as refusal:
        return explain(refusal)
    return ""


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
