"""Compares the item of a row with the live record: what would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobsui.jobs.enums import Action, Verdict
from jobsui.jobs.mapping.comparison import Likeness, likeness
from jobsui.zendesk.payloads import Json, Record, Schema

FIELDS = "custom_object_fields"
MEMBERS = ("name", "external_id")
LABELS = {"name": "Name", "external_id": "External ID"}


@dataclass(frozen=True, slots=True)
class Image:
    """What a record held before it was changed or deleted."""

    record_id: str
    updated_at: str
    updated_by: str
    """ID of the user who changed it last; "" if Zendesk does not say."""
    old: Mapping[str, Json]
    """The values that would change, by member ("name", "external_id") or by
    "custom_object_fields.KEY"; of a record that would be deleted all of them."""


@dataclass(frozen=True, slots=True)
class Compared:
    verdict: Verdict
    record_id: str = ""
    """"" if there is no record, or several."""
    image: Image | None = None
    """What the record held, for CHANGE and DELETE."""
    changed: Sequence[str] = ()
    """The names of the values that change."""
    blanks: Sequence[str] = ()
    """The names of the values that become blank."""


def compared(
    item: Json,
    action: Action,
    schema: Schema,
    records: Sequence[Record],
    *,
    is_unknown: bool,
) -> Compared:
    """What an item would do. `records`: all with its key. `is_unknown`: there may be a record
    that could not be found."""
    if len(records) > 1:
        return Compared(Verdict.AMBIGUOUS)
    if not records:
        return Compared(_without_record(action, is_unknown=is_unknown))
    [record] = records
    if action.deletes:
        return Compared(Verdict.DELETE, record.id, image_of(record))
    changes = _changes(item, action, schema, record)
    if not changes:
        return Compared(Verdict.SAME, record.id)
    old = {name: held(record, name) for name in changes}
    blanks = [name for name, value in changes.items() if value in (None, "", [])]
    image = _image(record, old)
    return Compared(Verdict.CHANGE, record.id, image, list(changes), blanks)


def key_of(item: Json, action: Action) -> str:
    """The key by which an item finds its record."""
    return str(item if action.deletes else item[action.key])


def values_of(item: Json) -> dict[str, Json]:
    """{name as in an Image: value} of the values that an item sets."""
    if not isinstance(item, Mapping):
        return {}
    fields = {
        f"{FIELDS}.{key}": value for key, value in (item.get(FIELDS) or {}).items()
    }
    return {name: item[name] for name in MEMBERS if item.get(name)} | fields


def held(record: Record, name: str) -> Json:
    """The value that a record holds under this name."""
    if name in MEMBERS:
        return getattr(record, name)
    return record.fields.get(name.removeprefix(f"{FIELDS}."))


def likeness_of(name: str, sent: Json, now: Json, schema: Schema) -> Likeness:
    """How alike two values of this name are."""
    key = name.removeprefix(f"{FIELDS}.")
    return likeness(sent, now, schema.type_of(key), schema.stored_forms.get(key, ()))


def is_equal(name: str, one: Json, other: Json, schema: Schema) -> bool:
    if type(one) is type(other) and one == other:
        return True
    return likeness_of(name, one, other, schema) >= Likeness.EQUAL


def image_of(record: Record) -> Image:
    """An image of all values that a record holds."""
    return _image(record, _all_values(record))


def label_of(name: str, schema: Schema) -> str:
    """The name of a value as people know it."""
    if name in MEMBERS:
        return LABELS[name]
    key = name.removeprefix(f"{FIELDS}.")
    known = schema.field(key)
    return (known.title if known else "") or key


def _without_record(action: Action, *, is_unknown: bool) -> Verdict:
    if is_unknown:
        return Verdict.UNKNOWN
    return Verdict.CREATE if action.is_upsert else Verdict.MISSING


def _changes(
    item: Mapping[str, Json], action: Action, schema: Schema, record: Record
) -> dict[str, Json]:
    """The values of the item that the record does not hold."""
    changes: dict[str, Json] = {}
    for name in MEMBERS:
        value = item.get(name)
        if value and name != action.key and value != getattr(record, name):
            changes[name] = value
    fields = record.fields
    for key, value in (item.get(FIELDS) or {}).items():
        now = fields.get(key)
        if value == now and type(value) is type(now):
            continue
        name = f"{FIELDS}.{key}"
        if likeness_of(name, value, now, schema) < Likeness.EQUAL:
            changes[name] = value
    return changes


def _all_values(record: Record) -> dict[str, Json]:
    fields = {f"{FIELDS}.{key}": value for key, value in record.fields.items()}
    return {"name": record.name, "external_id": record.external_id} | fields


def _image(record: Record, old: Mapping[str, Json]) -> Image:
    return Image(record.id, record.updated_at, record.updated_by, old)
