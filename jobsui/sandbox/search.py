"""Searches records: the filter language, and words in text fields."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime

from jobsui.sandbox.errors import invalid_parameter
from jobsui.sandbox.protocol import Json, JsonObject
from jobsui.sandbox.schema import CustomObject
from jobsui.sandbox.table import Record

WHERE = "api/v2/custom_objects/records/filtered_search"
TEXT_OPERATORS = {"$eq", "$noteq", "$contains", "$notcontains", "$exists"}
ORDER_OPERATORS = {"$eq", "$noteq", "$gt", "$gte", "$lt", "$lte", "$exists"}
OPERATORS = {
    "checkbox": {"$eq"},
    "date": ORDER_OPERATORS,
    "integer": ORDER_OPERATORS | {"$in", "$notin"},
    "decimal": ORDER_OPERATORS | {"$in", "$notin"},
    "currency": ORDER_OPERATORS | {"$in", "$notin"},
    "text": TEXT_OPERATORS,
    "textarea": TEXT_OPERATORS,
    "regexp": TEXT_OPERATORS,
    "dropdown": TEXT_OPERATORS,
    "multiselect": TEXT_OPERATORS | {"$in", "$notin"},
    "lookup": {"$eq", "$noteq", "$exists"},
    "parent": {"$eq", "$noteq", "$exists"},
}
STANDARD_OPERATORS = {
    "created_at": ORDER_OPERATORS - {"$exists"},
    "updated_at": ORDER_OPERATORS - {"$exists"},
    "external_id": {"$eq"},
    "created_by_user": {"$eq"},
    "updated_by_user": {"$eq"},
    "name": {"$eq", "$contains"},
}
NUMBERS = {"integer", "decimal", "currency"}

type Values = JsonObject
type Test = Callable[[Record, Values], bool]
"""Whether a record, with its decoded field values, matches."""


def filtered(custom_object: CustomObject, wanted: Json) -> Iterator[Record]:
    """The records that match a filter, oldest first. Raises Refused for an invalid
    filter."""
    test = compiled(custom_object, wanted)
    records = candidates(custom_object, wanted)
    return (record for record in records if test(record, json.loads(record.fields)))


def candidates(custom_object: CustomObject, wanted: Json) -> Iterator[Record]:
    """All records, or only the record of an external id, which makes that search
    cheap."""
    by_external_id = wanted.get("external_id")
    if isinstance(by_external_id, dict):
        external_id = by_external_id.get("$eq")
        if isinstance(external_id, str):
            record = custom_object.table.with_external_id(external_id)
            return iter([record] if record else [])
    return custom_object.table.alive()


def compiled(custom_object: CustomObject, wanted: Json) -> Test:
    """The test that all conditions of a filter object hold."""
    if not isinstance(wanted, dict):
        raise invalid_parameter("filter", "must be an object", WHERE)
    tests = [condition(custom_object, name, value) for name, value in wanted.items()]
    return lambda record, values: all(test(record, values) for test in tests)


def condition(custom_object: CustomObject, name: str, value: Json) -> Test:
    if name in {"$and", "$or"}:
        if not isinstance(value, list):
            raise invalid_parameter(f"filter.{name}", "must be an array", WHERE)
        tests = [compiled(custom_object, each) for each in value]
        join = all if name == "$and" else any
        return lambda record, values: join(test(record, values) for test in tests)
    if not isinstance(value, dict) or not value:
        raise invalid_parameter(
            f"filter.{name}", "must be an object with an operator", WHERE
        )
    kind, read = attribute(custom_object, name)
    comparisons = [
        comparison(name, kind, operator, operand) for operator, operand in value.items()
    ]

    def holds(record: Record, values: Values) -> bool:
        present = read(record, values)
        return all(compare(present) for compare in comparisons)

    return holds


def attribute(
    custom_object: CustomObject, name: str
) -> tuple[str, Callable[[Record, Values], Json]]:
    """The kind of an attribute, and a function that reads it from a record."""
    standard: dict[str, Callable[[Record, Values], Json]] = {
        "created_at": lambda record, _: record.created // 1000,
        "updated_at": lambda record, _: record.updated // 1000,
        "external_id": lambda record, _: record.external_id,
        "created_by_user": lambda record, _: record.created_by,
        "updated_by_user": lambda record, _: record.updated_by,
        "name": lambda record, _: record.name,
    }
    if name in standard:
        return name, standard[name]
    key = name.removeprefix("custom_object_fields.")
    field = custom_object.fields.get(key)
    if key == name or field is None:
        raise invalid_parameter(
            f"filter.{name}", "is not an attribute of the object", WHERE
        )
    return field.type, lambda _, values: values.get(key)


def comparison(
    name: str, kind: str, operator: str, operand: Json
) -> Callable[[Json], bool]:
    allowed = STANDARD_OPERATORS.get(kind) or OPERATORS[kind]
    if operator not in allowed:
        raise invalid_parameter(
            f"filter.{name}", f"does not take the operator {operator}", WHERE
        )
    if operator in {"$in", "$notin"}:
        return membership(name, kind, operator, operand)
    if operator == "$exists":
        exists = operand not in (False, "false")
        return lambda value: (value is not None) == exists
    return TESTS[operator](comparable(name, kind, operand))


def membership(
    name: str, kind: str, operator: str, operand: Json
) -> Callable[[Json], bool]:
    if not isinstance(operand, list):
        raise invalid_parameter(f"filter.{name}.{operator}", "must be an array", WHERE)
    members = [comparable(name, kind, each) for each in operand]

    def is_member(value: Json) -> bool:
        return any(same(value, each) for each in members)

    return is_member if operator == "$in" else lambda value: not is_member(value)


def comparable(name: str, kind: str, operand: Json) -> Json:
    """The operand in the form the record's value has."""
    try:
        if kind in {"created_at", "updated_at"}:
            return datetime.fromisoformat(operand).timestamp()
        if kind in NUMBERS and isinstance(operand, str):
            return float(operand)
        if kind == "date":
            return str(operand)[:10]
        if kind == "checkbox":
            return operand in (True, "true")
    except (TypeError, ValueError):
        raise invalid_parameter(
            f"filter.{name}", "has an invalid value", WHERE
        ) from None
    return operand if kind in NUMBERS else str(operand)


def same(value: Json, operand: Json) -> bool:
    """A multiselect equals each of its options. A checkbox without a value is false."""
    if isinstance(value, list):
        return operand in value
    if isinstance(operand, bool):
        return bool(value) == operand
    return bool(value == operand)


def contains(value: Json, operand: Json) -> bool:
    if isinstance(value, list):
        return operand in value
    return value is not None and str(operand).lower() in str(value).lower()


TESTS: dict[str, Callable[[Json], Callable[[Json], bool]]] = {
    "$eq": lambda operand: lambda value: same(value, operand),
    "$noteq": lambda operand: lambda value: not same(value, operand),
    "$contains": lambda operand: lambda value: contains(value, operand),
    "$notcontains": lambda operand: lambda value: not contains(value, operand),
    "$gt": lambda operand: lambda value: value is not None and value > operand,
    "$gte": lambda operand: lambda value: value is not None and value >= operand,
    "$lt": lambda operand: lambda value: value is not None and value < operand,
    "$lte": lambda operand: lambda value: value is not None and value <= operand,
}


def with_words(custom_object: CustomObject, query: str) -> Iterator[Record]:
    """Records with a word, in name or text fields, that starts with a word of the
    query."""
    words = re.findall(r"\w+", query.lower())
    if not words:
        return custom_object.table.alive()
    begins = re.compile("|".join(rf"\b{re.escape(word)}" for word in words))
    keys = [
        field.key
        for field in custom_object.fields.values()
        if field.type in {"text", "textarea", "regexp"}
    ]
    return (
        record
        for record in custom_object.table.alive()
        if begins.search(text_of(record, keys))
    )


def text_of(record: Record, keys: list[str]) -> str:
    values = json.loads(record.fields)
    texts = [record.name, record.external_id or ""]
    texts += [values.get(key) or "" for key in keys]
    return " ".join(texts).lower()


def named(custom_object: CustomObject, part: str) -> Iterator[Record]:
    """Records whose name contains this part."""
    part = part.lower()
    records = custom_object.table.alive()
    return (record for record in records if part in record.name.lower())
