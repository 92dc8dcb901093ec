import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

from django.db import models
from isal import isal_zlib

from jobsui.jobs.enums import UNSETTLED, Action, AttemptResult, BatchState
from jobsui.jobs.models.job import Job
from jobsui.jobs.models.results import RowResult

MAX_BATCH_SIZE = 100
"""Zendesk takes no more records in one request."""


def pack(data: bytes | memoryview) -> bytes:
    return isal_zlib.compress(data, 1)


def unpack(data: bytes | memoryview) -> bytes:
    return zlib.decompress(bytes(data)) if data else b""


def pack_rows(rows: Sequence[int]) -> bytes:
    """The numbers as ranges: "2-50,52-101"."""
    if not rows:
        return pack(b"[]")
    if list(rows) == list(range(rows[0], rows[0] + len(rows))):
        return f"{rows[0]}-{rows[-1]}".encode()
    firsts = [rows[0]]
    lasts = []
    for row, following in pairwise(rows):
        if following != row + 1:
            lasts.append(row)
            firsts.append(following)
    lasts.append(rows[-1])
    ranges = zip(firsts, lasts, strict=True)
    return ",".join([f"{first}-{last}" for first, last in ranges]).encode()


def unpack_rows(data: bytes | memoryview) -> list[int]:
    """Raises zlib.error, ValueError and TypeError."""
    packed = bytes(data)
    if not packed[:1].isdigit():
        # Earlier versions stored a list in JSON.
        return [int(number) for number in json.loads(unpack(packed))]
    rows: list[int] = []
    for each in packed.split(b","):
        first, _, last = each.partition(b"-")
        if int(last) - int(first) >= MAX_BATCH_SIZE:
            raise ValueError("more rows than a batch has")
        rows += range(int(first), int(last) + 1)
    return rows


class Unreadable(Exception):
    """The stored content of a batch is damaged."""


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except (zlib.error, ValueError, TypeError) as error:
        raise Unreadable from error


IS_UNSETTLED = models.Q(state__in=[str(state) for state in UNSETTLED])


class BatchQuerySet(models.QuerySet["Batch"]):
    def unsettled(self) -> "BatchQuerySet":
        """Those in states of UNSETTLED."""
        # SQLite uses the partial index only for its own condition.
        return self.filter(done_at=None)


class Batch(models.Model):
    """Up to 100 rows of a job, sent as one request. The driver updates this row often;
    the bodies are in BatchBlob."""

    # `one_batch_per_place` begins with it.
    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="batches", db_index=False
    )
    # 1, 2, 3 ... in the order of the file.
    seq = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    first_row = models.PositiveBigIntegerField()
    last_row = models.PositiveBigIntegerField()
    # What its request does; "": what the job does. A comparison finds that single rows of
    # an upsert update a record or create one.
    own_action = models.CharField(max_length=40, choices=Action, blank=True)
    state = models.CharField(
        max_length=12, choices=BatchState, default=BatchState.PLANNED
    )
    # How many attempts were committed, sent or not, and have a row of their own.
    attempts_made = models.PositiveIntegerField(default=0)
    # How many more changed nothing: Zendesk was busy or could not be reached. They have
    # no row, or those of a long outage would be read at each attempt.
    attempts_without_effect = models.PositiveIntegerField(default=0)
    # The lease epoch under which `sending` was committed.
    epoch = models.PositiveBigIntegerField(default=0)
    # Zendesk's job status id of the attempt that was accepted; "" before.
    status_id = models.CharField(max_length=64, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    # None while it is unsettled.
    done_at = models.DateTimeField(null=True, blank=True)
    # The most open items that the next request carries; None: all. Halved each time
    # Zendesk refuses the request as a whole, until the bad item is alone.
    split_size = models.PositiveSmallIntegerField(null=True, blank=True)
    # While unconfirmed: when to reconcile next, and how often it was reconciled.
    reconcile_at = models.DateTimeField(null=True, blank=True)
    reconcile_count = models.PositiveIntegerField(default=0)
    # How many of its rows have which result.
    succeeded = models.PositiveSmallIntegerField(default=0)
    failed = models.PositiveSmallIntegerField(default=0)
    uncertain = models.PositiveSmallIntegerField(default=0)
    cancelled = models.PositiveSmallIntegerField(default=0)
    # How often items failed for a temporary reason, so that they were sent again.
    temporary_failures = models.PositiveIntegerField(default=0)

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
            # Small: few batches are unsettled at a time.
            models.Index(
                fields=["job", "state", "seq"],
                condition=models.Q(done_at=None),
                name="batch_unsettled",
            ),
        )

    @property
    def action(self) -> Action:
        return Action(self.own_action or self.job.action)


class BatchBlob(models.Model):
    """The bodies of a batch, zlib-compressed. Written once by the planner, and again
    with each answer. The properties raise Unreadable.

    payload          the items as sent, each one line of JSON
    rows             the file's row number of each item: "2-50,52-101", not compressed
    results          JSON list: a RowResult or null (open) for each item; b"": all open
    job_status_body  the last job status Zendesk gave, as JSON; b"": none
    """

    batch = models.OneToOneField(
        Batch, on_delete=models.CASCADE, primary_key=True, related_name="blob"
    )
    payload = models.BinaryField()
    rows = models.BinaryField()
    results = models.BinaryField(default=bytes)
    job_status_body = models.BinaryField(default=bytes)

    @staticmethod
    def packed(lines: Sequence[str], rows: Sequence[int]) -> dict[str, bytes]:
        """The values of `payload` and `rows` for these items."""
        return BatchBlob.packed_payload("\n".join(lines).encode(), rows)

    @staticmethod
    def packed_payload(
        payload: bytes | memoryview, rows: Sequence[int]
    ) -> dict[str, bytes]:
        """As `packed`, of the lines joined by line feeds."""
        return {
            "payload": pack(payload),
            "rows": pack_rows(rows),
        }

    @property
    def lines(self) -> list[bytes]:
        """Each item as it is sent."""
        with _decoding():
            return unpack(self.payload).split(b"\n")

    @cached_property
    def open_items(self) -> list[tuple[int, bytes]]:
        """Index in the batch and line of each item without a result."""
        items = list(enumerate(self.lines))
        if len(items) != len(self.row_numbers):
            raise Unreadable
        if not self.results:
            return items
        results = self.row_results
        if len(items) != len(results):
            raise Unreadable
        return [(index, line) for index, line in items if results[index] is None]

    @property
    def items(self) -> list[Any]:
        with _decoding():
            lines = self.lines
            # All at once, because that is faster.
            items: list[Any] = json.loads(b"[%b]" % b",".join(lines))
            if len(items) != len(lines):
                raise ValueError("lines that are no items")
            return items

    @property
    def row_numbers(self) -> list[int]:
        with _decoding():
            return unpack_rows(self.rows)

    @property
    def row_results(self) -> list[RowResult | None]:
        """The result of each item, by its index; None while it is open."""
        if not self.results:
            return [None] * len(self.row_numbers)
        with _decoding():
            stored: list[list[str] | None] = json.loads(unpack(self.results))
            return [RowResult.from_json(entry) if entry else None for entry in stored]

    @staticmethod
    def packed_results(results: Sequence[RowResult | None]) -> bytes:
        """The value of `results` for these."""
        return pack(json.dumps(results).encode())


class BatchImages(models.Model):
    """What the records of a batch held before it was sent: the values that it changes, or the
    whole records that it deletes. With them a job can be undone. Kept apart, because they are
    rarely read and are deleted sooner than results."""

    batch = models.OneToOneField(
        Batch, on_delete=models.CASCADE, primary_key=True, related_name="before"
    )
    # {index of the item: image}, JSON, compressed (records/images.py).
    images = models.BinaryField()


class Attempt(models.Model):
    """One attempt to send a batch. Each attempt that may have reached Zendesk is kept, so
    nothing is sent twice silently."""

    # Results of attempts that may have reached Zendesk.
    UNCONFIRMED: ClassVar = (AttemptResult.UNCONFIRMED, AttemptResult.LOST)

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    epoch = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    # The account's time at `at`. None: its driver had no response of the account yet.
    account_time = models.DateTimeField(null=True)
    # How many of the batch's items it carried: the first of those without a result.
    items = models.PositiveSmallIntegerField()
    # The index in the batch of the last of them.
    last_item = models.PositiveSmallIntegerField(default=99)
    result = models.CharField(max_length=12, choices=AttemptResult, blank=True)
    note = models.TextField(blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)
    # Headers on an allow-list only, so no secret is stored.
    response_headers = models.JSONField(default=dict)
    # zlib; the first 64 kB of it.
    response_body = models.BinaryField(default=bytes)
    # The job status id that Zendesk gave it, once its batch has another one or none, or a
    # person stopped waiting for it; "" before. No other batch may take this job status for
    # its own.
    status_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ("batch", "number")
        indexes = (
            # Small: few batches have more than one job status.
            models.Index(
                fields=["status_id"],
                condition=~models.Q(status_id=""),
                name="attempt_by_status",
            ),
        )
