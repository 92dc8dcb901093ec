from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from django.db import models

from jobsui.jobs.models.job import Job


class RecordHistory(models.Model):
    """Some of the records that a job has written or found as they should be, as hashes of
    their IDs and external IDs. A job's hashes are sorted and divided into such parts, so that
    the jobs that touched one record are found among millions of rows."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="history")
    # The lowest and the highest hash.
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    # Ascending 64-bit integers, and the row number of each in the same order.
    packed_hashes = models.BinaryField()
    packed_rows = models.BinaryField()

    class Meta:
        indexes = (models.Index(fields=["first", "last"], name="record_history_range"),)

    @classmethod
    def packed(
        cls, job: Job, hashes: Sequence[int], rows: Sequence[int]
    ) -> "RecordHistory":
        return cls(
            job=job,
            first=hashes[0],
            last=hashes[-1],
            packed_hashes=array("q", hashes).tobytes(),
            packed_rows=array("q", rows).tobytes(),
        )

    def rows_of(self, key_hash: int) -> Iterator[int]:
        """The rows of a hash. Different keys may have the same hash."""
        hashes = array("q", bytes(self.packed_hashes))
        rows = array("q", bytes(self.packed_rows))
        index = bisect_left(hashes, key_hash)
        while index < len(hashes) and hashes[index] == key_hash:
            yield rows[index]
            index += 1


class RecreatedRecord(models.Model):
    """A record that an undo has created again: Zendesk gave it a new ID."""

    host = models.CharField(max_length=255)
    object_key = models.CharField(max_length=255)
    old_id = models.CharField(max_length=64)
    new_id = models.CharField(max_length=64)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["host", "object_key", "old_id"], name="one_new_id_per_record"
            ),
        )
