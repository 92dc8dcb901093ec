"""Writing down what became of batches and their rows. All of it happens inside the
caller's transaction, so a batch, its rows and the job's counters change together or not
at all."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from jobsui.jobs.enums import UNSETTLED, BatchState, Outcome
from jobsui.jobs.ledger import causes
from jobsui.jobs.models import Batch, BatchBlob, Job, RowError
from jobsui.jobs.models.batch import End, pack
from jobsui.jobs.sql import add_up, by_id, update_rows

PACE_SECONDS, PACE_SAMPLES = 5, 60


def end(outcome: Outcome, record_id: str = "", code: str = "", error: str = "") -> End:
    return [outcome.value, record_id, code, error]


class Ledger:
    """The changes one transaction makes to job counters and causes, added up and
    written once a job."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._touched: set[int] = set()

    def add(self, job_id: int, outcome: str, number: int = 1) -> None:
        self._counts[job_id][outcome] += number
        self._touched.add(job_id)

    def touch(self, job_id: int) -> None:
        """The job's page has something new to show."""
        self._touched.add(job_id)

    def include(self, other: "Ledger") -> None:
        """Add what another has."""
        for job_id, counts in other._counts.items():
            self._counts[job_id].update(counts)
        self._touched |= other._touched

    def write(self) -> None:
        """One UPDATE a job; counters go up by what was added, whatever others add at
        the same time."""
        for job_id in sorted(self._touched):
            add_up(job_id, self._counts[job_id])
        self._counts.clear()


@dataclass(frozen=True, slots=True)
class Ending:
    """How items of a batch ended, by their place in it, and the job status that told
    so."""

    batch: Batch
    """As read in this transaction."""
    ends: Mapping[int, End]
    reply: Mapping[str, Any] | None = None


def settle(batch: Batch, ends: Mapping[int, End], ledger: Ledger) -> bool:
    """`settle_all` of one batch: whether it is done with that."""
    settle_all([Ending(batch, ends)], ledger)
    return batch.state not in UNSETTLED


def settle_all(endings: Sequence[Ending], ledger: Ledger) -> None:
    """Give items their ends, and batches whose items all have one their final state.
    What already had an end keeps it, and a batch that is over stays as it is, so that
    doing it twice changes nothing."""
    endings = [each for each in endings if each.batch.state in UNSETTLED]
    # The blob of a batch in which nothing has an end yet, and nothing fails now, tells
    # nothing we need.
    blobs = by_id(
        BatchBlob,
        [each.batch.pk for each in endings if _has_ends(each.batch) or _bad(each.ends)],
    )
    told, told_with_reply, errors = [], [], []
    for ending in endings:
        batch, blob = ending.batch, blobs.get(ending.batch.pk)
        known: list[End | None] = blob.ends if blob else [None] * batch.size
        fresh = {
            place: entry
            for place, entry in ending.ends.items()
            if known[place : place + 1] == [None]
        }
        for place, entry in fresh.items():
            known[place] = entry
            ledger.add(batch.job_id, entry[0])
        if ending.reply is None:
            told.append((batch.pk, _packed(known)))
        else:
            told_with_reply.append((batch.pk, _packed(known), _packed(ending.reply)))
        if blob:
            errors += [
                _failed_row(batch, blob.row_numbers[place], entry)
                for place, entry in _bad(fresh).items()
            ]
        _close_if_over(batch, known, ledger)
    update_rows(BatchBlob, ("outcomes",), told)
    update_rows(BatchBlob, ("outcomes", "reply"), told_with_reply)
    update_rows(
        Batch,
        SETTLES,
        [[e.batch.pk, *(getattr(e.batch, name) for name in SETTLES)] for e in endings],
    )
    causes.record_failed_rows(errors)


SETTLES = ("state", "done_at", "reconcile_at", "succeeded", "failed", "uncertain")
"""What settling changes of a batch."""


def give_up(batch: Batch, places: Iterable[int], reason: str, ledger: Ledger) -> bool:
    """Nothing established what became of the open ones of these items: they are
    uncertain, and a person decides. True when the whole batch is done with that."""
    uncertain = end(Outcome.UNCERTAIN, code="Uncertain", error=reason)
    return settle(batch, dict.fromkeys(places, uncertain), ledger)


def reopen_uncertain(batch: Batch, state: BatchState, ledger: Ledger) -> None:
    """Take `uncertain` back from a batch's items, so that they are looked at or sent
    again."""
    blob = BatchBlob.objects.get(pk=batch.pk)
    ends = blob.ends
    open_again = [
        i
        for i, entry in enumerate(ends)
        if entry is not None and entry[0] == Outcome.UNCERTAIN
    ]
    for index in open_again:
        ends[index] = None
    blob.set_ends(ends)
    blob.save(update_fields=["outcomes"])
    ledger.add(batch.job_id, Outcome.UNCERTAIN.value, -len(open_again))
    ledger.add(batch.job_id, "batches_done", -1)
    causes.remove_uncertain_rows(batch)
    _tally_up(batch, ends)
    batch.state, batch.done_at, batch.reconcile_at, batch.reconcile_count = (
        state,
        None,
        timezone.now(),
        0,
    )
    batch.save(update_fields=[*SETTLES, "reconcile_count"])


def _has_ends(batch: Batch) -> bool:
    """Whether some of its items may have an end already."""
    return bool(batch.succeeded or batch.failed or batch.uncertain)


def _tally(ends: Iterable[End | None]) -> dict[str, int]:
    counts = Counter(entry[0] for entry in ends if entry is not None)
    apart = {
        "failed": counts.pop(Outcome.FAILED, 0),
        "uncertain": counts.pop(Outcome.UNCERTAIN, 0),
    }
    return {"succeeded": counts.total(), **apart}


def _close_if_over(batch: Batch, ends: Sequence[End | None], ledger: Ledger) -> None:
    _tally_up(batch, ends)
    if None not in ends:
        batch.state = BatchState.UNCERTAIN if batch.uncertain else BatchState.DONE
        batch.done_at, batch.reconcile_at = timezone.now(), None
        ledger.add(batch.job_id, "batches_done")


def _packed(value: Any) -> bytes:
    return pack(json.dumps(value).encode())


def _tally_up(batch: Batch, ends: Iterable[End | None]) -> None:
    for name, number in _tally(ends).items():
        setattr(batch, name, number)


def _bad(ends: Mapping[int, End]) -> dict[int, End]:
    return {
        place: entry
        for place, entry in ends.items()
        if entry[0] in {Outcome.FAILED, Outcome.UNCERTAIN}
    }


def _failed_row(batch: Batch, row: int, entry: End) -> causes.FailedRow:
    outcome, _, code, message = entry
    error = RowError(
        job_id=batch.job_id,
        batch=batch,
        row=row,
        outcome=outcome,
        code=code[:80],
        message=message,
    )
    return causes.FailedRow(error, causes.signature(code, "", message), message)


def sample_pace(job: Job) -> None:
    """Note how far a job is, as just read, unless the last note is recent or nothing
    has changed since."""
    now, done = time.time(), job.settled - job.invalid
    if job.pace and (now - job.pace[-1][0] < PACE_SECONDS or job.pace[-1][1] == done):
        return
    if job.pace or done:
        job.pace = [*job.pace, [now, done]][-PACE_SAMPLES:]
        Job.objects.filter(pk=job.pk).update(pace=job.pace)
