"""Drafts that go on by themselves, for programs: once the file is read, columns named
like fields map themselves, the rows are checked, and the job is launched if that is
what it aims at. Where a person has to decide, it stays a draft that says why."""

from jobsui.jobs import leases
from jobsui.jobs.control import actions
from jobsui.jobs.control.auto_mapping import auto_check, auto_map_unmapped
from jobsui.jobs.enums import UNLAUNCHED, Component, FileState, JobState
from jobsui.jobs.errors import (
    ChangedSinceCheck,
    MappingRefused,
    NotPossibleNow,
    UnreachableNow,
    UploadRefused,
)
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.models import Job, RunSettings
from jobsui.jobs.preparation import checker
from jobsui.jobs.queueing import enqueue


def aim(
    job: Job,
    state: JobState,
    *,
    hold_after_first_batch: bool | None = None,
    run_settings: RunSettings | None = None,
) -> None:
    """Let a draft go on by itself until it is READY, or QUEUED: launched, with `canary`
    its first batch alone, to run by `run_settings` (None: as both stand on it). Raises
    NotPossibleNow once it is launched."""
    fields = (run_settings or job.run_settings).columns | {
        "hold_after_first_batch": job.hold_after_first_batch
        if hold_after_first_batch is None
        else hold_after_first_batch
    }
    if not Job.objects.change(
        job, expected=UNLAUNCHED, auto_target=state, reason="", **fields
    ):
        raise NotPossibleNow("This job was already launched.")
    enqueue("advance_job", job.pk)


def require_way(job: Job) -> None:
    """Raise UploadRefused or MappingRefused where it is plain already that a draft
    would get nowhere by itself."""
    if job.file.state == FileState.REJECTED:
        raise UploadRefused(f"{job.file.name} cannot be read. {job.file.error}")
    if job.file.state == FileState.READY:
        auto_map_unmapped(job, by=_actor(job))
        checker.require_mapping(job)


def advance(job: Job) -> None:
    """Take the next step that can be taken now. Whoever ends a reading or a check rings
    for it."""
    with leases.held(f"advance:{job.pk}") as lease:
        job.refresh_from_db()
        if lease is None or not job.auto_target or not job.is_draft:
            return
        try:
            _advance(job)
        except UnreachableNow as refusal:  # The sweep rings again.
            Job.objects.change(job, expected=UNLAUNCHED, reason=str(refusal))
        except (MappingRefused, NotPossibleNow) as refusal:
            Job.objects.change(
                job, expected=UNLAUNCHED, auto_target="", reason=str(refusal)
            )


def _advance(job: Job) -> None:
    if job.file.state == FileState.REJECTED:
        raise NotPossibleNow(job.file.error)
    if job.file.state == FileState.READING:
        return
    if job.state == JobState.DRAFT:
        auto_check(job, by=_actor(job))
    elif job.state == JobState.READY and job.auto_target == JobState.READY:
        Job.objects.change(job, expected=(JobState.READY,), auto_target="")
    elif job.state == JobState.READY:
        _launch(job)


def _actor(job: Job) -> Actor:
    """Automation acts for the person who asked for the job."""
    return job.created_by or Component.AUTOMATION


def _launch(job: Job) -> None:
    try:
        actions.launch(
            job, by=_actor(job), hold_after_first_batch=job.hold_after_first_batch
        )
    except ChangedSinceCheck:  # A draft again, to be checked as it is now.
        auto_check(job, by=_actor(job))
