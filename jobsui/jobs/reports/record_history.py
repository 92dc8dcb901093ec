"""Which jobs have touched a record: every row, with what it wrote and what was there before."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from jobsui.connections.models import CustomObject
from jobsui.jobs.enums import SUCCEEDED, Action
from jobsui.jobs.ledger.unreadable import stored_results
from jobsui.jobs.live import new_ids
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
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image
from jobsui.paging import Page

KEYS = ("id", "external_id")
SIZE = 20
"""Touches of a page. Each takes a few look-ups."""


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
    """What was sent, or for `unchanged` rows, what the file says. None if it was deleted."""
    image: Image | None
    """What the record held before, if that is known."""


def page(
    custom_object: CustomObject,
    keys: Collection[str],
    *,
    after: int = 0,
) -> Page[Touch]:
    """The touches of a record with one of these IDs or external IDs, newest first, without the
    first `after` ones. If an undo has created the record again, the touches of all its IDs."""
    keys = _all_keys(custom_object, keys)
    places = _places(custom_object, keys)
    shown = places[after : after + SIZE]
    older = str(after + SIZE) if len(places) > after + SIZE else ""
    return Page(list(_touches(shown, keys)), older, "")


def later_jobs(job: Job, record_ids: Collection[str]) -> dict[str, Job]:
    """{record ID: the last job launched after this one that has touched the record}."""
    hashes = {
        hash_of("id", record_id): first
        for first, chain in new_ids.chains(job, record_ids).items()
        for record_id in chain
    }
    if not hashes:
        return {}
    is_in_part = reduce(or_, [Q(first__lte=each, last__gte=each) for each in hashes])
    parts = RecordHistory.objects.filter(
        is_in_part,
        job__connection__host=job.connection.host,
        job__object_key=job.object_key,
        job__created_at__gt=job.created_at,
    ).exclude(job=job)
    found: dict[str, Job] = {}
    # The last one that is found replaces the others.
    for part in parts.select_related("job").order_by("job__created_at", "pk"):
        for key_hash, record_id in hashes.items():
            if any(True for _ in part.rows_of(key_hash)):
                found[record_id] = part.job
    return found


def _all_keys(custom_object: CustomObject, keys: Collection[str]) -> set[str]:
    """The keys and all other IDs of their records: IDs from before and after they were created
    again, and IDs under which jobs have written the keys."""
    host = custom_object.connection.host
    known = new_ids.family(host, custom_object.key, keys)
    places = _places(custom_object, known)[:SIZE]
    written = {touch.result.record_id for touch in _touches(places, known)} - {""}
    if written <= known:
        return known
    return new_ids.family(host, custom_object.key, known | written)


def _places(
    custom_object: CustomObject, keys: Collection[str]
) -> list[tuple[Job, int]]:
    """(job, row) of the rows that may have touched the record, the newest first."""
    found: dict[tuple[int, int], Job] = {}
    for key in keys:
        for target in KEYS:
            for job, row in _rows(custom_object, hash_of(target, key)):
                found[job.pk, row] = job
    places = [(job, row) for (_, row), job in found.items()]
    return sorted(
        places, key=lambda place: (place[0].created_at, place[1]), reverse=True
    )


def _touches(
    places: Iterable[tuple[Job, int]], keys: Collection[str]
) -> Iterator[Touch]:
    for job, row in places:
        yield from _touches_of(job, row, keys)


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


def _touches_of(job: Job, row: int, keys: Collection[str]) -> Iterator[Touch]:
    """The touch of a row, if the row really has one of the keys. Another key may have the same
    hash."""
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
            own = {result.record_id, _external_id(item, batch.action)}
            if not own.isdisjoint(keys):
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
    if batch.job.undo_pruned_at is not None:
        return {}
    before = BatchImages.objects.filter(batch=batch).first()
    return images.unpacked(before.images) if before else {}
