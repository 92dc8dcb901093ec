"""Accounts in the process of the test, verified without sockets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsui.connections import proxy_reads
from jobsui.connections.models import Connection, SignIn
from jobsui.sandbox.account import Options
from jobsui.sandbox.tokens import API_TOKEN, EMAIL
from jobsui.verification.account import Account
from jobsui.verification.questions import Answer
from jobsui.verification.runner import Verification
from jobsui.verification.scratch import Scratch
from tests.factories import make_connection
from tests.sandbox_transport import Change, SandboxTransport, same

KEY = "device"
OPTIONS = [{"value": "red", "name": "Red"}, {"value": "blue", "name": "Blue"}]
FIELDS: list[dict[str, Any]] = [
    {"key": "note", "title": "Note", "type": "text"},
    {"key": "story", "title": "Story", "type": "textarea"},
    {"key": "seats", "title": "Seats", "type": "integer"},
    {"key": "weight", "title": "Weight", "type": "decimal"},
    {
        "key": "price",
        "title": "Price",
        "type": "currency",
        "properties": {"allowed_currencies": ["EUR"]},
    },
    {"key": "insured", "title": "Insured", "type": "checkbox"},
    {"key": "bought", "title": "Bought", "type": "date"},
    {
        "key": "colour",
        "title": "Colour",
        "type": "dropdown",
        "custom_field_options": OPTIONS,
    },
    {
        "key": "shades",
        "title": "Shades",
        "type": "multiselect",
        "custom_field_options": OPTIONS,
    },
    {
        "key": "plate",
        "title": "Plate",
        "type": "regexp",
        "regexp_for_validation": "[0-9]{3}",
    },
    {
        "key": "parts",
        "title": "Parts",
        "type": "integer",
        "readonly": True,
        "properties": {
            "rollup_aggregation_type": "COUNT",
            "rollup_child_object": f"zen:custom_object:{KEY}",
        },
    },
]
"""An optional field of each type, and a roll-up."""
START = datetime(2026, 6, 1, tzinfo=UTC)


class VirtualTime:
    """Time that passes only when the verification waits: its clock, and the sandbox's
    module `time`."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def time(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    virtual = VirtualTime()
    for module in ("jobs", "schema", "api_account"):
        monkeypatch.setattr(f"jobsui.sandbox.{module}.time", virtual)
    monkeypatch.setattr(proxy_reads, "wait_for_turn", take_turn_at_once)
    return virtual


def take_turn_at_once(_connection: Connection, *, beside_driver: bool) -> None:
    """Turns are in real time, and have tests of their own."""
    assert beside_driver


@dataclass
class Verified:
    """An account and its verification."""

    transport: SandboxTransport
    verification: Verification
    asked: list[str] = field(default_factory=list)

    def run(self) -> "Verified":
        self.verification.run(self.asked.append)
        return self

    @property
    def answers(self) -> list[Answer]:
        return self.verification.answers

    @property
    def verdicts(self) -> dict[str, str]:
        return {each.question.id: str(each.verdict) for each in self.answers}

    @property
    def observed(self) -> dict[str, str]:
        return {each.question.id: each.observed for each in self.answers}

    @property
    def external_ids(self) -> list[str | None]:
        """Of the records that the account has."""
        table = self.transport.account.objects[KEY].table
        return [record.external_id for record in table.alive()]


def account(
    clock: VirtualTime,
    *,
    assume: dict[str, str | float] | None = None,
    faults: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    fields: list[dict[str, Any]] | None = None,
    name: dict[str, Any] | None = None,
    change: Change = same,
    connection: Connection | None = None,
    token: tuple[str, list[str]] | None = None,
    with_scratch: bool = True,
    key: str = KEY,
) -> Verified:
    """An account with the assumptions, faults and settings of a sandbox, and one object.
    `name`: the rules of its name field. `token`: an access token that it knows, and its
    scopes."""
    options = Options(
        settings={"job_seconds": 1, "requests_per_minute": 100_000} | (settings or {}),
        assumptions=assume or {},
        faults=faults or {},
        seed=1,
    )
    transport = SandboxTransport(options, change=change)
    transport.account.make_object(
        {"key": key, "title": "Device"}, fields or FIELDS, name
    )
    if token:
        text, scopes = token
        transport.account.tokens.add(scopes, text)
    asked = Account(
        connection or api_token_connection(), clock=clock, transport=transport
    )
    scratch = Scratch.on(asked, key) if with_scratch else None
    return Verified(transport, Verification(asked, scratch))


def api_token_connection(**values: Any) -> Connection:
    connection = make_connection(
        **{"email": EMAIL, "requests_per_minute": 100_000} | values
    )
    connection.set_secret("api_token", API_TOKEN)
    connection.save()
    return connection


def access_token_connection(token: str, **values: Any) -> Connection:
    """With an access token that a person entered."""
    connection = make_connection(
        sign_in=SignIn.OAUTH_TOKEN, requests_per_minute=100_000, **values
    )
    connection.set_secret("access_token", token)
    connection.save()
    return connection
