"""*Test*: harmless reads that say whether a connection works, as whom, and if not, why and what to do."""

from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone

from jobsui.connections import credentials
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import HostRefused, explain
from jobsui.connections.models import Connection
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client, decoded
from jobsui.zendesk.errors import Forbidden, NotFound, Unsure, ZendeskError
from jobsui.zendesk.payloads import Answer

DEADLINE = 8.0
STAFF = {"admin", "agent"}


@dataclass(frozen=True, slots=True)
class TestResult:
    """`error` is "" when all is well; `requests_per_minute` None when Zendesk did not say."""

    __test__ = False  # It is no test of pytest's.

    ok: bool
    status: int | None = None
    latency_ms: int | None = None
    user: str = ""
    role: str = ""
    requests_per_minute: int | None = None
    error: str = ""


def test(connection: Connection) -> TestResult:
    """Read who we are and whether custom objects can be listed. The result is kept with the connection."""
    result = _test(connection)
    connection.tested_at, connection.test_passed = timezone.now(), result.ok
    connection.test_result = asdict(result)
    connection.save(update_fields=["tested_at", "test_passed", "test_result"])
    return result


test.__test__ = False  # type: ignore[attr-defined]


def _test(connection: Connection) -> TestResult:
    if not credentials.has_secret(connection):
        return TestResult(ok=False, error="No secret is stored for this connection. Enter it first.")
    try:
        client = credentials.client_for(connection)
        answer = client.request("GET", f"{custom_objects.API}/users/me", deadline=DEADLINE)
        return _judge(client, answer)
    except (HostRefused, SecretUnreadable) as error:
        return TestResult(ok=False, error=str(error))
    except ZendeskError as error:
        return TestResult(ok=False, status=error.status, error=_sentence(error))


def _judge(client: Client, answer: Answer) -> TestResult:
    user = custom_objects.read_user(decoded(answer, what="GET users/me"))
    facts: dict[str, Any] = {
        "status": answer.status,
        "latency_ms": round(answer.elapsed * 1000),
        "user": user.name or user.email,
        "role": user.role,
        "requests_per_minute": _limit(answer),
    }
    if user.id is None:
        return TestResult(**facts, ok=False, error="Zendesk answers, but as to a stranger: the credentials are wrong.")
    if user.role not in STAFF:
        error = f"{user.name} is signed in as {user.role or 'nobody'}. Jobs need an agent or administrator."
        return TestResult(**facts, ok=False, error=error)
    try:
        custom_objects.list_objects(client)
    except NotFound:
        error = "Custom objects are off in this account, or not in its plan. An administrator of it can turn them on."
        return TestResult(**facts, ok=False, error=error)
    except Forbidden as refusal:
        return TestResult(**facts, ok=False, error=explain(refusal))
    return TestResult(**facts, ok=True)


def _sentence(error: ZendeskError) -> str:
    if isinstance(error, NotFound):
        return "There is no Zendesk account of that subdomain. Check its spelling."
    if isinstance(error, Unsure) and error.status is not None and error.status < 500:
        return "The host answers with a web page instead of Zendesk's API. Is the subdomain right?"
    return explain(error)


def _limit(answer: Answer) -> int | None:
    text = answer.headers.get("X-Rate-Limit") or answer.headers.get("ratelimit-limit") or ""
    return int(text) if text.isdecimal() else None
