"""Whether a record holds what was sent: the product's one comparison of values."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from jobsui.zendesk.payloads import Json, Record

REFERENCES = ("external_id:", "name:")
"""How a lookup may name its record. The field then holds the record's id, which a
comparison cannot know."""
RECORD_ID = re.compile(r"[0-9]+|[0-9A-HJKMNP-TV-Z]{26}")
"""A number, or a ULID."""
MIDNIGHTS = ("T00:00:00+00:00", "T00:00:00Z", "T00:00:00.000Z")


def holds(record: Record, item: Mapping[str, Json]) -> bool:
    """Whether the record has the name and the fields of an item. Fields that the item
    does not have may have any value."""
    name = item.get("name")
    if name and record.name != name:
        return False
    fields = item.get("custom_object_fields") or {}
    return all(is_same(value, record.fields.get(key)) for key, value in fields.items())


def is_same(sent: Json, held: Json) -> bool:
    """Whether a value that was sent is the value that the record holds, whatever the
    form: a number or its digits, a date with or without its midnight, options in any
    order, a currency with or without its code, a lookup by another key
    (docs/zendesk.md)."""
    sent = _amount(sent)
    held = _amount(held)
    if isinstance(sent, bool) or isinstance(held, bool):
        # A checkbox that was never checked may have no value.
        return _is_checked(sent) == _is_checked(held)
    if _is_blank(sent) or _is_blank(held):
        return _is_blank(sent) and _is_blank(held)
    if isinstance(sent, list) or isinstance(held, list):
        return _options(sent) == _options(held)
    if str(sent).startswith(REFERENCES) and RECORD_ID.fullmatch(str(held)):
        return True
    if isinstance(sent, int | float) or isinstance(held, int | float):
        return _number(sent) is not None and _number(sent) == _number(held)
    return _text(str(sent)) == _text(str(held))


def _amount(value: Json) -> Json:
    """A currency's amount without its code."""
    return value["amount"] if isinstance(value, dict) and "amount" in value else value


def _is_checked(value: Json) -> bool:
    return str(value).lower() == "true"


def _is_blank(value: Json) -> bool:
    return value is None or value == "" or value == []


def _options(value: Json) -> list[str]:
    options = value if isinstance(value, list) else str(value).split(",")
    return sorted(str(option) for option in options)


def _number(value: Json) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _text(text: str) -> str:
    for midnight in MIDNIGHTS:
        text = text.removesuffix(midnight)
    return text.replace("\r\n", "\n").strip()
