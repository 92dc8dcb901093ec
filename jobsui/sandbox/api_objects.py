"""Endpoints of objects, their fields, limits and permissions."""

from jobsui.sandbox import schema
from jobsui.sandbox.calls import Call, no_content
from jobsui.sandbox.errors import (
    custom_objects_off,
    invalid_because,
    invalid_parameter,
    not_found,
)
from jobsui.sandbox.protocol import JsonObject, Response, json_response
from jobsui.sandbox.schema import CustomObject, Field

WHERE = "api/v2/custom_objects"
OBJECT_LIMIT = 50


def index(call: Call) -> Response:
    if not call.account.settings.custom_objects:
        raise custom_objects_off()
    objects = call.account.objects.values()
    shown = [schema.object_json(each, call.origin) for each in objects]
    return json_response(200, {"custom_objects": shown})


def show(call: Call, key: str) -> Response:
    return object_response(call, call.custom_object(key))


def object_response(
    call: Call, custom_object: CustomObject, status: int = 200
) -> Response:
    shown = schema.object_json(custom_object, call.origin)
    return json_response(status, {"custom_object": shown})


def create(call: Call) -> Response:
    call.only_for_admins()
    data = call.part("custom_object", f"{WHERE}/create")
    return object_response(call, call.account.add_object(data), 201)


def update(call: Call, key: str) -> Response:
    call.only_for_admins()
    custom_object = call.custom_object(key)
    schema.change_object(custom_object, call.part("custom_object", f"{WHERE}/update"))
    call.account.journal.keep_object(custom_object)
    return object_response(call, custom_object)


def delete(call: Call, key: str) -> Response:
    call.only_for_admins()
    call.account.remove_object(call.custom_object(key))
    return no_content()


def fields(call: Call, key: str) -> Response:
    custom_object = call.custom_object(key)
    own = list(custom_object.fields.values())
    if call.query.get("include_standard_fields") == "true":
        own = schema.standard_fields(custom_object) + own
    shown = [schema.field_json(custom_object, field, call.origin) for field in own]
    return json_response(200, {"custom_object_fields": shown})


def show_field(call: Call, key: str, field: str) -> Response:
    custom_object = call.custom_object(key)
    return field_response(call, custom_object, find_field(custom_object, field))


def find_field(custom_object: CustomObject, key_or_id: str) -> Field:
    standard = schema.standard_fields(custom_object)
    for field in [*standard, *custom_object.fields.values()]:
        if key_or_id in {field.key, str(field.id)}:
            return field
    raise not_found()


def field_response(
    call: Call, custom_object: CustomObject, field: Field, status: int = 200
) -> Response:
    shown = schema.field_json(custom_object, field, call.origin)
    return json_response(status, {"custom_object_field": shown})


def create_field(call: Call, key: str) -> Response:
    call.only_for_admins()
    custom_object = call.custom_object(key)
    data = call.part("custom_object_field", f"{WHERE}/fields/create")
    field = call.account.add_field(custom_object, data)
    return field_response(call, custom_object, field, 201)


def update_field(call: Call, key: str, field_key: str) -> Response:
    call.only_for_admins()
    custom_object = call.custom_object(key)
    field = find_field(custom_object, field_key)
    data = call.part("custom_object_field", f"{WHERE}/fields/update")
    if field.key == "standard::name":
        schema.change_name_rules(custom_object, data.get("properties") or {})
        custom_object.name_title = str(data.get("title") or custom_object.name_title)
    elif field.key in custom_object.fields:
        schema.change_field(field, data)
    call.account.journal.keep_object(custom_object)
    return field_response(call, custom_object, find_field(custom_object, field.key))


def delete_field(call: Call, key: str, field_key: str) -> Response:
    call.only_for_admins()
    custom_object = call.custom_object(key)
    field = find_field(custom_object, field_key)
    if field.key not in custom_object.fields:
        raise invalid_because("Standard fields can't be deleted")
    del custom_object.fields[field.key]
    call.account.journal.keep_object(custom_object)
    return no_content()


def reorder_fields(call: Call, key: str) -> Response:
    call.only_for_admins()
    custom_object = call.custom_object(key)
    order = call.body().get("custom_object_field_ids")
    if not isinstance(order, list):
        raise invalid_parameter(
            "custom_object_field_ids", "must be an array", f"{WHERE}/fields/reorder"
        )
    positions = {field_id: index for index, field_id in enumerate(order)}
    fields = sorted(
        custom_object.fields.values(),
        key=lambda field: positions.get(field.id, len(positions)),
    )
    for index, field in enumerate(fields):
        field.position = index
    custom_object.fields = {field.key: field for field in fields}
    call.account.journal.keep_object(custom_object)
    return json_response(200, "")


def object_limit(call: Call) -> Response:
    call.only_for_admins()
    return json_response(
        200, {"count": len(call.account.objects), "limit": OBJECT_LIMIT}
    )


def record_limit(call: Call) -> Response:
    total = sum(each.table.size for each in call.account.objects.values())
    return json_response(
        200, {"count": total, "limit": call.account.settings.max_records}
    )


def field_limit(call: Call, key: str) -> Response:
    count = len(call.custom_object(key).fields)
    return json_response(200, {"count": count, "limit": schema.MAX_FIELDS})


def policy(policy_id: str, role_name: str, *, allowed: bool) -> JsonObject:
    actions = {
        action: {"allowed": allowed, "rule_id": None}
        for action in ("create", "read", "update", "delete")
    }
    return {"id": policy_id, "role_name": role_name, "records": actions}


POLICIES = [
    policy("custom-role-1", "Agent", allowed=True),
    policy("end-user", "End user", allowed=False),
]


def policies(call: Call, key: str) -> Response:
    call.custom_object(key)
    return json_response(200, {"policies": POLICIES})


def show_policy(call: Call, key: str, policy_id: str) -> Response:
    call.custom_object(key)
    for each in POLICIES:
        if each["id"] == policy_id:
            return json_response(200, {"policy": each})
    raise not_found()


def access_rules(call: Call, key: str) -> Response:
    call.only_for_admins()
    call.custom_object(key)
    return json_response(200, {"access_rules": []})
