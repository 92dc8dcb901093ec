"""Claims batches whose records were just read. The same transaction stores what the records
held, and gives rows whose records have changed their results."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobsui.jobs import sql
from jobsui.jobs.delivery import claims, prior_reads
from jobsui.jobs.delivery.batch_request import BatchRequest, Item
from jobsui.jobs.delivery.claims import ClientOf, PastAttempt, ToSend
from jobsui.jobs.delivery.prior_reads import Before, EarlierRequests, PriorRead
from jobsui.jobs.enums import UNSETTLED, BatchState
from jobsui.jobs.ledger import settlement
from jobsui.jobs.ledger.settlement import ReportedResults
from jobsui.jobs.mapping.field_targets import schema_of
from jobsui.jobs.models import Attempt, Batch, BatchBlob, BatchImages, Job
from jobsui.jobs.records import images
from jobsui.jobs.records.compare import Image


@dataclass(frozen=True, slots=True)
class ReadClaims:
    """The results of claiming batches whose records were read."""

    requests: list[BatchRequest]
    refused: Counter[int]
    """How many rows of each job are not sent because of their records."""


def claim(
    reads: Iterable[PriorRead],
    jobs: Mapping[int, Job],
    client_of: ClientOf,
    *,
    epoch: int,
    now: datetime,
) -> ReadClaims:
    """Mark batches whose records were read as being sent, and store what the records held. Rows
    whose records have changed get their results. Batches that may not be sent now are
    skipped; their records are read again later."""
    by_job: defaultdict[int, list[PriorRead]] = defaultdict(list)
    for read in reads:
        by_job[read.request.job_id].append(read)
    blocked = sql.blocked_rows(by_job)
    counters = settlement.JobCounters()
    to_send: list[ToSend] = []
    refused = Counter[int]()
    for job_id, _, first_only in sql.lock_jobs(by_job):
        if job_id not in jobs:
            continue
        found = _still_next(
            jobs[job_id],
            by_job[job_id],
            blocked.get(job_id, ()),
            first_only=first_only,
        )
        for batch, read, before in _kept(jobs[job_id], found):
            refused[job_id] += len(before.results)
            if items := _settle_refused(batch, before, counters, now):
                last_read, _ = read.request.items[-1]
                to_send.append(ToSend(batch, items, last_read, before.images))
    counters.write()
    requests = claims.mark(to_send, client_of, epoch, now) if to_send else []
    return ReadClaims(requests, +refused)


def _kept(
    job: Job, found: Sequence[tuple[Batch, PriorRead]]
) -> Iterator[tuple[Batch, PriorRead, Before]]:
    """Store what the records held. Yields each batch with its read and what follows from it."""
    if not found:
        return
    schema = schema_of(job)
    batches = [batch for batch, _ in found]
    past = claims.attempts_of(batches)
    stored = claims.stored_images([batch.pk for batch in batches])
    for batch, read in found:
        before = prior_reads.before(
            read,
            schema,
            stored.get(batch.pk, {}),
            _earlier(past[batch.pk]),
            refuses=prior_reads.refuses_changed(job, batch),
            is_of_records=prior_reads.is_of_records(job, batch),
        )
        _save_images(batch, before.images, stored.get(batch.pk))
        yield batch, read, before


def _still_next(
    job: Job,
    reads: Iterable[PriorRead],
    blocked: Sequence[sql.RowRange],
    *,
    first_only: bool,
) -> list[tuple[Batch, PriorRead]]:
    """The batches that may be sent and still have the items that were read."""
    ids = [read.request.batch_id for read in reads]
    batches = sql.by_id(Batch, ids)
    blobs = sql.by_id(BatchBlob, ids)
    found = []
    for read in reads:
        batch = batches.get(read.request.batch_id)
        if batch is None or batch.state != BatchState.PLANNED or batch.pk not in blobs:
            continue
        is_blocked = any(
            batch.first_row <= last and batch.last_row >= first
            for first, last in blocked
        )
        if is_blocked or (first_only and batch.seq != 1):
            continue
        batch.job = job
        batch.blob = blobs[batch.pk]
        if not claims.is_readable(batch):
            continue
        if _first_open(batch) == [index for index, _ in read.request.items]:
            found.append((batch, read))
    return found


def _first_open(batch: Batch) -> list[int]:
    """The indexes of the items that its next request would carry."""
    return [index for index, _ in batch.blob.open_items[: batch.split_size]]


def _settle_refused(
    batch: Batch, before: Before, counters: settlement.JobCounters, now: datetime
) -> list[Item]:
    """Give rows that are not sent their results. Returns the open items that are left, if any of
    the items that were read can be sent."""
    if not before.results:
        return batch.blob.open_items
    reported = ReportedResults(batch, before.results)
    settlement.settle_all([reported], counters, now)
    batch.save(update_fields=settlement.SETTLED_FIELDS)
    left = [item for item in batch.blob.open_items if item[0] not in before.results]
    has_read_ones = set(_first_open(batch)) - before.results.keys()
    return left if has_read_ones and batch.state in UNSETTLED else []


def _earlier(past: Iterable[PastAttempt]) -> EarlierRequests:
    arrived = [-1]
    unconfirmed = [-1]
    for attempt in past:
        if attempt.may_have_arrived:
            arrived.append(attempt.last_item)
        if attempt.result in Attempt.UNCONFIRMED:
            unconfirmed.append(attempt.last_item)
    return EarlierRequests(max(arrived), max(unconfirmed))


def _save_images(
    batch: Batch,
    found: Mapping[int, Image | None],
    stored: Mapping[int, Image | None] | None,
) -> None:
    if not found:
        return
    packed = images.packed(found)
    if stored is None:
        BatchImages.objects.create(batch=batch, images=packed)
    elif stored != found:
        BatchImages.objects.filter(batch=batch).update(images=packed)
