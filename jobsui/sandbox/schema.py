"""Custom objects and their fields, as an administrator defines them."""

import re
import time
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from jobsui.sandbox import ids
from jobsui.sandbox.errors import invalid_because
from jobsui.sandbox.protocol import Json, JsonObject
from jobsui.sandbox.table import Table

TYPES = {
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
}
CHOICES = {"dropdown", "multiselect"}
REFERENCES = {"lookup", "parent"}
KEY = re.compile(r"[a-z0-9_]{1,80}", re.IGNORECASE)
MAX_FIELDS = 100
MAX_PREFIX = 30
MAX_PADDING = 9
NAME_RULES: JsonObject = {
    "autoincrement_enabled": False,
    "autoincrement_prefix": "",
    "autoincrement_padding": 0,
    "autoincrement_next_sequence": 1,
    "is_unique": False,
}


@dataclass(slots=True)
class Field:
    id: int
    key: str
    type: str
    title: str
    description: str = ""
    required: bool = False
    active: bool = True
    position: int = 0
    regexp: str | None = None
    tag: str | None = None
    options: list[JsonObject] = dataclass_field(default_factory=list)
    option_values: frozenset[str] = frozenset()
    target: str = ""
    filter: Json = None
    properties: JsonObject = dataclass_field(default_factory=dict)
    created: int = 0
    updated: int = 0

    @property
    def is_rollup(self) -> bool:
        return "rollup_aggregation_type" in self.properties

    @property
    def target_object(self) -> str:
        """The key of the custom object a reference points at, or "" for another kind
        of target, such as a user."""
        prefix = "zen:custom_object:"
        if not self.target.startswith(prefix):
            return ""
        return self.target.removeprefix(prefix)


@dataclass(slots=True)
class CustomObject:
    key: str
    number: int
    title: str
    title_pluralized: str
    description: str = ""
    include_in_list_view: bool = True
    allows_photos: bool = False
    allows_attachments: bool = False
    created: int = 0
    updated: int = 0
    name_rules: JsonObject = dataclass_field(default_factory=lambda: dict(NAME_RULES))
    name_title: str = "Name"
    fields: dict[str, Field] = dataclass_field(default_factory=dict)
    table: Table = dataclass_field(default_factory=lambda: Table(0))

    @property
    def autonumbered(self) -> bool:
        return bool(self.name_rules["autoincrement_enabled"])

    @property
    def names_are_unique(self) -> bool:
        return bool(self.name_rules["is_unique"])

    def parent_fields(self) -> list[Field]:
        return [field for field in self.fields.values() if field.type == "parent"]

    def next_name(self) -> str:
        """Take the next number of an autonumbered name."""
        rules = self.name_rules
        number = rules["autoincrement_next_sequence"]
        rules["autoincrement_next_sequence"] = number + 1
        digits = str(number).zfill(rules["autoincrement_padding"])
        return f"{rules['autoincrement_prefix']}{digits}"


def now() -> int:
    """The time in milliseconds."""
    return int(time.time() * 1000)


def new_object(data: JsonObject, number: int) -> CustomObject:
    """An object without fields, from the body of a request. Raises Refused."""
    key = checked_key(data)
    title = data.get("title")
    if not isinstance(title, str) or not title.strip():
        raise invalid_because("Title: cannot be blank")
    custom_object = CustomObject(
        key=key,
        number=number,
        title=title,
        title_pluralized=str(data.get("title_pluralized") or f"{title}s"),
        created=now(),
        table=Table(number),
    )
    change_object(custom_object, data)
    return custom_object


def checked_key(data: JsonObject) -> str:
    key = data.get("key")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise invalid_because("Key: may only have letters, digits and underscores")
    return key


def change_object(custom_object: CustomObject, data: JsonObject) -> None:
    for name in ("title", "title_pluralized", "description"):
        if data.get(name) is not None:
            setattr(custom_object, name, str(data[name]))
    for name in ("include_in_list_view", "allows_photos", "allows_attachments"):
        if data.get(name) is not None:
            setattr(custom_object, name, bool(data[name]))
    custom_object.updated = now()


def change_name_rules(custom_object: CustomObject, properties: JsonObject) -> None:
    """Set autonumbering and uniqueness of the name. Raises Refused.

    Uniqueness cannot change once the object has records.
    """
    known = {name: value for name, value in properties.items() if name in NAME_RULES}
    rules = custom_object.name_rules | known
    check_name_rules(rules)
    table = custom_object.table
    changes_uniqueness = rules["is_unique"] != custom_object.name_rules["is_unique"]
    if table.size and changes_uniqueness:
        raise invalid_because(
            "Uniqueness of the name can't be changed once there are records"
        )
    custom_object.name_rules = rules
    if not table.size:
        table.by_name = {} if rules["is_unique"] else None


def check_name_rules(rules: JsonObject) -> None:
    if rules["autoincrement_enabled"] and rules["is_unique"]:
        raise invalid_because("Autonumbering and uniqueness can't be used together")
    prefix = str(rules["autoincrement_prefix"])
    padding = rules["autoincrement_padding"]
    if len(prefix) > MAX_PREFIX or padding not in range(MAX_PADDING + 1):
        raise invalid_because(
            f"The prefix takes up to {MAX_PREFIX} characters, "
            f"the padding 0 to {MAX_PADDING} digits"
        )
    next_number = rules["autoincrement_next_sequence"]
    if not isinstance(next_number, int) or next_number < 0:
        raise invalid_because("The next number can't be negative")


def new_field(custom_object: CustomObject, data: JsonObject, field_id: int) -> Field:
    """A field from the body of a request, not added to the object yet.

    Raises Refused.
    """
    key = checked_key(data)
    kind = data.get("type") or "text"
    if key in custom_object.fields:
        raise invalid_because(f"Key: {key} has already been taken")
    if kind not in TYPES:
        raise invalid_because(f"Type: {kind} is not included in the list")
    if len(custom_object.fields) >= MAX_FIELDS:
        raise invalid_because(f"An object can have up to {MAX_FIELDS} fields")
    field = Field(
        id=field_id,
        key=key,
        type=kind,
        title=str(data.get("title") or key),
        target=str(data.get("relationship_target_type") or ""),
        created=now(),
        position=len(custom_object.fields),
    )
    change_field(field, data)
    check_definition(custom_object, field)
    return field


def change_field(field: Field, data: JsonObject) -> None:
    for name in ("title", "description", "required", "active"):
        if data.get(name) is not None:
            setattr(field, name, data[name])
    field.regexp = data.get("regexp_for_validation", field.regexp)
    field.tag = data.get("tag", field.tag)
    field.filter = data.get("relationship_filter", field.filter)
    field.properties = field.properties | (data.get("properties") or {})
    options = data.get("custom_field_options")
    if options is not None:
        field.options = [
            new_option(field, index, option) for index, option in enumerate(options)
        ]
        field.option_values = frozenset(option["value"] for option in field.options)
    if field.type == "parent":
        field.required = True
    field.updated = now()


def new_option(field: Field, index: int, option: JsonObject) -> JsonObject:
    name = str(option.get("name") or option.get("value"))
    value = str(option.get("value") or option.get("name"))
    return {
        "id": option.get("id") or field.id * 1000 + index,
        "name": name,
        "raw_name": name,
        "value": value,
    }


def check_definition(custom_object: CustomObject, field: Field) -> None:
    if field.type in CHOICES and not field.options:
        raise invalid_because(f"{field.title}: at least one option is needed")
    if field.type in REFERENCES and not field.target:
        raise invalid_because(f"{field.title}: relationship_target_type is needed")
    if field.type == "regexp":
        check_regexp(field)
    if field.type == "currency":
        check_currency(field)
    if field.type == "parent" and custom_object.table.size:
        raise invalid_because(
            f"{field.title}: a parent field can't be added once there are records"
        )


def check_currency(field: Field) -> None:
    currencies = field.properties.get("allowed_currencies") or ()
    if len(currencies) != 1:
        raise invalid_because(
            f"{field.title}: allowed_currencies takes exactly one currency"
        )


def check_regexp(field: Field) -> None:
    try:
        re.compile(field.regexp or "")
    except re.error as problem:
        raise invalid_because(
            f"{field.title}: the regular expression is invalid: {problem}"
        ) from None
    if not field.regexp:
        raise invalid_because(f"{field.title}: regexp_for_validation is needed")


def object_json(custom_object: CustomObject, origin: str) -> JsonObject:
    return {
        "key": custom_object.key,
        "title": custom_object.title,
        "raw_title": custom_object.title,
        "title_pluralized": custom_object.title_pluralized,
        "raw_title_pluralized": custom_object.title_pluralized,
        "description": custom_object.description,
        "raw_description": custom_object.description,
        "include_in_list_view": custom_object.include_in_list_view,
        "allows_photos": custom_object.allows_photos,
        "allows_attachments": custom_object.allows_attachments,
        "created_at": ids.timestamp(custom_object.created),
        "updated_at": ids.timestamp(custom_object.updated),
        "created_by_user_id": ids.ADMIN_ID,
        "updated_by_user_id": ids.ADMIN_ID,
        "url": f"{origin}/api/v2/custom_objects/{custom_object.key}.json",
    }


def standard_fields(custom_object: CustomObject) -> list[Field]:
    """The two fields every object has. The name's properties hold its rules."""
    base = first_field_id(custom_object)
    name = Field(
        id=base + 1,
        key="standard::name",
        type="text",
        title=custom_object.name_title,
        required=True,
        properties=custom_object.name_rules,
    )
    external_id = Field(
        id=base + 2,
        key="standard::external_id",
        type="text",
        title="External ID",
        position=1,
    )
    for field in (name, external_id):
        field.created = custom_object.created
        field.updated = custom_object.updated
    return [name, external_id]


def first_field_id(custom_object: CustomObject) -> int:
    """The start of the ids of an object's fields. The two standard fields come first."""
    return custom_object.number * 10_000_000


def field_json(custom_object: CustomObject, field: Field, origin: str) -> JsonObject:
    shown: dict[str, Any] = {
        "id": field.id,
        "key": field.key,
        "type": field.type,
        "title": field.title,
        "raw_title": field.title,
        "description": field.description,
        "raw_description": field.description,
        "active": field.active,
        "required": field.required,
        "system": False,
        "readonly": field.is_rollup,
        "position": field.position,
        "regexp_for_validation": field.regexp,
        "created_at": ids.timestamp(field.created),
        "updated_at": ids.timestamp(field.updated),
        "url": f"{origin}/api/v2/custom_objects/{custom_object.key}/fields/{field.id}.json",
    }
    return shown | particulars(field)


def particulars(field: Field) -> JsonObject:
    """The members that only some types have."""
    shown: JsonObject = {}
    if field.properties:
        shown["properties"] = field.properties
    if field.type in CHOICES:
        shown["custom_field_options"] = field.options
    if field.type == "checkbox":
        shown["tag"] = field.tag
    if field.type in REFERENCES:
        shown["relationship_target_type"] = field.target
        shown["relationship_filter"] = field.filter or {"all": [], "any": []}
    return shown
