"""What people ask of a job. Each is one conditional change of state; the driver does the rest."""

from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from jobsui.connections import objects
from jobsui.connections.errors import explain
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.engine import checking, intake, settling
from jobsui.jobs.engine.options import Options
from jobsui.jobs.enums import OVER, SENDABLE, UNLAUNCHED, Action, BatchState, JobState
from jobsui.jobs.errors import ChangedSinceCheck, MappingRefused, NotPossibleNow
from jobsui.jobs.models import Batch, File, Job, Lease
from jobsui.jobs.queueing import ring
from jobsui.words import counted
from jobsui.zendesk.errors import ZendeskError

if TYPE_CHECKING:
    from django.contrib.auth.models import User

IN_STATES: dict[str, tuple[JobState, ...]] = {
    "launch": (JobState.READY,),
    "discard": UNLAUNCHED,
    "pause": SENDABLE,
    "resume": (JobState.PAUSED, JobState.PAUSING),
    "cancel": (*SENDABLE, JobState.PAUSING, JobState.PAUSED),
    "resolve": (JobState.NEEDS_DECISION,),
}
"""In which states of a job what can be asked of it."""
DECISIONS = {
    "look": "Looking into the uncertain rows again.",
    "resend": "Sending the uncertain rows again.",
    "accept": "The uncertain rows stay as they are.",
}
AFTER: dict[str, dict[str, Any]] = {
    "look": {"state": JobState.RUNNING, "finished_at": None},
    "resend": {"state": JobState.RUNNING, "finished_at": None},
    "accept": {"state": JobState.COMPLETED},
}


def draft(connection: Connection, object_key: str, action: str, file: File, *, by: "User | None") -> Job:
    """A new job to be mapped, checked and launched."""
    job = Job(connection=connection, object_key=object_key, action=Action(action), file=file, created_by=by)
    job.options = Options(prefix=job.code.hex[:12]).to_json()
    job.save()
    return job


def set_mapping(job: Job, mapping: dict[str, str], options: Options) -> None:
    """Save the mapping of a draft; what was checked before counts no more. Raises NotPossibleNow once launched."""
    chosen = Options(options.blank, options.invalid, options.own_external_ids, Options.from_json(job.options).prefix)
    changed = Job.objects.change(
        job, expected=UNLAUNCHED, state=JobState.DRAFT, mapping=mapping, options=chosen.to_json(),
        checked_fingerprint="", reason="",
    )  # fmt: skip
    if not changed:
        raise NotPossibleNow("This job was launched; its mapping cannot change any more.")


def set_target(job: Job, connection: Connection, object_key: str, action: str, file: File | None = None) -> None:
    """Point a draft elsewhere: its mapping begins anew, and a file it had before goes. Raises NotPossibleNow once
    launched."""
    before = job.file
    changed = Job.objects.change(
        job, expected=UNLAUNCHED, state=JobState.DRAFT, connection=connection, object_key=object_key,
        action=Action(action), file=file or job.file, mapping={}, checked_fingerprint="", reason="",
        parent=None if file else job.parent,  # The failed rows of another file are none of this one.
    )  # fmt: skip
    if not changed:
        raise NotPossibleNow("This job was launched; it cannot be pointed elsewhere any more.")
    forget_unused(before)


def set_layout(job: Job, **layout: str) -> None:
    """Have the file of a draft read as a person says (encoding, delimiter, sheet). Raises NotPossibleNow once launched,
    and for a retry, whose file is that of the job before it."""
    if job.file.jobs.exclude(pk=job.pk).exists():
        raise NotPossibleNow("Another job has this file too. Upload it again to have it read in another way.")
    set_target(job, job.connection, job.object_key, job.action)
    intake.reread(job.file, **layout)


def set_invalid(job: Job, choice: str) -> None:
    """Stop at problems or leave their rows out, chosen after the check; nothing needs to be checked again for it."""
    options = Options.from_json(job.options).to_json() | {"invalid": "skip" if choice == "skip" else "stop"}
    if not Job.objects.change(job, expected=(JobState.READY,), options=options):
        raise NotPossibleNow("This job has to be checked first.")


def launch(job: Job, *, by: "User | None") -> None:
    """Let a checked job go.

    Raises NotPossibleNow (not checked, nothing to send, rows with problems and no leave to skip them, launched
    already) and ChangedSinceCheck, after which the job is a draft to be checked again.
    """
    if job.state != JobState.READY:
        raise NotPossibleNow("This job was launched already." if not job.is_draft else "Check this job first.")
    _require_unchanged(job)
    if obstacle := launch_obstacle(job):
        raise NotPossibleNow(obstacle)
    with transaction.atomic():
        checked = Job.objects.filter(checked_fingerprint=job.checked_fingerprint)
        if not checked.change(job, expected=(JobState.READY,), state=JobState.QUEUED, created_at=timezone.now()):
            raise NotPossibleNow("This job was launched or changed by somebody else just now.")
        job.add_event("Launched.", by=by)
        ring("plan_job", job.pk)


def launch_obstacle(job: Job) -> str:
    """Why a checked job cannot be launched as it is, as a sentence; "" when nothing is in the way."""
    if job.rows == job.rows_invalid:
        return "No row can be sent: all of them have problems. Mend the file and upload it again."
    if job.rows_invalid and Options.from_json(job.options).invalid == "stop":
        bad = counted(job.rows_invalid, "row")
        return f"{bad} with problems: mend the file and upload it again, or go back and leave them out."
    return ""


def pause(job: Job, *, by: "User | None") -> None:
    """Send nothing more; what is in flight is followed to its end. Raises NotPossibleNow."""
    _change(job, "pause", JobState.PAUSING, "Pause asked.", by)


def resume(job: Job, *, by: "User | None") -> None:
    """Go on. Raises NotPossibleNow."""
    state = JobState.RUNNING if job.started_at else JobState.QUEUED
    _change(job, "resume", state, "Resumed.", by)


def cancel(job: Job, *, by: "User | None") -> None:
    """Send nothing more and end. Records already sent stay in Zendesk. Raises NotPossibleNow."""
    _change(job, "cancel", JobState.CANCELLING, "Cancel asked.", by)


def retry(job: Job, *, by: "User | None") -> Job:
    """A new job of just the rows that failed, being checked already; asked again, the same one until it is launched.

    Raises NotPossibleNow.
    """
    with transaction.atomic():
        # Locked, so that two clicks at once find each other.
        Job.objects.select_for_update().get(pk=job.pk)
        if "retry" not in may(job):
            raise NotPossibleNow("Only a job that is over, has failed rows and was not retried yet can be retried.")
        if begun := job.retries.drafts().first():
            return begun
        child = Job.objects.create(
            connection=job.connection, object_key=job.object_key, action=job.action, file=job.file, parent=job,
            mapping=job.mapping, options=job.options, created_by=by,
        )  # fmt: skip
    try:
        checking.start(child, by=by)
    except MappingRefused as refusal:
        Job.objects.change(child, expected=(JobState.DRAFT,), reason=str(refusal))
    return child


def resolve(job: Job, decision: str, *, by: "User | None") -> None:
    """Deal with uncertain rows: "look" again, "resend" them, or "accept" that they stay uncertain.

    Raises NotPossibleNow.
    """
    if decision not in DECISIONS or "resolve" not in may(job):
        raise NotPossibleNow("There is nothing uncertain to decide.")
    with transaction.atomic():
        if not Job.objects.change(job, expected=(JobState.NEEDS_DECISION,), **AFTER[decision]):
            raise NotPossibleNow("Somebody else has just decided.")
        job.add_event(DECISIONS[decision], by=by)
        if decision != "accept":
            _reopen(job, BatchState.UNSURE if decision == "look" else BatchState.PLANNED)
            ring("drive")


def discard(job: Job, *, by: "User | None") -> None:
    """Throw a draft away, and its file when no other job has it. Raises NotPossibleNow once launched."""
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk, state__in=UNLAUNCHED).delete()[0]:
            raise NotPossibleNow("This job was launched; it stays in the history.")
        forget_unused(job.file)


def forget_unused(file: File) -> None:
    """Delete a file that no job has, if it is kept here; elsewhere the sweep of its own host does it (sweeping.py)."""
    if file.is_here and not file.jobs.exists():
        file.delete()
        transaction.on_commit(file.delete_content)


def may(job: Job) -> set[str]:
    """What can be asked of the job now: launch, pause, resume, cancel, retry, resolve, discard."""
    verbs = {verb for verb, states in IN_STATES.items() if job.state in states}
    # Once: what a retry has sent is its own to retry, and the rows that failed are certain only when all is over.
    if job.is_over and job.failed and not job.retries.launched().exists():
        verbs.add("retry")
    return verbs


def has_open_jobs(connection: Connection) -> bool:
    """Whether launched jobs of the connection are not over yet."""
    return Job.objects.filter(connection=connection).launched().exclude(state__in=OVER).exists()


def _change(job: Job, verb: str, state: JobState, event: str, by: "User | None") -> None:
    with transaction.atomic():
        if not Job.objects.change(job, expected=IN_STATES[verb], state=state, reason=""):
            raise NotPossibleNow(f"It is too late to {verb} this job: it is {job.get_state_display().lower()}.")
        job.add_event(event, by=by)
        if job.planned_at is None:
            ring("plan_job", job.pk)
        if not Lease.objects.live().filter(name=f"account:{job.connection.host}").exists():
            settling.finish_if_over(job.pk)  # No driver is there that could have something in the air.
            job.refresh_from_db()
        ring("drive")


def _reopen(job: Job, state: BatchState) -> None:
    ledger = settling.Ledger()
    for batch in Batch.objects.filter(job=job, state=BatchState.UNCERTAIN):
        settling.reopen_uncertain(batch, state, ledger)
    ledger.write()


def _require_unchanged(job: Job) -> None:
    """Compare what was checked with file and fields as they are now, the fields freshly read from Zendesk."""
    custom_object = CustomObject.objects.get(connection=job.connection, key=job.object_key)
    try:
        objects.refresh(custom_object)
    except ZendeskError as error:
        raise NotPossibleNow(f"The object's fields could not be read again before launch. {explain(error)}") from error
    if checking.fingerprint(job) != job.checked_fingerprint or not _is_stored(job.file):
        reason = "The file or the object's fields have changed since the check. Check again."
        Job.objects.change(
            job, expected=(JobState.READY,), state=JobState.DRAFT, checked_fingerprint="", reason=reason
        )  # fmt: skip
        raise ChangedSinceCheck(reason)


def _is_stored(file: File) -> bool:
    """Whether the file is there as it came. Of one kept elsewhere, planning will find that out where it is."""
    if not file.is_here:
        return True
    return default_storage.exists(file.stored_as) and default_storage.size(file.stored_as) == file.size
