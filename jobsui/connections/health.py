"""*Test*: harmless reads that say whether a connection works, as whom, and if not, why
and what to do."""

from dataclasses import asdict, dataclass, replace

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.errors import NO_ACCOUNT, HostRefused, explain
from jobsui.connections.models import Connection
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client, decoded
from jobsui.zendesk.errors import Forbidden, NotFound, Unsure, ZendeskError
from jobsui.zendesk.payloads import Answer, User

DEADLINE = 8.0
"""Seconds for each read: somebody is waiting at the page."""
STAFF = {"admin", "agent"}


@dataclass(frozen=True, slots=True)
class TestResult:
    """`error` is "" when all is well; `requests_per_minute` None when Zendesk did not
    say."""

    __test__ = False  # It is no test of pytest's.

    ok: bool
    status: int | None = None
    latency_ms: int | None = None
    user: str = ""
    role: str = ""
    requests_per_minute: int | None = None
    error: str = ""


def test(connection: Connection) -> TestResult:
    """Read who we are and whether custom objects can be listed. The result is kept with
    the connection."""
    result = _test(connection)
    connection.tested_at, connection.test_passed = timezone.now(), result.ok
    connection.test_result = asdict(result)
    connection.save(update_fields=["tested_at", "test_passed", "test_result"])
    return result


test.__test__ = False  # type: ignore[attr-defined]


def _test(connection: Connection) -> TestResult:
    if not credentials.has_secret(connection):
        return TestResult(
            ok=False, error="No secret is stored for this connection. Enter it first."
        )
    try:
        return credentials.signed_in(connection, _look)
    except HostRefused as error:
        return TestResult(ok=False, error=str(error))
    except ZendeskError as error:
        latency = round(error.answer.elapsed * 1000) if error.answer else None
        return TestResult(
            ok=False, status=error.status, latency_ms=latency, error=_sentence(error)
        )


def _look(client: Client) -> TestResult:
    answer = client.request("GET", f"{custom_objects.API}/users/me", deadline=DEADLINE)
    user = custom_objects.read_user(decoded(answer, what="GET users/me"))
    result = TestResult(
        ok=False,
        status=answer.status,
        latency_ms=round(answer.elapsed * 1000),
        user=user.name or user.email,
        role=user.role,
        requests_per_minute=_limit(answer),
    )
    error = _who_may_not(user) or _custom_objects_missing(client)
    return replace(result, ok=not error, error=error)


def _who_may_not(user: User) -> str:
    if user.id is None:
        return "Zendesk answers, but as to a stranger: the credentials are wrong. Replace the secret."
    if user.role not in STAFF:
        who = user.name or user.email or "The user"
        return f"{who} is signed in as {user.role or 'nobody'}. Jobs need the credentials of an agent or administrator."
    return ""


def _custom_objects_missing(client: Client) -> str:
    try:
        custom_objects.list_objects(client, deadline=DEADLINE)
    except NotFound:
        return "Custom objects are off in this account, or not in its plan. An administrator of it can turn them on."
    except Forbidden as refusal:
        return explain(refusal)
    return ""


def _sentence(error: ZendeskError) -> str:
    if isinstance(error, NotFound):
        return NO_ACCOUNT
    if isinstance(error, Unsure) and error.status is not None and error.status < 500:
        return "The host answers with a web page instead of Zendesk's API. Is the subdomain right?"
    return explain(error)


def _limit(answer: Answer) -> int | None:
    text = (
        answer.headers.get("X-Rate-Limit")
        or answer.headers.get("ratelimit-limit")
        or ""
    )
    return int(text) if text.isdecimal() and len(text) < 10 else None
