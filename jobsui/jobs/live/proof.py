"""Proof of landing: whether a record is what a job has sent, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from jobsui.jobs.enums import Action, Landing
from jobsui.jobs.mapping.comparison import Form, Likeness, equal_forms, forms_of
from jobsui.jobs.records.compare import FIELDS, MEMBERS, Image, held, likeness_of
from jobsui.zendesk.payloads import Json, Record, Schema, time_of

CLOCK_TOLERANCE = timedelta(seconds=2)
"""Zendesk reports times in whole seconds. Its clock may differ by more (assumed small)."""
LANDINGS = {
    Likeness.EXACT: Landing.EXACT,
    Likeness.EQUAL: Landing.OTHER_FORM,
    Likeness.NORMALIZED: Landing.ALTERED,
    Likeness.UNKNOWN: Landing.UNKNOWN,
    Likeness.DIFFERENT: Landing.ALTERED,
}


@dataclass(frozen=True, slots=True)
class Proved:
    landing: Landing
    image: Image | None = None
    """What the record holds instead of what was sent; None if it is as sent."""
    altered: Sequence[str] = ()
    """The names of the values that differ."""
    forms: Mapping[str, Sequence[Form]] = field(default_factory=dict)
    """{key of a field: the forms in which the account stored what was sent}, of records that
    are not as sent."""
    equal: Sequence["StoredForm"] = ()
    """Of records that hold the same in another form."""


@dataclass(frozen=True, slots=True)
class StoredForm:
    """A value that a record holds in another form than it was sent."""

    key: str
    """Of the field."""
    form: Form
    sent: Json
    held: Json


def proved(
    sent: Mapping[str, Json], schema: Schema, records: Sequence[Record]
) -> Proved:
    """`sent`: a line of `sent_rows`. `records`: those with its ID or key now."""
    if Action(sent["action"]).deletes:
        return Proved(Landing.STILL_THERE if records else Landing.EXACT)
    if not records:
        return Proved(Landing.GONE)
    if len(records) > 1:
        return Proved(Landing.UNKNOWN)
    [record] = records
    found = _likeness_by_name(sent["item"], schema, record)
    least = min(found.values(), default=Likeness.EXACT)
    landing = LANDINGS[least]
    if landing is Landing.EXACT:
        return Proved(landing)
    if landing is Landing.OTHER_FORM:
        return Proved(landing, equal=_equal(sent["item"], schema, record, found))
    differing = [name for name, each in found.items() if each < Likeness.EQUAL]
    if landing is Landing.ALTERED and has_changed_since(record, sent["at"]):
        landing = Landing.CHANGED_SINCE
    differing_values = {name: held(record, name) for name in differing}
    image = Image(record.id, record.updated_at, record.updated_by, differing_values)
    # A later change says nothing about how the account stores values.
    is_as_stored = landing is Landing.ALTERED
    forms = _forms(sent["item"], record, differing) if is_as_stored else {}
    return Proved(landing, image, differing, forms)


def _forms(
    item: Mapping[str, Json], record: Record, differing: Sequence[str]
) -> dict[str, Sequence[Form]]:
    return {
        key: forms
        for key, value in (item.get(FIELDS) or {}).items()
        if f"{FIELDS}.{key}" in differing
        and (forms := forms_of(value, record.fields.get(key)))
    }


def _equal(
    item: Mapping[str, Json],
    schema: Schema,
    record: Record,
    found: Mapping[str, Likeness],
) -> list[StoredForm]:
    return [
        StoredForm(key, form, value, now)
        for key, value in (item.get(FIELDS) or {}).items()
        if found[f"{FIELDS}.{key}"] is Likeness.EQUAL
        for now in [record.fields.get(key)]
        for form in equal_forms(value, now, schema.type_of(key))
    ]


def _likeness_by_name(
    item: Mapping[str, Json], schema: Schema, record: Record
) -> dict[str, Likeness]:
    found: dict[str, Likeness] = {}
    for name in MEMBERS:
        if item.get(name):
            is_same = str(item[name]) == getattr(record, name)
            found[name] = Likeness.EXACT if is_same else Likeness.DIFFERENT
    for key, value in (item.get(FIELDS) or {}).items():
        name = f"{FIELDS}.{key}"
        found[name] = likeness_of(name, value, held(record, name), schema)
    return found


def has_changed_since(record: Record, at: str) -> bool:
    """Whether a record was changed after this time, ISO 8601."""
    updated = time_of(record.updated_at)
    written = time_of(at)
    return bool(updated and written and updated > written + CLOCK_TOLERANCE)
