"""What is true of jobs, batches and attempts at every commit, even if processes were
killed, and what is true at the end. Each invariant is one function, which raises
AssertionError with the facts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Sum

from jobsui.jobs.enums import (
    OVER,
    SUCCEEDED,
    UNSETTLED,
    BatchState,
    EventKind,
    JobState,
    Outcome,
)
from jobsui.jobs.models import Attempt, Batch, Cause, Job, Lease, RowError, RowResult

ARRIVED = ("accepted", "lost")
BURST_SECONDS = 2.0
"""The part of its rate that a driver may accumulate (rate_limits.Budget)."""
FIRST_REQUESTS = 2
"""The requests that a driver may send at its start."""
UNPACED = 20
"""Requests that spend no token, or spend it before they are sent: requests of people, further
pages of a list, requests that wait for a thread."""


@dataclass(frozen=True)
class Snapshot:
    """The database at one commit."""

    jobs: list[Job]
    batches: list[Batch]
    attempts: list[Attempt]
    epochs: Mapping[str, int]
    errors: Mapping[tuple[int, str], int]
    """Rows that did not succeed, by job and outcome."""
    causes: Mapping[int, int]
    """What the causes found by sending count, by job."""

    @classmethod
    def taken(cls) -> "Snapshot":
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            errors = (
                RowError.objects.order_by()
                .values("job", "outcome")
                .annotate(n=Count("pk"))
            )
            causes = (
                Cause.objects.order_by()
                .filter(phase=Cause.Phase.SEND)
                .values("job")
                .annotate(n=Sum("count"))
            )
            return cls(
                list(Job.objects.launched().order_by("pk")),
                list(Batch.objects.select_related("blob").order_by("pk")),
                list(Attempt.objects.order_by("pk")),
                dict(Lease.objects.values_list("name", "epoch")),
                {(entry["job"], entry["outcome"]): entry["n"] for entry in errors},
                {entry["job"]: entry["n"] for entry in causes},
            )

    def batches_of(self, job: Job) -> list[Batch]:
        return [batch for batch in self.batches if batch.job_id == job.pk]

    def __str__(self) -> str:
        """For people who investigate a failure."""
        lines = [
            f"job {job.pk} {job.action} {job.state} {job.reason!r} {job.counts} "
            f"{job.batches_done}/{job.batches_total}"
            for job in self.jobs
        ]
        lines += [
            f"batch {b.pk} of job {b.job_id}: {b.state}, size {b.size}, "
            f"{b.succeeded}+{b.failed}+{b.uncertain}"
            f"+{b.cancelled}, epoch {b.epoch}, status {b.status_id}"
            for b in self.batches
        ]
        lines += [
            f"attempt {a.number} of batch {a.batch_id}: epoch {a.epoch}, "
            f"{a.items} items, {a.result!r} {a.note!r}"
            for a in self.attempts
        ]
        return "\n".join([*lines, f"epochs {self.epochs}"])


# At every commit


def rows_add_up(now: Snapshot) -> None:
    """1: every row of a planned job is invalid or in exactly one batch, and has exactly
    one outcome."""
    for job in now.jobs:
        batches = now.batches_of(job)
        if job.planned_at is None or not batches:
            continue
        unplanned = _unplanned_rows(job, batches)
        is_cut = job.state in {JobState.CANCELLING, JobState.CANCELLED, JobState.FAILED}
        assert unplanned == 0 or (is_cut and unplanned > 0), f"1: {job.pk}"
        still_open = sum(
            count_by_outcome(batch)["open"]
            for batch in batches
            if batch.state in UNSETTLED
        )
        cancelled = sum(batch.cancelled for batch in batches) - job.cancelled
        cancelled += unplanned
        assert job.pending == still_open + cancelled, (
            f"1: job {job.pk}: {job.pending} = {still_open} + {cancelled}"
        )


def counters_are_sums(now: Snapshot) -> None:
    """6: a job's counters are sums over its batches. A batch's counters are sums over its
    items."""
    for job in now.jobs:
        batches = now.batches_of(job)
        counts = sum((count_by_outcome(batch) for batch in batches), Counter[str]())
        reported = {
            o.value: job.count(o)
            for o in (*SUCCEEDED, Outcome.FAILED, Outcome.UNCERTAIN)
        }
        assert reported == {name: counts[name] for name in reported}, f"6: job {job.pk}"
        closed = [
            batch
            for batch in batches
            if batch.state in {BatchState.DONE, BatchState.UNCERTAIN}
        ]
        assert (job.batches_total, job.batches_done) == (len(batches), len(closed)), (
            f"6: job {job.pk}"
        )
        for outcome in (Outcome.INVALID, Outcome.FAILED, Outcome.UNCERTAIN):
            assert now.errors.get((job.pk, outcome), 0) == job.count(outcome), (
                f"6: job {job.pk}, {outcome} rows"
            )
        assert now.causes.get(job.pk, 0) >= job.failed + job.uncertain, (
            f"6: job {job.pk}, causes"
        )
        if job.state == JobState.CANCELLED:
            cancelled = sum(batch.cancelled for batch in batches)
            unplanned = _unplanned_rows(job, batches)
            assert job.cancelled == cancelled + unplanned, f"6: job {job.pk}, cancelled"
    for batch in now.batches:
        counts = count_by_outcome(batch)
        reported = {
            "succeeded": batch.succeeded,
            "failed": batch.failed,
            "uncertain": batch.uncertain,
        }
        counted = {
            "succeeded": sum(counts[o] for o in SUCCEEDED),
            "failed": counts["failed"],
            "uncertain": counts["uncertain"],
        }
        assert reported == counted, f"6: batch {batch.pk}"
        if batch.state not in UNSETTLED:
            # Rows that a person has left out have a result.
            without = counts["open"] + counts[Outcome.CANCELLED]
            assert without == batch.cancelled, f"6: batch {batch.pk} is closed"


def epochs_follow_each_other(now: Snapshot) -> None:
    """5: the attempts of a batch were recorded under ascending epochs, none of them beyond
    its lease."""
    by_batch = sorted(now.attempts, key=lambda each: (each.batch_id, each.number))
    for one, next_ in pairwise(by_batch):
        is_same = one.batch_id == next_.batch_id
        assert not is_same or one.epoch <= next_.epoch, (
            f"5: attempts {one.pk} and {next_.pk}"
        )
    highest = max((attempt.epoch for attempt in now.attempts), default=0)
    assert highest <= max(
        (e for name, e in now.epochs.items() if name.startswith("account:")), default=0
    ), "5"


def done_stays_done(before: Snapshot, now: Snapshot) -> None:
    """7: a result stays as it is. Only a person may reopen uncertain items."""
    present = {batch.pk: batch for batch in now.batches}
    for batch in before.batches:
        kept = zip(
            batch.blob.row_results, present[batch.pk].blob.row_results, strict=True
        )
        assert all(old == new for old, new in kept if _is_final(old)), (
            f"7: batch {batch.pk}"
        )
        if batch.state == BatchState.DONE:
            assert present[batch.pk].state == BatchState.DONE, (
                f"7: batch {batch.pk} is {present[batch.pk].state}"
            )
    states = {job.pk: job.state for job in now.jobs}
    for job in before.jobs:
        assert job.state not in OVER or states[job.pk] == job.state, f"7: job {job.pk}"


def no_item_is_applied_twice_silently(
    now: Snapshot, applied: Mapping[str, int], keys: Mapping[str, str]
) -> None:
    """2: Zendesk applied no item more often than recorded attempts may have sent it."""
    unconfirmed = Counter(
        a.batch_id for a in now.attempts if a.result in Attempt.UNCONFIRMED
    )
    allowed = Counter[str]()
    for batch in now.batches:
        for key in applied_keys(batch, keys):
            allowed[key] += 1 + unconfirmed[batch.pk]
    beyond = {key: times for key, times in applied.items() if times > allowed[key]}
    assert not beyond, f"2: applied more often than sent: {_some(beyond)}"
    in_flight = {
        batch.pk: batch.attempts_made
        for batch in now.batches
        if batch.state == BatchState.SENDING
    }
    for attempt in now.attempts:
        reported = attempt.result or in_flight.get(attempt.batch_id) == attempt.number
        assert reported, (
            f"2: attempt {attempt.number} of batch {attempt.batch_id} has no result"
        )


def rate_is_kept(
    log: Iterable[Mapping[str, Any]], per_minute: int, drivers: int
) -> None:
    """8: the account received requests at its rate, apart from accumulated ones."""
    rate = per_minute / 60
    most = rate * BURST_SECONDS + FIRST_REQUESTS * drivers + UNPACED
    level = 0.0
    last = 0.0
    for entry in log:
        drained = (entry["time"] - last) * rate
        level = max(0.0, level - drained) + 1
        last = entry["time"]
        assert level <= most, f"8: {level:.0f} requests beyond {per_minute} a minute"


# At the end


def jobs_are_over_or_say_why(now: Snapshot) -> None:
    """9: every job is over, or waits for a person and says why."""
    for job in now.jobs:
        assert job.state in {*OVER, JobState.PAUSED, JobState.NEEDS_DECISION}, (
            f"9: job {job.pk} is {job.state}"
        )
        reasoned = (
            job.reason or job.events.filter(kind=EventKind.PAUSE_REQUESTED).exists()
        )
        assert job.state != JobState.PAUSED or reasoned, (
            f"9: job {job.pk} is paused, and nothing says why"
        )
        assert job.state == JobState.PAUSED or job.pending == 0, (
            f"9: job {job.pk} is over with rows pending"
        )
        assert (job.state == JobState.NEEDS_DECISION) <= bool(job.uncertain), (
            f"9: job {job.pk} has nothing to decide"
        )


def accepted_requests_are_attempts(
    now: Snapshot, log: Iterable[Mapping[str, Any]]
) -> None:
    """2: each request that Zendesk accepted is an accepted or unconfirmed attempt."""
    received = sum(_was_accepted(entry) for entry in log)
    results = Counter(attempt.result for attempt in now.attempts)
    certain = sum(results[result] for result in ARRIVED)
    assert certain <= received <= certain + results["unconfirmed"], (
        f"2: {received} received, {results}"
    )


def reported_results_are_true(
    now: Snapshot, applied: Mapping[str, int], keys: Mapping[str, str]
) -> None:
    """2: rows reported as succeeded are in Zendesk. Rows reported as failed or not sent
    are not."""
    unconfirmed = {
        attempt.batch_id
        for attempt in now.attempts
        if attempt.result in Attempt.UNCONFIRMED
    }
    results: dict[str, list[tuple[str, bool]]] = {}
    for batch in now.batches:
        for key, result in zip(
            applied_keys(batch, keys), batch.blob.row_results, strict=True
        ):
            results.setdefault(key, []).append(
                (result[0] if result else "open", batch.pk in unconfirmed)
            )
    lost = []
    made = []
    for key, reported in results.items():
        outcomes = {outcome for outcome, _ in reported}
        # When a delete is sent again, a missing record counts as deleted by the first
        # attempt, even if it never existed.
        if (
            outcomes & set(SUCCEEDED)
            and not applied.get(key)
            and (Outcome.DELETED, True) not in reported
        ):
            lost.append((key, reported))
        # When a batch is sent again, Zendesk may refuse an item that it has applied.
        if (
            outcomes <= {"failed", "open"}
            and applied.get(key)
            and not any(is_unconfirmed for _, is_unconfirmed in reported)
        ):
            made.append((key, reported))
    assert not lost, (
        f"2: reported as saved, but missing: {lost[:3]} and so on, {len(lost)} in all"
    )
    assert not made, (
        f"2: reported as not saved, but there: {made[:3]} and so on, {len(made)} in all"
    )
    assert applied.keys() <= results.keys(), (
        f"2: never sent: {sorted(applied.keys() - results.keys())[:3]}"
    )


# Helpers


def _unplanned_rows(job: Job, batches: Iterable[Batch]) -> int:
    """The rows that the planner has not reached. Those of a job that was cancelled before
    are in no batch."""
    return job.rows - job.invalid - sum(batch.size for batch in batches)


def applied_keys(batch: Batch, keys: Mapping[str, str]) -> list[str]:
    """The keys under which the sandbox counts how often each item was applied. `keys` has
    them for record ids."""
    return [_applied_key(item, keys) for item in batch.blob.items]


def count_by_outcome(batch: Batch) -> Counter[str]:
    return Counter(
        "open" if result is None else result[0] for result in batch.blob.row_results
    )


def _applied_key(item: Any, keys: Mapping[str, str]) -> str:
    if isinstance(item, str):
        return keys.get(item, item)
    return str(
        item.get("external_id")
        or keys.get(item.get("id", ""), item.get("id"))
        or item["name"]
    )


def _is_final(result: RowResult | None) -> bool:
    return result is not None and result[0] != Outcome.UNCERTAIN


def _was_accepted(entry: Mapping[str, Any]) -> bool:
    posted = entry["method"] == "POST" and entry["path"].endswith("/jobs")
    return posted and (
        entry["status"] == 201
        or bool({"drop-after-accept", "502-after-accept"} & {*entry["faults"]})
    )


def _some(found: Mapping[str, int]) -> str:
    return f"{dict(list(found.items())[:5])} and so on, {len(found)} in all"
