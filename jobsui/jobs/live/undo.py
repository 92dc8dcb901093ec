"""Decides what an undo puts back of a row, by three values of each field: what the record held
before, what the job wrote, and what the record holds now."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobsui.jobs.enums import Action, Outcome, Verdict
from jobsui.jobs.live import reasons
from jobsui.jobs.live.claims import Claims
from jobsui.jobs.live.proof import has_changed_since
from jobsui.jobs.live.reasons import Reason
from jobsui.jobs.models import Job
from jobsui.jobs.records.compare import (
    FIELDS,
    MEMBERS,
    Image,
    held,
    image_of,
    is_equal,
    label_of,
    values_of,
)
from jobsui.zendesk.payloads import Json, Record, Schema, time_of

NO_IMAGE = Reason("What the record held before was not kept.")
NOT_KNOWN_IF_NEW = Reason("Zendesk did not say whether the job created this record.")
GONE = Reason("The record has been deleted since.")
TAKEN = Reason("Another record has this external ID now.")
CLOCK_DIFFERENCE = timedelta(seconds=60)
"""How far our clock may be ahead of the account's clock (assumed)."""
OLDER = Reason("The record is older than the job, so the job has not created it.")
NOT_NAMED = Reason("Zendesk did not name the record that the job created.")
FILLED_SINCE = Reason("Other fields of the record were filled since.")


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
    """What is sent for CHANGE, CREATE and DELETE."""
    image: Image | None = None
    """What the record of such a row holds now."""
    reasons: Sequence[Reason] = ()
    """Why something is kept, or why nothing can be undone."""


def needs_record(done: Done) -> bool:
    """Whether what an undo does with a row depends on its record."""
    if done.outcome == Outcome.UPDATED:
        return done.image is not None
    return done.outcome in {Outcome.CREATED, Outcome.DELETED}


def undone(
    done: Done,
    schema: Schema,
    record: Record | None,
    claims: Claims,
    *,
    is_taken: bool,
    fields: Collection[str] | None = None,
) -> Undo:
    """`record`: the one with the row's ID now, for rows that need it. `is_taken`: another
    record has the external ID of a deleted one. `fields`: the names of the values to put
    back; None: all."""
    match done.outcome:
        case Outcome.CREATED:
            return _created(done, schema, record, claims)
        case Outcome.DELETED:
            return _deleted(done, record, is_taken=is_taken)
        case Outcome.UPDATED if done.image is not None:
            return _updated(done, done.image, schema, record, claims, fields)
        case Outcome.CREATED_OR_UPDATED if done.image is None:
            return _impossible(NOT_KNOWN_IF_NEW, NO_IMAGE)
    return _impossible(NO_IMAGE)


def _created(done: Done, schema: Schema, record: Record | None, claims: Claims) -> Undo:
    is_named = done.record_id or values_of(done.item).get("external_id")
    if record is None and not is_named:
        return _impossible(NOT_NAMED)
    if record is None:
        return Undo(Verdict.SAME)
    if _is_older(record, done.began):
        return _kept(OLDER)
    if later := claims.any():
        text = "The record is kept: a later job ("
        rest = ") wrote it or found it so."
        return _kept(reasons.naming(text, later, rest))
    written = values_of(done.item)
    differing = [
        name
        for name, value in written.items()
        if not is_equal(name, value, held(record, name), schema)
    ]
    if differing:
        return _kept(_changed(differing, record, schema))
    others = [
        value
        for key, value in record.fields.items()
        if f"{FIELDS}.{key}" not in written and value not in (None, "", [], False)
    ]
    if others and has_changed_since(record, done.at):
        return _kept(FILLED_SINCE)
    return Undo(Verdict.DELETE, record.id, image_of(record))


def _is_older(record: Record, began: str) -> bool:
    created = time_of(record.created_at)
    started = time_of(began)
    return bool(created and started and created < started - CLOCK_DIFFERENCE)


def _updated(
    done: Done,
    before: Image,
    schema: Schema,
    record: Record | None,
    claims: Claims,
    fields: Collection[str] | None,
) -> Undo:
    if record is None:
        return _impossible(GONE)
    written = values_of(done.item)
    restored: dict[str, Json] = {}
    claimed: defaultdict[Job, list[str]] = defaultdict(list)
    changed = []
    for name, old in before.old.items():
        now = held(record, name)
        is_chosen = fields is None or name in fields
        if not is_chosen or is_equal(name, old, now, schema):
            continue
        if later := claims.of(name):
            claimed[later].append(name)
        elif is_equal(name, written.get(name), now, schema):
            restored[name] = old
        else:
            changed.append(name)
    found = [_claimed(names, later, schema) for later, names in claimed.items()]
    if changed:
        found.append(_changed(changed, record, schema))
    if not restored:
        return Undo(Verdict.KEPT if found else Verdict.SAME, reasons=found)
    image = Image(
        record.id,
        record.updated_at,
        record.updated_by,
        {name: held(record, name) for name in restored},
    )
    return Undo(Verdict.CHANGE, _update(record.id, restored), image, found)


def _deleted(done: Done, record: Record | None, *, is_taken: bool) -> Undo:
    if record is not None:
        return Undo(Verdict.SAME)
    if done.image is None:
        return _impossible(NO_IMAGE)
    if is_taken:
        return _kept(TAKEN)
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


def names_of(item: Json) -> Collection[str]:
    """The names of the values that an item sends."""
    return values_of(item).keys()


def _impossible(*found: Reason) -> Undo:
    return Undo(Verdict.IMPOSSIBLE, reasons=found)


def _kept(*found: Reason) -> Undo:
    return Undo(Verdict.KEPT, reasons=found)


def _claimed(names: Sequence[str], later: Job, schema: Schema) -> Reason:
    labels = _labels(names, schema)
    if len(names) == 1:
        rest = ") wrote it or found it so."
        return reasons.naming(f"{labels} is kept: a later job (", later, rest)
    rest = ") wrote them or found them so."
    return reasons.naming(f"{labels} are kept: a later job (", later, rest)


def _changed(names: Sequence[str], record: Record, schema: Schema) -> Reason:
    who = f" by user {record.updated_by}" if record.updated_by else ""
    return Reason(f"Changed since{who}: {_labels(names, schema)}.")


def _labels(names: Sequence[str], schema: Schema) -> str:
    return ", ".join(label_of(name, schema) for name in names)
