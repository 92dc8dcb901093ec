from array import array
from collections.abc import Iterable
from hashlib import blake2b

from django.db import models

from jobsui.jobs.models.job import Job


class RecordWatch(models.Model):
    """Which records of its object have changed since a job was compared, from the incremental
    export (option `refuse_changed`: "watched"). Kept while the job is open."""

    job = models.OneToOneField(
        Job, on_delete=models.CASCADE, primary_key=True, related_name="record_watch"
    )
    # Changes since then are read: from before the comparison read its first record.
    since = models.DateTimeField()
    # Where the export continues; "" at its beginning.
    cursor = models.TextField(blank=True)
    # How many of its pages had records.
    pages = models.PositiveIntegerField(default=0)
    # When the last request began that reached the end of the export. None: none has.
    read_at = models.DateTimeField(null=True)
    # When the next page is read.
    next_at = models.DateTimeField()
    # Why Zendesk refused the last request, as a sentence; "": it did not.
    refusal = models.TextField(blank=True)


class ChangedRecords(models.Model):
    """The records of one page of the export, those that the job itself has changed
    included."""

    # `one_page_of_changes` begins with it.
    watch = models.ForeignKey(
        RecordWatch,
        on_delete=models.CASCADE,
        related_name="changed",
        db_index=False,
    )
    # 1, 2, 3 ...
    seq = models.PositiveIntegerField()
    # Of `hash_of_id`, 8 bytes each.
    packed_hashes = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["watch", "seq"], name="one_page_of_changes"
            ),
        )

    @property
    def hashes(self) -> "array[int]":
        return array("Q", bytes(self.packed_hashes))

    @staticmethod
    def packed(record_ids: Iterable[str]) -> bytes:
        """The value of `packed_hashes` for these."""
        return array("Q", map(hash_of_id, record_ids)).tobytes()


def hash_of_id(record_id: str) -> int:
    """64 bits."""
    digest = blake2b(record_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest)
