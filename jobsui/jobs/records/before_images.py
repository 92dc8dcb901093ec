"""What is kept of the record of an item right before the item is sent, and whether the record
has changed since it was compared."""

from collections.abc import Sequence

from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.comparison import Likeness
from jobsui.jobs.records.compare import (
    Image,
    held,
    image_of,
    is_equal,
    likeness_of,
    values_of,
)
from jobsui.zendesk.payloads import Json, Record, Schema


def before_image(
    item: Json, action: Action, schema: Schema, record: Record | None
) -> Image | None:
    """The image of an item's record: the values that the item changes, or all values if it deletes
    the record. None if there is no record."""
    if record is None:
        return None
    if action.deletes:
        return image_of(record)
    old = {
        name: held(record, name)
        for name, value in values_of(item).items()
        if name != action.key and not is_equal(name, value, held(record, name), schema)
    }
    return Image(record.id, record.updated_at, record.updated_by, old)


def before_again(
    item: Json,
    action: Action,
    schema: Schema,
    record: Record | None,
    first: Image | None,
) -> Image | None:
    """As `before_image`, if an earlier request may have applied the item. `first` is the image
    before that request: its values stay if the record now holds what was sent. The job has
    not written other values, so they are kept, because the next request replaces them."""
    if record is None:
        return first if action.deletes else None
    if action.deletes:
        return image_of(record)
    written = values_of(item)
    if first is None:
        is_ours = all(
            _may_be_ours(name, value, record, schema) for name, value in written.items()
        )
        return None if is_ours else before_image(item, action, schema, record)
    old = dict(first.old)
    for name, value in written.items():
        if name != action.key and not _may_be_ours(name, value, record, schema):
            old[name] = held(record, name)
    return Image(record.id, first.updated_at, first.updated_by, old)


def changed_since(
    compared: Image, item: Json, schema: Schema, record: Record, *, may_be_ours: bool
) -> Sequence[str]:
    """The names of the values that an item would replace, and that are now neither as compared
    nor as the item wants them. `may_be_ours`: an earlier request may have applied the item."""
    written = values_of(item)
    changed = []
    for name, old in compared.old.items():
        now = held(record, name)
        if _is_computed(name, schema) or is_equal(name, old, now, schema):
            continue
        if name in written:
            likeness = likeness_of(name, written[name], now, schema)
            least = Likeness.UNKNOWN if may_be_ours else Likeness.EQUAL
            if likeness >= least:
                continue
        changed.append(name)
    return changed


def _may_be_ours(name: str, value: Json, record: Record, schema: Schema) -> bool:
    """Whether a record may hold what was sent, as the account stores it."""
    return likeness_of(name, value, held(record, name), schema) > Likeness.DIFFERENT


def _is_computed(name: str, schema: Schema) -> bool:
    """Whether the account computes this value."""
    field = schema.field(name.removeprefix("custom_object_fields."))
    return field is not None and field.readonly
