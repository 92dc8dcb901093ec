"""What a person decides about rows without a certain result: stop waiting for them, check
them again, resend them, or accept them as unknown."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Sum

from jobsui.jobs import retention
from jobsui.jobs.enums import (
    IN_FLIGHT,
    MOVING,
    SENDABLE,
    BatchState,
    Decision,
    EventKind,
    JobState,
)
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.models import Batch, Job, Lease, RowError
from jobsui.jobs.queueing import enqueue
from jobsui.jobs.retention import Kind

ENDED = (JobState.CANCELLED, JobState.FAILED)
"""States of jobs that send nothing more, and may have uncertain rows."""
DECISION_EVENTS = {
    Decision.CHECK_AGAIN: EventKind.RECHECK_REQUESTED,
    Decision.RESEND: EventKind.RESEND_REQUESTED,
    Decision.ACCEPT: EventKind.UNKNOWN_ACCEPTED,
}
MIN_RECONCILIATIONS = 10
"""How often an unconfirmed batch was reconciled before a person may stop waiting for it
while the job goes on: usually after less than a minute."""
WAIT_STOPPED = (
    "A person stopped waiting for the result of this row. Zendesk may have saved it, or may "
    "still save it."
)


def stop_waiting(job: Job, *, by: Actor) -> None:
    """Wait no longer for results: the rows of the batches that the job waits for become
    uncertain. A job that pauses or cancels waits for all batches in flight, a running one
    for those that could not be reconciled. Raises NotPossibleNow."""
    with transaction.atomic():
        # Locked, so that the account's driver writes no result at the same time. What it
        # writes later finds the batches settled, and changes nothing.
        _lock_account(job)
        job = Job.objects.select_for_update().get(pk=job.pk)
        batches = list(_batches_waited_for(job))
        if not batches:
            raise NotPossibleNow("This job does not wait for the result of a batch.")
        uncertain_before = job.uncertain
        counters = settlement.JobCounters()
        for batch in batches:
            settlement.give_up(batch, WAIT_STOPPED, counters)
        counters.write()
        job.refresh_from_db()
        facts = {"batches": len(batches), "rows": job.uncertain - uncertain_before}
        lifecycle.record(job, EventKind.WAIT_STOPPED, by=by, facts=facts)
        lifecycle.finish_if_over(job.pk, by=by)
    enqueue("drive")


def resolve(job: Job, decision: str, *, by: Actor) -> None:
    """Decide about the uncertain rows of a job; `decision` is one of Decision. A job that
    is over stays over: its rows are at most read again. Raises NotPossibleNow."""
    with transaction.atomic():
        _require_items(job)
        if decision not in Decision or not may_resolve(job):
            raise NotPossibleNow("This job has no uncertain rows to decide about.")
        chosen = Decision(decision)
        if not _decide(job, chosen, by):
            raise NotPossibleNow("Someone else has just decided about these rows.")
        if chosen is Decision.CHECK_AGAIN:
            _reopen_uncertain_batches(job, BatchState.UNCONFIRMED)
        elif chosen is Decision.RESEND:
            _reopen_uncertain_batches(job, BatchState.PLANNED)


def may_resolve(job: Job) -> bool:
    """Whether the job has uncertain rows to decide about."""
    if job.state in ENDED:
        return rows_to_resolve(job) > 0
    return job.state == JobState.NEEDS_DECISION


def may_resend(job: Job) -> bool:
    """Whether the uncertain rows of a job can be sent again. A person has ended the
    sending of a cancelled job, and a failed one cannot send."""
    return job.state == JobState.NEEDS_DECISION


def _lock_account(job: Job) -> None:
    name = f"account:{job.connection.host}"
    Lease.objects.select_for_update().filter(name=name).first()


def _batches_waited_for(job: Job) -> QuerySet[Batch]:
    unsettled = Batch.objects.unsettled().filter(job=job).order_by("seq")
    if job.state in SENDABLE:
        return unsettled.filter(
            state=BatchState.UNCONFIRMED, reconcile_count__gte=MIN_RECONCILIATIONS
        )
    return unsettled.filter(state__in=IN_FLIGHT)


def rows_waited_for(job: Job) -> int:
    """How many rows a person can stop waiting for."""
    if job.state not in MOVING:
        return 0
    open_rows = F("size") - F("succeeded") - F("failed") - F("uncertain")
    return _batches_waited_for(job).aggregate(rows=Sum(open_rows))["rows"] or 0


def rows_to_resolve(job: Job) -> int:
    """How many uncertain rows a person can decide about. None after the items were
    deleted, because rows are checked by them."""
    if job.uncertain_accepted or job.bodies_pruned_at is not None:
        return 0
    return job.uncertain


def _require_items(job: Job) -> None:
    """Raise NotPossibleNow if the retention settings have deleted the items. They stay
    while the transaction lasts."""
    locked = Job.objects.select_for_update().select_related("file").get(pk=job.pk)
    if deleted := retention.notice(locked, Kind.BODIES):
        raise NotPossibleNow(f"These rows can no longer be checked. {deleted}")


def _decide(job: Job, decision: Decision, by: Actor) -> bool:
    """Record the decision, and move the job on if it has to. False: the job has changed
    in the meantime."""
    facts = {"rows": job.uncertain}
    event = DECISION_EVENTS[decision]
    if may_resend(job):
        state = JobState.RUNNING
        fields: dict[str, Any] = {"finished_at": None, "pace": []}
        if decision is Decision.ACCEPT:
            state = JobState.COMPLETED
            fields = {"uncertain_accepted": True}
        expected = (JobState.NEEDS_DECISION,)
        return lifecycle.move(
            job, state, by=by, event=event, expected=expected, facts=facts, **fields
        )
    return _decide_when_over(job, decision, event, by, facts)


def _decide_when_over(
    job: Job, decision: Decision, event: EventKind, by: Actor, facts: Mapping[str, Any]
) -> bool:
    """The same for a cancelled or failed job."""
    if decision is Decision.RESEND:
        raise NotPossibleNow(
            f"A {job.get_state_display().lower()} job sends nothing more. Check its "
            "uncertain rows again, or accept them as unknown."
        )
    if decision is Decision.ACCEPT:
        is_open = Job.objects.filter(uncertain_accepted=False)
        if not is_open.change(job, expected=ENDED, uncertain_accepted=True):
            return False
        lifecycle.record(job, event, by=by, facts=facts)
        return True
    # Until it is planned, it reads which rows this job did not send.
    if job.retries.launched().filter(planned_at=None).exists():
        raise NotPossibleNow(
            "A new job is being prepared from the rows of this job. Check again once its "
            "batches are prepared."
        )
    return lifecycle.move(
        job,
        JobState.CANCELLING,
        by=by,
        event=event,
        expected=ENDED,
        facts=facts,
        finished_at=None,
    )


def _reopen_uncertain_batches(job: Job, state: BatchState) -> None:
    """Clear the results of a job's uncertain rows, so that the driver reads (UNCONFIRMED)
    or sends (PLANNED) them again. Rows whose wait was stopped are read first in any case:
    their request may still be running."""
    counters = settlement.JobCounters()
    for batch in Batch.objects.filter(job=job, uncertain__gt=0):
        stopped = RowError.objects.filter(batch=batch, message=WAIT_STOPPED)
        reopened = BatchState.UNCONFIRMED if stopped.exists() else state
        settlement.reopen_uncertain(batch, reopened, counters)
    counters.write()
    enqueue("drive")
