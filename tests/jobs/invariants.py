"""What holds of jobs, batches and attempts at every commit, whatever was killed in
between, and what holds at the end. Each invariant is one function; it raises
AssertionError with what it saw."""

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
BURST_SECONDS, FIRST = 2.0, 2
"""So much of its rate a driver may gather and spend at once, and with so many requests
it begins (pacing.Budget)."""
UNPACED = 20
"""Requests that spend no token, or spend it early: those that wait for a thread,
look-ups in pages, people's."""


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
        """For people who look into what went wrong."""
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
    """1: every row of a planned job is in one batch or invalid, and stands at exactly
    one place of its way."""
    for job in now.jobs:
        batches = now.batches_of(job)
        if job.planned_at is None or not batches:
            continue
        assert sum(batch.size for batch in batches) + job.invalid == job.rows, (
            f"1: {job.pk}"
        )
        still_open = sum(
            ends_by_outcome(batch)["open"]
            for batch in batches
            if batch.state in UNSETTLED
        )
        cancelled = sum(batch.cancelled for batch in batches) - job.cancelled
        assert job.pending == still_open + cancelled, (
            f"1: job {job.pk}: {job.pending} = {still_open} + {cancelled}"
        )


def counters_are_sums(now: Snapshot) -> None:
    """6: a job's counters are the sums over its batches, a batch's those over its
    items."""
    for job in now.jobs:
        batches = now.batches_of(job)
        ends = sum((ends_by_outcome(batch) for batch in batches), Counter[str]())
        told = {
            o.value: job.count(o)
            for o in (*SUCCEEDED, Outcome.FAILED, Outcome.UNCERTAIN)
        }
        assert told == {name: ends[name] for name in told}, f"6: job {job.pk}"
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
            assert job.cancelled == sum(batch.cancelled for batch in batches), (
                f"6: job {job.pk}, cancelled"
            )
    for batch in now.batches:
        ends = ends_by_outcome(batch)
        told = {
            "succeeded": batch.succeeded,
            "failed": batch.failed,
            "uncertain": batch.uncertain,
        }
        counted = {
            "succeeded": sum(ends[o] for o in SUCCEEDED),
            "failed": ends["failed"],
            "uncertain": ends["uncertain"],
        }
        assert told == counted, f"6: batch {batch.pk}"
        if batch.state not in UNSETTLED:
            assert ends["open"] == batch.cancelled, f"6: batch {batch.pk} is closed"


def epochs_follow_each_other(now: Snapshot) -> None:
    """5: what was sent was written down under one epoch after the other, none of them
    beyond its lease."""
    for one, next_ in pairwise(now.attempts):
        assert one.epoch <= next_.epoch, f"5: attempts {one.pk} and {next_.pk}"
    highest = max((attempt.epoch for attempt in now.attempts), default=0)
    assert highest <= max(
        (e for name, e in now.epochs.items() if name.startswith("account:")), default=0
    ), "5"


def done_stays_done(before: Snapshot, now: Snapshot) -> None:
    """7: what has an end keeps it, but that uncertain items may be taken up again by a
    person."""
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


def none_is_received_twice_silently(
    now: Snapshot, applied: Mapping[str, int], keys: Mapping[str, str]
) -> None:
    """2: Zendesk applied no item more often than attempts were written down that may
    have carried it there."""
    doubts = Counter(
        a.batch_id for a in now.attempts if a.result in Attempt.UNCONFIRMED
    )
    allowed = Counter[str]()
    for batch in now.batches:
        for key in applied_keys(batch, keys):
            allowed[key] += 1 + doubts[batch.pk]
    beyond = {key: times for key, times in applied.items() if times > allowed[key]}
    assert not beyond, f"2: applied more often than sent: {_some(beyond)}"
    on_their_way = {
        batch.pk: batch.attempts_made
        for batch in now.batches
        if batch.state == BatchState.SENDING
    }
    for attempt in now.attempts:
        told = attempt.result or on_their_way.get(attempt.batch_id) == attempt.number
        assert told, (
            f"2: nothing tells what became of attempt {attempt.number} of batch {attempt.batch_id}"
        )


def rate_is_kept(
    log: Iterable[Mapping[str, Any]], per_minute: int, drivers: int
) -> None:
    """8: what the account received keeps to its rate, but for what may gather."""
    rate = per_minute / 60
    most = rate * BURST_SECONDS + FIRST * drivers + UNPACED
    level, last = 0.0, 0.0
    for entry in log:
        level, last = max(0.0, level - (entry["time"] - last) * rate) + 1, entry["time"]
        assert level <= most, f"8: {level:.0f} requests beyond {per_minute} a minute"


# At the end


def all_is_over_or_visibly_stands(now: Snapshot) -> None:
    """9."""
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


def what_was_received_was_sent(now: Snapshot, log: Iterable[Mapping[str, Any]]) -> None:
    """2: each request that Zendesk accepted is an attempt that says so or is in
    doubt."""
    received = sum(_was_accepted(entry) for entry in log)
    results = Counter(attempt.result for attempt in now.attempts)
    certain = sum(results[result] for result in ARRIVED)
    assert certain <= received <= certain + results["unconfirmed"], (
        f"2: {received} received, {results}"
    )


def told_is_true(
    now: Snapshot, applied: Mapping[str, int], keys: Mapping[str, str]
) -> None:
    """2: what is told to have succeeded is there, what is told not to have been sent or
    to have failed is not."""
    doubted = {
        attempt.batch_id
        for attempt in now.attempts
        if attempt.result in Attempt.UNCONFIRMED
    }
    fates: dict[str, list[tuple[str, bool]]] = {}
    for batch in now.batches:
        for key, end in zip(
            applied_keys(batch, keys), batch.blob.row_results, strict=True
        ):
            fates.setdefault(key, []).append(
                (end[0] if end else "open", batch.pk in doubted)
            )
    lost, made = [], []
    for key, told in fates.items():
        outcomes = {outcome for outcome, _ in told}
        # What a delete sent once more does not find counts as deleted by the first
        # sending, were it ever there or not.
        if (
            outcomes & set(SUCCEEDED)
            and not applied.get(key)
            and (Outcome.DELETED, True) not in told
        ):
            lost.append((key, told))
        # Zendesk may fail an item of a batch sent once more that it had done before.
        if (
            outcomes <= {"failed", "open"}
            and applied.get(key)
            and not any(doubt for _, doubt in told)
        ):
            made.append((key, told))
    assert not lost, (
        f"2: told to be there and is not: {lost[:3]} and so on, {len(lost)} in all"
    )
    assert not made, (
        f"2: told not to be there and is: {made[:3]} and so on, {len(made)} in all"
    )
    assert applied.keys() <= fates.keys(), (
        f"2: never sent: {sorted(applied.keys() - fates.keys())[:3]}"
    )


# Helpers


def applied_keys(batch: Batch, keys: Mapping[str, str]) -> list[str]:
    """By what the sandbox counts each item's writings; `keys` has it for record ids."""
    return [_applied_key(item, keys) for item in batch.blob.items]


def ends_by_outcome(batch: Batch) -> Counter[str]:
    return Counter("open" if end is None else end[0] for end in batch.blob.row_results)


def _applied_key(item: Any, keys: Mapping[str, str]) -> str:
    if isinstance(item, str):
        return keys.get(item, item)
    return str(
        item.get("external_id")
        or keys.get(item.get("id", ""), item.get("id"))
        or item["name"]
    )


def _is_final(end: RowResult | None) -> bool:
    return end is not None and end[0] != Outcome.UNCERTAIN


def _was_accepted(entry: Mapping[str, Any]) -> bool:
    posted = entry["method"] == "POST" and entry["path"].endswith("/jobs")
    return posted and (
        entry["status"] == 201
        or bool({"drop-after-accept", "502-after-accept"} & {*entry["faults"]})
    )


def _some(found: Mapping[str, int]) -> str:
    return f"{dict(list(found.items())[:5])} and so on, {len(found)} in all"
