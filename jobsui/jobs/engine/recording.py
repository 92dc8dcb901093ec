"""Writing down what was heard from Zendesk. Each event moves one batch on, if the batch is still where the event found
it; all of it happens inside the caller's transaction, and writing an event a second time changes nothing."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from jobsui.jobs.engine import sending, settling
from jobsui.jobs.engine.reconciling import Doubt, Finding
from jobsui.jobs.engine.sending import Posted, Shipment
from jobsui.jobs.enums import IN_FLIGHT, SENDABLE, BatchState, JobState, Outcome
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.jobs.models.batch import End
from jobsui.zendesk.errors import Forbidden, Limited, NotFound, NotSent, NotSignedIn, Refused, ZendeskError
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)
LOOK_SECONDS = 2.0
BUSY = frozenset({408, 409, 423, 425})
"""Definite noes that mean: not now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job of ours is over, its failures verified where that was needed."""

    shipment: Shipment
    status: JobStatus
    ends: Mapping[int, End]


@dataclass(frozen=True, slots=True)
class Lost:
    """Zendesk no longer shows the job status of a batch it had accepted."""

    shipment: Shipment


@dataclass(frozen=True, slots=True)
class Looked:
    """A batch in doubt was looked into, or could not be."""

    doubt: Doubt
    finding: Finding | None = None
    error: ZendeskError | None = None
    next_look: float = LOOK_SECONDS
    """Seconds until it is looked at again, if need be."""

    @property
    def shipment(self) -> Shipment:
        return self.doubt.shipment


@dataclass(frozen=True, slots=True)
class Halted:
    """Zendesk refuses the account's credentials, asked about a batch it had accepted."""

    shipment: Shipment
    error: Refused


Event = Posted | Ended | Lost | Looked | Halted


def write(events: Iterable[Event]) -> None:
    """Write all of them, and move on the jobs they concern. One that cannot be written does not hold up the others."""
    ledger = settling.Ledger()
    for event in events:
        try:
            with transaction.atomic():
                ledger.include(_write(event))
        except DATABASE_AWAY:
            raise
        except Exception:
            logger.exception("What came back of batch %s cannot be written down.", event.shipment.batch_id)
            _set_aside(event.shipment)
            ledger.touch(event.shipment.job_id)
    ledger.write()
    for job_id in sorted(ledger.touched):
        settling.finish_if_over(job_id)


def doubt(batch: Batch, note: str, *, result: str = "unsure") -> None:
    """Nobody knows what became of what was sent: it is looked into soon."""
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.UNSURE, status_id="", look_at=_in(LOOK_SECONDS), looks=0)
    Attempt.objects.filter(batch=batch, number=batch.attempts_made).update(result=result, note=note)


def put_back(batch: Batch) -> None:
    """It is to be sent, again or after all."""
    Batch.objects.filter(pk=batch.pk, state__in=IN_FLIGHT).update(state=BatchState.PLANNED, look_at=None)


def stop_jobs(shipment: Shipment, error: Refused) -> None:
    """The account or the object refuses: no fault of the rows. The jobs concerned wait for a person."""
    jobs = Job.objects.filter(connection_id=shipment.connection_id, state__in=SENDABLE)
    if isinstance(error, NotFound):
        jobs = jobs.filter(object_key=shipment.object_key)
    _pause(jobs, f"Zendesk refused: {error.message}")


def _write(event: Event) -> settling.Ledger:
    ledger = settling.Ledger()
    ledger.touch(event.shipment.job_id)
    batch = Batch.objects.get(pk=event.shipment.batch_id)
    match event:
        case Posted():
            _posted(batch, event, ledger)
        case Ended() if batch.state == BatchState.ACCEPTED:
            if not settling.settle(batch, event.ends, ledger, reply=event.status.raw):
                doubt(batch, f"Its job {event.status.status} without telling of every row.")
        case Lost() if batch.state == BatchState.ACCEPTED:
            doubt(batch, "Zendesk no longer knows its job status.", result="lost")
        case Looked() if batch.state == BatchState.UNSURE:
            _looked(batch, event, ledger)
        case Halted():
            stop_jobs(event.shipment, event.error)
    return ledger


def _posted(batch: Batch, posted: Posted, ledger: settling.Ledger) -> None:
    if batch.state != BatchState.SENDING:
        return
    note = posted.error.message if posted.error else ""
    result = _moved(batch, posted, ledger)
    Attempt.objects.filter(pk=posted.shipment.attempt_id).update(
        result=result, note=note, **sending.kept_answer(posted.answer)
    )  # fmt: skip


def _moved(batch: Batch, posted: Posted, ledger: settling.Ledger) -> str:
    """Move a batch that was being sent on as its answer says; the attempt's result."""
    shipment = posted.shipment
    match posted.error:
        case None if posted.status and not _is_taken(posted.status.id, batch):
            Batch.objects.filter(pk=batch.pk).update(
                state=BatchState.ACCEPTED, status_id=posted.status.id, accepted_at=Now()
            )  # fmt: skip
            return "accepted"
        case Limited():
            put_back(batch)
            return "limited"
        case NotSent():
            put_back(batch)
            return "not_sent"
        case NotSignedIn() | Forbidden() | NotFound() as error:
            put_back(batch)
            stop_jobs(shipment, error)
        case Refused(status=status) if status in BUSY:
            put_back(batch)
        case Refused() as error:
            refused = settling.end(Outcome.FAILED, code=error.code or str(error.status), error=error.message)
            settling.settle(batch, {place: refused for place, _ in shipment.items}, ledger)
        case _:
            doubt(batch, "")
            return "unsure"
    return "refused"


def _looked(batch: Batch, looked: Looked, ledger: settling.Ledger) -> None:
    finding = looked.finding
    if finding is None:
        _not_looked(batch, looked, ledger)
        return
    Attempt.objects.filter(pk=looked.shipment.attempt_id).update(note=finding.note)
    if finding.status_id and _is_taken(finding.status_id, batch):
        _look_later(batch, looked)  # Two batches of the same content: the other was first.
        return
    if finding.status_id:
        Batch.objects.filter(pk=batch.pk).update(status_id=finding.status_id)
    if settling.settle(batch, finding.ends, ledger):
        return
    match finding.rest:
        case "resend":
            put_back(batch)
        case "uncertain":
            settling.give_up(batch, finding.note, ledger)
        case _:
            _look_later(batch, looked)


def _not_looked(batch: Batch, looked: Looked, ledger: settling.Ledger) -> None:
    if isinstance(looked.error, NotFound):
        settling.give_up(batch, f"The object cannot be read any more: {looked.error.message}", ledger)
    else:
        Batch.objects.filter(pk=batch.pk).update(look_at=_in(looked.next_look))
    if isinstance(looked.error, NotSignedIn | Forbidden | NotFound):
        stop_jobs(looked.shipment, looked.error)


def _look_later(batch: Batch, looked: Looked) -> None:
    Batch.objects.filter(pk=batch.pk).update(look_at=_in(looked.next_look), looks=batch.looks + 1)


def _is_taken(status_id: str, batch: Batch) -> bool:
    """Whether a job status is known as another batch's."""
    return Batch.objects.filter(status_id=status_id).exclude(pk=batch.pk).exists()


def _set_aside(shipment: Shipment) -> None:
    """Our own fault. The batch counts as in doubt, which loses and repeats nothing, and its job waits for a person."""
    Batch.objects.filter(pk=shipment.batch_id, state__in=IN_FLIGHT).update(
        state=BatchState.UNSURE, status_id="", look_at=_in(LOOK_SECONDS)
    )  # fmt: skip
    Attempt.objects.filter(pk=shipment.attempt_id).update(result="unsure")
    jobs = Job.objects.filter(pk=shipment.job_id, state__in=SENDABLE)
    _pause(jobs, "Something went wrong inside Jobs UI while an answer was written down; the log tells what.")


def _pause(jobs: Iterable[Job], reason: str) -> None:
    for job in jobs:
        if Job.objects.change(job, expected=(job.state,), state=JobState.PAUSING, reason=reason):
            job.add_event(f"Pausing. {reason}")


def _in(seconds: float) -> Combinable:
    """That many seconds from now, by the database's clock."""
    return Now() + timedelta(seconds=seconds)
