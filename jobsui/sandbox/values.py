"""Checks values by the type of their field, and turns them into the stored form."""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache

from jobsui.sandbox.assumptions import Assumptions
from jobsui.sandbox.protocol import Json
from jobsui.sandbox.schema import Field


class Invalid(Exception):
    """A value that its field does not accept. The message follows the field's title."""


class Unchanged(Exception):
    """A value that is ignored without an error."""


DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T|$)", re.ASCII)

type Find = Callable[[Field, str], str | None]
"""The id of the record that a reference names; None when there is no such record."""


def is_blank(value: Json) -> bool:
    return value is None or value == "" or value == []


def stored_value(
    field: Field, value: Json, find: Find, assumptions: Assumptions
) -> Json:
    """The value to store; None for a blank one. Raises Invalid and Unchanged."""
    if field.is_rollup:
        raise Invalid("is read-only")
    if is_blank(value):
        check_blank(value, assumptions)
        return None
    if field.type in {"lookup", "parent"}:
        return reference(field, value, find)
    if field.type in {"text", "textarea", "regexp"}:
        return text(field, value, assumptions)
    if field.type in {"dropdown", "multiselect"}:
        return chosen(field, value, assumptions)
    return CHECKS[field.type](field, value)


def check_blank(value: Json, assumptions: Assumptions) -> None:
    """Raises Invalid or Unchanged unless the value empties its field."""
    effect = assumptions.null_value if value is None else assumptions.blank_text
    if effect == "ignored":
        raise Unchanged
    if effect == "item":
        raise Invalid("cannot be blank")


def text(field: Field, value: Json, assumptions: Assumptions) -> str | None:
    """None for a text that is blank once it is trimmed."""
    if not isinstance(value, str):
        raise Invalid("must be a string")
    stored = in_assumed_form(value, assumptions)
    if not stored:
        return None
    limit = assumptions.text_limit
    if limit and text_size(stored, assumptions) > limit:
        raise Invalid(f"is too long (maximum is {limit:.0f} {assumptions.length_unit})")
    if field.type == "regexp":
        check_pattern(field, stored, assumptions)
    return stored


def in_assumed_form(value: str, assumptions: Assumptions) -> str:
    if assumptions.text_spaces == "trimmed":
        value = value.strip()
    match assumptions.text_form:
        case "composed":
            return unicodedata.normalize("NFC", value)
        case "line-feeds":
            return value.replace("\r\n", "\n")
    return value


def text_size(value: str, assumptions: Assumptions) -> int:
    is_in_bytes = assumptions.length_unit == "bytes"
    return len(value.encode()) if is_in_bytes else len(value)


def check_pattern(field: Field, value: str, assumptions: Assumptions) -> None:
    regexp = pattern(field.regexp or "")
    is_full = assumptions.pattern_match == "full"
    match = regexp.fullmatch(value) if is_full else regexp.search(value)
    if not match:
        raise Invalid("is invalid")


@cache
def pattern(regexp: str) -> re.Pattern[str]:
    return re.compile(regexp)


def integer(_field: Field, value: Json) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value, re.ASCII):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid("must be an integer")
    return value


def decimal(_field: Field, value: Json) -> Json:
    if isinstance(value, str):
        value = parse_number(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise Invalid("must be a number")
    return value


def parse_number(value: str) -> int | float:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Invalid("must be a number") from None
    is_integer = re.fullmatch(r"-?\d+", value, re.ASCII)
    return int(number) if is_integer else float(number)


def checkbox(_field: Field, value: Json) -> bool:
    if not isinstance(value, bool):
        raise Invalid("must be true or false")
    return value


def day(_field: Field, value: Json) -> str:
    """A date. A time after it is accepted and dropped."""
    if not isinstance(value, str) or not DATE.match(value):
        raise Invalid("must be a date in the form YYYY-MM-DD")
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        raise Invalid(f"{value} is not a date") from None


def currency(field: Field, value: Json) -> Json:
    """An amount, alone or with the code of its currency."""
    if isinstance(value, dict):
        value = value.get("amount")
    return decimal(field, value)


def chosen(field: Field, value: Json, assumptions: Assumptions) -> Json:
    """The options of a dropdown or multiselect."""
    if assumptions.unknown_option == "vanishes":
        value = without_unknown(field, value)
    if field.type == "dropdown":
        return choice(field, value)
    options = choices(field, value)
    if assumptions.multiselect_order == "sent":
        return options
    return [each["value"] for each in field.options if each["value"] in options]


def without_unknown(field: Field, value: Json) -> Json:
    """Raises Unchanged when no known option is left."""
    if isinstance(value, list):
        return [each for each in value if each in field.option_values]
    if value not in field.option_values:
        raise Unchanged
    return value


def choice(field: Field, value: Json) -> str:
    if not isinstance(value, str) or value not in field.option_values:
        raise Invalid(f"{value} is not an option")
    return value


def choices(field: Field, value: Json) -> list[str]:
    if not isinstance(value, list):
        raise Invalid("must be an array of option values")
    return list(dict.fromkeys(choice(field, each) for each in value))


def reference(field: Field, value: Json, find: Find) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Invalid("must be an id")
    found = find(field, value)
    if found is None:
        raise Invalid(f"{value} does not exist")
    return found


CHECKS: dict[str, Callable[[Field, Json], Json]] = {
    "integer": integer,
    "decimal": decimal,
    "currency": currency,
    "checkbox": checkbox,
    "date": day,
}
