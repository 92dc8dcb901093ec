"""What people ask of a job. Each is one conditional change of state; the driver does
the rest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from jobsui.connections import objects
from jobsui.connections.errors import explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.enums import (
    OVER,
    SENDABLE,
    UNLAUNCHED,
    Action,
    BatchState,
    EventKind,
    JobState,
)
from jobsui.jobs.errors import (
    ChangedSinceCheck,
    MappingRefused,
    NotPossibleNow,
    UnreachableNow,
)
from jobsui.jobs.ledger import lifecycle, settlement
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Batch, Cause, File, Job, Lease, RunSettings
from jobsui.jobs.preparation import checker, file_reading
from jobsui.jobs.queueing import enqueue
from jobsui.text import counted
from jobsui.zendesk.errors import Limited, NotSent, Unsure, ZendeskError

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    from django.contrib.auth.models import User

IN_STATES: dict[str, tuple[JobState, ...]] = {
    "launch": (JobState.READY,),
    "discard": UNLAUNCHED,
    "adjust": (*SENDABLE, JobState.PAUSING, JobState.PAUSED),
    "pause": SENDABLE,
    "resume": (JobState.PAUSED, JobState.PAUSING),
    "cancel": (*SENDABLE, JobState.PAUSING, JobState.PAUSED),
    "resolve": (JobState.NEEDS_DECISION,),
}
"""In which states of a job what can be asked of it."""
DECISIONS = {
    "check_again": EventKind.RECHECK_REQUESTED,
    "resend": EventKind.RESEND_REQUESTED,
    "accept": EventKind.UNKNOWN_ACCEPTED,
}
"""{decision about uncertain rows: the event it makes}."""


def draft(
    connection: Connection,
    object_key: str,
    action: str,
    file: File,
    *,
    by: "User | None",
    mapping: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Job:
    """A new job to be mapped, checked and launched. `mapping`: {column: target}, None:
    not chosen yet."""
    job = Job(
        connection=connection,
        object_key=object_key,
        action=Action(action),
        file=file,
        created_by=by,
    )
    job.mapping = dict(mapping or {})
    job.options = replace(options or Options(), prefix=job.code.hex[:12]).to_json()
    job.save()
    return job


def set_mapping(
    job: Job, mapping: dict[str, str], options: Options, *, by: Actor
) -> None:
    """Save the mapping of a draft; what was checked before counts no more. Raises
    NotPossibleNow once launched."""
    chosen = replace(options, prefix=Options.from_json(job.options).prefix)
    changed = lifecycle.edit_draft(
        job, by=by, changed="mapping", mapping=mapping, options=chosen.to_json()
    )
    if not changed:
        raise NotPossibleNow(
            "This job was launched; its mapping cannot change any more."
        )


def set_target(
    job: Job,
    connection: Connection,
    object_key: str,
    action: str,
    file: File | None = None,
    *,
    by: Actor,
) -> None:
    """Point a draft elsewhere: its mapping begins anew, and a file it had before goes.
    Raises NotPossibleNow once launched."""
    before = job.file
    changed = lifecycle.edit_draft(
        job,
        by=by,
        changed="file" if file else "target",
        connection=connection,
        object_key=object_key,
        action=Action(action),
        file=file or job.file,
        mapping={},
        # The failed rows of another file are none of this one.
        parent=None if file else job.parent,
        cause=None if file else job.cause,
    )
    if not changed:
        raise NotPossibleNow(
            "This job was launched; it cannot be pointed elsewhere any more."
        )
    forget_unused(before)


def set_layout(job: Job, *, by: Actor, **layout: str) -> None:
    """Have the file of a draft read as a person says (encoding, delimiter, sheet).
    Raises NotPossibleNow once launched, and for a retry, whose file is that of the job
    before it."""
    if job.file.jobs.exclude(pk=job.pk).exists():
        raise NotPossibleNow(
            "Another job has this file too. Upload it again to have it read in another way."
        )
    set_target(job, job.connection, job.object_key, job.action, by=by)
    file_reading.reread(job.file, **layout)


def set_invalid(job: Job, choice: str) -> None:
    """Stop at problems or leave their rows out, chosen after the check; nothing needs
    to be checked again for it."""
    options = Options.from_json(job.options).to_json() | {
        "invalid": "skip" if choice == "skip" else "stop"
    }
    if not Job.objects.change(job, expected=(JobState.READY,), options=options):
        raise NotPossibleNow("This job has to be checked first.")


def set_run_settings(job: Job, run_settings: RunSettings, *, by: Actor) -> None:
    """Change how a launched job runs. Raises NotPossibleNow once it is finished."""
    before = job.run_settings
    with transaction.atomic():
        if not Job.objects.change(
            job, expected=IN_STATES["adjust"], **run_settings.columns
        ):
            raise NotPossibleNow(_too_late(job, "adjust"))
        if run_settings != before:
            lifecycle.record(
                job, EventKind.SETTINGS_CHANGED, by=by, facts=run_settings.columns
            )


def launch(
    job: Job,
    *,
    by: Actor,
    hold_after_first_batch: bool = False,
    run_settings: RunSettings | None = None,
) -> None:
    """Let a checked job go; with `canary` only its first batch, until resume() approves
    of it. `run_settings` None: as they stand on the job.

    Raises NotPossibleNow (not checked, nothing to send, rows with problems and no leave
    to skip them, launched already, its rows sent by another retry) and
    ChangedSinceCheck, after which the job is a draft to be checked again."""
    if job.state != JobState.READY:
        raise NotPossibleNow(
            "This job was launched already."
            if not job.is_draft
            else "Check this job first."
        )
    _require_unchanged(job, by)
    with transaction.atomic():
        if job.parent_id:
            # Locked: of two retries launched at once, the second sees which rows the
            # first has taken.
            Job.objects.select_for_update().get(pk=job.parent_id)
        if obstacle := launch_obstacle(job):
            raise NotPossibleNow(obstacle)
        changes: dict[str, Any] = {
            "created_at": timezone.now(),
            "hold_after_first_batch": hold_after_first_batch,
            "auto_target": "",
            "reason": "",
        }
        # Locked: what was checked cannot change until the job is queued.
        checked = Job.objects.select_for_update().filter(
            pk=job.pk, checked_fingerprint=checker.fingerprint(job)
        )
        if not checked.exists() or not lifecycle.move(
            job,
            JobState.QUEUED,
            by=by,
            event=EventKind.LAUNCHED,
            facts={"hold_after_first_batch": hold_after_first_batch},
            **changes | (run_settings or job.run_settings).columns,
        ):
            raise NotPossibleNow(
                "This job was launched or changed by somebody else just now."
            )
        enqueue("plan_job", job.pk)


def launch_obstacle(job: Job) -> str:
    """Why a checked job cannot be launched as it is, as a sentence; "" when nothing is
    in the way."""
    if job.parent and not _retriable(job.parent, job.cause):
        return "Another retry sends these rows already."
    if job.rows == job.rows_invalid and not job.auto_target:
        return "No row can be sent: all of them have problems. Mend the file and upload it again."
    if job.rows_invalid and Options.from_json(job.options).invalid == "stop":
        bad = counted(job.rows_invalid, "row")
        return f"{bad} with problems: mend the file and upload it again, or go back and leave them out."
    return ""


def pause(job: Job, *, by: Actor) -> None:
    """Send nothing more; what is in flight is followed to its end. Raises
    NotPossibleNow."""
    _change(job, "pause", JobState.PAUSING, EventKind.PAUSE_REQUESTED, by)


def resume(job: Job, *, by: Actor) -> None:
    """Go on; a job that waits for approval is approved. Raises NotPossibleNow."""
    state = JobState.RUNNING if job.started_at else JobState.QUEUED
    if job.is_held_after_first_batch:
        _change(
            job,
            "resume",
            state,
            EventKind.APPROVED,
            by,
            facts={"rows": job.to_send},
            hold_after_first_batch=False,
        )
    else:
        _change(job, "resume", state, EventKind.RESUMED, by)


def cancel(job: Job, *, by: Actor) -> None:
    """Send nothing more and end. Records already sent stay in Zendesk. Raises
    NotPossibleNow."""
    _change(job, "cancel", JobState.CANCELLING, EventKind.CANCEL_REQUESTED, by)


def retry(job: Job, *, by: "User | None", cause: Cause | None = None) -> Job:
    """A new job of just the rows that failed, being checked already: all that no
    launched retry has taken, or those of one cause. Asked again, the same one until it
    is launched. Raises NotPossibleNow."""
    with transaction.atomic():
        # Locked, so that two clicks at once find each other.
        Job.objects.select_for_update().get(pk=job.pk)
        if not _retriable(job, cause):
            raise NotPossibleNow(
                "Only a job that is over can be retried, with failed rows that no retry has taken."
            )
        if begun := job.retries.drafts().filter(cause=cause).first():
            return begun
        child = Job.objects.create(
            connection=job.connection,
            object_key=job.object_key,
            action=job.action,
            file=job.file,
            parent=job,
            cause=cause,
            mapping=job.mapping,
            options=job.options,
            created_by=by,
            **job.run_settings.columns,
        )
        lifecycle.record(
            job,
            EventKind.RETRY_CREATED,
            by=by,
            facts={"rows": _retriable(job, cause), "job": str(child.code)},
        )
    try:
        checker.start(child, by=by)
    except MappingRefused as refusal:
        Job.objects.change(child, expected=(JobState.DRAFT,), reason=str(refusal))
    return child


def resolve(job: Job, decision: str, *, by: Actor) -> None:
    """Deal with uncertain rows: "check_again", "resend" them, or "accept" that they stay
    uncertain.

    Raises NotPossibleNow.
    """
    if decision not in DECISIONS or "resolve" not in may(job):
        raise NotPossibleNow("There is nothing uncertain to decide.")
    with transaction.atomic():
        reopens = decision != "accept"
        fields: dict[str, Any] = {"finished_at": None} if reopens else {}
        if not lifecycle.move(
            job,
            JobState.RUNNING if reopens else JobState.COMPLETED,
            by=by,
            event=DECISIONS[decision],
            expected=(JobState.NEEDS_DECISION,),
            facts={"rows": job.uncertain},
            **fields,
        ):
            raise NotPossibleNow("Somebody else has just decided.")
        if decision != "accept":
            _reopen(
                job,
                BatchState.UNCONFIRMED
                if decision == "check_again"
                else BatchState.PLANNED,
            )
            enqueue("drive")


def discard(job: Job, *, by: Actor) -> None:
    """Throw a draft away, and its file when no other job has it. Raises NotPossibleNow
    once launched."""
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk, state__in=UNLAUNCHED).delete()[0]:
            raise NotPossibleNow("This job was launched; it stays in the history.")
        forget_unused(job.file)


def forget_unused(file: File) -> None:
    """Delete a file that no job has, if it is kept here; elsewhere the sweep of its own
    host does it (sweeping.py)."""
    if file.is_here and not file.jobs.exists():
        file.delete()
        transaction.on_commit(file.delete_content)


def may(job: Job) -> dict[str, int]:
    """What can be asked of the job now, with the number of rows it concerns: launch,
    adjust, pause, resume, cancel, retry, resolve, discard."""
    concerned = job.uncertain if job.state == JobState.NEEDS_DECISION else job.to_send
    verbs = {
        verb: concerned for verb, states in IN_STATES.items() if job.state in states
    }
    if left := left_to_retry(job):
        verbs["retry"] = left
    return verbs


def left_to_retry(job: Job) -> int:
    """How many of the failed rows no launched retry has taken: what a retry has sent is
    its own to retry. 0 before the job is over, when it is not certain yet which rows
    failed."""
    if not job.is_over or not job.failed:
        return 0
    taken: int | None = job.retries.launched().aggregate(rows=Sum("rows"))["rows"]
    return job.failed - (taken or 0)


def retriable_causes(job: Job) -> dict[int, int]:
    """{id of a cause: its failed rows, none of which a launched retry has taken}."""
    if (
        not job.is_over
        or not job.failed
        or job.retries.launched().filter(cause=None).exists()
    ):
        return {}
    free = Cause.objects.filter(job=job, phase=Cause.Phase.SEND).failed()
    return dict(
        free.exclude(retries__in=job.retries.launched()).values_list("pk", "count")
    )


def has_open_jobs(connection: Connection) -> bool:
    """Whether launched jobs of the connection are not over yet."""
    return (
        Job.objects.filter(connection=connection)
        .launched()
        .exclude(state__in=OVER)
        .exists()
    )


def _retriable(job: Job, cause: Cause | None) -> int:
    return (
        left_to_retry(job) if cause is None else retriable_causes(job).get(cause.pk, 0)
    )


def _too_late(job: Job, verb: str) -> str:
    return (
        f"It is too late to {verb} this job: it is {job.get_state_display().lower()}."
    )


def _change(
    job: Job,
    verb: str,
    state: JobState,
    event: EventKind,
    by: Actor,
    *,
    facts: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    with transaction.atomic():
        if not lifecycle.move(
            job,
            state,
            by=by,
            event=event,
            expected=IN_STATES[verb],
            facts=facts,
            reason="",
            **fields,
        ):
            raise NotPossibleNow(_too_late(job, verb))
        if job.planned_at is None:
            enqueue("plan_job", job.pk)
        if (
            not Lease.objects.live()
            .filter(name=f"account:{job.connection.host}")
            .exists()
        ):
            # No driver is there that could have a batch in flight.
            lifecycle.finish_if_over(job.pk, by=by)
            job.refresh_from_db()
        enqueue("drive")


def _reopen(job: Job, state: BatchState) -> None:
    ledger = settlement.Ledger()
    for batch in Batch.objects.filter(job=job, state=BatchState.UNCERTAIN):
        settlement.reopen_uncertain(batch, state, ledger)
    ledger.write()


def _require_unchanged(job: Job, by: Actor) -> None:
    """Compare what was checked with file and fields as they are now, the fields freshly
    read from Zendesk."""
    if (
        not job.file.is_raw_items
    ):  # What the fields of items hold is for Zendesk to judge.
        _read_fields(job)
    if checker.fingerprint(job) != job.checked_fingerprint or not _is_stored(job.file):
        rows = "rows left to retry, the " if job.parent_id else ""
        reason = f"The {rows}file or the object's fields have changed since the check. Check again."
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


def _read_fields(job: Job) -> None:
    custom_object = CustomObject.objects.get(
        connection=job.connection, key=job.object_key
    )
    try:
        objects.refresh(custom_object)
    except ZendeskError as error:
        refusal = (
            UnreachableNow
            if isinstance(error, NotSent | Unsure | Limited)
            else NotPossibleNow
        )
        raise refusal(
            f"The object's fields could not be read again before launch. {explain(error)}"
        ) from error


def _is_stored(file: File) -> bool:
    """Whether the file is there as it came. Of one kept elsewhere, planning will find
    that out where it is."""
    if not file.is_here:
        return True
    return (
        default_storage.exists(file.stored_as)
        and default_storage.size(file.stored_as) == file.size
    )
