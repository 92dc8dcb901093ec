"""Which jobs have touched a record: every row, with what it wrote and what was there before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import SUCCEEDED, Action
from jobsui.jobs.ledger.unreadable import stored_results
from jobsui.jobs.live import images
from jobsui.jobs.live.compare import Image
from jobsui.jobs.models import (
    Batch,
    BatchBlob,
    BatchImages,
    Job,
    RecordHistory,
    RowResult,
)
from jobsui.jobs.models.batch import Unreadable
from jobsui.jobs.preparation.single_hash import hash_of

KEYS = ("id", "external_id")


@dataclass(frozen=True, slots=True)
class Touch:
    """A row of a job that has written a record, or found it as it should be."""

    job: Job
    row: int
    action: Action
    result: RowResult
    at: datetime | None
    """When the batch of the row got its last result."""
    item: Any
    """What was sent; of `unchanged` rows what the file says. None if it was deleted."""
    image: Image | None
    """What the record held before, where that is known."""


def touches(custom_object: CustomObject, key: str) -> list[Touch]:
    """Those of the record with this ID or external ID, the newest first. Takes as many
    look-ups as jobs may have touched it."""
    found: dict[tuple[int, int], Touch] = {}
    for target in KEYS:
        for job, row in _rows(custom_object, hash_of(target, key)):
            for touch in _touches_of(job, row, key):
                found[job.pk, row] = touch
    ordered = sorted(
        found.values(), key=lambda touch: (touch.job.created_at, touch.row)
    )
    return ordered[::-1]


def _rows(custom_object: CustomObject, key_hash: int) -> Iterator[tuple[Job, int]]:
    parts = RecordHistory.objects.filter(
        job__connection__host=custom_object.connection.host,
        job__object_key=custom_object.key,
        first__lte=key_hash,
        last__gte=key_hash,
    )
    for part in parts.select_related("job__connection", "job__created_by"):
        for row in part.rows_of(key_hash):
            yield part.job, row


def _touches_of(job: Job, row: int, key: str) -> Iterator[Touch]:
    """The row, if it really has the key: other keys may have the same hash."""
    batches = Batch.objects.filter(job=job, first_row__lte=row, last_row__gte=row)
    for batch in batches.select_related("job"):
        blob = (
            BatchBlob.objects.filter(batch=batch).select_related("batch__job").first()
        )
        if blob is None:
            continue
        for index, (number, result) in enumerate(stored_results(blob)):
            if number != row or result is None or result.outcome not in SUCCEEDED:
                continue
            item = _item(blob, index)
            if key in {result.record_id, _external_id(item, batch.action)}:
                image = _images(batch).get(index)
                yield Touch(job, row, batch.action, result, batch.done_at, item, image)


def _item(blob: BatchBlob, index: int) -> Any:
    try:
        return blob.items[index] if blob.payload else None
    except (Unreadable, IndexError):
        return None


def _external_id(item: Any, action: Action) -> str:
    if isinstance(item, dict):
        return str(item.get("external_id") or "")
    is_key = action.deletes and action.key == "external_id"
    return str(item) if is_key and item is not None else ""


def _images(batch: Batch) -> Mapping[int, Image]:
    before = BatchImages.objects.filter(batch=batch).first()
    return images.unpacked(before.images) if before else {}
