"""What can be put back of a row: from what its record held before, what the job wrote, and
what the record holds now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobsui.jobs.enums import Action, Outcome, Verdict
from jobsui.jobs.live.claims import Claims
from jobsui.jobs.live.proof import has_changed_since
from jobsui.jobs.records.compare import (
    FIELDS,
    MEMBERS,
    Image,
    held,
    image_of,
    is_equal,
    label,
    values_of,
)
from jobsui.zendesk.payloads import Json, Record, Schema

NO_IMAGE = "What the record held before was not kept."
NOT_KNOWN_IF_NEW = "Zendesk did not say whether the job created this record."
GONE = "The record has been deleted since."
TAKEN = "Another record has this external ID now."
CLOCK_DIFFERENCE = timedelta(seconds=60)
"""Our clock may be ahead of the account's (assumed: not more)."""
OLDER = "The record is older than the job, so the job has not created it."
NOT_NAMED = "Zendesk did not name the record that the job created."
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
    began: str = ""
    """When its job began to send, ISO 8601; "" if that is not known."""


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
    is_named = done.record_id or values_of(done.item).get("external_id")
    if record is None and not is_named:
        return Undo(Verdict.IMPOSSIBLE, note=NOT_NAMED)
    if record is None:
        return Undo(Verdict.SAME)
    if _is_older(record, done.began):
        return Undo(Verdict.KEPT, note=OLDER)
    if later := claims.any():
        return Undo(Verdict.KEPT, note=_claimed("The record", later))
    written = values_of(done.item)
    differing = [
        name
        for name, value in written.items()
        if not is_equal(name, value, held(record, name), schema)
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
    return Undo(Verdict.DELETE, record.id, image_of(record))


def _is_older(record: Record, began: str) -> bool:
    try:
        created = datetime.fromisoformat(record.created_at)
        return created < datetime.fromisoformat(began) - CLOCK_DIFFERENCE
    except (ValueError, TypeError):
        return False


def _updated(
    done: Done, before: Image, schema: Schema, record: Record | None, claims: Claims
) -> Undo:
    if record is None:
        return Undo(Verdict.IMPOSSIBLE, note=GONE)
    written = values_of(done.item)
    restored: dict[str, Json] = {}
    notes = []
    changed = []
    for name, old in before.old.items():
        now = held(record, name)
        if is_equal(name, old, now, schema):
            continue
        if later := claims.of(name):
            notes.append(_claimed(label(name), later))
        elif is_equal(name, written.get(name), now, schema):
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
        {name: held(record, name) for name in restored},
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


def _claimed(what: str, later: Any) -> str:
    return f"{what} is kept: a later job ({later.code}) has written it or found it so."


def _changed(names: Sequence[str], record: Record) -> str:
    listed = ", ".join(map(label, names))
    who = f" by user {record.updated_by}" if record.updated_by else ""
    return f"Changed since{who}: {listed}."
