from typing import Any

import pytest

from jobsui.connections.models import CustomObject
from tests.api.conftest import Programs
from tests.factories import make_connection, make_object
from tests.harness import GADGET, Harness
from tests.web import stages

pytestmark = pytest.mark.django_db


def test_object_is_told_with_its_fields_limits_and_name_rules(
    program: Programs,
) -> None:
    rules = {"key": "standard::name", "properties": {"is_unique": True}}
    site = {
        "key": "site",
        "type": "lookup",
        "title": "Site",
        "relationship_target_type": "zen:custom_object:site",
    }
    thing = make_object(
        make_connection(),
        "gadget",
        title="Gadget",
        fields=[rules, GADGET[0], GADGET[1], site],
        record_count=7,
    )

    answer = program("read").call(
        "GET", f"/connections/{thing.connection.code}/objects/gadget"
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
    assert answer.status_code == 200
    assert answer.json() == {
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
    thing = make_object(make_connection(), "asset")
    make_object(make_connection(name="Other"), "elsewhere")

    listed = (
        program("read")
        .call("GET", f"/connections/{thing.connection.code}/objects")
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


def test_adding_again_with_the_same_key_is_answered_as_before(
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
def test_object_that_is_none_is_not_added(
    program: Programs, harness: Harness, body: dict[str, Any], says: str
) -> None:
    path = f"/connections/{harness.connection.code}/objects"
    operator = program("run")

    answers = [operator.call("POST", path, body, idempotency_key="k") for _ in range(2)]

    assert [
        (answer.status_code, says in answer.json()["detail"]) for answer in answers
    ] == [(422, True)] * 2
    assert CustomObject.objects.count() == 0


def test_sync_reads_every_object(program: Programs, harness: Harness) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    make_object(harness.connection, "old")

    answer = program("run").call(
        "POST", f"/connections/{harness.connection.code}/objects/sync"
    )

    told = {
        each["key"]: (each["gone"], len(each["fields"]))
        for each in answer.json()["items"]
    }
    assert answer.status_code == 200
    assert told == {"gadget": (False, len(GADGET)), "old": (True, 0)}


def test_sync_that_fails_says_why(program: Programs) -> None:
    connection = make_connection(host=stages.NOWHERE)

    answer = program("run").call("POST", f"/connections/{connection.code}/objects/sync")

    assert answer.status_code == 502
    assert answer.json()["code"] == "zendesk_unreachable"
    assert answer.json()["detail"].startswith("The host refused the connection.")


def test_zendesk_that_is_asked_too_often_may_be_asked_later(
    program: Programs, harness: Harness
) -> None:
    harness.sandbox.faults(rate_429=1)

    answer = program("run").call(
        "POST", f"/connections/{harness.connection.code}/objects/sync"
    )

    assert answer.status_code == 503
    assert answer.json()["code"] == "zendesk_limited"
    assert int(answer["Retry-After"]) > 0


def test_object_is_read_again_by_whom_may_run(
    program: Programs, harness: Harness
) -> None:
    thing = harness.object()
    harness.sandbox.add_records(
        "gadget", [{"name": "One", "custom_object_fields": {"serial": "AB-000001"}}]
    )
    path = f"/connections/{thing.connection.code}/objects/gadget"

    refused = program("read").call("GET", f"{path}?refresh=true")
    known = program("read").call("GET", path).json()
    read = program("run").call("GET", f"{path}?refresh=true").json()

    assert refused.status_code == 403
    assert refused.json()["code"] == "scope_missing"
    assert known["limits"]["record_count"] == 0
    assert read["limits"]["record_count"] == 1


def test_object_that_zendesk_lost_is_told_as_gone(
    program: Programs, harness: Harness
) -> None:
    thing = make_object(harness.connection, "lost")
    path = f"/connections/{thing.connection.code}/objects/lost"

    answer = program("run").call("GET", f"{path}?refresh=true")
    after = program("run").call("GET", path).json()

    assert answer.status_code == 422
    assert answer.json()["code"] == "zendesk_refused"
    assert after["gone"]
    assert answer.json()["detail"].startswith("Zendesk did not find this")


@pytest.mark.parametrize("key", ["unknown", "x" * 300, "%00"])
def test_object_that_is_not_known_is_not_found(program: Programs, key: str) -> None:
    thing = make_object(make_connection())

    answer = program("read").call(
        "GET", f"/connections/{thing.connection.code}/objects/{key}"
    )

    assert answer.status_code == (404 if key == "unknown" else 422)
