"""Which records have changed since the comparisons of watched jobs, as far as the incremental
export shows it (`live/record_watch.py`). If no record of a batch has changed, the batch is sent
without reading its records first."""

from array import array
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from django.db.models.functions import Now

from jobsui.jobs.delivery import batch_request, prior_reads
from jobsui.jobs.models import Batch, ChangedRecords, Job, RecordWatch
from jobsui.jobs.models.record_watch import hash_of_id

PARTS = 256


class WatchedChanges:
    """The changed records of a driver's jobs. Keeps 8 bytes for each record, and reads from the
    database only what is new."""

    def __init__(self, max_age: float) -> None:
        """`max_age`: an export that was read to its end earlier than this, in seconds, proves
        nothing."""
        self._max_age = timedelta(seconds=max_age)
        self._by_job: dict[int, _Changes] = {}

    def to_read_first(self, job: Job, batches: Iterable[Batch]) -> set[int]:
        """The IDs of the batches whose records must be read before they are sent."""
        needed = [batch for batch in batches if prior_reads.is_needed(job, batch)]
        if needed and prior_reads.is_watched(job):
            changes = self._of(job)
            needed = [
                batch
                for batch in needed
                if not changes
                or changes.has(batch)
                or prior_reads.is_of_records(job, batch)
            ]
        return {batch.pk for batch in needed}

    def keep(self, job_ids: Collection[int]) -> None:
        """Forget the other jobs."""
        self._by_job = {
            pk: changes for pk, changes in self._by_job.items() if pk in job_ids
        }

    def _of(self, job: Job) -> "_Changes | None":
        """None if the export was not read to its end recently."""
        recent = RecordWatch.objects.filter(
            pk=job.pk, read_at__gte=Now() - self._max_age
        )
        if not recent.exists():
            return None
        changes = self._by_job.setdefault(job.pk, _Changes(job.pk))
        changes.refresh()
        return changes


class _Changes:
    """The changed records of one job."""

    def __init__(self, job_id: int) -> None:
        self._job_id = job_id
        self._last_seq = 0
        # Ascending hashes, divided by their first bits, so that inserting one moves only a few.
        self._parts: Sequence[array[int]] = [array("Q") for _ in range(PARTS)]

    def refresh(self) -> None:
        pages = ChangedRecords.objects.filter(
            watch=self._job_id, seq__gt=self._last_seq
        )
        for page in pages.order_by("seq").iterator():
            for each in page.hashes:
                self._add(each)
            self._last_seq = page.seq

    def has(self, batch: Batch) -> bool:
        """Whether any record of its open items may have changed."""
        ids = batch_request.keys(batch.blob.open_items, batch.action.key).values()
        return any(map(self.has_record, ids))

    def has_record(self, record_id: str) -> bool:
        return self._has(hash_of_id(record_id))

    def _add(self, record_hash: int) -> None:
        if not self._has(record_hash):
            insort(self._part(record_hash), record_hash)

    def _has(self, record_hash: int) -> bool:
        part = self._part(record_hash)
        place = bisect_left(part, record_hash)
        return place < len(part) and part[place] == record_hash

    def _part(self, record_hash: int) -> "array[int]":
        return self._parts[record_hash * PARTS >> 64]
