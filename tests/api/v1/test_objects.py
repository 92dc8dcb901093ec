from typing import Any

import pytest

from jobsui.connections.models import CustomObject
from tests.api.conftest import Programs
from tests.factories import make_connection, make_object
from tests.harness import GADGET, Harness
from tests.web import stages

pytestmark = pytest.mark.django_db


def test_object_includes_fields_limits_and_name_rules(
    program: Programs,
) -> None:
    rules = {"key": "standard::name", "properties": {"is_unique": True}}
    site = {
        "key": "site",
        "type": "lookup",
        "title": "Site",
        "relationship_target_type": "zen:custom_object:site",
    }
    custom_object = make_object(
        make_connection(),
        "gadget",
        title="Gadget",
        fields=[rules, GADGET[0], GADGET[1], site],
        record_count=7,
    )

    response = program("read").call(
        "GET", f"/connections/{custom_object.connection.code}/objects/gadget"
    )

    plain = {
        "required": False,
        "readonly": False,
        "description": "",
        "regexp": "",
        "options": [],
        "target_type": "",
        "currencies": [],
    }
    assert response.status_code == 200
    assert response.json() == {
        "key": "gadget",
        "title": "Gadget",
        "description": "",
        "fields": [
            plain
            | {
                "key": "serial",
                "title": "Serial",
                "type": "regexp",
                "required": True,
                "regexp": "^[A-Z]{2}-[0-9]{6}$",
            },
            plain
            | {
                "key": "status",
                "title": "Status",
                "type": "dropdown",
                "options": [
                    {"value": "in_use", "name": "In use"},
                    {"value": "retired", "name": "Retired"},
                ],
            },
            plain
            | {
                "key": "site",
                "title": "Site",
                "type": "lookup",
                "target_type": "zen:custom_object:site",
            },
        ],
        "name_rules": {
            "autonumbered": False,
            "unique": True,
            "prefix": "",
            "padding": 0,
        },
        "limits": {
            "record_count": 7,
            "records_per_request": 100,
            "bytes_per_record": 32768,
            "running_jobs": 30,
        },
        "read_at": None,
        "gone": False,
    }


def test_objects_of_the_connection_are_listed(program: Programs) -> None:
    custom_object = make_object(make_connection(), "asset")
    make_object(make_connection(name="Other"), "elsewhere")

    listed = (
        program("read")
        .call("GET", f"/connections/{custom_object.connection.code}/objects")
        .json()
    )

    assert [each["key"] for each in listed["items"]] == ["asset"]
    assert listed["next"] is None


def test_object_is_added_once_by_its_key(program: Programs, harness: Harness) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    path = f"/connections/{harness.connection.code}/objects"

    added = program("run").call("POST", path, {"key": "gadget"})
    again = program("run").call("POST", path, {"key": "gadget"})

    assert added.status_code == 201
    assert again.status_code == 200
    assert again.json() == added.json()
    assert [field["key"] for field in added.json()["fields"]] == [
        field["key"] for field in GADGET
    ]
    assert CustomObject.objects.count() == 1


def test_repeated_add_returns_the_first_response(
    program: Programs,
) -> None:
    path = f"/connections/{make_connection(host=stages.NOWHERE).code}/objects"

    added = program("run").call("POST", path, {"key": "gadget"}, idempotency_key="k")
    again = program("run").call("POST", path, {"key": "gadget"}, idempotency_key="k")

    assert added.status_code == 201
    assert again.status_code == 201
    assert again.json() == added.json()
    assert added.json()["read_at"] is None
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            {"key": "no key"},
            "'no key' is not an object key. A key has letters, digits, - and _ only.",
        ),
        ({"key": "missing"}, "missing could not be read. Zendesk did not find this"),
        ({"key": ""}, "body.key: string should have at least 1 character."),
        ({"key": "a\x00"}, "body.key: contains a NUL character"),
        ({}, "body.key: field required."),
    ],
)
def test_invalid_object_is_not_added(
    program: Programs, harness: Harness, body: dict[str, Any], says: str
) -> None:
    path = f"/connections/{harness.connection.code}/objects"
    operator = program("run")

    responses = [
        operator.call("POST", path, body, idempotency_key="k") for _ in range(2)
    ]

    assert [response.status_code for response in responses] == [422, 422]
    assert all(says in response.json()["detail"] for response in responses)
    assert CustomObject.objects.count() == 0


def test_sync_reads_every_object(program: Programs, harness: Harness) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    make_object(harness.connection, "old")

    response = program("run").call(
        "POST", f"/connections/{harness.connection.code}/objects/sync"
    )

    data = {
        each["key"]: (each["gone"], len(each["fields"]))
        for each in response.json()["items"]
    }
    assert response.status_code == 200
    assert data == {"gadget": (False, len(GADGET)), "old": (True, 0)}


def test_failed_sync_says_why(program: Programs) -> None:
    connection = make_connection(host=stages.NOWHERE)

    response = program("run").call(
        "POST", f"/connections/{connection.code}/objects/sync"
    )

    assert response.status_code == 502
    assert response.json()["code"] == "zendesk_unreachable"
    assert response.json()["detail"].startswith("The host refused the connection.")


def test_rate_limit_is_503_with_retry_after(
    program: Programs, harness: Harness
) -> None:
    harness.sandbox.faults(rate_429=1)

    response = program("run").call(
        "POST", f"/connections/{harness.connection.code}/objects/sync"
    )

    assert response.status_code == 503
    assert response.json()["code"] == "zendesk_limited"
    assert int(response["Retry-After"]) > 0


def test_refresh_requires_the_scope_run(program: Programs, harness: Harness) -> None:
    custom_object = harness.object()
    harness.sandbox.add_records(
        "gadget", [{"name": "One", "custom_object_fields": {"serial": "AB-000001"}}]
    )
    path = f"/connections/{custom_object.connection.code}/objects/gadget"

    refused = program("read").call("GET", f"{path}?refresh=true")
    known = program("read").call("GET", path).json()
    read = program("run").call("GET", f"{path}?refresh=true").json()

    assert refused.status_code == 403
    assert refused.json()["code"] == "scope_missing"
    assert known["limits"]["record_count"] == 0
    assert read["limits"]["record_count"] == 1


def test_object_deleted_in_zendesk_is_gone(program: Programs, harness: Harness) -> None:
    custom_object = make_object(harness.connection, "lost")
    path = f"/connections/{custom_object.connection.code}/objects/lost"

    response = program("run").call("GET", f"{path}?refresh=true")
    after = program("run").call("GET", path).json()

    assert response.status_code == 422
    assert response.json()["code"] == "zendesk_refused"
    assert after["gone"]
    assert response.json()["detail"].startswith("Zendesk did not find this")


@pytest.mark.parametrize("key", ["unknown", "x" * 300, "%00"])
def test_unknown_object_is_404(program: Programs, key: str) -> None:
    custom_object = make_object(make_connection())

    response = program("read").call(
        "GET", f"/connections/{custom_object.connection.code}/objects/{key}"
    )

    assert response.status_code == (404 if key == "unknown" else 422)
