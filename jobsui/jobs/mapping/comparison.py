"""Whether a record holds what was sent: the product's one comparison of values."""

import itertools
import re
import unicodedata
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from enum import IntEnum, StrEnum

from jobsui.zendesk.payloads import Json, Record

REFERENCES = ("external_id:", "name:")
"""How a lookup may name its record. The field then holds the record's id."""
RECORD_ID = re.compile(r"[0-9]+|[0-9A-HJKMNP-TV-Z]{26}")
"""A number, or a ULID."""
MIDNIGHTS = ("T00:00:00+00:00", "T00:00:00Z", "T00:00:00.000Z")
ANY_TYPE = ""
"""The type of a field whose schema is not at hand: its values decide."""
NUMBERS = ("integer", "decimal", "currency")
REFERENCE_TYPES = ("lookup", "parent")
OPTION_LISTS = ("multiselect",)


class Likeness(IntEnum):
    """How much the value of a record is like the one that was sent, the least first."""

    DIFFERENT = 0
    UNKNOWN = 1
    """A lookup by another key: which record that is must be looked up first."""
    NORMALIZED = 2
    """Another value, but perhaps what the account made of this one: without spaces at the
    end, with other line ends, false for an empty checkbox (assumed)."""
    EQUAL = 3
    """The same value in another form: a number or its digits, a date with or without its
    midnight, options in another order, a currency with or without its code."""
    EXACT = 4
    """The same JSON."""


class Form(StrEnum):
    """How an account may store a value in another form than it was sent. The first four are
    other values, and equal only where a proof has shown that the account stores them so."""

    TRIMMED = "trimmed"
    LINE_ENDS = "line_ends"
    COMPOSED = "composed"
    UNCHECKED = "unchecked"
    """false for an empty checkbox"""
    BLANK = "blank"
    """null, or an empty text or list"""
    CURRENCY = "currency"
    """an amount with or without its code"""
    OPTIONS = "options"
    """in another order, or as a text"""
    NUMBER = "number"
    """with other digits, or as a text"""
    MIDNIGHT = "midnight"
    """a date with or without it"""
    JSON_TYPE = "json_type"
    """a value or its text"""


TEXT_FORMS = (Form.TRIMMED, Form.LINE_ENDS, Form.COMPOSED)


def likeness(
    sent: Json,
    held: Json,
    field_type: str = ANY_TYPE,
    stored_forms: Collection[str] = (),
) -> Likeness:
    """Of the value that a record holds. `field_type`: Zendesk's name of it. `stored_forms`:
    the forms that the account is known to give to values of the field; in these they are
    equal."""
    if type(sent) is type(held) and sent == held:
        return Likeness.EXACT
    if stored_forms and _is_in_form(sent, held, stored_forms):
        return Likeness.EQUAL
    sent = _amount(sent)
    held = _amount(held)
    if _is_blank(sent) and _is_blank(held):
        return Likeness.EQUAL
    if isinstance(sent, bool) or isinstance(held, bool):
        return _likeness_of_checkboxes(sent, held)
    if _is_blank(sent) or _is_blank(held):
        return Likeness.DIFFERENT
    return _likeness_of_values(sent, held, field_type)


def forms_of(sent: Json, held: Json) -> tuple[Form, ...]:
    """The fewest forms that explain why another value is held than the one that was sent; ()
    if none do, or if the values are the same."""
    if sent == held:
        return ()
    if _is_in_form(sent, held, [Form.UNCHECKED]):
        return (Form.UNCHECKED,)
    for number in range(1, len(TEXT_FORMS) + 1):
        for forms in itertools.combinations(TEXT_FORMS, number):
            if _is_in_form(sent, held, forms):
                return forms
    return ()


def equal_forms(sent: Json, held: Json, field_type: str = ANY_TYPE) -> tuple[Form, ...]:
    """The forms in which a record holds a value that is EQUAL to the one that was sent."""
    if _is_blank(sent) and _is_blank(held):
        return (Form.BLANK,)
    if forms := forms_of(sent, held):
        return forms
    if isinstance(sent, dict) or isinstance(held, dict):
        return (Form.CURRENCY,)
    if _are_options(sent, held, field_type):
        return (Form.OPTIONS,)
    is_checkbox = isinstance(sent, bool) or isinstance(held, bool)
    if not is_checkbox and _are_numbers(sent, held, field_type):
        return (Form.NUMBER,)
    is_text = str(sent).lower() == str(held).lower()
    return (Form.JSON_TYPE,) if is_text else (Form.MIDNIGHT,)


def _is_in_form(sent: Json, held: Json, forms: Collection[str]) -> bool:
    if held is False:
        return Form.UNCHECKED in forms and _is_blank(sent)
    stored = "" if held is None else held
    if not isinstance(sent, str) or not isinstance(stored, str):
        return False
    if Form.COMPOSED in forms:
        sent = unicodedata.normalize("NFC", sent)
    if Form.LINE_ENDS in forms:
        sent = _with_line_feeds(sent)
        stored = _with_line_feeds(stored)
    if Form.TRIMMED in forms:
        sent = sent.strip()
    return bool(sent == stored)


def holds(record: Record, item: Mapping[str, Json]) -> bool:
    """Whether the record may have the name and the fields of an item, as far as the account
    normalizes them and lookups are known. Fields that the item does not have may have any
    value."""
    name = item.get("name")
    if name and record.name != name:
        return False
    fields = item.get("custom_object_fields") or {}
    return all(
        likeness(value, record.fields.get(key)) is not Likeness.DIFFERENT
        for key, value in fields.items()
    )


def _amount(value: Json) -> Json:
    """A currency's amount without its code."""
    return value["amount"] if isinstance(value, dict) and "amount" in value else value


def _is_blank(value: Json) -> bool:
    return value is None or value == "" or value == []


def _likeness_of_checkboxes(sent: Json, held: Json) -> Likeness:
    if _is_checked(sent) != _is_checked(held):
        return Likeness.DIFFERENT
    # A checkbox that was never checked may have no value.
    is_empty = _is_blank(sent) or _is_blank(held)
    return Likeness.NORMALIZED if is_empty else Likeness.EQUAL


def _is_checked(value: Json) -> bool:
    return str(value).lower() == "true"


def _likeness_of_values(sent: Json, held: Json, field_type: str) -> Likeness:
    """Of two values that are not blank."""
    if _are_options(sent, held, field_type):
        return _equal(_options(sent) == _options(held))
    if _is_reference(sent, held, field_type):
        return Likeness.UNKNOWN
    if _are_numbers(sent, held, field_type):
        number = _number(sent)
        return _equal(number is not None and number == _number(held))
    return _likeness_of_texts(str(sent), str(held), field_type)


def _are_options(sent: Json, held: Json, field_type: str) -> bool:
    is_list = isinstance(sent, list) or isinstance(held, list)
    return is_list or field_type in OPTION_LISTS


def _options(value: Json) -> set[str]:
    options = value if isinstance(value, list) else str(value).split(",")
    return {str(option) for option in options}


def _is_reference(sent: Json, held: Json, field_type: str) -> bool:
    if field_type not in {ANY_TYPE, *REFERENCE_TYPES}:
        return False
    return str(sent).startswith(REFERENCES) and bool(RECORD_ID.fullmatch(str(held)))


def _are_numbers(sent: Json, held: Json, field_type: str) -> bool:
    if field_type != ANY_TYPE:
        return field_type in NUMBERS
    return isinstance(sent, int | float) or isinstance(held, int | float)


def _number(value: Json) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _likeness_of_texts(sent: str, held: str, field_type: str) -> Likeness:
    if sent == held:
        return Likeness.EQUAL
    if field_type in {ANY_TYPE, "date"} and _day(sent) == _day(held):
        return Likeness.EQUAL
    is_normalized = _normalized(sent) == _normalized(held)
    return Likeness.NORMALIZED if is_normalized else Likeness.DIFFERENT


def _day(text: str) -> str:
    """A date without its midnight. Another time of day stays."""
    for midnight in MIDNIGHTS:
        text = text.removesuffix(midnight)
    return text


def _normalized(text: str) -> str:
    return unicodedata.normalize("NFC", _with_line_feeds(text)).strip()


def _with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _equal(is_equal: bool) -> Likeness:
    return Likeness.EQUAL if is_equal else Likeness.DIFFERENT
