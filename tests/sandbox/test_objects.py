from typing import Any

import pytest

from tests.sandbox.conftest import Api
from tests.sandbox_server import start

OBJECTS = "/api/v2/custom_objects"


def test_object_and_fields_are_made_over_the_api(api: Api) -> None:
    made = api.call(
        "POST",
        OBJECTS,
        {"custom_object": {"key": "car", "title": "Car", "title_pluralized": "Cars"}},
    )
    field = {
        "key": "colour",
        "title": "Colour",
        "type": "dropdown",
        "custom_field_options": [{"value": "red"}],
    }
    made_field = api.call(
        "POST", f"{OBJECTS}/car/fields", {"custom_object_field": field}
    )

    assert made.status_code == 201
    assert made_field.status_code == 201
    assert made.json()["custom_object"] == api.get(f"{OBJECTS}/car")["custom_object"]
    listed = api.get(OBJECTS)["custom_objects"]
    assert [each["key"] for each in listed] == ["thing", "car"]
    shown = made_field.json()["custom_object_field"]
    assert api.get(f"{OBJECTS}/car/fields")["custom_object_fields"] == [shown]
    by_id = api.get(f"{OBJECTS}/car/fields/{shown['id']}")
    by_key = api.get(f"{OBJECTS}/car/fields/colour")
    assert by_id == by_key
    assert [option["value"] for option in shown["custom_field_options"]] == ["red"]


def test_standard_fields_come_when_asked_for(api: Api) -> None:
    api.sandbox.make_object("plate", name={"is_unique": True})

    fields = api.get(f"{OBJECTS}/plate/fields", include_standard_fields="true")

    name, external_id = fields["custom_object_fields"]

    assert name["key"] == "standard::name"
    assert external_id["key"] == "standard::external_id"
    assert name["properties"]["is_unique"] is True


def test_name_rules_are_fixed_after_the_first_record(api: Api) -> None:
    name = f"{OBJECTS}/thing/fields/standard::name"
    unique = {"custom_object_field": {"properties": {"is_unique": True}}}
    both = {
        "custom_object_field": {
            "properties": {"is_unique": True, "autoincrement_enabled": True}
        }
    }

    assert api.status_of("PATCH", name, both) == 422
    api.sandbox.add_records("thing", [{"name": "One"}])
    assert api.status_of("PATCH", name, unique) == 422


def test_fields_are_changed_ordered_and_deleted(api: Api) -> None:
    fields = api.get(f"{OBJECTS}/thing/fields")["custom_object_fields"]
    api.call(
        "PATCH",
        f"{OBJECTS}/thing/fields/note",
        {"custom_object_field": {"title": "Remark", "required": True}},
    )
    order = [field["id"] for field in reversed(fields)]
    api.call(
        "PUT", f"{OBJECTS}/thing/fields/reorder", {"custom_object_field_ids": order}
    )
    api.call("DELETE", f"{OBJECTS}/thing/fields/count")

    left = api.get(f"{OBJECTS}/thing/fields")["custom_object_fields"]
    assert [(each["key"], each["title"], each["required"]) for each in left] == [
        ("colour", "Colour", False),
        ("note", "Remark", True),
    ]


def test_object_is_changed_and_deleted(api: Api) -> None:
    changed = api.call(
        "PATCH", f"{OBJECTS}/thing", {"custom_object": {"title": "Stuff"}}
    )

    assert changed.json()["custom_object"]["title"] == "Stuff"
    assert api.status_of("DELETE", f"{OBJECTS}/thing") == 204
    assert api.status_of("GET", f"{OBJECTS}/thing") == 404


@pytest.mark.parametrize(
    "field",
    [
        {"key": "a b", "title": "A"},
        {"key": "note", "title": "Taken"},
        {"key": "x", "type": "colour"},
        {"key": "x", "type": "dropdown"},
        {"key": "x", "type": "lookup"},
        {"key": "x", "type": "regexp", "regexp_for_validation": "("},
        {"key": "x", "type": "currency"},
    ],
)
def test_malformed_field_is_refused(api: Api, field: dict[str, Any]) -> None:
    assert (
        api.status_of("POST", f"{OBJECTS}/thing/fields", {"custom_object_field": field})
        == 422
    )


def test_limits_count(api: Api) -> None:
    api.sandbox.add_records("thing", [{"name": "One"}])

    assert api.get(f"{OBJECTS}/limits/object_limit") == {"count": 1, "limit": 50}
    assert api.get(f"{OBJECTS}/limits/record_limit") == {
        "count": 1,
        "limit": 50_000_000,
    }
    assert api.get(f"{OBJECTS}/thing/limits/field_limit") == {"count": 3, "limit": 100}


def test_permissions_are_shown(api: Api) -> None:
    policies = api.get(f"{OBJECTS}/thing/permission_policies")["policies"]

    assert [policy["id"] for policy in policies] == ["custom-role-1", "end-user"]
    assert policies[0]["records"]["create"] == {"allowed": True, "rule_id": None}


def test_attachments_are_refused_where_not_allowed(api: Api) -> None:
    [record_id] = api.sandbox.add_records("thing", [{"name": "One"}])

    response = api.call("GET", f"{OBJECTS}/thing/records/{record_id}/attachments")

    assert response.status_code == 400
    assert response.json() == {"error": "Invalid URI endpoint"}


def test_samples_have_every_type_of_field() -> None:
    sandbox = start(samples=True)
    try:
        api = Api(sandbox)
        types = set()
        for key in ("asset", "contract", "vehicle"):
            for field in api.get(f"{OBJECTS}/{key}/fields")["custom_object_fields"]:
                types.add("roll-up" if field["readonly"] else field["type"])
        vehicles = [
            record["custom_object_fields"]["vehicle_count"]
            for record in sandbox.records("contract")
        ]
        api.session.close()
    finally:
        sandbox.stop()

    assert types == {
        "text",
        "textarea",
        "regexp",
        "integer",
        "decimal",
        "checkbox",
        "date",
        "dropdown",
        "multiselect",
        "lookup",
        "parent",
        "currency",
        "roll-up",
    }
    assert vehicles == [2, 0, 0]
