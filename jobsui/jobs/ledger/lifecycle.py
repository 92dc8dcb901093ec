"""Changes of a job's state."""

from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Now

from jobsui.jobs.enums import SENDABLE, UNSETTLED, BatchState, JobState
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import Attempt, Batch, Job, JobEvent
from jobsui.jobs.sql import by_id

APPROVAL = "The first batch is through. Look at what became of its rows, then let the job go on or cancel it."


def finish_if_over(job_id: int) -> None:
    """Move a job on when nothing of it is left to do in its present state: paused once
    nothing is in flight, over once every row has its end. Whoever settled its last
    batch, or planned its last row, calls this."""
    with transaction.atomic():
        # Locked before its batches are looked at: counters read here cannot grow old
        # before they are used.
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.state == JobState.CANCELLING:
            _cancel_planned(job)
            job.refresh_from_db()
        unsettled = Batch.objects.filter(job=job).unsettled()
        if job.planned_at is not None and not unsettled.exists():
            _end(job)
        elif (
            job.state == JobState.PAUSING
            and not unsettled.exclude(state=BatchState.PLANNED).exists()
        ):
            _become(job, JobState.PAUSED, "Paused. Nothing is in flight.")
        elif (
            job.state in SENDABLE
            and job.hold_after_first_batch
            and _is_first_batch_over(job)
        ):
            _become(
                job,
                JobState.PAUSED,
                "Paused after the first batch, for a person to look.",
                reason=APPROVAL,
            )


def _end(job: Job) -> None:
    if job.state == JobState.CANCELLING:
        # A reason is there only when the planner could not go on; a person's cancel has
        # none.
        state, event = (
            (JobState.FAILED, "Failed.")
            if job.reason
            else (JobState.CANCELLED, "Cancelled.")
        )
        _become(
            job, state, event, cancelled=F("cancelled") + job.pending, reason=job.reason
        )
    elif job.state in {*SENDABLE, JobState.PAUSING}:
        over = JobState.NEEDS_DECISION if job.uncertain else JobState.COMPLETED
        _become(
            job,
            over,
            "Completed."
            if not job.uncertain
            else f"{job.uncertain} rows are uncertain: please decide.",
        )


def _is_first_batch_over(job: Job) -> bool:
    first = Batch.objects.filter(job=job, seq=1).first()
    return first is not None and first.state not in UNSETTLED


def _become(job: Job, state: JobState, event: str, **fields: Any) -> None:
    if state is not JobState.PAUSED:
        fields = {"finished_at": Now(), "reason": ""} | fields
    if Job.objects.change(job, expected=(job.state,), state=state, **fields):
        JobEvent.objects.create(job=job, text=event)


def _cancel_planned(job: Job) -> None:
    """Batches never sent are cancelled; items of theirs that already have an end keep
    it. What was to be sent again because it may not have arrived is uncertain: nobody
    can say that it was never sent."""
    planned = Batch.objects.filter(job=job, state=BatchState.PLANNED)
    ledger = settlement.Ledger()
    doubtful = planned.filter(attempts__result__in=Attempt.IN_DOUBT).order_by()
    last_sent = dict(
        doubtful.annotate(last=Max("attempts__last_item")).values_list("pk", "last")
    )
    for pk, batch in by_id(Batch, last_sent).items():
        sent = range(last_sent[pk] + 1)
        settlement.give_up(
            batch,
            sent,
            "The job was cancelled before it could be established whether this had arrived.",
            ledger,
        )
    ledger.write()
    planned.update(
        state=BatchState.CANCELLED,
        done_at=Now(),
        cancelled=F("size") - F("succeeded") - F("failed") - F("uncertain"),
    )
