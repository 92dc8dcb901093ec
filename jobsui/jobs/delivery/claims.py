"""Claims: the batches to send next are marked as being sent, inside the caller's
transaction. Only after its commit may a request leave."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobsui.connections.models import Connection
from jobsui.jobs import sql
from jobsui.jobs.delivery import batch_request, prior_reads
from jobsui.jobs.delivery.batch_request import BatchRequest, Item
from jobsui.jobs.delivery.watched_changes import WatchedChanges
from jobsui.jobs.enums import AttemptResult, BatchState, Component, EventKind, JobState
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Attempt, Batch, BatchBlob, BatchImages, Job
from jobsui.jobs.models.batch import Unreadable
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image
from jobsui.zendesk.client import Client

logger = logging.getLogger(__name__)

ClientOf = Callable[[Connection], Client]


class PastAttempt(NamedTuple):
    """What a request needs of an attempt."""

    attempt_id: int
    at: datetime
    account_time: datetime | None
    result: str
    last_item: int
    """The index of the last item it carried."""

    @property
    def may_have_arrived(self) -> bool:
        """Whether it may have changed something in Zendesk."""
        return self.result in (*Attempt.UNCONFIRMED, AttemptResult.ACCEPTED)

    @property
    def had_no_effect(self) -> bool:
        """Whether it certainly changed nothing in Zendesk."""
        return self.result in NO_EFFECT


NO_EFFECT = (AttemptResult.LIMITED, AttemptResult.NOT_SENT, AttemptResult.REFUSED)


@dataclass(frozen=True, slots=True)
class Claims:
    requests: list[BatchRequest]
    to_read: list[BatchRequest]
    """Batches whose records are read first. Nothing is marked yet (read_claims.py)."""
    blocked: frozenset[int]
    """The jobs whose next batches wait for earlier jobs with the same records."""


@dataclass(frozen=True, slots=True)
class ToSend:
    """A batch that is marked."""

    batch: Batch
    open_items: Sequence[Item]
    last_read: int | None = None
    """The index of its last item whose record was read: later ones are not sent yet. None:
    no record was read."""
    images: Mapping[int, Image | None] = field(default_factory=dict)

    @property
    def carried(self) -> Sequence[Item]:
        """The items of its next request."""
        items = self.open_items
        if self.last_read is not None:
            items = [item for item in items if item[0] <= self.last_read]
        return items[: self.batch.split_size]


def claim(
    wanted: Mapping[int, int],
    jobs: Mapping[int, Job],
    client_of: ClientOf,
    *,
    epoch: int,
    now: datetime,
    changes: WatchedChanges,
    reading: Collection[int] = (),
) -> Claims:
    """Mark the next batches of these jobs as being sent, each with a new attempt.

    `wanted` has the maximum number of batches for each job. Jobs that have been paused
    or cancelled are left out, and so are rows that wait for earlier jobs, and the batches
    whose records are being read."""
    claimed: list[Batch] = []
    to_read: list[Batch] = []
    unreadable: list[Batch] = []
    blocked = sql.blocked_rows(wanted)
    # The jobs are locked, so a pause or cancel comes before this claim or after its
    # commit, never in between.
    for job_id, state, first_only in sql.lock_jobs(wanted):
        job = jobs[job_id]
        candidates = _candidates(
            job,
            wanted[job_id],
            blocked.get(job_id, ()),
            reading,
            first_only=first_only,
        )
        if len(candidates) == wanted[job_id]:
            blocked.pop(job_id, None)
        chosen = list(_readable(candidates, unreadable))
        if chosen and state == JobState.QUEUED:
            _start(job)
        read_first = changes.to_read_first(job, chosen)
        for batch in chosen:
            (to_read if batch.pk in read_first else claimed).append(batch)
    settle_unreadable(unreadable)
    to_send = [ToSend(batch, batch.blob.open_items) for batch in claimed]
    requests = mark(to_send, client_of, epoch, now) if to_send else []
    reads = [_request_to_read(batch, client_of, now) for batch in to_read]
    return Claims(requests, reads, frozenset(blocked))


def batches_in(state: BatchState, account: str) -> QuerySet[Batch]:
    """The account's batches in this unsettled state, of jobs that move. Other jobs have
    none in flight."""
    jobs = Job.objects.on_account(account).moving().order_by()
    return Batch.objects.unsettled().filter(job__in=jobs, state=state)


def split_unreadable(batches: Iterable[Batch]) -> tuple[list[Batch], list[Batch]]:
    """The readable batches, and those whose content is damaged or missing. They must have
    been read with their blobs."""
    unreadable: list[Batch] = []
    readable = list(_readable(batches, unreadable))
    return readable, unreadable


def settle_unreadable(batches: Sequence[Batch]) -> None:
    """Settle batches that cannot be sent or reconciled. Call inside a fenced
    transaction."""
    if not batches:
        return
    counters = settlement.JobCounters()
    for batch in batches:
        logger.error("The stored content of batch %s is damaged.", batch.pk)
        settlement.settle_unreadable(batch, counters)
    counters.write()


def status_id_of(batch: Batch, request: BatchRequest) -> str:
    """The job status for which a person stopped waiting, if it is that of exactly the items
    of this request; "" otherwise."""
    if not batch.status_id:
        return ""
    last = Attempt.objects.get(batch=batch, number=batch.attempts_made)
    if last.status_id != batch.status_id:
        return ""
    # An attempt carries the first open items, and none of these has a result since.
    last_item, _ = request.items[-1]
    is_same = last.items == len(request.items) and last.last_item == last_item
    return batch.status_id if is_same else ""


def requests_of(batches: Sequence[Batch], client_of: ClientOf) -> list[BatchRequest]:
    """The requests that the last attempts of these batches sent, or were about to send.
    The batches must be readable, and have been read with job, connection and blob."""
    attempts = attempts_of(batches)
    upserts = [
        batch.pk
        for batch in batches
        if batch.action.is_upsert and prior_reads.is_needed(batch.job, batch)
    ]
    found = stored_images(upserts) if upserts else {}
    return [
        _request(
            batch,
            batch.blob.open_items,
            client_of,
            attempts[batch.pk],
            found.get(batch.pk, {}),
        )
        for batch in batches
    ]


def stored_images(batch_ids: Collection[int]) -> dict[int, dict[int, Image | None]]:
    """By batch."""
    found = BatchImages.objects.filter(batch__in=batch_ids)
    return {before.batch_id: images.all_unpacked(before.images) for before in found}


def _known_records(found: Mapping[int, Image | None]) -> dict[int, str]:
    """For BatchRequest.records."""
    return {index: image.record_id if image else "" for index, image in found.items()}


def _candidates(
    job: Job,
    number: int,
    blocked: Sequence[sql.RowRange],
    reading: Collection[int],
    *,
    first_only: bool,
) -> list[Batch]:
    """Up to `number` batches, without those whose records are being read."""
    found = sql.next_planned(
        job.pk,
        number + len(reading),
        blocked,
        first_only=first_only,
        records_last=job.records_to_delete > 0,
    )
    batches = [batch for batch in found if batch.pk not in reading][:number]
    blobs = sql.by_id(BatchBlob, [batch.pk for batch in batches])
    for batch in batches:
        batch.job = job
        if batch.pk in blobs:
            batch.blob = blobs[batch.pk]
    return batches


def _readable(batches: Iterable[Batch], unreadable: list[Batch]) -> Iterator[Batch]:
    """The readable ones of these batches. The others are added to `unreadable`."""
    for batch in batches:
        if is_readable(batch):
            yield batch
        else:
            unreadable.append(batch)


def is_readable(batch: Batch) -> bool:
    try:
        return bool(batch.blob.open_items)
    except (BatchBlob.DoesNotExist, Unreadable):
        return False


def _start(job: Job) -> None:
    lifecycle.move(
        job,
        JobState.RUNNING,
        by=Component.DRIVER,
        event=EventKind.STARTED,
        expected=(JobState.QUEUED,),
        started_at=Now(),
        reason="",
    )


MARKED = (
    "state",
    "attempts_made",
    "attempts_without_effect",
    "epoch",
    "sent_at",
    "reconcile_at",
    "reconcile_count",
)
"""The columns of a batch that a claim sets."""
REPLACED = (
    "epoch",
    "at",
    "account_time",
    "items",
    "result",
    "note",
    *batch_request.RESPONSE_FIELDS,
)
"""The columns of an attempt without effect that the next attempt replaces."""


def mark(
    to_send: Sequence[ToSend], client_of: ClientOf, epoch: int, now: datetime
) -> list[BatchRequest]:
    batches = [each.batch for each in to_send]
    past = attempts_of([batch for batch in batches if batch.attempts_made])
    attempts = [
        _attempt(
            each.batch,
            each.carried,
            past[each.batch.pk],
            epoch=epoch,
            at=now,
            account_time=client_of(each.batch.job.connection).account_time,
        )
        for each in to_send
    ]
    _save_attempts(attempts)
    rows = [
        (
            batch.pk,
            BatchState.SENDING,
            batch.attempts_made,
            batch.attempts_without_effect,
            epoch,
            now,
            None,
            0,
        )
        for batch in batches
    ]
    sql.update_rows(Batch, MARKED, rows)
    requests = []
    for each, attempt in zip(to_send, attempts, strict=True):
        this = PastAttempt(attempt.pk, now, attempt.account_time, "", attempt.last_item)
        all_attempts = [*past[each.batch.pk], this]
        requests.append(
            _request(each.batch, each.open_items, client_of, all_attempts, each.images)
        )
    return requests


def _request_to_read(batch: Batch, client_of: ClientOf, now: datetime) -> BatchRequest:
    """The items of the next request, which has no attempt yet."""
    items = batch.blob.open_items
    carried = tuple(items[: batch.split_size])
    return BatchRequest(
        batch_id=batch.pk,
        job_id=batch.job_id,
        attempt_id=0,
        action=batch.action,
        object_key=batch.job.object_key,
        client=client_of(batch.job.connection),
        connection_id=batch.job.connection_id,
        items=carried,
        is_part=len(carried) < len(items),
        first_sent_at=now,
    )


def _attempt(
    batch: Batch,
    items: Sequence[Item],
    past: list[PastAttempt],
    **sent: Any,
) -> Attempt:
    """The attempt to send these items, counted on the batch in memory. Of
    successive attempts without effect only the first and the last are kept: this one
    replaces the last one, which is removed from `past`."""
    last_item, _ = items[-1]
    attempt = Attempt(batch=batch, items=len(items), last_item=last_item, **sent)
    if _repeats_nothing(past, last_item):
        attempt.pk = past.pop().attempt_id
        batch.attempts_without_effect += 1
    else:
        batch.attempts_made += 1
    attempt.number = batch.attempts_made
    return attempt


def _repeats_nothing(past: Sequence[PastAttempt], last_item: int) -> bool:
    """Whether the last two attempts sent the same items without effect."""
    latest = past[-2:]
    return len(latest) == 2 and all(
        each.had_no_effect and each.last_item == last_item for each in latest
    )


def _save_attempts(attempts: Iterable[Attempt]) -> None:
    new = [attempt for attempt in attempts if attempt.pk is None]
    replaced = [
        (attempt.pk, *(getattr(attempt, name) for name in REPLACED))
        for attempt in attempts
        if attempt.pk is not None
    ]
    if new:
        for attempt, pk in zip(new, sql.insert_rows(new), strict=True):
            attempt.pk = pk
    sql.update_rows(Attempt, REPLACED, replaced)


def attempts_of(batches: Sequence[Batch]) -> defaultdict[int, list[PastAttempt]]:
    """The attempts of each batch by its id, oldest first."""
    found: defaultdict[int, list[PastAttempt]] = defaultdict(list)
    if not batches:
        return found
    attempts = Attempt.objects.filter(batch__in=[batch.pk for batch in batches])
    rows = attempts.order_by("batch", "number").values_list(
        "batch", "pk", "at", "account_time", "result", "last_item"
    )
    for batch_id, attempt_id, at, account_time, result, last_item in rows:
        attempt = PastAttempt(attempt_id, at, account_time, result, last_item)
        found[batch_id].append(attempt)
    return found


def _request(
    batch: Batch,
    open_items: Sequence[Item],
    client_of: ClientOf,
    attempts: Sequence[PastAttempt],
    found: Mapping[int, Image | None],
) -> BatchRequest:
    """`found`: what the records of an upsert held before."""
    job = batch.job
    last = attempts[-1]
    first = next((each for each in attempts if each.may_have_arrived), last)
    last_item = last.last_item
    if batch.state == BatchState.UNCONFIRMED:
        # A person may have reopened items that only an earlier attempt carried.
        arrived = [each.last_item for each in attempts if each.may_have_arrived]
        last_item = max([last_item, *arrived])
    items = tuple(item for item in open_items if item[0] <= last_item)
    return BatchRequest(
        batch_id=batch.pk,
        job_id=job.pk,
        attempt_id=last.attempt_id,
        action=batch.action,
        object_key=job.object_key,
        client=client_of(job.connection),
        connection_id=job.connection_id,
        items=items,
        is_part=len(items) < len(open_items),
        first_sent_at=first.at,
        first_account_time=first.account_time,
        resent=any(attempt.result in Attempt.UNCONFIRMED for attempt in attempts),
        accepted_before=sum(
            attempt.result == AttemptResult.ACCEPTED for attempt in attempts[:-1]
        ),
        records=_known_records(found) if batch.action.is_upsert else {},
    )
