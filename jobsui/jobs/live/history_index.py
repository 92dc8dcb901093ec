"""Adds the records of jobs to the history. Workers only: it imports pyarrow."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction
from django.utils import timezone

from jobsui.jobs import leases
from jobsui.jobs.enums import OVER, SUCCEEDED, ParentRows
from jobsui.jobs.ledger.unreadable import stored_items, stored_results
from jobsui.jobs.live import new_ids
from jobsui.jobs.models import BatchBlob, Job, RecordHistory
from jobsui.jobs.preparation.key_hashes import hashes_of
from jobsui.jobs.records import sizes

ENTRIES_PER_PART = 256
"""Small, because an undo looks up single records of many jobs."""
PARTS_PER_COMMIT = 256
BLOBS_PER_CHUNK = 500

type Entry = tuple[int, str]
"""(row, key)"""


def add(job: Job) -> None:
    """Index a job that has ended. Replaces an earlier index of the job."""
    with leases.held(f"index:{job.pk}") as lease:
        job.refresh_from_db()
        if lease is None or job.indexed_at is not None or job.state not in OVER:
            return
        hashes, rows = _entries(job, lease)
        RecordHistory.objects.filter(job=job).delete()
        _save(job, hashes, rows)
        if job.parent_rows == ParentRows.UNDONE:
            new_ids.note(job)
        sizes.note(job)
        Job.objects.filter(pk=job.pk, state__in=OVER).update(indexed_at=timezone.now())


def _entries(job: Job, lease: leases.Held) -> tuple[pa.Int64Array, pa.Int64Array]:
    """The hashes of the keys in ascending order, and the row of each hash."""
    hashes = [pa.array([], pa.int64())]
    rows = [pa.array([], pa.int64())]
    for blobs in _blobs(job):
        lease.keep()
        for target in ("id", "external_id"):
            entries = [entry for blob in blobs for entry in _keys(blob, target)]
            keys = pa.array([key for _, key in entries], pa.string())
            hashes.append(hashes_of(target, keys))
            rows.append(pa.array([row for row, _ in entries], pa.int64()))
    found = pa.concat_arrays(hashes)
    order = pc.array_sort_indices(found)
    return found.take(order), pa.concat_arrays(rows).take(order)


def _blobs(job: Job) -> Iterator[list[BatchBlob]]:
    all_blobs = BatchBlob.objects.filter(batch__job=job).select_related("batch__job")
    last_seq = 0
    while blobs := list(
        all_blobs.filter(batch__seq__gt=last_seq)
        .defer("job_status_body")
        .order_by("batch__seq")[:BLOBS_PER_CHUNK]
    ):
        yield blobs
        last_seq = blobs[-1].batch.seq


def _keys(blob: BatchBlob, target: str) -> Iterator[Entry]:
    """The keys of the rows that have succeeded."""
    items = dict(stored_items(blob)) if target == "external_id" else {}
    for row, result in stored_results(blob):
        if result is None or result.outcome not in SUCCEEDED:
            continue
        if target == "id" and result.record_id:
            yield row, result.record_id
        elif row in items:
            key = _external_id(items[row], is_key=_names_external_id(blob))
            if key:
                yield row, key


def _names_external_id(blob: BatchBlob) -> bool:
    """Whether an item that is a text is an external ID."""
    action = blob.batch.action
    return action.deletes and action.key == "external_id"


def _external_id(item: object, *, is_key: bool) -> str:
    if isinstance(item, dict):
        return str(item.get("external_id") or "")
    return str(item) if is_key else ""


def _save(job: Job, hashes: pa.Int64Array, rows: pa.Int64Array) -> None:
    starts = list(range(0, len(hashes), ENTRIES_PER_PART))
    for group in range(0, len(starts), PARTS_PER_COMMIT):
        parts = [
            RecordHistory.packed(
                job,
                hashes[start : start + ENTRIES_PER_PART].to_pylist(),
                rows[start : start + ENTRIES_PER_PART].to_pylist(),
            )
            for start in starts[group : group + PARTS_PER_COMMIT]
        ]
        with transaction.atomic():
            RecordHistory.objects.bulk_create(parts)
