import json
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import models

from jobsui.jobs.enums import UNSETTLED, BatchState
from jobsui.jobs.models.job import Job

End = list[str]
"""How one item ended: [outcome, record id, error code, error]."""


def pack(data: bytes) -> bytes:
    return zlib.compress(data, 1)


def unpack(data: bytes | memoryview) -> bytes:
    return zlib.decompress(bytes(data)) if data else b""


IS_UNSETTLED = models.Q(state__in=[str(state) for state in UNSETTLED])


class BatchQuerySet(models.QuerySet["Batch"]):
    def unsettled(self) -> "BatchQuerySet":
        """Those in states of UNSETTLED."""
        return self.filter(
            done_at=None
        )  # So that SQLite sees that the index of these will do.


class Batch(models.Model):
    """Up to 100 rows of a job, sent as one request. Hot: what the driver moves on;
    bodies lie in BatchBlob."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="batches")
    # 1, 2, 3 ... in the order of the file; the rows of a later batch all come later in
    # the file.
    seq = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    first_row = models.PositiveBigIntegerField()
    last_row = models.PositiveBigIntegerField()
    state = models.CharField(
        max_length=12, choices=BatchState, default=BatchState.PLANNED
    )
    # How often it was sent or about to be.
    attempts_made = models.PositiveSmallIntegerField(default=0)
    # The lease epoch under which `sending` was committed.
    epoch = models.PositiveBigIntegerField(default=0)
    # Zendesk's job status id of the attempt that was accepted; "" before.
    status_id = models.CharField(max_length=64, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    # None as long as it is unsettled.
    done_at = models.DateTimeField(null=True, blank=True)
    # At most so many of its open items go in the next request; None: all. Halved when
    # Zendesk refuses the request as a whole, until the bad item stands alone.
    split_size = models.PositiveSmallIntegerField(null=True, blank=True)
    # While in doubt: when to look again, and how often we have.
    reconcile_at = models.DateTimeField(null=True, blank=True)
    reconcile_count = models.PositiveSmallIntegerField(default=0)
    # How many of its rows have which end.
    succeeded = models.PositiveSmallIntegerField(default=0)
    failed = models.PositiveSmallIntegerField(default=0)
    uncertain = models.PositiveSmallIntegerField(default=0)
    cancelled = models.PositiveSmallIntegerField(default=0)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("job", "seq")
        constraints = (
            models.UniqueConstraint(fields=["job", "seq"], name="one_batch_per_place"),
            models.UniqueConstraint(
                fields=["status_id"],
                condition=~models.Q(status_id=""),
                name="one_batch_per_job_status",
            ),
            models.CheckConstraint(
                condition=models.Q(done_at=None) & IS_UNSETTLED
                | ~models.Q(done_at=None) & ~IS_UNSETTLED,
                name="batch_done_once_settled",
            ),
        )
        indexes = (
            # Few of all batches that ever were.
            models.Index(
                fields=["job", "state", "seq"],
                condition=models.Q(done_at=None),
                name="batch_unsettled",
            ),
        )


class BatchBlob(models.Model):
    """The cold part of a batch, all zlib-compressed: written once at planning, once or
    twice as answers come.

    payload   the items as sent, each one line of JSON
    rows      JSON list: the file's row number of each item
    outcomes  JSON list: of each item null (open) or [outcome, record id, error code, error]; empty bytes: all open
    reply     the last job status Zendesk gave, as JSON; empty bytes: none
    """

    batch = models.OneToOneField(
        Batch, on_delete=models.CASCADE, primary_key=True, related_name="blob"
    )
    payload = models.BinaryField()
    rows = models.BinaryField()
    outcomes = models.BinaryField(default=bytes)
    reply = models.BinaryField(default=bytes)

    @staticmethod
    def packed(lines: Sequence[str], rows: Sequence[int]) -> dict[str, bytes]:
        """The values of `payload` and `rows` for these items."""
        return {
            "payload": pack("\n".join(lines).encode()),
            "rows": pack(json.dumps(list(rows)).encode()),
        }

    @property
    def lines(self) -> list[bytes]:
        """Each item as it is sent."""
        return unpack(self.payload).split(b"\n")

    @property
    def open_items(self) -> list[tuple[int, bytes]]:
        """Place in the batch and line of each item that has no end yet."""
        if not self.outcomes:
            return list(enumerate(self.lines))
        return [
            (place, line)
            for place, (line, end) in enumerate(zip(self.lines, self.ends, strict=True))
            if not end
        ]

    @property
    def items(self) -> list[Any]:
        return [json.loads(line) for line in self.lines]

    @property
    def row_numbers(self) -> list[int]:
        numbers: list[int] = json.loads(unpack(self.rows))
        return numbers

    @property
    def ends(self) -> list[End | None]:
        """How each item ended; None for those still open."""
        if self.outcomes:
            ends: list[End | None] = json.loads(unpack(self.outcomes))
            return ends
        return [None] * len(self.row_numbers)

    def set_ends(self, ends: Sequence[End | None]) -> None:
        self.outcomes = pack(json.dumps(ends).encode())


class Attempt(models.Model):
    """One sending of a batch, kept for good: nothing is sent twice silently."""

    # Results of attempts that may have reached Zendesk without our knowing what came of
    # them.
    IN_DOUBT: ClassVar = ("unconfirmed", "lost")

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    epoch = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    # How many of the batch's items it carried: those that had no outcome by then, in
    # their order.
    items = models.PositiveSmallIntegerField()
    # The place in the batch of the last of them.
    last_item = models.PositiveSmallIntegerField(default=99)
    # "" while on its way, then: accepted, not_sent, limited, refused, unsure; lost: its
    # job status vanished.
    result = models.CharField(max_length=12, blank=True)
    note = models.TextField(blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)
    # Only an allow-list of headers ever gets here; the secret never does.
    response_headers = models.JSONField(default=dict)
    # zlib; the first 64 kB of it.
    response_body = models.BinaryField(default=bytes)

    class Meta:
        ordering = ("batch", "number")
