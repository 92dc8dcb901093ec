"""Reads passed on to Zendesk by the drop-in endpoint."""

import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db.models.functions import Now

from jobsui.connections import proxy_reads
from jobsui.connections.models import ReadPace
from jobsui.jobs.models import Lease
from jobsui.zendesk.payloads import Answer
from tests.api.dropin.conftest import Program, read
from tests.harness import Harness

pytestmark = pytest.mark.django_db(transaction=True)


def as_told(harness: Harness, path: str, **query: Any) -> Any:
    """What the sandbox itself answers, with its address as ours."""
    session = requests.Session()
    session.trust_env = False
    signed = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    answer = session.get(
        f"{harness.sandbox.url}/api/v2/{path}", params=query, auth=signed, timeout=10
    )
    session.close()
    return json.loads(
        answer.text.replace(f'"{harness.sandbox.url}/api', '"http://testserver/api')
    )


@pytest.fixture
def stocked(harness: Harness, program: Program) -> list[str]:
    """Ids of three records."""
    fields = {
        "serial": "AB-000001",
        "notes": f"See {harness.sandbox.url}/api/v2/users/me",
    }
    records = [
        {"external_id": f"g-{n}", "name": f"Größe {n}", "custom_object_fields": fields}
        for n in range(3)
    ]
    return harness.sandbox.add_records("gadget", records)


def test_reads_are_answered_as_zendesk_does(
    harness: Harness, program: Program, stocked: list[str]
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("custom_objects", {}),
        ("custom_objects.json", {}),
        ("custom_objects/gadget", {}),
        ("custom_objects/gadget/fields.json", {"include_standard_fields": "true"}),
        ("custom_objects/gadget/records", {"page[size]": "2"}),
        ("custom_objects/gadget/records", {"filter[external_ids]": "g-1,g-2"}),
        (f"custom_objects/gadget/records/{stocked[0]}", {}),
        ("custom_objects/gadget/records/search", {"query": "Grö"}),
        ("custom_objects/gadget/records/autocomplete", {"name": "Grö"}),
        ("custom_objects/limits/record_limit", {}),
        ("custom_objects/gadget/records/nothing", {}),
    ]

    answers = [program.get(path, **query) for path, query in asked]

    assert [read(answer) for answer in answers] == [
        as_told(harness, path, **query) for path, query in asked
    ]
    assert [answer.status_code for answer in answers] == [*[200] * 10, 404]
    assert read(answers[4])["links"]["next"].startswith(
        "http://testserver/api/v2/custom_objects/gadget/records?"
    )
    fields = read(answers[6])["custom_object_record"]["custom_object_fields"]
    assert fields["notes"] == f"See {harness.sandbox.url}/api/v2/users/me"


def test_search_by_filter_is_a_read_too(program: Program, stocked: list[str]) -> None:
    answer = program.post(
        "custom_objects/gadget/records/search",
        {"filter": {"external_id": {"$eq": "g-1"}}},
    )

    assert [record["id"] for record in read(answer)["custom_object_records"]] == [
        stocked[1]
    ]


def test_our_secrets_stay_ours(
    harness: Harness, program: Program, monkeypatch: pytest.MonkeyPatch
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

    def exchange(client: Any, *what: Any) -> Answer:
        sent.append(what)
        return Answer(200, headers, b'{"a": 1}', 0.0)

    monkeypatch.setattr(proxy_reads, "_send", exchange)

    answer = program.get("custom_objects", **{"page[size]": "1"})

    assert sent == [("GET", "/api/v2/custom_objects?page%5Bsize%5D=1", None)]
    kept = {
        "X-Rate-Limit",
        "ratelimit-reset",
        "Retry-After",
        "zendesk-ratelimit-x",
        "Content-Type",
    }
    assert {name: answer.headers.get(name) for name in headers} == {
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
def test_address_that_can_be_read_in_two_ways_is_refused(
    harness: Harness, program: Program, path: str
) -> None:
    before = len(harness.sandbox.log())

    answer = program.client.get(
        f"/api/v2/{path}", headers={"Authorization": f"Bearer {program.token}"}
    )

    assert (answer.status_code, read(answer)["error"]) in [
        (400, "InvalidAddress"),
        (404, "InvalidEndpoint"),
    ]
    assert len(harness.sandbox.log()) == before


def test_zendesk_that_does_not_answer_is_told_in_json(
    harness: Harness, program: Program
) -> None:
    harness.sandbox.faults(html_502=1)
    page = program.get("custom_objects")
    harness.connection.set_secret("api_token", "wrong")
    harness.connection.save()
    harness.sandbox.faults()
    wrong = program.get("custom_objects")
    harness.connection.host = "127.0.0.1:1"
    harness.connection.save()

    away = program.get("custom_objects")

    assert [
        (answer.status_code, read(answer)["error"]) for answer in (page, wrong, away)
    ] == [
        (502, "BadGateway"),
        (502, "BadGateway"),
        (503, "ServiceUnavailable"),
    ]
    assert away["Retry-After"] == "30"
    assert "Replace the secret of this connection" in read(wrong)["description"]


def test_refusals_of_zendesk_are_passed_on(harness: Harness, program: Program) -> None:
    harness.sandbox.faults(rate_429=1)
    harness.sandbox.settings(retry_after=30)

    first = program.get("custom_objects")
    second = program.get("custom_objects")

    assert first.status_code == 429
    assert first["Content-Type"].split(";")[0] == "text/plain"
    assert second.status_code == 429
    assert second.text == "Number of allowed API requests per minute exceeded"
    assert int(first["Retry-After"]) == 30
    assert int(second["Retry-After"]) in {
        24,
        25,
    }  # A turn in thirty seconds, of which five would be waited for.
    assert [entry["status"] for entry in harness.sandbox.log()[-2:]] == [
        200,
        429,
    ]  # The second never went out.


def test_jobs_that_are_driven_leave_fewer_reads(
    harness: Harness, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[bool] = []

    def exchange(*_: Any, beside_driver: bool, **__: Any) -> Answer:
        beside.append(beside_driver)
        return Answer(200, {}, b"{}", 0.0)

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
