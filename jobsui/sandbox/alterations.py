"""Faults that store something else than an item says, although its result is a success."""

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from jobsui.sandbox.faults import Fault, Faults
from jobsui.sandbox.protocol import Json, JsonObject
from jobsui.sandbox.schema import CustomObject, Field
from jobsui.sandbox.table import Record
from jobsui.sandbox.values import is_blank

SUFFIX = " (altered)"


@dataclass(slots=True)
class Alterations:
    """What the faults `altered-values` and `dropped-values` did since the start."""

    faults: Faults
    made: list[JsonObject] = field(default_factory=list)

    def altered(
        self, custom_object: CustomObject, item: JsonObject
    ) -> tuple[JsonObject, JsonObject | None]:
        """The item that is applied instead of this one, and what is different in it; None
        when nothing is. At most one fault triggers."""
        for name in ("altered-values", "dropped-values"):
            fault = self.faults.set.get(name)
            if fault is None or not concerns(fault, item):
                continue
            keys = alterable_keys(custom_object, item, fault, name)
            if not keys or not self.faults.triggers(name):
                continue
            key = self.faults.random.choice(keys)
            values = dict(item["custom_object_fields"])
            sent = values.pop(key)
            if name == "altered-values":
                values[key] = other_value(custom_object.fields[key], sent)
            made = {"fault": name, "field": key, "sent": sent}
            return item | {"custom_object_fields": values}, made
        return item, None

    def note(
        self, custom_object: CustomObject, record: Record, made: JsonObject
    ) -> None:
        """Keep what was done to a record, with the value that it holds now."""
        values = json.loads(record.fields)
        entry = {
            "object": custom_object.key,
            "id": custom_object.table.id_of(record),
            "external_id": record.external_id,
            "stored": values.get(made["field"]),
        }
        self.made.append(entry | made)


def concerns(fault: Fault, item: JsonObject) -> bool:
    names = (item.get(member) for member in ("external_id", "id", "name"))
    return not fault.keys or any(name in fault.keys for name in names)


def alterable_keys(
    custom_object: CustomObject, item: JsonObject, fault: Fault, name: str
) -> list[str]:
    """The fields of an item that a fault can change without making the item invalid."""
    values = item.get("custom_object_fields")
    if not isinstance(values, dict):
        return []
    keys = values.keys() & {fault.field} if fault.field else values.keys()
    return sorted(
        key for key in keys if can_change(custom_object, key, values[key], name)
    )


def can_change(custom_object: CustomObject, key: str, value: Json, name: str) -> bool:
    each = custom_object.fields.get(key)
    if each is None or not each.active or each.is_rollup or is_blank(value):
        return False
    if name == "dropped-values":
        return not each.required
    try:
        return other_value(each, value) is not None
    except (ArithmeticError, TypeError, ValueError):
        # The item is invalid as it is.
        return False


def other_value(each: Field, value: Json) -> Json:
    """A valid value for the field that is not this one; None when there is none."""
    match each.type:
        case "text" | "textarea":
            return f"{value}{SUFFIX}"
        case "integer" | "decimal" | "currency":
            return one_more(value)
        case "checkbox":
            return not value
        case "date":
            next_day = date.fromisoformat(str(value)[:10]) + timedelta(days=1)
            return next_day.isoformat()
        case "dropdown":
            return next(iter(other_options(each, [value])), None)
        case "multiselect":
            return value[:-1] or other_options(each, value)[:1] or None
    return None


def one_more(value: Json) -> Json:
    amount = value.get("amount") if isinstance(value, dict) else value
    number = Decimal(str(amount)) + 1
    return int(number) if number == number.to_integral_value() else float(number)


def other_options(each: Field, chosen: list[Json]) -> list[str]:
    options = [option["value"] for option in each.options]
    return [option for option in options if option not in chosen]
