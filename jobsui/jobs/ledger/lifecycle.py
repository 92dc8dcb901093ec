"""The life of a job: the only place where its state changes.

Each change names who made it, records an event with its facts, and happens in the
caller's transaction. It is one conditional UPDATE: of two callers that want to move a
job at the same time, one succeeds and the other one learns that it was too late."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from jobsui.audit import log
from jobsui.audit.log import Subject
from jobsui.audit.models import Action
from jobsui.jobs.enums import (
    OVER,
    SENDABLE,
    UNLAUNCHED,
    UNSETTLED,
    ApprovalState,
    BatchState,
    Component,
    EventKind,
    JobState,
    LimitedBy,
)
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Approval, Attempt, Batch, Job, JobEvent
from jobsui.jobs.queueing import enqueue
from jobsui.jobs.sql import by_id
from jobsui.notifications import outbox
from jobsui.notifications.models import Kind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

type Actor = User | Component | None
"""Who did it. None: a person at the command line who gave no user name."""

MOVES: Mapping[JobState, Collection[JobState]] = {
    JobState.DRAFT: {JobState.DRAFT, JobState.CHECKING},
    JobState.CHECKING: {JobState.READY, JobState.DRAFT},
    JobState.READY: {JobState.QUEUED, JobState.CHECKING, JobState.DRAFT},
    JobState.QUEUED: {
        JobState.RUNNING,
        JobState.PAUSING,
        JobState.PAUSED,
        JobState.CANCELLING,
        JobState.NEEDS_DECISION,
        JobState.COMPLETED,
    },
    JobState.RUNNING: {
        JobState.PAUSING,
        JobState.PAUSED,
        JobState.CANCELLING,
        JobState.NEEDS_DECISION,
        JobState.COMPLETED,
    },
    JobState.PAUSING: {
        JobState.PAUSED,
        JobState.QUEUED,
        JobState.RUNNING,
        JobState.CANCELLING,
        JobState.NEEDS_DECISION,
        JobState.COMPLETED,
    },
    JobState.PAUSED: {JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING},
    JobState.CANCELLING: {JobState.CANCELLED, JobState.FAILED},
    JobState.NEEDS_DECISION: {JobState.RUNNING, JobState.COMPLETED},
    # While its uncertain rows are checked again. It sends nothing more.
    JobState.CANCELLED: {JobState.CANCELLING},
    JobState.FAILED: {JobState.CANCELLING},
}
"""{state: the states that a job may move to from there}. A draft that is edited stays a
draft. A completed job stays as it is."""

AUDITED: Mapping[EventKind, Action] = {
    EventKind.APPROVAL_REQUESTED: Action.APPROVAL_REQUESTED,
    EventKind.APPROVAL_GIVEN: Action.JOB_APPROVED,
    EventKind.APPROVAL_REJECTED: Action.JOB_REJECTED,
    EventKind.APPROVAL_VOIDED: Action.APPROVAL_VOIDED,
    EventKind.LAUNCHED: Action.JOB_LAUNCHED,
    EventKind.PAUSE_REQUESTED: Action.JOB_PAUSED,
    EventKind.RESUMED: Action.JOB_RESUMED,
    EventKind.APPROVED: Action.FIRST_BATCH_APPROVED,
    EventKind.CANCEL_REQUESTED: Action.JOB_CANCELLED,
    EventKind.WAIT_STOPPED: Action.WAIT_STOPPED,
    EventKind.RESEND_REQUESTED: Action.ROWS_RESENT,
    EventKind.UNKNOWN_ACCEPTED: Action.UNKNOWN_ACCEPTED,
    EventKind.RETRY_CREATED: Action.RETRY_CREATED,
    EventKind.CONTINUATION_CREATED: Action.CONTINUATION_CREATED,
    EventKind.SETTINGS_CHANGED: Action.SETTINGS_CHANGED,
}
"""{kind of an event: what it is in the audit log}."""

NOTIFIED: Mapping[EventKind, Kind] = {
    EventKind.FINISHED: Kind.JOB_FINISHED,
    EventKind.FAILED: Kind.JOB_FAILED,
    EventKind.AUTO_PAUSED: Kind.JOB_PAUSED,
    EventKind.HELD: Kind.DECISION_NEEDED,
    EventKind.DECISION_NEEDED: Kind.DECISION_NEEDED,
    EventKind.APPROVAL_REQUESTED: Kind.APPROVAL_REQUESTED,
    EventKind.APPROVAL_GIVEN: Kind.APPROVAL_GIVEN,
    EventKind.APPROVAL_REJECTED: Kind.APPROVAL_REJECTED,
    EventKind.APPROVAL_VOIDED: Kind.APPROVAL_VOIDED,
}
"""{kind of an event: the kind of the messages about it}."""

FIRST_BATCH_SENT = (
    "The first batch has finished. Check its results, then approve the other rows "
    "or cancel the job."
)
CANCELLED_UNCONFIRMED = (
    "The job was cancelled before Jobs UI could confirm whether this row was saved."
)


def sources(to: JobState) -> tuple[JobState, ...]:
    """The states from which a job may move to this one."""
    return tuple(state for state, targets in MOVES.items() if to in targets)


def move(
    job: Job,
    to: JobState,
    *,
    by: Actor,
    event: EventKind,
    expected: Collection[JobState] | None = None,
    facts: Mapping[str, Any] | None = None,
    **fields: Any,
) -> bool:
    """Move a job to another state, provided it is in one of `expected` (None: any state
    that may move there), and set further `fields` of it. `facts` are JSON and belong to
    the event. False: the job was in another state, and nothing has changed. True:
    `job` is refreshed."""
    allowed = sources(to)
    states = allowed if expected is None else tuple(expected)
    if not set(states) <= set(allowed):
        raise ValueError(f"A job cannot move from {states} to {to}.")
    limit = LimitedBy.NOTHING
    if to is JobState.PAUSED:
        is_held = job.hold_after_first_batch and job.batches_done
        limit = LimitedBy.FIRST_BATCH if is_held else LimitedBy.PAUSED
    fields |= job.limited_from_now(limit)
    if to in OVER:
        # The history lacks its records, or what a check of uncertain rows has found.
        fields["indexed_at"] = None
    with transaction.atomic():
        if not Job.objects.change(job, expected=states, state=to, **fields):
            return False
        record(job, event, by=by, facts=facts)
        if to in UNLAUNCHED:
            changed = (facts or {}).get("changed", event.label.lower())
            void_approval(job, by=by, changed=changed)
        if to in OVER:
            enqueue("index_job", job.pk)
    return True


def record(
    job: Job,
    kind: EventKind,
    *,
    by: Actor,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Record an event that changes no state."""
    actor = by or Component.COMMAND_LINE
    person = None if isinstance(actor, Component) else actor
    component = actor if isinstance(actor, Component) else ""
    event = JobEvent.objects.create(
        job=job,
        kind=kind,
        facts=dict(facts or {}),
        by=person,
        component=component,
    )
    if action := AUDITED.get(kind):
        # What a component does by itself, it does for the person whose job it is.
        is_for_owner = person is None and actor != Component.COMMAND_LINE
        who = job.created_by if is_for_owner else person
        log.record(
            action,
            subject_of(job),
            person=who.get_username() if who else "",
            means=Component(component).label if component else "",
            after=facts,
        )
    if told := NOTIFIED.get(kind):
        _notify(job, told, event)


def _notify(job: Job, kind: Kind, event: JobEvent) -> None:
    if kind == Kind.JOB_FINISHED:
        facts = {
            "rows": job.rows,
            "succeeded": job.succeeded,
            "failed": job.failed + job.invalid,
        }
    elif kind == Kind.DECISION_NEEDED:
        facts = {"rows": event.facts.get("rows", 0)}
    else:
        facts = event.facts
    messages = outbox.notify(
        kind,
        f"event:{event.pk}",
        job.connection,
        subject=job.file.name,
        path=f"/jobs/{job.code}/",
        facts=facts,
    )
    for pk in messages:
        enqueue("deliver", pk)


def record_choice(job: Job, chosen: str, *, by: Actor) -> None:
    """Somebody has chosen something else for a checked draft. `chosen`: what, as a noun. Voids
    its approval."""
    record(job, EventKind.CHOSEN, by=by, facts={"chosen": chosen})
    void_approval(job, by=by, changed=chosen)


def void_approval(job: Job, *, by: Actor, changed: str) -> None:
    """An approval of a draft, given or asked for, is not for what it is now. `changed`: what
    changed, as a noun."""
    if Approval.objects.filter(job=job).open().update(state=ApprovalState.VOID):
        facts = {"changed": changed}
        record(job, EventKind.APPROVAL_VOIDED, by=by, facts=facts)


def subject_of(job: Job) -> Subject:
    """How the audit log names a job."""
    return Subject("job", str(job.code), job.file.name, job.connection.name)


def edit_draft(job: Job, *, by: Actor, changed: str, **fields: Any) -> bool:
    """Change a draft in a way that invalidates its check. `changed`: what changes, as a
    noun. False: the job was launched, and nothing has changed."""
    return move(
        job,
        JobState.DRAFT,
        by=by,
        event=EventKind.EDITED,
        expected=UNLAUNCHED,
        facts={"changed": changed},
        checked_fingerprint="",
        reason="",
        **fields,
    )


def pause_automatically(job: Job, reason: str, *, by: Component) -> bool:
    """Send nothing more of a job until a person resumes it. `reason` is a sentence."""
    return move(
        job,
        JobState.PAUSING,
        by=by,
        event=EventKind.AUTO_PAUSED,
        facts={"reason": reason},
        reason=reason,
    )


def finish_if_over(job_id: int, *, by: Actor = Component.DRIVER) -> None:
    """Advance a job when nothing is left to do in its current state: it has finished
    once every row has a result, and is paused once nothing is in flight. The planner
    calls it after the last row, the driver after it has settled batches."""
    with transaction.atomic():
        # Locked before its batches are read: otherwise the counters may be old by the
        # time they are used.
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.state == JobState.CANCELLING:
            _end_planning(job)
            _cancel_planned_batches(job)
            job.refresh_from_db()
        unsettled = Batch.objects.filter(job=job).unsettled()
        if job.planned_at is not None and not unsettled.exists():
            _finish(job, by)
            return
        in_flight = unsettled.exclude(state=BatchState.PLANNED)
        if job.state == JobState.PAUSING and not in_flight.exists():
            move(job, JobState.PAUSED, by=by, event=EventKind.PAUSED)
        elif job.state in SENDABLE and _is_held_after_first_batch(job):
            move(
                job,
                JobState.PAUSED,
                by=by,
                event=EventKind.HELD,
                expected=SENDABLE,
                reason=FIRST_BATCH_SENT,
            )


def _finish(job: Job, by: Actor) -> None:
    """Give a job whose rows all have a result its final state, unless it has one."""
    match job.state:
        case JobState.CANCELLING if job.reason:
            # Only the planner leaves a reason: it could not prepare the other rows.
            move(
                job,
                JobState.FAILED,
                by=by,
                event=EventKind.FAILED,
                facts={"reason": job.reason},
                cancelled=F("cancelled") + job.pending,
                finished_at=Now(),
            )
        case JobState.CANCELLING:
            move(
                job,
                JobState.CANCELLED,
                by=by,
                event=EventKind.CANCELLED,
                facts={"rows": job.cancelled + job.pending},
                cancelled=F("cancelled") + job.pending,
                finished_at=Now(),
            )
        case JobState.QUEUED | JobState.RUNNING | JobState.PAUSING if job.uncertain:
            move(
                job,
                JobState.NEEDS_DECISION,
                by=by,
                event=EventKind.DECISION_NEEDED,
                facts={"rows": job.uncertain},
                finished_at=Now(),
                reason="",
            )
        case JobState.QUEUED | JobState.RUNNING | JobState.PAUSING:
            move(
                job,
                JobState.COMPLETED,
                by=by,
                event=EventKind.FINISHED,
                expected=(*SENDABLE, JobState.PAUSING),
                facts={"rows": job.rows, "succeeded": job.succeeded},
                finished_at=Now(),
                reason="",
            )


def _is_held_after_first_batch(job: Job) -> bool:
    if not job.hold_after_first_batch:
        return False
    first = Batch.objects.filter(job=job, seq=1).first()
    return first is not None and first.state not in UNSETTLED


def _end_planning(job: Job) -> None:
    """Nothing more is planned. A cancelled job does not wait for the planner, whose host
    may be lost. The planner commits nothing once planned_at is set."""
    Job.objects.filter(pk=job.pk, planned_at=None).update(planned_at=Now())


def _cancel_planned_batches(job: Job) -> None:
    """Cancel batches that are not in flight. Items that have a result keep it. Items
    whose last request may have reached Zendesk become uncertain."""
    planned = Batch.objects.filter(job=job, state=BatchState.PLANNED)
    unconfirmed = planned.filter(attempts__result__in=Attempt.UNCONFIRMED).order_by()
    last_items = dict(
        unconfirmed.annotate(last=Max("attempts__last_item")).values_list("pk", "last")
    )
    counters = settlement.JobCounters()
    for pk, batch in by_id(Batch, last_items).items():
        sent = range(last_items[pk] + 1)
        settlement.mark_uncertain(batch, sent, CANCELLED_UNCONFIRMED, counters)
    counters.write()
    planned.update(
        state=BatchState.CANCELLED,
        done_at=Now(),
        cancelled=F("size") - F("succeeded") - F("failed") - F("uncertain"),
    )
