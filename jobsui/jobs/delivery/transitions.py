"""Writing down what was heard from Zendesk. Each event moves one batch on, if the batch
is still where the event found it; all of it happens inside the caller's transaction,
and writing an event a second time changes nothing."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone

from jobsui.jobs.delivery import batch_request
from jobsui.jobs.delivery.batch_request import BatchRequest, PostResult
from jobsui.jobs.delivery.reconciliation import Finding, UnconfirmedBatch
from jobsui.jobs.enums import IN_FLIGHT, SENDABLE, BatchState, Component, Outcome
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.jobs.models.batch import End
from jobsui.jobs.sql import by_id, known_status_ids, plan_again, update_rows
from jobsui.zendesk.errors import (
    Forbidden,
    Limited,
    NotFound,
    NotSent,
    NotSignedIn,
    Refused,
    ZendeskError,
)
from jobsui.zendesk.payloads import JobStatus

logger = logging.getLogger(__name__)

DATABASE_AWAY = (OperationalError, InterfaceError)
LOOK_SECONDS = 2.0
BUSY = frozenset({408, 409, 423, 425})
"""Definite noes that mean: not now."""


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """A job of ours is over, its failures verified where that was needed."""

    request: BatchRequest
    status: JobStatus
    ends: Mapping[int, End]


@dataclass(frozen=True, slots=True)
class StatusLost:
    """Zendesk no longer shows the job status of a batch it had accepted."""

    request: BatchRequest


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """A batch in doubt was looked into, or could not be."""

    doubt: UnconfirmedBatch
    finding: Finding | None = None
    error: ZendeskError | None = None
    next_look: float = LOOK_SECONDS
    """Seconds until it is looked at again, if need be."""

    @property
    def request(self) -> BatchRequest:
        return self.doubt.request


@dataclass(frozen=True, slots=True)
class AccessRefused:
    """Zendesk refuses the account's credentials, asked about a batch it had
    accepted."""

    request: BatchRequest
    error: Refused


Event = PostResult | BatchFinished | StatusLost | ReconcileResult | AccessRefused


def write(events: Sequence[Event]) -> None:
    """Write all of them, and move on the batches they concern. One that cannot be
    written does not hold up the others."""
    if not events:
        return
    ledger = settlement.Ledger()
    try:
        with transaction.atomic():
            _write(events, ledger)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception(
            "What came back cannot be written down at once; it is written one by one."
        )
        ledger = settlement.Ledger()
        for event in events:
            ledger.include(_written_alone(event))
    ledger.write()


def blames_items(error: Refused) -> bool:
    """Whether a request was refused for what was in it, not for who sent it or when."""
    return (
        not isinstance(error, NotSignedIn | Forbidden | NotFound)
        and error.status not in BUSY
    )


def doubt(batch: Batch, note: str, *, result: str = "unconfirmed") -> None:
    """Nobody knows what became of what was sent: it is looked into soon."""
    batch.state = BatchState.UNCONFIRMED
    Batch.objects.filter(pk=batch.pk).update(
        state=batch.state,
        status_id="",
        reconcile_at=_in(LOOK_SECONDS),
        reconcile_count=0,
    )
    Attempt.objects.filter(batch=batch, number=batch.attempts_made).update(
        result=result, note=note
    )


def put_back(batch: Batch) -> None:
    """It is to be sent, again or after all."""
    batch.state = BatchState.PLANNED
    plan_again(batch.pk)


def stop_job(job_id: int, reason: str) -> None:
    """The job waits for a person, with this reason."""
    _pause(Job.objects.filter(pk=job_id, state__in=SENDABLE), reason)


def stop_jobs(request: BatchRequest, error: Refused) -> None:
    """The account or the object refuses: no fault of the rows. The jobs concerned wait
    for a person."""
    jobs = Job.objects.filter(connection_id=request.connection_id, state__in=SENDABLE)
    if isinstance(error, NotFound):
        jobs = jobs.filter(object_key=request.object_key)
    _pause(jobs, f"Zendesk refused: {error.message}")


def _written_alone(event: Event) -> settlement.Ledger:
    ledger = settlement.Ledger()
    try:
        with transaction.atomic():
            _write([event], ledger)
    except DATABASE_AWAY:
        raise
    except Exception:
        logger.exception(
            "What came back of batch %s cannot be written down.",
            event.request.batch_id,
        )
        ledger = settlement.Ledger()
        ledger.touch(event.request.job_id)
        _set_aside(event.request)
    return ledger


def _write(events: Sequence[Event], ledger: settlement.Ledger) -> None:
    batches = by_id(Batch, {event.request.batch_id for event in events})
    for event in events:
        ledger.touch(event.request.job_id)
    # In the order in which they can follow each other for one batch.
    _write_posted(
        [event for event in events if isinstance(event, PostResult)], batches, ledger
    )
    _write_ended(
        [event for event in events if isinstance(event, BatchFinished)], batches, ledger
    )
    for event in events:
        batch = batches[event.request.batch_id]
        match event:
            case StatusLost() if batch.state == BatchState.ACCEPTED:
                doubt(batch, "Zendesk no longer knows its job status.", result="lost")
            case ReconcileResult() if batch.state == BatchState.UNCONFIRMED:
                _looked(batch, event, ledger)
            case AccessRefused():
                stop_jobs(event.request, event.error)


def _write_posted(
    events: Sequence[PostResult],
    batches: Mapping[int, Batch],
    ledger: settlement.Ledger,
) -> None:
    accepted, attempts = [], []
    taken = known_status_ids([posted.status.id for posted in events if posted.status])
    for posted in events:
        batch = batches[posted.request.batch_id]
        if batch.state != BatchState.SENDING:
            continue
        result = _moved(batch, posted, taken, ledger)
        if posted.status and result == "accepted":
            taken.add(posted.status.id)
            batch.state, batch.status_id = BatchState.ACCEPTED, posted.status.id
            accepted.append((batch.pk, batch.state, batch.status_id, timezone.now()))
        kept = batch_request.kept_answer(posted.answer)
        note = posted.error.message if posted.error else ""
        attempts.append(
            [
                posted.request.attempt_id,
                result,
                note,
                *(kept[name] for name in batch_request.KEPT),
            ]
        )
    update_rows(Batch, ("state", "status_id", "accepted_at"), accepted)
    update_rows(Attempt, ("result", "note", *batch_request.KEPT), attempts)


def _moved(
    batch: Batch, posted: PostResult, taken: Collection[str], ledger: settlement.Ledger
) -> str:
    """Move a batch that was being sent on as its answer says, unless it was accepted;
    the attempt's result. `taken` are job statuses known as other batches'."""
    request = posted.request
    match posted.error:
        case None if posted.status and posted.status.id not in taken:
            return "accepted"
        case Limited():
            put_back(batch)
            return "limited"
        case NotSent():
            put_back(batch)
            return "not_sent"
        case NotSignedIn() | Forbidden() | NotFound() as error:
            put_back(batch)
            stop_jobs(request, error)
        case Refused() as error if not blames_items(error):
            put_back(batch)
        case Refused() if len(request.items) > 1:
            # Some item is to blame. The half of them is tried next, until the bad one
            # stands alone.
            Batch.objects.filter(pk=batch.pk).update(
                split_size=(len(request.items) + 1) // 2
            )
            put_back(batch)
        case Refused() as error:
            refused = settlement.end(
                Outcome.FAILED,
                code=error.code or str(error.status),
                error=error.message,
            )
            Batch.objects.filter(pk=batch.pk).update(split_size=None)
            if not settlement.settle(batch, {request.items[0][0]: refused}, ledger):
                put_back(batch)  # What else the batch has is to be sent yet.
        case _:
            doubt(batch, "")
            return "unconfirmed"
    return "refused"


def _write_ended(
    events: Iterable[BatchFinished],
    batches: Mapping[int, Batch],
    ledger: settlement.Ledger,
) -> None:
    running = [
        event
        for event in events
        if batches[event.request.batch_id].state == BatchState.ACCEPTED
    ]
    endings = [
        settlement.Ending(batches[e.request.batch_id], e.ends, e.status.raw)
        for e in running
    ]
    settlement.settle_all(endings, ledger)
    for event, ending in zip(running, endings, strict=True):
        if ending.batch.state != BatchState.ACCEPTED:
            continue
        if len(event.ends) == len(event.request.items):
            put_back(ending.batch)  # What else the batch has is to be sent yet.
        else:
            doubt(
                ending.batch,
                f"Its job {event.status.status} without telling of every row.",
            )


def _give_up(
    batch: Batch, request: BatchRequest, reason: str, ledger: settlement.Ledger
) -> None:
    """Of what was sent; what else the batch has is to be sent yet."""
    if not settlement.give_up(
        batch, [place for place, _ in request.items], reason, ledger
    ):
        put_back(batch)


def _looked(batch: Batch, looked: ReconcileResult, ledger: settlement.Ledger) -> None:
    finding = looked.finding
    if finding is None:
        _not_looked(batch, looked, ledger)
        return
    Attempt.objects.filter(pk=looked.request.attempt_id).update(note=finding.note)
    if finding.status_id:
        if known_status_ids([finding.status_id]):
            _look_later(
                batch, looked
            )  # Two batches of the same content: the other was first.
            return
        Batch.objects.filter(pk=batch.pk).update(status_id=finding.status_id)
    if settlement.settle(batch, finding.ends, ledger):
        return
    match finding.rest:
        case (
            "resend" | "settled"
        ):  # Of a batch that was sent in parts there may be more to send.
            put_back(batch)
        case "uncertain":
            _give_up(batch, looked.request, finding.note, ledger)
        case _:
            _look_later(batch, looked)


def _not_looked(
    batch: Batch, looked: ReconcileResult, ledger: settlement.Ledger
) -> None:
    if isinstance(looked.error, NotFound):
        _give_up(
            batch,
            looked.request,
            f"The object cannot be read any more: {looked.error.message}",
            ledger,
        )
    else:
        Batch.objects.filter(pk=batch.pk).update(reconcile_at=_in(looked.next_look))
    if isinstance(looked.error, NotSignedIn | Forbidden | NotFound):
        stop_jobs(looked.request, looked.error)


def _look_later(batch: Batch, looked: ReconcileResult) -> None:
    Batch.objects.filter(pk=batch.pk).update(
        reconcile_at=_in(looked.next_look), reconcile_count=batch.reconcile_count + 1
    )


def _set_aside(request: BatchRequest) -> None:
    """Our own fault. The batch counts as in doubt, which loses and repeats nothing, and
    its job waits for a person."""
    Batch.objects.filter(pk=request.batch_id, state__in=IN_FLIGHT).update(
        state=BatchState.UNCONFIRMED, status_id="", reconcile_at=_in(LOOK_SECONDS)
    )
    Attempt.objects.filter(pk=request.attempt_id).update(result="unconfirmed")
    stop_job(
        request.job_id,
        "Something went wrong inside Jobs UI while an answer was written down; the log tells what.",
    )


def _pause(jobs: Iterable[Job], reason: str) -> None:
    for job in jobs:
        lifecycle.pause_automatically(job, reason, by=Component.DRIVER)


def _in(seconds: float) -> Combinable:
    """That many seconds from now, by the database's clock."""
    return Now() + timedelta(seconds=seconds)
