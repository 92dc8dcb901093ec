"""Members of a request that are dropped without an error, and the header that says
so."""

import json
from collections.abc import Iterable

from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.protocol import Json, JsonObject
from jobsui.sandbox.schema import CustomObject

PERMITTED = {"id", "external_id", "name", "custom_object_fields", "photo"}
STANDARD_KEYS = {"name", "external_id"}
"""Stock clients repeat these among the field values."""
HEADER = "X-Zendesk-API-Warn"


def is_dropped(custom_object: CustomObject, key: str, assumptions: Assumptions) -> bool:
    """Whether the value of this field is dropped instead of written or refused."""
    field = custom_object.fields.get(key)
    if field and field.active:
        return field.is_rollup and assumptions.read_only_value == "dropped"
    if key in STANDARD_KEYS and assumptions.standard_keys_in_fields == "ignored":
        return True
    return assumptions.unknown_field == "dropped"


def warning(
    custom_object: CustomObject, items: Iterable[Json], assumptions: Assumptions
) -> dict[str, str]:
    """The header that names the members of these items that are dropped; {} when there
    are none."""
    dropped: set[str] = set()
    usual = frozenset(
        key
        for key, field in custom_object.fields.items()
        if field.active and not field.is_rollup
    )
    for item in items:
        if isinstance(item, dict):
            dropped |= dropped_members(custom_object, item, usual, assumptions)
    if not dropped:
        return {}
    keys = json.dumps(sorted(dropped))
    text = f"Removed restricted keys {keys} from parameters according to whitelist"
    return {HEADER: text}


def dropped_members(
    custom_object: CustomObject,
    item: JsonObject,
    usual: frozenset[str],
    assumptions: Assumptions,
) -> set[str]:
    """`usual`: keys of fields that are never dropped."""
    dropped = item.keys() - PERMITTED
    if custom_object.autonumbered and assumptions.autonumbered_name == "ignored":
        dropped |= item.keys() & {"name"}
    values = item.get("custom_object_fields")
    if not isinstance(values, dict):
        return dropped
    unusual = values.keys() - usual
    fields = {key for key in unusual if is_dropped(custom_object, key, assumptions)}
    return dropped | {f"custom_object_fields.{key}" for key in fields}
