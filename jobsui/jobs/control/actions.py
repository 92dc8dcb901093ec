"""Actions on a job: launch, pause, resume, cancel. The driver does the rest."""

from collections.abc import Mapping
from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobsui.connections import objects
from jobsui.connections.errors import ConnectionsError, explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import (
    account_match,
    approvals,
    comparisons,
    retries,
    uncertain_rows,
    undo,
)
from jobsui.jobs.delivery import prior_reads
from jobsui.jobs.enums import SENDABLE, UNLAUNCHED, EventKind, JobState, ParentRows
from jobsui.jobs.errors import ChangedSinceCheck, NotPossibleNow, UnreachableNow
from jobsui.jobs.ledger import lifecycle, record_order
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import deletions, record_watch
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job, Lease, Overlap, RunSettings
from jobsui.jobs.preparation import checker
from jobsui.jobs.queueing import enqueue
from jobsui.text import counted
from jobsui.zendesk.errors import NotSent, RateLimited, Unconfirmed, ZendeskError

UNFINISHED = (*SENDABLE, JobState.PAUSING, JobState.PAUSED)
STATES_FOR: Mapping[str, tuple[JobState, ...]] = {
    "launch": (JobState.READY,),
    "discard": UNLAUNCHED,
    "adjust": UNFINISHED,
    "pause": SENDABLE,
    "resume": (JobState.PAUSED, JobState.PAUSING),
    "cancel": UNFINISHED,
}
"""{action: the states in which it is possible}."""
INCOMPLETE_FILE = "The stored file is gone or incomplete. Upload it again."
NO_ROWS_LEFT = (
    "No row can be sent: all rows are invalid. Correct the file and upload it again."
)

NO_ROWS_TO_SEND = (
    "No row is sent: all rows are invalid or have warnings. Correct the file, or send the "
    "rows with warnings anyway."
)


def may(job: Job) -> dict[str, int]:
    """{action that is possible now: how many rows it concerns}. The actions are those of
    STATES_FOR, "stop_waiting", "resolve", "retry" and "continue"."""
    possible = {
        action: job.to_send
        for action, states in STATES_FOR.items()
        if job.state in states
    }
    waited_for = uncertain_rows.rows_waited_for(job)
    if waited_for:
        possible["stop_waiting"] = waited_for
    if uncertain_rows.may_resolve(job):
        possible["resolve"] = uncertain_rows.rows_to_resolve(job)
    failed = retries.retriable_rows(job)
    if failed:
        possible["retry"] = failed
    unsent = retries.unsent_rows(job)
    if unsent:
        possible["continue"] = unsent
    return possible


def launch(
    job: Job,
    *,
    by: Actor,
    hold_after_first_batch: bool = False,
    run_settings: RunSettings | None = None,
    confirmed_deletions: int | None = None,
) -> None:
    """Queue a checked job. With `hold_after_first_batch`, the batches after the first
    one wait until the job is resumed. `run_settings` None: those of the job.
    `confirmed_deletions`: how many records that only the account has a person agrees to
    delete; None: as many as the limits allow.

    Raises NotPossibleNow, ApprovalNeeded among them, and ChangedSinceCheck when the job must be
    checked again: then it is a draft."""
    if job.state != JobState.READY:
        raise NotPossibleNow(
            "Check this job first."
            if job.is_draft
            else "This job was already launched."
        )
    if job.parent_rows == ParentRows.UNDONE:
        undo.require_usable(job)
    else:
        _require_unchanged(job, by)
        comparisons.require_usable(job)
    with transaction.atomic():
        if job.parent_id:
            # Locked: of two retries launched at the same time, the second one sees which
            # rows the first one has.
            Job.objects.select_for_update().get(pk=job.parent_id)
        obstacle = launch_obstacle(job)
        if obstacle:
            raise NotPossibleNow(obstacle)
        # Locked: what was checked cannot change until the job is queued.
        checked = Job.objects.select_for_update().filter(
            pk=job.pk,
            state=JobState.READY,
            checked_fingerprint=checker.fingerprint(job),
        )
        if checked.exists():
            approvals.require(job)
        is_queued = checked.exists() and _queue(
            job,
            by=by,
            hold_after_first_batch=hold_after_first_batch,
            confirmed_deletions=confirmed_deletions,
            **(run_settings or job.run_settings).columns,
        )
        if not is_queued:
            raise NotPossibleNow("Someone else has just launched or changed this job.")
        approvals.use(job)
        enqueue("plan_job", job.pk)


def _queue(
    job: Job,
    *,
    by: Actor,
    hold_after_first_batch: bool,
    confirmed_deletions: int | None,
    **settings: Any,
) -> bool:
    """Let the job send, behind earlier jobs with the same records. False: it has changed
    in the meantime."""
    facts: dict[str, Any] = {"hold_after_first_batch": hold_after_first_batch}
    comparison = comparisons.finished(job)
    number_of_deletions = deletions.number_of(job, comparison) if comparison else 0
    if confirmed_deletions not in {None, number_of_deletions}:
        raise NotPossibleNow(
            "Other records would be deleted now than you have confirmed. Review them again."
        )
    job.records_to_delete = number_of_deletions
    if number_of_deletions:
        facts["deletions"] = number_of_deletions
    overlaps = record_order.record_overlaps(job)
    if overlaps and number_of_deletions:
        raise NotPossibleNow(account_match.OPEN_JOBS)
    if overlaps:
        facts["overlaps"] = [_overlap_fact(overlap) for overlap in overlaps]
    if comparison and prior_reads.is_watched(job):
        record_watch.start(job, comparison)
    return lifecycle.move(
        job,
        JobState.QUEUED,
        by=by,
        event=EventKind.LAUNCHED,
        facts=facts,
        created_at=timezone.now(),
        hold_after_first_batch=hold_after_first_batch,
        auto_target="",
        reason="",
        rows=F("rows") + number_of_deletions,
        records_to_delete=number_of_deletions,
        **settings,
    )


def _overlap_fact(overlap: Overlap) -> dict[str, Any]:
    """The earlier job, and how many rows wait for it; None: unknown."""
    return {"job": overlap.earlier_id, "rows": overlap.rows}


def launch_obstacle(job: Job) -> str:
    """Why a checked job cannot be launched as it is, as a sentence; "" if it can."""
    is_undo = job.parent_rows == ParentRows.UNDONE
    if job.parent and not is_undo and not retries.rows_left_for(job):
        return "Another job already contains these rows."
    if job.rows == job.rows_left_out and not job.auto_target:
        return NO_ROWS_LEFT if job.rows == job.rows_invalid else NO_ROWS_TO_SEND
    if job.rows_invalid and Options.from_json(job.options).invalid == "stop":
        invalid = counted(job.rows_invalid, "invalid row")
        return f"{invalid}. Correct the file and upload it again, or skip these rows."
    if job.rows_warned and Options.from_json(job.options).warnings == "stop":
        warned = counted(job.rows_warned, "row")
        return (
            f"Zendesk may refuse {warned}. Send these rows anyway, or leave them out."
        )
    return ""


def pause(job: Job, *, by: Actor) -> None:
    """Send no more batches. The job is paused once none is in flight. Raises
    NotPossibleNow."""
    _move(job, "pause", JobState.PAUSING, EventKind.PAUSE_REQUESTED, by)


def resume(job: Job, *, by: Actor) -> None:
    """Send batches again; after the first batch, this approves the others. Raises
    NotPossibleNow."""
    state = JobState.RUNNING if job.started_at else JobState.QUEUED
    if not job.is_held_after_first_batch:
        _move(job, "resume", state, EventKind.RESUMED, by)
        return
    _move(
        job,
        "resume",
        state,
        EventKind.APPROVED,
        by,
        facts={"rows": job.to_send},
        hold_after_first_batch=False,
    )


def cancel(job: Job, *, by: Actor) -> None:
    """Send no more batches. The job is cancelled once none is in flight; records already
    sent stay in Zendesk. Raises NotPossibleNow."""
    _move(job, "cancel", JobState.CANCELLING, EventKind.CANCEL_REQUESTED, by)


def set_run_settings(job: Job, run_settings: RunSettings, *, by: Actor) -> None:
    """Change how a launched job runs. Raises NotPossibleNow once it has finished."""
    before = job.run_settings
    with transaction.atomic():
        if not Job.objects.change(job, expected=UNFINISHED, **run_settings.columns):
            raise _too_late(job, "adjust")
        if run_settings != before:
            facts = run_settings.columns
            lifecycle.record(job, EventKind.SETTINGS_CHANGED, by=by, facts=facts)


def has_open_jobs(connection: Connection) -> bool:
    """Whether the connection has launched jobs that have not finished."""
    return Job.objects.filter(connection=connection).open().exists()


def _move(
    job: Job,
    action: str,
    state: JobState,
    event: EventKind,
    by: Actor,
    *,
    facts: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    with transaction.atomic():
        is_moved = lifecycle.move(
            job,
            state,
            by=by,
            event=event,
            expected=STATES_FOR[action],
            facts=facts,
            reason="",
            **fields,
        )
        if not is_moved:
            raise _too_late(job, action)
        if job.planned_at is None and state != JobState.CANCELLING:
            enqueue("plan_job", job.pk)
        if not _has_driver(job):
            # Then no batch is in flight, and no driver will finish the job.
            lifecycle.finish_if_over(job.pk, by=by)
            job.refresh_from_db()
        enqueue("drive")


def _has_driver(job: Job) -> bool:
    name = f"account:{job.connection.host}"
    return Lease.objects.live().filter(name=name).exists()


def _too_late(job: Job, action: str) -> NotPossibleNow:
    state = job.get_state_display().lower()
    return NotPossibleNow(f"It is too late to {action} this job: it is {state}.")


def _require_unchanged(job: Job, by: Actor) -> None:
    """Raise ChangedSinceCheck unless the object's fields, read from Zendesk for this, are
    what was checked; NotPossibleNow if the stored file is not what was uploaded."""
    if not _is_stored(job.file):
        # Another check could not help, and automation would repeat it forever.
        raise NotPossibleNow(INCOMPLETE_FILE)
    if not job.file.is_raw_items:  # Zendesk checks the fields of those.
        _refresh_fields(job)
    if checker.fingerprint(job) == job.checked_fingerprint:
        return
    what = "rows left to retry, the file" if job.parent_id else "file"
    reason = (
        f"The {what} or the object's fields have changed since the check. Check again."
    )
    lifecycle.move(
        job,
        JobState.DRAFT,
        by=by,
        event=EventKind.CHECK_OUTDATED,
        expected=(JobState.READY,),
        facts={"reason": reason},
        checked_fingerprint="",
        reason=reason,
    )
    raise ChangedSinceCheck(reason)


def _refresh_fields(job: Job) -> None:
    custom_object = CustomObject.objects.get(
        connection=job.connection, key=job.object_key
    )
    try:
        objects.refresh_fields(custom_object)
    except ConnectionsError as error:
        raise NotPossibleNow(str(error)) from error
    except ZendeskError as error:
        is_temporary = isinstance(error, NotSent | Unconfirmed | RateLimited)
        refusal = UnreachableNow if is_temporary else NotPossibleNow
        raise refusal(
            f"The object's fields could not be refreshed before the launch. {explain(error)}"
        ) from error


def _is_stored(file: File) -> bool:
    """Whether the stored file is there and complete. For one that is stored on another
    machine, the planner finds out."""
    if file.content_pruned_at is not None:
        return False
    if not file.is_here:
        return True
    name = file.stored_as
    return default_storage.exists(name) and default_storage.size(name) == file.size
