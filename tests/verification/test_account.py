"""How a verification sends its requests."""

import pytest

from jobsui.connections import proxy_reads
from jobsui.connections.models import Connection
from jobsui.verification.account import MAX_SILENT, MAX_TRIES, Account
from jobsui.verification.questions import CannotAsk
from jobsui.zendesk.errors import Unconfirmed
from jobsui.zendesk.transport import Received, Request
from tests.sandbox_transport import SandboxTransport
from tests.verification.accounts import VirtualTime, account, api_token_connection

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/v2/job_statuses"
JOBS = "/api/v2/custom_objects/device/jobs"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that requests would have waited for their turn."""
    waited: list[float] = []
    monkeypatch.setattr(proxy_reads.time, "sleep", waited.append)  # type: ignore[attr-defined]
    return waited


class Responses:
    """Responds with these statuses, then lets the sandbox respond."""

    def __init__(self, *statuses: int, retry_after: int = 0) -> None:
        self.statuses = list(statuses)
        self.headers = {"Retry-After": str(retry_after)}

    def __call__(self, request: Request) -> Request | Received:
        if self.statuses:
            return Received(self.statuses.pop(0), self.headers, b"")
        return request


def silent(_request: Request) -> Request:
    raise Unconfirmed("No response.", code="timeout")


def verified_account(clock: VirtualTime) -> tuple[Account, SandboxTransport]:
    verified = account(clock, with_scratch=False)
    return verified.verification.account, verified.transport


def test_requests_wait_their_turn_as_beside_a_driver(waits: list[float]) -> None:
    connection = api_token_connection(requests_per_minute=100, share=80)
    verified = account(VirtualTime(), connection=connection, with_scratch=False)

    for _ in range(6):
        verified.verification.account.get(PATH)

    assert waits == pytest.approx([0, 0, 0, 0, 0, 3], abs=1)


def test_busy_account_is_asked_later(
    clock: VirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, transport = verified_account(clock)
    busy = [20, 5]

    def wait_for_turn(_connection: Connection, *, beside_driver: bool) -> None:
        assert beside_driver
        if busy:
            raise proxy_reads.Busy(busy.pop(0))

    monkeypatch.setattr(proxy_reads, "wait_for_turn", wait_for_turn)

    response = asked.get(PATH)

    assert response.status == 200
    assert clock.passed == 25
    assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_limited_read_is_sent_again(clock: VirtualTime, status: int) -> None:
    asked, transport = verified_account(clock)
    transport.intercept = Responses(status, status)

    response = asked.get(PATH)

    assert response.status == 200
    assert len(transport.requests) == 3


def test_read_that_stays_limited_is_not_asked(clock: VirtualTime) -> None:
    asked, transport = verified_account(clock)
    transport.intercept = Responses(*[429] * MAX_TRIES)

    with pytest.raises(CannotAsk, match="Zendesk limited the request 5 times"):
        asked.get(PATH)


def test_unavailable_write_is_not_sent_again(clock: VirtualTime) -> None:
    asked, transport = verified_account(clock)
    transport.intercept = Responses(503)

    response = asked.send("POST", JOBS, {})

    assert response.status == 503
    assert len(transport.requests) == 1


@pytest.mark.parametrize("assumed", ["429", "422", "429-retry-after"])
def test_job_waits_for_a_free_slot(clock: VirtualTime, assumed: str) -> None:
    faults = {"too-many-jobs": {"rate": 1, "times": 20}}

    verified = account(clock, faults=faults, assume={"too-many-jobs": assumed}).run()

    assert verified.verdicts["job-response"] == "holds"
    assert "does not hold" not in verified.verdicts.values()
    assert verified.external_ids == []


def test_account_without_free_slots_is_not_asked(clock: VirtualTime) -> None:
    verified = account(clock, settings={"other_jobs": 30}).run()

    assert verified.verdicts["job-response"] == "could not be asked"
    assert (
        verified.observed["job-response"]
        == "all job slots of the account stayed in use"
    )
    assert verified.external_ids == []


def test_account_that_stays_silent_ends_the_run(clock: VirtualTime) -> None:
    verified = account(clock, with_scratch=False)
    verified.transport.intercept = silent

    with pytest.raises(Unconfirmed):
        verified.run()

    assert len(verified.transport.requests) == MAX_SILENT
    assert verified.answers[0].observed == "Zendesk did not respond (timeout)"
