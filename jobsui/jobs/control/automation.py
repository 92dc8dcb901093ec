"""Drafts that advance without a person, those of programs and those with a saved mapping:
once the file is read, columns map themselves, the rows are checked, and compared with their
records if that was chosen; then the job is launched if it was asked for. Where a person has
to decide, the draft stops and says why."""

from contextlib import suppress
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from jobsui.jobs import leases
from jobsui.jobs.control import (
    actions,
    approvals,
    comparisons,
    drafts,
    saved_mappings,
    undo,
)
from jobsui.jobs.control.auto_mapping import auto_check, auto_map_unmapped
from jobsui.jobs.enums import (
    UNLAUNCHED,
    Component,
    FileState,
    JobState,
    ParentRows,
    ReadState,
)
from jobsui.jobs.errors import (
    ApprovalNeeded,
    ChangedSinceCheck,
    MappingRefused,
    NotPossibleNow,
    NotPossibleYet,
    OutdatedRead,
    UploadRefused,
)
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RecordRead, RunSettings
from jobsui.jobs.preparation import checker
from jobsui.jobs.queueing import enqueue

MAX_COMPARING = timedelta(hours=1)
"""For this long after the check, rows are compared again when another job has changed
records meanwhile."""
MAX_READING = timedelta(days=1)
"""For this long after its creation, the records of an undo are read again when another job has
run meanwhile. Each time, at least one more job has ended."""
MAX_UNASKED_SECONDS = 3600
"""A comparison that takes longer is started by a person."""
NOT_COMPARED = "The rows were not compared with their records in Zendesk."
COMPARE_AGAIN = "Compare them again, or launch the job to send all rows."
COMPARE_FIRST = "Compare them again: the job only updates records that exist."
NOT_PLANNED = "The records that the undo concerns could not be read."


def set_auto_target(
    job: Job,
    state: JobState,
    *,
    hold_after_first_batch: bool | None = None,
    run_settings: RunSettings | None = None,
) -> None:
    """Let a draft advance until it is READY, or until it is launched (QUEUED).
    Arguments that are None keep what the job has. Raises NotPossibleNow once
    launched."""
    if hold_after_first_batch is None:
        hold_after_first_batch = job.hold_after_first_batch
    settings = run_settings or job.run_settings
    is_draft = Job.objects.change(
        job,
        expected=UNLAUNCHED,
        auto_target=state,
        reason="",
        hold_after_first_batch=hold_after_first_batch,
        **settings.columns,
    )
    if not is_draft:
        raise NotPossibleNow("This job was already launched.")
    enqueue("advance_job", job.pk)


def launch_or_ask(
    job: Job,
    *,
    by: Actor,
    hold_after_first_batch: bool,
    run_settings: RunSettings,
    confirmed_deletions: int | None = None,
    note: str = "",
    launches_itself: bool = True,
) -> None:
    """Launch a checked job. If it needs approval, ask for that instead, with a note for the
    person who decides. `launches_itself`: the job is launched as soon as it is approved. Raises
    as `actions.launch` otherwise."""
    try:
        actions.launch(
            job,
            by=by,
            hold_after_first_batch=hold_after_first_batch,
            run_settings=run_settings,
            confirmed_deletions=confirmed_deletions,
        )
    except ApprovalNeeded:
        with transaction.atomic():
            approvals.request(job, by=by, note=note)
            Job.objects.change(
                job,
                expected=(JobState.READY,),
                auto_target=JobState.QUEUED if launches_itself else "",
                reason="",
                hold_after_first_batch=hold_after_first_batch,
                **run_settings.columns,
            )


def require_feasible(job: Job) -> None:
    """Raise UploadRefused or MappingRefused if it is already known that the draft cannot
    advance."""
    if job.file.state == FileState.REJECTED:
        raise UploadRefused(f"{job.file.name} cannot be read. {job.file.error}")
    if job.file.state != FileState.READY:
        return
    if saved_mappings.is_pending(job):
        saved_mappings.require_columns(job)
        return
    auto_map_unmapped(job, by=_actor(job))
    checker.require_mapping(job)


def advance(job: Job) -> None:
    """Take the next step that is possible now. Called again when the file is read, when
    its rows are checked, and when they are compared."""
    with leases.tried(f"advance:{job.pk}", partial(_give_up, job)) as lease:
        job.refresh_from_db()
        if lease is None or not job.auto_target or not job.is_draft:
            return
        try:
            _take_step(job)
        except NotPossibleYet as refusal:
            # The sweep enqueues it again.
            Job.objects.change(job, expected=UNLAUNCHED, reason=str(refusal))
        except (MappingRefused, NotPossibleNow) as refusal:
            _stop(job, str(refusal))


def _give_up(job: Job, _lease: leases.Held, reason: str) -> None:
    job.refresh_from_db()
    if job.auto_target:
        _stop(job, f"{reason} Check and launch the job yourself.")


def _stop(job: Job, reason: str) -> None:
    """The draft needs a person, who reads this reason."""
    Job.objects.change(job, expected=UNLAUNCHED, auto_target="", reason=reason)


def _take_step(job: Job) -> None:
    if job.file.state == FileState.READING:
        return
    if _is_read_again(job):
        return
    if job.file.state == FileState.REJECTED:
        raise NotPossibleNow(job.file.error)
    match JobState(job.state), job.auto_target:
        case JobState.DRAFT, _:
            _check(job)
        case JobState.READY, _ if not _is_compared(job):
            return
        case JobState.READY, JobState.READY:
            Job.objects.change(job, expected=(JobState.READY,), auto_target="")
        case JobState.READY, _:
            _launch(job)


def is_comparison_due(job: Job) -> bool:
    """Whether the rows of a checked draft are compared next: that was chosen, nothing else has
    to be decided before, and it does not take long."""
    if job.state != JobState.READY or job.auto_target:
        return False
    if not _wants_comparison(job) or comparisons.current(job) is not None:
        return False
    return not is_long(job) and not actions.launch_obstacle(job)


def is_long(job: Job) -> bool:
    """Whether comparing the rows takes so long that a person has to ask for it."""
    return comparisons.cost_of(job).seconds > MAX_UNASKED_SECONDS


def compare_unasked(job: Job) -> None:
    """Start the comparison of a checked draft if it is due."""
    checked = Job.objects.filter(pk=job.pk).first()
    if checked is not None and is_comparison_due(checked):
        with suppress(NotPossibleNow):
            comparisons.start(checked, by=_actor(checked))


def _wants_comparison(job: Job) -> bool:
    options = Options.from_json(job.options)
    refuses = options.refuse_changed != "off"
    is_chosen = options.compare or options.match is not None
    is_wanted = is_chosen or options.only_existing or refuses
    return is_wanted and comparisons.is_possible(job)


def _is_read_again(job: Job) -> bool:
    """Have the file read with the settings of the job's saved mapping, if it was not read
    with them."""
    if job.saved_mapping is None or not saved_mappings.is_pending(job):
        return False
    settings = saved_mappings.settings_to_read_with(job.saved_mapping, job.file)
    if settings:
        drafts.set_file_settings(job, by=_actor(job), **settings)
    return bool(settings)


def _check(job: Job) -> None:
    saved_mappings.apply(job, by=_actor(job))
    auto_check(job, by=_actor(job))


def _is_compared(job: Job) -> bool:
    """Whether no comparison is to be waited for. One that is missing is started. Raises
    NotPossibleNow if it has ended without a result."""
    if job.parent_rows == ParentRows.UNDONE:
        return _is_undo_planned(job)
    read = comparisons.current(job)
    if read is not None and not _is_too_old(job, read):
        return _has_result(read)
    if _wants_comparison(job):
        _compare(job)
        return False
    return True


def _is_too_old(job: Job, read: RecordRead) -> bool:
    """Whether an ended comparison is from before the check, or another job may have changed
    what was read."""
    if read.is_open or job.checked_at is None:
        return False
    if read.created_at < job.checked_at:
        return True
    is_late = timezone.now() - job.checked_at > MAX_COMPARING
    is_done = read.state == ReadState.DONE
    return is_done and not is_late and comparisons.is_outdated(read)


def _has_result(read: RecordRead) -> bool:
    """False: not yet."""
    if read.state in {ReadState.CANCELLED, ReadState.FAILED}:
        reason = read.reason or "The comparison was cancelled."
        options = Options.from_json(read.job.options)
        advice = COMPARE_FIRST if options.only_existing else COMPARE_AGAIN
        raise NotPossibleNow(f"{NOT_COMPARED} {reason} {advice}")
    return not read.is_open


def _is_undo_planned(job: Job) -> bool:
    """Whether the records of an undo are read. Raises NotPossibleNow if they could not
    be."""
    read = undo.current(job)
    if read is None or read.is_open:
        return False
    if read.state != ReadState.DONE:
        raise NotPossibleNow(f"{NOT_PLANNED} {read.reason}")
    return True


def _compare(job: Job) -> None:
    if job.auto_target == JobState.QUEUED and (reason := actions.launch_obstacle(job)):
        # Comparing rows that are not launched would only take requests.
        raise NotPossibleNow(reason)
    comparisons.start(job, by=_actor(job))


def _launch(job: Job) -> None:
    if approvals.is_waiting(job):
        return
    is_held = job.hold_after_first_batch
    try:
        actions.launch(job, by=_actor(job), hold_after_first_batch=is_held)
    except ApprovalNeeded:
        approvals.request(job, by=_actor(job))
    except ChangedSinceCheck:
        # It is a draft again, and is checked in its present form.
        _check(job)
    except OutdatedRead:
        if timezone.now() - job.created_at > MAX_READING:
            raise
        undo.read_again(job, by=_actor(job))


def _actor(job: Job) -> Actor:
    """Automation acts for the person who created the job."""
    return job.created_by or Component.AUTOMATION
