"""Lists of IDs that are too long for one URL."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import MAX_LISTED, Client
from jobsui.zendesk.errors import Refused
from jobsui.zendesk.transport import Received, Request
from tests.sandbox_server import Sandbox

FIELDS = [{"key": "note", "title": "Note", "type": "text"}]


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    sandbox.make_object("asset", fields=FIELDS)
    return Client(sandbox.url, lambda: f"Bearer {sandbox.bearer}")


def add_records(sandbox: Sandbox, external_ids: list[str]) -> None:
    sandbox.add_records(
        "asset", [{"name": "Thing", "external_id": value} for value in external_ids]
    )


def found(client: Client, external_ids: list[str]) -> list[str]:
    records = custom_objects.records_by_external_ids(client, "asset", external_ids)
    return [record.external_id for record in records]


@pytest.mark.parametrize("status", ["414", "400"])
def test_refused_list_is_halved_and_its_length_remembered(
    client: Client, sandbox: Sandbox, status: str
) -> None:
    external_ids = [f"{number:03}-{'x' * 60}" for number in range(100)]
    add_records(sandbox, external_ids)
    sandbox.assume(address_limit=4_000, long_address=status)

    first = found(client, external_ids)
    sandbox.forget_requests()
    again = found(client, external_ids)

    assert sorted(first) == external_ids
    assert sorted(again) == external_ids
    assert client.max_listed == 3_350
    assert sandbox.requests() == {"records-by-external-id": 2}
    assert {request["status"] for request in sandbox.log()[-2:]} == {200}


@pytest.mark.parametrize("character", ["ü", "/", " ", "&"])
def test_length_of_a_list_is_that_of_its_encoded_bytes(
    client: Client, sandbox: Sandbox, character: str
) -> None:
    external_ids = [f"{number:03}{character * 30}x" for number in range(100)]
    add_records(sandbox, external_ids)
    sandbox.assume(address_limit=MAX_LISTED + 100)

    assert sorted(found(client, external_ids)) == sorted(external_ids)
    assert {request["status"] for request in sandbox.log()[-5:]} <= {200}


def test_hundred_ids_of_70_characters_take_one_request(
    client: Client, sandbox: Sandbox
) -> None:
    external_ids = [f"{number:03}-{'x' * 66}" for number in range(100)]
    add_records(sandbox, external_ids)
    sandbox.forget_requests()

    assert len(found(client, external_ids)) == 100
    assert sandbox.requests() == {"records-by-external-id": 1}


@dataclass
class OneValueRefused:
    """A server that refuses a value, whatever the length of the list."""

    requests: list[str] = field(default_factory=list)

    def exchange(self, request: Request, *, deadline: float) -> Received:  # noqa: ARG002
        query = urlencode(request.params or {})
        self.requests.append(query)
        status = 400 if "bad" in query else 200
        return Received(status, {}, b'{"custom_object_records": []}')


def test_refusal_of_a_value_lowers_no_length() -> None:
    server = OneValueRefused()
    client = Client("http://account", None, transport=server)
    external_ids = [f"{number:03}-{'x' * 60}" for number in range(99)]

    with pytest.raises(Refused):
        found(client, [*external_ids, "bad"])

    assert client.max_listed == MAX_LISTED
    assert len(server.requests) < 10
