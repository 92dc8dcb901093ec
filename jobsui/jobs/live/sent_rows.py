"""The rows of a job that succeeded, as its batches have them: what was done to which record.

A line of a page is JSON: {"action", "outcome", "id", "item", "at"}. "id" is that of the
record, "" if Zendesk has not named it; "at" is when the batch got its last result."""

import json
from collections.abc import Callable, Container, Generator, Iterator

from django.db.models import QuerySet

from jobsui.files.errors import FileRefused
from jobsui.jobs.enums import SUCCEEDED
from jobsui.jobs.models import BatchBlob, Job
from jobsui.jobs.models.batch import MAX_BATCH_SIZE, Unreadable
from jobsui.jobs.preparation.pending_rows import Chunk, PlannedBatch
from jobsui.zendesk.payloads import Json

BATCHES_PER_CHUNK = 100

type SentRow = tuple[int, bytes]
"""(row number, line)"""
type Complete = Callable[[int, dict[str, Json]], dict[str, Json] | None]
"""Completes the line of a row, by its index in the batch; None: the row is left out."""
type LineOf = Callable[[BatchBlob], Complete]
"""Returns what completes the lines of a batch."""


def read(
    job: Job, after: int, _keep_lease: Callable[[int], None]
) -> Generator[list[Chunk]]:
    """The rows after row `after`. Raises FileRefused if a batch cannot be read."""
    return read_lines(job, after, lambda _blob: lambda _index, line: line)


def read_lines(
    job: Job,
    after: int,
    line_of: LineOf,
    wanted: Container[int] | None = None,
    *,
    with_images: bool = False,
) -> Generator[list[Chunk]]:
    """`wanted`: only these rows. `with_images`: the batches are read with what their records
    held before."""
    related = ["batch__job", "batch__before"] if with_images else ["batch__job"]
    all_blobs = BatchBlob.objects.filter(batch__job=job).select_related(*related)
    while blobs := _blobs(all_blobs, after):
        last_row = max(blob.batch.last_row for blob in blobs)
        # Later batches may begin before the last row, and so have rows of this chunk.
        overlapping = all_blobs.filter(
            batch__seq__gt=blobs[-1].batch.seq, batch__first_row__lte=last_row
        )
        rows = sorted(
            row
            for blob in [*blobs, *overlapping]
            for row in _rows(blob, line_of(blob))
            if after < row[0] <= last_row and (wanted is None or row[0] in wanted)
        )
        yield [Chunk(last_row, list(_pages(rows)), [])]
        after = last_row


def _blobs(all_blobs: QuerySet[BatchBlob], after: int) -> list[BatchBlob]:
    found = all_blobs.filter(batch__last_row__gt=after)
    return list(found.order_by("batch__seq")[:BATCHES_PER_CHUNK])


def _rows(blob: BatchBlob, complete: Complete) -> Iterator[SentRow]:
    batch = blob.batch
    at = batch.done_at.isoformat() if batch.done_at else ""
    try:
        together = list(
            zip(blob.row_numbers, blob.items, blob.row_results, strict=True)
        )
    except (Unreadable, ValueError):
        raise FileRefused(
            f"The stored content of batch {batch.seq:,} is damaged or was deleted."
        ) from None
    for index, (number, item, result) in enumerate(together):
        if result is None or result.outcome not in SUCCEEDED:
            continue
        line = {
            "action": batch.action,
            "outcome": result.outcome,
            "id": result.record_id,
            "item": item,
            "at": at,
        }
        completed = complete(index, line)
        if completed is not None:
            yield number, json.dumps(completed, ensure_ascii=False).encode()


def _pages(rows: list[SentRow]) -> Iterator[PlannedBatch]:
    for start in range(0, len(rows), MAX_BATCH_SIZE):
        page = rows[start : start + MAX_BATCH_SIZE]
        numbers = [number for number, _ in page]
        yield PlannedBatch.of(numbers, b"\n".join(line for _, line in page))
