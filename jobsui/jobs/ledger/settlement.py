"""Gives rows their results, and closes batches whose rows all have one.

Everything here runs inside the caller's transaction, so that a batch, its rows and the
job's counters change together or not at all.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone

from jobsui.jobs.enums import UNSETTLED, AttemptResult, BatchState, Outcome
from jobsui.jobs.ledger import causes, unreadable
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job, RowResult
from jobsui.jobs.models.batch import Unreadable, pack, pack_rows
from jobsui.jobs.sql import add_up, by_id, update_rows

PACE_INTERVAL = 5
MAX_PACE_SAMPLES = 60
BAD = frozenset({Outcome.FAILED, Outcome.UNCERTAIN})
"""Outcomes of rows that were sent and have an error of their own."""
GIVEN_UP = "A person stopped waiting for its result."
_outcome_of = attrgetter("outcome")
SETTLED_FIELDS = (
    "state",
    "done_at",
    "reconcile_at",
    "succeeded",
    "failed",
    "uncertain",
    "cancelled",
)
"""The columns of a batch that settling may change."""


class JobCounters:
    """What one transaction adds to the counters of jobs, written once for each job."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._touched: set[int] = set()

    def add(self, job_id: int, column: str, number: int = 1) -> None:
        """Add to a counter column of the job: an outcome, "batches_done" or
        "temporary_failures"."""
        self._counts[job_id][column] += number
        self._touched.add(job_id)

    def add_results(self, job_id: int, results: Iterable[RowResult]) -> None:
        for outcome, number in Counter(map(_outcome_of, results)).items():
            self.add(job_id, outcome, number)

    def pending(self, job_id: int, column: str) -> int:
        """What is added to this column once it is written."""
        return self._counts[job_id][column]

    def touch(self, job_id: int) -> None:
        """The job's page has something new to show."""
        self._touched.add(job_id)

    def include(self, other: "JobCounters") -> None:
        for job_id, counts in other._counts.items():
            self._counts[job_id].update(counts)
        self._touched |= other._touched

    def write(self) -> None:
        """One UPDATE for each job. It adds, so that others may add at the same time."""
        for job_id in sorted(self._touched):
            add_up(job_id, self._counts[job_id])
        self._counts.clear()
        self._touched.clear()


@dataclass(frozen=True, slots=True)
class ReportedResults:
    """Results for items of a batch, and the job status that reported them."""

    batch: Batch
    """As read in this transaction."""
    results: Mapping[int, RowResult]
    """By the item's index in the batch."""
    job_status_body: Mapping[str, Any] | None = None
    """None: keep the one that is stored."""


def settle(
    batch: Batch, results: Mapping[int, RowResult], counters: JobCounters
) -> bool:
    """`settle_all` for one batch, which is saved. True: the batch is settled now."""
    settle_all([ReportedResults(batch, results)], counters, timezone.now())
    batch.save(update_fields=SETTLED_FIELDS)
    return batch.state not in UNSETTLED


def settle_all(
    reported: Sequence[ReportedResults], counters: JobCounters, now: datetime
) -> None:
    """Give items their results, and batches without open items their final state.

    An item keeps its first result and a settled batch stays as it is, so doing this
    twice changes nothing. The batches themselves are changed in memory only; the caller
    saves SETTLED_FIELDS.
    """
    unsettled = [each for each in _merged(reported) if each.batch.state in UNSETTLED]
    blobs = by_id(BatchBlob, [each.batch.pk for each in unsettled if _needs_blob(each)])
    results_only: list[tuple[int, bytes]] = []
    with_job_status: list[tuple[int, bytes, bytes]] = []
    failed_rows: list[causes.FailedRow] = []
    for each in unsettled:
        batch = each.batch
        blob = blobs.get(batch.pk)
        results: list[RowResult | None] = [None] * batch.size
        row_numbers: list[int] = []
        try:
            if blob:
                results = blob.row_results
                row_numbers = blob.row_numbers
            elif _needs_blob(each):
                raise Unreadable
        except Unreadable:
            failed_rows += _settle_unreadable(batch, blob, each.results, counters, now)
            continue
        added = _add_results(results, each.results)
        counters.add_results(batch.job_id, added.values())
        if blob:
            failed_rows += _failed_rows(batch, row_numbers, added)
        _count_results(batch, results)
        if None not in results:
            _close(batch, counters, now)
        packed = BatchBlob.packed_results(results)
        if each.job_status_body is None:
            results_only.append((batch.pk, packed))
        else:
            body = pack(json.dumps(each.job_status_body).encode())
            with_job_status.append((batch.pk, packed, body))
    update_rows(BatchBlob, ("results",), results_only)
    update_rows(BatchBlob, ("results", "job_status_body"), with_job_status)
    causes.record_failed_rows(failed_rows)


def settle_unreadable(batch: Batch, counters: JobCounters) -> None:
    """Settle a batch whose content cannot be read, and save it. Its open rows are
    uncertain if they may have been sent, else failed."""
    blob = BatchBlob.objects.filter(pk=batch.pk).first()
    failed_rows = _settle_unreadable(batch, blob, {}, counters, timezone.now())
    batch.save(update_fields=SETTLED_FIELDS)
    causes.record_failed_rows(failed_rows)


def mark_uncertain(
    batch: Batch, indexes: Iterable[int], reason: str, counters: JobCounters
) -> bool:
    """The open ones of these items become uncertain: a person decides about them. True:
    the batch is settled now."""
    result = uncertain(reason)
    return settle(batch, dict.fromkeys(indexes, result), counters)


def uncertain(reason: str) -> RowResult:
    """The result of a row that was sent and for which Zendesk shows no result."""
    return RowResult(Outcome.UNCERTAIN, code="Uncertain", message=reason)


def give_up(batch: Batch, reason: str, counters: JobCounters) -> None:
    """Wait no longer for the result of a batch in flight: the open items that its requests
    carried become uncertain. The others have not been sent, and wait for their turn."""
    attempts = Attempt.objects.filter(batch=batch)
    may_be_applied = attempts.filter(
        Q(result__in=Attempt.UNCONFIRMED) | Q(number=batch.attempts_made)
    )
    last_item = may_be_applied.aggregate(last=Max("last_item"))["last"]
    given_up = {"result": AttemptResult.UNCONFIRMED, "note": GIVEN_UP}
    attempts.filter(result=AttemptResult.IN_FLIGHT).update(**given_up)
    if batch.state == BatchState.ACCEPTED:
        # The results of its job status were never read. A later failure has to be checked.
        accepted = attempts.filter(number=batch.attempts_made)
        accepted.update(status_id=batch.status_id, **given_up)
    if not mark_uncertain(batch, range(last_item + 1), reason, counters):
        batch.state = BatchState.PLANNED
        batch.reconcile_at = None
        batch.save(update_fields=["state", "reconcile_at"])


def reopen_uncertain(batch: Batch, state: BatchState, counters: JobCounters) -> None:
    """Take the result from a batch's uncertain items: they are reconciled
    (UNCONFIRMED) or sent (PLANNED) again. Items that were cancelled are open again
    too: lifecycle cancels them with the job."""
    blob = BatchBlob.objects.get(pk=batch.pk)
    try:
        results = blob.row_results
    except Unreadable:
        # Damaged since: there is nothing to send or to compare with.
        return
    reopened = 0
    for index, result in enumerate(results):
        if result is not None and result.outcome == Outcome.UNCERTAIN:
            results[index] = None
            reopened += 1
    blob.results = BatchBlob.packed_results(results)
    blob.save(update_fields=["results"])
    counters.add(batch.job_id, Outcome.UNCERTAIN, -reopened)
    if batch.state == BatchState.UNCERTAIN:
        counters.add(batch.job_id, "batches_done", -1)
    if batch.cancelled:
        counters.add(batch.job_id, Outcome.CANCELLED, -batch.cancelled)
    causes.remove_uncertain_rows(batch)
    _count_results(batch, results)
    batch.state = state
    batch.done_at = None
    batch.reconcile_at = timezone.now()
    batch.reconcile_count = 0
    batch.cancelled = 0
    batch.save(update_fields=[*SETTLED_FIELDS, "reconcile_count", "cancelled"])


def sample_pace(job: Job, now: datetime) -> bool:
    """Note how many rows are settled, unless the last note is recent or says the same.
    True: `save_pace` must store it."""
    seconds = now.timestamp()
    done = job.settled - job.invalid
    if job.pace:
        noted_at, noted = job.pace[-1]
        if seconds - noted_at < PACE_INTERVAL or noted == done:
            return False
    if not (job.pace or done):
        return False
    job.pace = [*job.pace, [seconds, done]][-MAX_PACE_SAMPLES:]
    return True


def save_pace(jobs: Iterable[Job]) -> None:
    """Store what `sample_pace` noted of these jobs."""
    update_rows(Job, ("pace",), [(job.pk, job.pace) for job in jobs])


def _merged(reported: Iterable[ReportedResults]) -> list[ReportedResults]:
    """One for each batch. After a failed commit, a batch may be reported twice in one
    transaction, and each item keeps its first result."""
    merged: dict[int, ReportedResults] = {}
    for later in reported:
        earlier = merged.get(later.batch.pk)
        if earlier is None:
            merged[later.batch.pk] = later
            continue
        body = later.job_status_body
        if body is None:
            body = earlier.job_status_body
        results = {**later.results, **earlier.results}
        merged[later.batch.pk] = ReportedResults(later.batch, results, body)
    return list(merged.values())


def _settle_unreadable(
    batch: Batch,
    blob: BatchBlob | None,
    reported: Mapping[int, RowResult],
    counters: JobCounters,
    now: datetime,
) -> list[causes.FailedRow]:
    """As settle_unreadable, with the results that were just reported. The batch is
    changed in memory only. Returns the rows to record."""
    recovered = unreadable.recover(batch, blob)
    results = recovered.results
    if recovered.forgotten:
        _take_back(batch, recovered.forgotten, counters)
    added = _add_results(results, reported)
    missing = unreadable.results_of_open_items(batch, results)
    added |= _add_results(results, missing)
    counters.add_results(batch.job_id, added.values())
    _count_results(batch, results)
    _close(batch, counters, now)
    BatchBlob.objects.update_or_create(
        pk=batch.pk,
        defaults={
            "rows": pack_rows(recovered.rows),
            "results": BatchBlob.packed_results(results),
        },
    )
    return _failed_rows(batch, recovered.rows, added)


def _take_back(batch: Batch, number: int, counters: JobCounters) -> None:
    """Count this many rows no more that have succeeded."""
    if not batch.action.is_upsert:
        counters.add(batch.job_id, batch.action.outcome, -number)
        return
    # Of some upserts it was known which rows created a record, and of this batch it no
    # longer is.
    job = Job.objects.get(pk=batch.job_id)
    for outcome in (Outcome.CREATED_OR_UPDATED, Outcome.UPDATED, Outcome.CREATED):
        counted = job.count(outcome) + counters.pending(batch.job_id, outcome)
        taken = min(number, counted)
        counters.add(batch.job_id, outcome, -taken)
        number -= taken


def _needs_blob(reported: ReportedResults) -> bool:
    """Whether settling has to read the batch's blob: some of its items may have results
    already, or rows fail now and their numbers are needed."""
    batch = reported.batch
    if batch.succeeded or batch.failed or batch.uncertain:
        return True
    return not BAD.isdisjoint(map(_outcome_of, reported.results.values()))


def _add_results(
    results: list[RowResult | None], reported: Mapping[int, RowResult]
) -> dict[int, RowResult]:
    """Add the reported results of items that have none. Returns the added ones."""
    added = {}
    for index, result in reported.items():
        if index < len(results) and results[index] is None:
            results[index] = result
            added[index] = result
    return added


def _count_results(batch: Batch, results: Iterable[RowResult | None]) -> None:
    counts = Counter(map(_outcome_of, filter(None, results)))
    batch.failed = counts.pop(Outcome.FAILED, 0)
    # Rows that a person has left out. Others are cancelled with their batch.
    batch.cancelled += counts.pop(Outcome.CANCELLED, 0)
    batch.uncertain = counts.pop(Outcome.UNCERTAIN, 0)
    batch.succeeded = counts.total()


def _close(batch: Batch, counters: JobCounters, now: datetime) -> None:
    batch.state = BatchState.UNCERTAIN if batch.uncertain else BatchState.DONE
    batch.done_at = now
    batch.reconcile_at = None
    counters.add(batch.job_id, "batches_done")


def _failed_rows(
    batch: Batch, row_numbers: Sequence[int], results: Mapping[int, RowResult]
) -> list[causes.FailedRow]:
    return [
        _failed_row(batch, row_numbers[index], result)
        for index, result in results.items()
        if result.outcome in BAD
    ]


def _failed_row(batch: Batch, row: int, result: RowResult) -> causes.FailedRow:
    return causes.FailedRow(
        job_id=batch.job_id,
        batch_id=batch.pk,
        row=row,
        outcome=result.outcome,
        code=result.code[:80],
        column="",
        value="",
        message=result.message,
        signature=causes.signature(result.code, "", result.message),
        general=result.message,
    )
