"""The values of records, as people read them."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from jobsui.jobs.enums import Action, Verdict
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.records.compare import Image, label_of, values_of
from jobsui.zendesk.payloads import Json, Schema


@dataclass(frozen=True, slots=True)
class ComparedValue:
    name: str
    """ "name", "external_id" or "custom_object_fields.KEY"."""
    old: str
    """ "" for blank."""
    new: str


@dataclass(frozen=True, slots=True)
class ChangedField:
    name: str
    label: str
    cells: int
    """How many change."""
    blanks: int
    """How many of them become blank."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What people call the values of records."""

    _schema: Schema

    def of(self, name: str) -> str:
        return label_of(name, self._schema)


def labels_of(job: Job) -> Labels:
    return Labels(schema_of(job))


def changed_fields(read: RecordRead, labels: Labels) -> list[ChangedField]:
    """The one with the most changed cells first."""
    return in_order(
        ChangedField(name, labels.of(name), cells, blanks)
        for name, (cells, blanks) in read.changed_cells.items()
    )


def in_order(fields: Iterable[ChangedField]) -> list[ChangedField]:
    """The one with the most changed cells first."""
    return sorted(fields, key=lambda each: (-each.cells, each.label))


def changes(
    item: Json, action: Action, verdict: Verdict, image: Image | None
) -> list[ComparedValue]:
    """The values that change; of a record that would be created or deleted, all that it has
    apart from the key of the action."""
    old = image.old if image else {}
    new = values_of(item)
    match verdict:
        case Verdict.CHANGE:
            return _compared(old, new, old)
        case Verdict.CREATE:
            filled = [name for name, value in new.items() if text_of(value)]
        case Verdict.DELETE:
            filled = [name for name, value in old.items() if text_of(value)]
        case _:
            return []
    return _compared(old, new, [name for name in filled if name != action.key])


def sent_and_held(item: Json, image: Image) -> list[ComparedValue]:
    """For each value of an image: what was sent (`old`), and what the image holds (`new`)."""
    return _compared(values_of(item), image.old, image.old)


def before_and_sent(item: Json, image: Image | None) -> list[ComparedValue]:
    """What a record held before (`old`), if that is known, and what was sent (`new`)."""
    old = image.old if image else {}
    new = values_of(item)
    return _compared(old, new, {**old, **new})


def _compared(
    old: Mapping[str, Json], new: Mapping[str, Json], names: Collection[str]
) -> list[ComparedValue]:
    return [
        ComparedValue(name, text_of(old.get(name)), text_of(new.get(name)))
        for name in names
    ]


def text_of(value: Json) -> str:
    """As people write it; "" for blank."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(text_of, value))
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
