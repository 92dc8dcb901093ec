"""Records in the form that responses show."""

import json
from collections.abc import Iterable

from jobsui.sandbox import ids
from jobsui.sandbox.account import Account
from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.protocol import Json, JsonObject
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.table import Record


def record_json(
    account: Account, custom_object: CustomObject, record: Record, origin: str
) -> JsonObject:
    record_id = custom_object.table.id_of(record)
    path = f"/api/v2/custom_objects/{custom_object.key}/records/{record_id}.json"
    return {
        "id": record_id,
        "name": record.name,
        "external_id": record.external_id,
        "custom_object_key": custom_object.key,
        "custom_object_fields": fields_json(account, custom_object, record, record_id),
        "photo": None,
        "created_at": ids.timestamp(record.created),
        "updated_at": ids.timestamp(record.updated),
        "created_by_user_id": record.created_by,
        "updated_by_user_id": record.updated_by,
        "url": f"{origin}{path}",
    }


def fields_json(
    account: Account, custom_object: CustomObject, record: Record, record_id: str
) -> JsonObject:
    values = json.loads(record.fields)
    shown: JsonObject = {}
    for field in custom_object.fields.values():
        if not field.active:
            continue
        if field.is_rollup:
            value = rolled_up(account, field, record_id)
        else:
            value = values.get(field.key)
        shown[field.key] = in_assumed_shape(field, value, account.assumptions)
    return shown


def in_assumed_shape(field: Field, value: Json, assumptions: Assumptions) -> Json:
    if value is None:
        is_unchecked = assumptions.empty_checkbox == "false"
        return False if field.type == "checkbox" and is_unchecked else None
    match field.type:
        case "date" if assumptions.date_shape == "time":
            return f"{value}T00:00:00+00:00"
        case "currency" if assumptions.currency_shape == "object":
            currencies = field.properties.get("allowed_currencies") or ["USD"]
            return {"amount": value, "currency": currencies[0]}
        case "currency" if assumptions.currency_shape == "string":
            return str(value)
        case "integer" | "decimal" if assumptions.number_shape == "string":
            return str(value)
    return value


def rolled_up(account: Account, field: Field, record_id: str) -> Json:
    """The value of a roll-up field: an aggregate over the children of this record."""
    target = str(field.properties.get("rollup_child_object"))
    child = account.objects.get(target.removeprefix("zen:custom_object:"))
    rows = child.table.children.get(record_id, ()) if child else ()
    aggregation = field.properties["rollup_aggregation_type"]
    if aggregation == "COUNT" or child is None:
        return len(rows)
    key = str(field.properties.get("rollup_aggregated_field"))
    values = list(child_values(child, rows, key))
    if aggregation == "SUM":
        return sum(values)
    return {"MIN": min, "MAX": max}[aggregation](values, default=None)


def child_values(child: CustomObject, rows: Iterable[int], key: str) -> Iterable[Json]:
    for row in rows:
        record = child.table.rows[row]
        value = json.loads(record.fields).get(key) if record else None
        if value is not None:
            yield value
