"""Reads that the drop-in endpoint forwards to Zendesk."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models.functions import Now

from jobsui.connections import proxy_reads
from jobsui.connections.models import ReadPace
from jobsui.jobs.models import Lease
from jobsui.zendesk.payloads import Response
from tests.api.dropin.conftest import Program, read
from tests.harness import Harness

pytestmark = pytest.mark.django_db(transaction=True)


def read_sandbox(harness: Harness, path: str, **query: Any) -> Any:
    """The sandbox's own response, with the address of Jobs UI instead of its own."""
    session = requests.Session()
    session.trust_env = False
    signed = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    response = session.get(
        f"{harness.sandbox.url}/api/v2/{path}", params=query, auth=signed, timeout=10
    )
    session.close()
    return json.loads(
        response.text.replace(f'"{harness.sandbox.url}/api', '"http://testserver/api')
    )


@pytest.fixture
def record_ids(harness: Harness, program: Program) -> list[str]:  # noqa: ARG001
    """Three records."""
    fields = {
        "serial": "AB-000001",
        "notes": f"See {harness.sandbox.url}/api/v2/users/me",
    }
    records = [
        {"external_id": f"g-{n}", "name": f"Größe {n}", "custom_object_fields": fields}
        for n in range(3)
    ]
    return harness.sandbox.add_records("gadget", records)


def test_reads_return_zendesks_responses(
    harness: Harness, program: Program, record_ids: list[str]
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("custom_objects", {}),
        ("custom_objects.json", {}),
        ("custom_objects/gadget", {}),
        ("custom_objects/gadget/fields.json", {"include_standard_fields": "true"}),
        ("custom_objects/gadget/records", {"page[size]": "2"}),
        ("custom_objects/gadget/records", {"filter[external_ids]": "g-1,g-2"}),
        (f"custom_objects/gadget/records/{record_ids[0]}", {}),
        ("custom_objects/gadget/records/search", {"query": "Grö"}),
        ("custom_objects/gadget/records/autocomplete", {"name": "Grö"}),
        ("custom_objects/limits/record_limit", {}),
        ("custom_objects/gadget/records/nothing", {}),
    ]

    responses = [program.get(path, **query) for path, query in calls]

    assert [read(response) for response in responses] == [
        read_sandbox(harness, path, **query) for path, query in calls
    ]
    assert [response.status_code for response in responses] == [*[200] * 10, 404]
    assert read(responses[4])["links"]["next"].startswith(
        "http://testserver/api/v2/custom_objects/gadget/records?"
    )
    fields = read(responses[6])["custom_object_record"]["custom_object_fields"]
    assert fields["notes"] == f"See {harness.sandbox.url}/api/v2/users/me"


def test_search_by_filter_is_forwarded(program: Program, record_ids: list[str]) -> None:
    response = program.post(
        "custom_objects/gadget/records/search",
        {"filter": {"external_id": {"$eq": "g-1"}}},
    )

    assert [record["id"] for record in read(response)["custom_object_records"]] == [
        record_ids[1]
    ]


@pytest.mark.usefixtures("harness")
def test_only_harmless_headers_are_forwarded(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {
        "Set-Cookie": "session=x",
        "X-Rate-Limit": "700",
        "ratelimit-reset": "9",
        "Retry-After": "3",
        "zendesk-ratelimit-x": "total=1",
        "Content-Type": "application/json; charset=utf-8",
        "Authorization": "Basic x",
        "Server": "nginx",
    }
    sent: list[Any] = []

    def exchange(_client: Any, *what: Any) -> Response:
        sent.append(what)
        return Response(200, headers, b'{"a": 1}', 0.0)

    monkeypatch.setattr(proxy_reads, "_send", exchange)

    response = program.get("custom_objects", **{"page[size]": "1"})

    assert sent == [("GET", "/api/v2/custom_objects?page%5Bsize%5D=1", None)]
    kept = {
        "X-Rate-Limit",
        "ratelimit-reset",
        "Retry-After",
        "zendesk-ratelimit-x",
        "Content-Type",
    }
    assert {name: response.headers.get(name) for name in headers} == {
        name: value if name in kept else None for name, value in headers.items()
    }


@pytest.mark.parametrize(
    "path",
    [
        "custom_objects/%2e%2e/users/me",
        "custom_objects/../users",
        "custom_objects/a%252f..%252fb",
        "custom_objects/ä",
        "custom_objects//x",
        'custom_objects/gadget?a="',
        "custom_objects/x/oauth",
    ],
)
def test_ambiguous_address_is_refused(
    harness: Harness, program: Program, path: str
) -> None:
    before = len(harness.sandbox.log())

    response = program.client.get(
        f"/api/v2/{path}", headers={"Authorization": f"Bearer {program.token}"}
    )

    assert (response.status_code, read(response)["error"]) in [
        (400, "InvalidAddress"),
        (404, "InvalidEndpoint"),
    ]
    assert len(harness.sandbox.log()) == before


def test_failures_of_zendesk_are_reported_in_json(
    harness: Harness, program: Program
) -> None:
    harness.sandbox.faults(html_502=1)
    web_page = program.get("custom_objects")
    harness.connection.set_secret("api_token", "wrong")
    harness.connection.save()
    harness.sandbox.faults()
    refused = program.get("custom_objects")
    harness.connection.host = "127.0.0.1:1"
    harness.connection.save()

    unreachable = program.get("custom_objects")

    assert web_page.status_code == 502
    assert read(web_page)["error"] == "BadGateway"
    assert refused.status_code == 502
    assert read(refused)["error"] == "BadGateway"
    assert "Replace the secret of this connection" in read(refused)["description"]
    assert unreachable.status_code == 503
    assert read(unreachable)["error"] == "ServiceUnavailable"
    assert unreachable["Retry-After"] == "30"


def test_rate_limits_of_zendesk_are_forwarded(
    harness: Harness, program: Program
) -> None:
    harness.sandbox.faults(rate_429=1)
    harness.sandbox.settings(retry_after=30)

    first = program.get("custom_objects")
    second = program.get("custom_objects")

    assert first.status_code == 429
    assert first["Content-Type"].split(";")[0] == "text/plain"
    assert second.status_code == 429
    assert second.text == "Number of allowed API requests per minute exceeded"
    assert int(first["Retry-After"]) == 30
    # The next turn is in 30 seconds, and a read waits 5 of them.
    assert int(second["Retry-After"]) in {24, 25}
    # The second read was not sent.
    assert [entry["status"] for entry in harness.sandbox.log()[-2:]] == [200, 429]


def test_reads_beside_running_jobs_use_the_reserve(
    harness: Harness, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[bool] = []

    def exchange(*_: Any, beside_driver: bool, **__: Any) -> Response:
        beside.append(beside_driver)
        return Response(200, {}, b"{}", 0.0)

    monkeypatch.setattr(proxy_reads, "read", exchange)

    program.get("custom_objects")
    Lease.objects.create(
        name=f"account:{harness.connection.host}",
        expires_at=Now() + timedelta(seconds=30),
    )
    program.get("custom_objects")

    assert beside == [False, True]


def test_reads_are_counted_for_the_account(harness: Harness, program: Program) -> None:
    program.get("custom_objects")

    assert ReadPace.objects.get().host == harness.connection.host
