"""Claims: the batches to send next are marked as being sent, inside the caller's
transaction. Only after its commit may a request leave."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Now

from jobsui.connections.models import Connection
from jobsui.jobs import sql
from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest, Item
from jobsui.jobs.enums import AttemptResult, BatchState, Component, EventKind, JobState
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job
from jobsui.jobs.models.batch import Unreadable
from jobsui.zendesk.client import Client

logger = logging.getLogger(__name__)

ClientOf = Callable[[Connection], Client]


class PastAttempt(NamedTuple):
    """What a request needs to know of an attempt."""

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
    blocked: frozenset[int]
    """The jobs whose next batches wait for earlier jobs with the same records."""


def claim(
    wanted: Mapping[int, int],
    jobs: Mapping[int, Job],
    client_of: ClientOf,
    *,
    epoch: int,
    now: datetime,
) -> Claims:
    """Mark the next batches of these jobs as being sent, each with a new attempt.

    `wanted` has the maximum number of batches for each job. Jobs that have been paused
    or cancelled are left out, and so are rows that wait for earlier jobs."""
    claimed: list[Batch] = []
    unreadable: list[Batch] = []
    blocked = sql.blocked_rows(wanted)
    # The jobs are locked, so a pause or cancel comes before this claim or after its
    # commit, never in between.
    for job_id, state, first_only in sql.lock_jobs(wanted):
        job = jobs[job_id]
        candidates = _candidates(
            job, wanted[job_id], blocked.get(job_id, ()), first_only=first_only
        )
        if len(candidates) == wanted[job_id]:
            blocked.pop(job_id, None)
        chosen = list(_readable(candidates, unreadable))
        if chosen and state == JobState.QUEUED:
            _start(job)
        claimed += chosen
    settle_unreadable(unreadable)
    requests = _mark(claimed, client_of, epoch, now) if claimed else []
    return Claims(requests, frozenset(blocked))


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
    attempts = _attempts_of(batches)
    return [
        _request(batch, batch.blob.open_items, client_of, attempts[batch.pk])
        for batch in batches
    ]


def _candidates(
    job: Job, number: int, blocked: Sequence[sql.RowRange], *, first_only: bool
) -> list[Batch]:
    batches = sql.next_planned(job.pk, number, blocked, first_only=first_only)
    blobs = sql.by_id(BatchBlob, [batch.pk for batch in batches])
    for batch in batches:
        batch.job = job
        if batch.pk in blobs:
            batch.blob = blobs[batch.pk]
    return batches


def _readable(batches: Iterable[Batch], unreadable: list[Batch]) -> Iterator[Batch]:
    """The readable ones of these batches. The others are added to `unreadable`."""
    for batch in batches:
        if _is_readable(batch):
            yield batch
        else:
            unreadable.append(batch)


def _is_readable(batch: Batch) -> bool:
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


def _mark(
    batches: Sequence[Batch], client_of: ClientOf, epoch: int, now: datetime
) -> list[BatchRequest]:
    past = _attempts_of([batch for batch in batches if batch.attempts_made])
    open_items = [batch.blob.open_items for batch in batches]
    attempts = [
        _attempt(
            batch,
            items[: batch.split_size],
            past[batch.pk],
            epoch=epoch,
            at=now,
            account_time=client_of(batch.job.connection).account_time,
        )
        for batch, items in zip(batches, open_items, strict=True)
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
    for batch, items, attempt in zip(batches, open_items, attempts, strict=True):
        this = PastAttempt(attempt.pk, now, attempt.account_time, "", attempt.last_item)
        requests.append(_request(batch, items, client_of, [*past[batch.pk], this]))
    return requests


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


def _attempts_of(batches: Sequence[Batch]) -> defaultdict[int, list[PastAttempt]]:
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
) -> BatchRequest:
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
    )
