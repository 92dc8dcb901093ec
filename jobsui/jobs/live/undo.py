"""What can be put back of a row: from what its record held before, what the job wrote, and
what the record holds now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobsui.jobs.enums import Action, Outcome, Verdict
from jobsui.jobs.live.claims import Claims
from jobsui.jobs.live.proof import has_changed_since
from jobsui.jobs.mapping.comparison import Likeness, likeness
from jobsui.jobs.records.compare import FIELDS, MEMBERS, Image
from jobsui.zendesk.payloads import Json, Record, Schema

NO_IMAGE = "What the record held before was not kept."
NOT_KNOWN_IF_NEW = "Zendesk did not say whether the job created this record."
GONE = "The record has been deleted since."
TAKEN = "Another record has this external ID now."
FILLED_SINCE = "Somebody has filled other fields of the record since."


@dataclass(frozen=True, slots=True)
class Done:
    """What a job did with one row."""

    action: Action
    outcome: Outcome
    record_id: str
    item: Any
    at: str
    """When its batch got its last result, ISO 8601."""
    image: Image | None
    """What the record held before."""


@dataclass(frozen=True, slots=True)
class Undo:
    """What an undo does with a row."""

    verdict: Verdict
    item: Json = None
    """Of CHANGE, CREATE and DELETE: what is sent."""
    image: Image | None = None
    """Of these: what the record holds now."""
    note: str = ""
    """What is kept and why, or why nothing can be undone."""


def undone(
    done: Done,
    schema: Schema,
    record: Record | None,
    claims: Claims,
    *,
    is_taken: bool,
) -> Undo:
    """`record`: the one with the row's ID now. `is_taken`: another record has the external ID
    of a deleted one."""
    match done.outcome:
        case Outcome.CREATED:
            return _created(done, schema, record, claims)
        case Outcome.DELETED:
            return _deleted(done, record, is_taken=is_taken)
        case Outcome.UPDATED if done.image is not None:
            return _updated(done, done.image, schema, record, claims)
        case Outcome.CREATED_OR_UPDATED if done.image is None:
            return Undo(Verdict.IMPOSSIBLE, note=f"{NOT_KNOWN_IF_NEW} {NO_IMAGE}")
        case Outcome.UNCHANGED:
            return Undo(Verdict.SAME)
    return Undo(Verdict.IMPOSSIBLE, note=NO_IMAGE)


def _created(done: Done, schema: Schema, record: Record | None, claims: Claims) -> Undo:
    if record is None:
        return Undo(Verdict.SAME)
    if later := claims.any():
        return Undo(Verdict.KEPT, note=_claimed("The record", later))
    written = _values(done.item)
    differing = [
        name
        for name, value in written.items()
        if not _is_equal(name, value, _held(record, name), schema)
    ]
    if differing:
        return Undo(Verdict.KEPT, note=_changed(differing, record))
    others = [
        value
        for key, value in record.fields.items()
        if f"{FIELDS}.{key}" not in written and value not in (None, "", [], False)
    ]
    if others and has_changed_since(record, done.at):
        return Undo(Verdict.KEPT, note=FILLED_SINCE)
    return Undo(Verdict.DELETE, record.id, _image_of(record))


def _updated(
    done: Done, before: Image, schema: Schema, record: Record | None, claims: Claims
) -> Undo:
    if record is None:
        return Undo(Verdict.IMPOSSIBLE, note=GONE)
    written = _values(done.item)
    restored: dict[str, Json] = {}
    notes = []
    changed = []
    for name, old in before.old.items():
        now = _held(record, name)
        if _is_equal(name, old, now, schema):
            continue
        if later := claims.of(name):
            notes.append(_claimed(_label(name), later))
        elif _is_equal(name, written.get(name), now, schema):
            restored[name] = old
        else:
            changed.append(name)
    if changed:
        notes.append(_changed(changed, record))
    note = " ".join(notes)
    if not restored:
        return Undo(Verdict.KEPT if notes else Verdict.SAME, note=note)
    image = Image(
        record.id,
        record.updated_at,
        record.updated_by,
        {name: _held(record, name) for name in restored},
    )
    return Undo(Verdict.CHANGE, _update(record.id, restored), image, note)


def _deleted(done: Done, record: Record | None, *, is_taken: bool) -> Undo:
    if record is not None:
        return Undo(Verdict.SAME)
    if done.image is None:
        return Undo(Verdict.IMPOSSIBLE, note=NO_IMAGE)
    if is_taken:
        return Undo(Verdict.KEPT, note=TAKEN)
    old = dict(done.image.old)
    item: dict[str, Json] = {name: old[name] for name in MEMBERS if old.get(name)}
    fields = {
        name.removeprefix(f"{FIELDS}."): value
        for name, value in old.items()
        if name not in MEMBERS and value not in (None, "", [])
    }
    if fields:
        item[FIELDS] = fields
    return Undo(Verdict.CREATE, item, done.image)


def _update(record_id: str, values: Mapping[str, Json]) -> dict[str, Json]:
    item: dict[str, Json] = {"id": record_id}
    item |= {name: value for name, value in values.items() if name in MEMBERS}
    fields = {
        name.removeprefix(f"{FIELDS}."): value
        for name, value in values.items()
        if name not in MEMBERS
    }
    return item | {FIELDS: fields} if fields else item


def _values(item: Any) -> dict[str, Json]:
    """The values of an item by their names."""
    if not isinstance(item, Mapping):
        return {}
    fields = {
        f"{FIELDS}.{key}": value for key, value in (item.get(FIELDS) or {}).items()
    }
    return {name: item[name] for name in MEMBERS if item.get(name)} | fields


def _held(record: Record, name: str) -> Json:
    if name in MEMBERS:
        return getattr(record, name)
    return record.fields.get(name.removeprefix(f"{FIELDS}."))


def _is_equal(name: str, one: Json, other: Json, schema: Schema) -> bool:
    field_type = schema.type_of(name.removeprefix(f"{FIELDS}."))
    return likeness(one, other, field_type) >= Likeness.EQUAL


def _image_of(record: Record) -> Image:
    fields = {f"{FIELDS}.{key}": value for key, value in record.fields.items()}
    values = {"name": record.name, "external_id": record.external_id} | fields
    return Image(record.id, record.updated_at, record.updated_by, values)


def _label(name: str) -> str:
    return name.removeprefix(f"{FIELDS}.")


def _claimed(what: str, later: Any) -> str:
    return f"{what} is kept: a later job ({later.code}) has written it or found it so."


def _changed(names: Sequence[str], record: Record) -> str:
    listed = ", ".join(map(_label, names))
    who = f" by user {record.updated_by}" if record.updated_by else ""
    return f"Changed since{who}: {listed}."
