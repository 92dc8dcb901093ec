"""Writing down what is about to be sent, inside the caller's transaction: only after
its commit may anything go out."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db.models.functions import Now
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.jobs import sql
from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest, Item
from jobsui.jobs.enums import Action, BatchState, Component, EventKind, JobState
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job
from jobsui.zendesk.client import Client

ClientOf = Callable[[Connection], Client]

LOOKED_AHEAD = 50
"""So many batches are looked at for one that no taboo forbids."""


@dataclass(frozen=True, slots=True)
class LockedKeys:
    """The records that a batch in doubt may still change. What others want with them
    must wait, or an old value could come after a newer one."""

    job_id: int
    object_key: str
    key: str
    """How they are named: Action.key, "external_id" for create."""
    values: frozenset[str]

    @classmethod
    def of(cls, job: Job, items: Iterable[Item]) -> "LockedKeys":
        named_by = Action(job.action).key or "external_id"
        return cls(
            job.pk,
            job.object_key,
            named_by,
            frozenset(batch_request.keys(items, named_by).values()) - {""},
        )

    def forbids(self, other: "LockedKeys") -> bool:
        """Whether `other` may mean one of these records; those named in another way may
        be the same."""
        if self.job_id == other.job_id or self.object_key != other.object_key:
            return False  # Within a job no key comes twice (checking.py).
        if self.key != other.key:
            return bool(self.values and other.values)
        return not self.values.isdisjoint(other.values)


LocksByBatch = Mapping[int, LockedKeys]
"""By the batch that is or was in doubt."""


def claim(
    wanted: Mapping[int, int],
    jobs: Mapping[int, Job],
    client_of: ClientOf,
    *,
    epoch: int,
    locked_keys: LocksByBatch,
) -> list[BatchRequest]:
    """The next batches of these jobs, at most so many of each, marked as being sent and
    with an attempt of their own; none of a job that was paused or cancelled, and none
    that the taboo of another batch forbids."""
    claimed: list[Batch] = []
    # Locked: a pause or cancel comes before this claim or after its commit, never in
    # between.
    for pk, state, hold_after_first_batch in sql.locked_jobs(wanted):
        job = jobs[pk]
        candidates = sql.next_planned(
            pk,
            wanted[pk] + LOOKED_AHEAD * bool(locked_keys),
            first_only=hold_after_first_batch,
        )
        blobs = sql.by_id(BatchBlob, [batch.pk for batch in candidates])
        for batch in candidates:
            batch.job, batch.blob = job, blobs[batch.pk]
        chosen = list(islice(_allowed(candidates, locked_keys), wanted[pk]))
        if chosen and state == JobState.QUEUED:
            lifecycle.move(
                job,
                JobState.RUNNING,
                by=Component.DRIVER,
                event=EventKind.STARTED,
                expected=(JobState.QUEUED,),
                started_at=Now(),
                reason="",
            )
        claimed += chosen
    return _marked(claimed, client_of, epoch) if claimed else []


def requests_of(batches: Sequence[Batch], client_of: ClientOf) -> list[BatchRequest]:
    """What the last attempts of these batches, read with job, connection and blob, sent
    or were about to send."""
    attempts = _attempts_of(batches)
    return [
        _request(batch, batch.blob.open_items, client_of, attempts[batch.pk])
        for batch in batches
    ]


Past = tuple[int, datetime, str, int]
"""An attempt's id, time, result, and the place of the last item it carried."""


def _allowed(batches: Iterable[Batch], locked_keys: LocksByBatch) -> Iterator[Batch]:
    for batch in batches:
        # One that was in doubt itself goes first: two of them would wait for each other
        # for ever.
        if (
            not locked_keys
            or batch.pk in locked_keys
            or not _is_forbidden(
                LockedKeys.of(batch.job, batch.blob.open_items), locked_keys
            )
        ):
            yield batch


def _is_forbidden(wanted: LockedKeys, locked_keys: LocksByBatch) -> bool:
    return any(lock.forbids(wanted) for lock in locked_keys.values())


def _marked(
    batches: Sequence[Batch], client_of: ClientOf, epoch: int
) -> list[BatchRequest]:
    now = timezone.now()
    earlier = _attempts_of([batch for batch in batches if batch.attempts_made])
    sql.update_rows(
        Batch,
        (
            "state",
            "attempts_made",
            "epoch",
            "sent_at",
            "reconcile_at",
            "reconcile_count",
        ),
        [
            (batch.pk, BatchState.SENDING, batch.attempts_made + 1, epoch, now, None, 0)
            for batch in batches
        ],
    )
    open_items = [batch.blob.open_items for batch in batches]
    portions = [
        items[: batch.split_size]
        for batch, items in zip(batches, open_items, strict=True)
    ]
    attempts = [
        Attempt(
            batch=batch,
            number=batch.attempts_made + 1,
            epoch=epoch,
            at=now,
            items=len(items),
            last_item=items[-1][0],
        )
        for batch, items in zip(batches, portions, strict=True)
    ]
    ids = sql.insert_rows(attempts)
    return [
        _request(
            batch,
            items,
            client_of,
            [*earlier[batch.pk], (attempt_id, now, "", attempt.last_item)],
        )
        for batch, items, attempt, attempt_id in zip(
            batches, open_items, attempts, ids, strict=True
        )
    ]


def _attempts_of(batches: Sequence[Batch]) -> defaultdict[int, list[Past]]:
    """Oldest first."""
    found: defaultdict[int, list[Past]] = defaultdict(list)
    if batches:
        attempts = Attempt.objects.filter(
            batch__in=[batch.pk for batch in batches]
        ).order_by("batch", "number")
        for batch_id, pk, at, result, last_item in attempts.values_list(
            "batch", "pk", "at", "result", "last_item"
        ):
            found[batch_id].append((pk, at, result, last_item))
    return found


def _request(
    batch: Batch,
    open_items: Sequence[Item],
    client_of: ClientOf,
    attempts: Sequence[Past],
) -> BatchRequest:
    job = batch.job
    attempt_id, _, _, last_item = attempts[-1]
    items = tuple(item for item in open_items if item[0] <= last_item)
    return BatchRequest(
        batch_id=batch.pk,
        job_id=job.pk,
        attempt_id=attempt_id,
        action=Action(job.action),
        object_key=job.object_key,
        client=client_of(job.connection),
        connection_id=job.connection_id,
        items=items,
        is_part=len(items) < len(open_items),
        first_sent_at=attempts[0][1],
        resent=any(result in Attempt.IN_DOUBT for _, _, result, _ in attempts),
    )
