"""Records as answers show them."""

import json
from collections.abc import Iterable

from jobsui.sandbox import ids
from jobsui.sandbox.account import Account
from jobsui.sandbox.protocol import Json
from jobsui.sandbox.schema import ADMIN_ID, CustomObject, Field
from jobsui.sandbox.table import Record


def shown_record(
    account: Account, custom_object: CustomObject, record: Record, origin: str
) -> dict[str, Json]:
    record_id = custom_object.table.id_of(record)
    return {
        "id": record_id,
        "name": record.name,
        "external_id": record.external_id,
        "custom_object_key": custom_object.key,
        "custom_object_fields": shown_fields(account, custom_object, record, record_id),
        "photo": None,
        "created_at": ids.timestamp(record.created),
        "updated_at": ids.timestamp(record.updated),
        "created_by_user_id": ADMIN_ID,
        "updated_by_user_id": ADMIN_ID,
        "url": f"{origin}/api/v2/custom_objects/{custom_object.key}/records/{record_id}.json",
    }


def shown_fields(
    account: Account, custom_object: CustomObject, record: Record, record_id: str
) -> dict[str, Json]:
    values = json.loads(record.fields)
    shown: dict[str, Json] = {}
    for field in custom_object.fields.values():
        if not field.active:
            continue
        value = (
            rolled_up(account, field, record_id)
            if field.is_rollup
            else values.get(field.key)
        )
        if (
            value is not None
            and field.type == "date"
            and account.settings.dates_with_time
        ):
            value += "T00:00:00+00:00"
        shown[field.key] = value
    return shown


def rolled_up(account: Account, field: Field, record_id: str) -> Json:
    """What a roll-up field makes of the children of this record."""
    child = account.objects.get(
        str(field.properties.get("rollup_child_object")).removeprefix(
            "zen:custom_object:"
        )
    )
    rows = child.table.children.get(record_id, ()) if child else ()
    kind = field.properties["rollup_aggregation_type"]
    if kind == "COUNT" or child is None:
        return len(rows)
    values = list(
        child_values(child, rows, str(field.properties.get("rollup_aggregated_field")))
    )
    if kind == "SUM":
        return sum(values)
    return {"MIN": min, "MAX": max}[kind](values, default=None)


def child_values(child: CustomObject, rows: Iterable[int], key: str) -> Iterable[Json]:
    for row in rows:
        record = child.table.rows[row]
        value = json.loads(record.fields).get(key) if record else None
        if value is not None:
            yield value
