"""Writing down what became of batches and their rows. All of it happens inside the caller's transaction, so a batch,
its rows and the job's counters change together or not at all."""

import hashlib
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.jobs.enums import SENDABLE, SETTLED, BatchState, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Cause, Job, JobEvent, RowError
from jobsui.jobs.models.batch import End, pack

SAMPLES = 20
PACE_SECONDS, PACE_SAMPLES = 5, 60


def end(outcome: Outcome, record_id: str = "", code: str = "", error: str = "") -> End:
    return [outcome.value, record_id, code, error]


class Ledger:
    """The changes one transaction makes to job counters and causes, added up and written once a job."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._touched: set[int] = set()

    def add(self, job_id: int, outcome: str, number: int = 1) -> None:
        self._counts[job_id][outcome] += number
        self._touched.add(job_id)

    def touch(self, job_id: int) -> None:
        """The job's page has something new to show."""
        self._touched.add(job_id)

    @property
    def touched(self) -> set[int]:
        return self._touched

    def include(self, other: "Ledger") -> None:
        """Add what another has."""
        for job_id, counts in other._counts.items():
            self._counts[job_id].update(counts)
        self._touched |= other._touched

    def write(self) -> None:
        """One UPDATE a job; counters go up by what was added, whatever others add at the same time."""
        for job_id in sorted(self._touched):
            changes: dict[str, Any] = {
                name: F(name) + number for name, number in self._counts[job_id].items() if number
            }
            if pace := _next_pace(job_id, self._counts[job_id]):
                changes["pace"] = pace
            Job.objects.filter(pk=job_id).update(version=F("version") + 1, **changes)
        self._counts.clear()


def settle(batch: Batch, ends: Mapping[int, End], ledger: Ledger, *, reply: Mapping[str, Any] | None = None) -> bool:
    """Give items their end. True when the whole batch is done with that; what already had an end keeps it, and a batch
    that is over stays as it is, so that doing it twice changes nothing."""
    if not Batch.objects.filter(pk=batch.pk).unsettled().exists():
        return True
    blob = BatchBlob.objects.get(pk=batch.pk)
    known = blob.ends
    fresh = {index: entry for index, entry in ends.items() if 0 <= index < len(known) and known[index] is None}
    for index, entry in fresh.items():
        known[index] = entry
        ledger.add(batch.job_id, entry[0])
    blob.set_ends(known)
    if reply is not None:
        blob.reply = pack(json.dumps(reply).encode())
    blob.save(update_fields=["outcomes", "reply"])
    _note_errors(batch, blob, fresh)
    if None in known:
        Batch.objects.filter(pk=batch.pk).update(**_tally(known))
        return False
    _close(batch, known, ledger)
    return True


def give_up(batch: Batch, reason: str, ledger: Ledger) -> None:
    """Nothing established what became of the open items: they are uncertain, and a person decides."""
    ends = BatchBlob.objects.get(pk=batch.pk).ends
    lost = {i: end(Outcome.UNCERTAIN, code="Uncertain", error=reason) for i, entry in enumerate(ends) if entry is None}
    settle(batch, lost, ledger)


def reopen_uncertain(batch: Batch, state: BatchState, ledger: Ledger) -> None:
    """Take `uncertain` back from a batch's items, so that they are looked at or sent again."""
    blob = BatchBlob.objects.get(pk=batch.pk)
    ends = blob.ends
    open_again = [i for i, entry in enumerate(ends) if entry is not None and entry[0] == Outcome.UNCERTAIN]
    for index in open_again:
        ends[index] = None
    blob.set_ends(ends)
    blob.save(update_fields=["outcomes"])
    ledger.add(batch.job_id, Outcome.UNCERTAIN.value, -len(open_again))
    ledger.add(batch.job_id, "batches_done", -1)
    _forget_errors(batch)
    Batch.objects.filter(pk=batch.pk).update(
        state=state, done_at=None, look_at=timezone.now(), looks=0, **_tally(ends)
    )  # fmt: skip


Words = tuple[str, str]
"""What a cause says: message and cure."""


def record_errors(job_id: int, errors: Iterable[tuple[RowError, Words, str]]) -> None:
    """Store rows that did not succeed, each with the words and the signature of its cause, and count the causes."""
    by_cause: defaultdict[str, list[tuple[RowError, Words]]] = defaultdict(list)
    for error, words, signature in errors:
        by_cause[signature].append((error, words))
    for signature, entries in by_cause.items():
        cause = _cause(job_id, signature, *entries[0])
        for error, _ in entries:
            error.cause = cause
        rows = (cause.sample_rows + [error.row for error, _ in entries])[:SAMPLES]
        values = list(dict.fromkeys(cause.sample_values + [error.value for error, _ in entries if error.value]))[:5]
        Cause.objects.filter(pk=cause.pk).update(
            count=F("count") + len(entries), sample_rows=rows, sample_values=values
        )  # fmt: skip
    RowError.objects.bulk_create([error for entries in by_cause.values() for error, _ in entries], batch_size=500)


def signature(code: str, column: str, message: str) -> str:
    """The same for two messages that differ only in numbers, ids and quoted values."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"|\b[0-9A-HJKMNP-TV-Z]{26}\b|\d+", "…", message)
    return hashlib.sha256("\x00".join((code, column, plain)).encode()).hexdigest()


def finish_if_over(job_id: int) -> None:
    """Move a job on when nothing of it is left to do in its present state: paused once nothing is in flight, over once
    every row has its end. Whoever settled its last batch, or planned its last row, calls this."""
    with transaction.atomic():
        # Locked before its batches are looked at: counters read here cannot grow old before they are used.
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.state == JobState.CANCELLING:
            _cancel_planned(job)
            job.refresh_from_db()
        unsettled = Batch.objects.filter(job=job).unsettled()
        if job.planned_at is not None and not unsettled.exists():
            _end(job)
        elif job.state == JobState.PAUSING and not unsettled.exclude(state=BatchState.PLANNED).exists():
            _become(job, JobState.PAUSED, "Paused. Nothing is in flight.")


def _end(job: Job) -> None:
    if job.state == JobState.CANCELLING:
        # A reason is there only when the planner could not go on; a person's cancel has none.
        state, event = (JobState.FAILED, "Failed.") if job.reason else (JobState.CANCELLED, "Cancelled.")
        _become(job, state, event, cancelled=F("cancelled") + job.pending, reason=job.reason)
    elif job.state in {*SENDABLE, JobState.PAUSING}:
        over = JobState.NEEDS_DECISION if job.uncertain else JobState.COMPLETED
        _become(job, over, "Completed." if not job.uncertain else f"{job.uncertain} rows are uncertain: please decide.")


def _become(job: Job, state: JobState, event: str, **fields: Any) -> None:
    if state is not JobState.PAUSED:
        fields = {"finished_at": Now(), "reason": ""} | fields
    if Job.objects.change(job, expected=(job.state,), state=state, held_by="", **fields):
        JobEvent.objects.create(job=job, text=event)


def _cancel_planned(job: Job) -> None:
    """Batches never sent are cancelled; items of theirs that already have an end keep it. A batch that was to be sent
    again because it may not have arrived is uncertain: nobody can say that it was never sent."""
    planned = Batch.objects.filter(job=job, state=BatchState.PLANNED)
    ledger = Ledger()
    for batch in planned.filter(attempts__result__in=Attempt.IN_DOUBT).distinct():
        give_up(batch, "The job was cancelled before it could be established whether this had arrived.", ledger)
    ledger.write()
    planned.update(
        state=BatchState.CANCELLED, done_at=Now(),
        cancelled=F("size") - F("succeeded") - F("failed") - F("uncertain"),
    )  # fmt: skip


def _close(batch: Batch, ends: list[End | None], ledger: Ledger) -> None:
    tally = _tally(ends)
    state = BatchState.UNCERTAIN if tally["uncertain"] else BatchState.DONE
    Batch.objects.filter(pk=batch.pk).update(state=state, done_at=timezone.now(), look_at=None, **tally)
    ledger.add(batch.job_id, "batches_done")


def _tally(ends: Iterable[End | None]) -> dict[str, int]:
    counts = Counter(entry[0] for entry in ends if entry is not None)
    apart = {"failed": counts.pop(Outcome.FAILED, 0), "uncertain": counts.pop(Outcome.UNCERTAIN, 0)}
    return {"succeeded": counts.total(), **apart}


def _note_errors(batch: Batch, blob: BatchBlob, ends: Mapping[int, End]) -> None:
    bad = {i: entry for i, entry in ends.items() if entry[0] in {Outcome.FAILED, Outcome.UNCERTAIN}}
    if not bad:
        return
    rows = blob.row_numbers
    record_errors(batch.job_id, [_row_error(batch, rows[index], entry) for index, entry in bad.items()])


def _row_error(batch: Batch, row: int, entry: End) -> tuple[RowError, Words, str]:
    outcome, _, code, message = entry
    error = RowError(job_id=batch.job_id, batch=batch, row=row, outcome=outcome, code=code[:80], message=message)
    return error, (message, ""), signature(code, "", message)


def _forget_errors(batch: Batch) -> None:
    uncertain = RowError.objects.filter(batch=batch, outcome=Outcome.UNCERTAIN)
    for cause_id, number in Counter(uncertain.values_list("cause", flat=True)).items():
        Cause.objects.filter(pk=cause_id).update(count=F("count") - number)
    uncertain.delete()
    Cause.objects.filter(job=batch.job_id, phase=Cause.Phase.SEND, count=0).delete()


def _cause(job_id: int, signature: str, example: RowError, said: Words) -> Cause:
    words = {"code": example.code, "column": example.column, "message": said[0], "cure": said[1]}
    return Cause.objects.get_or_create(
        job_id=job_id, phase=Cause.Phase.SEND, signature=signature, defaults=words
    )[0]  # fmt: skip


def _next_pace(job_id: int, counts: Mapping[str, int]) -> list[list[float]] | None:
    """The job's pace with a new sample, None when the last one is recent."""
    gained = sum(number for name, number in counts.items() if name in {outcome.value for outcome in SETTLED})
    if not gained:
        return None
    job = Job.objects.get(pk=job_id)
    now = time.time()
    if job.pace and now - job.pace[-1][0] < PACE_SECONDS:
        return None
    return [*job.pace, [now, job.settled - job.invalid + gained]][-PACE_SAMPLES:]
