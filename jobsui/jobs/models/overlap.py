from array import array
from collections.abc import Iterator, Sequence

from django.db import models

from jobsui.jobs.models.job import Job


class RecordKeys(models.Model):
    """Some of the keys that identify the records of a job's rows, as hashes. A job's
    keys are sorted and divided into such parts, so that two jobs of any size can be
    compared in constant memory. Kept while the job is open."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="record_keys")
    # The lowest and the highest hash.
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    # Ascending 64-bit integers, and the row number of each in the same order.
    packed_hashes = models.BinaryField()
    packed_rows = models.BinaryField()

    class Meta:
        indexes = (
            models.Index(fields=["job", "first", "last"], name="record_keys_range"),
        )

    @classmethod
    def packed(
        cls, job: Job, hashes: Sequence[int], rows: Sequence[int]
    ) -> "RecordKeys":
        return cls(
            job=job,
            first=hashes[0],
            last=hashes[-1],
            packed_hashes=array("q", hashes).tobytes(),
            packed_rows=array("q", rows).tobytes(),
        )

    @property
    def hashes(self) -> "array[int]":
        return array("q", bytes(self.packed_hashes))

    @property
    def rows_by_hash(self) -> Iterator[tuple[int, int]]:
        """(hash, row). Several rows may have the same key."""
        rows = array("q", bytes(self.packed_rows))
        return zip(self.hashes, rows, strict=True)


class Overlap(models.Model):
    """Two jobs that change the same records. Batches of `later` between `first_row` and
    `last_row` wait until the rows of `earlier` up to `earlier_row` have their results.
    Recorded when `later` is launched, and kept while `earlier` is open."""

    earlier = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="overlaps_with_later"
    )
    later = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="overlaps_with_earlier"
    )
    # How many rows they share. None: unknown, because one job identifies its records by
    # other keys than the other one.
    rows = models.PositiveBigIntegerField(null=True)
    first_row = models.PositiveBigIntegerField()
    last_row = models.PositiveBigIntegerField()
    earlier_row = models.PositiveBigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["later", "earlier"], name="one_overlap_per_pair"
            ),
        )
