"""Undoes a job by another job, which puts back what it can."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.db import transaction

from jobsui.jobs.enums import (
    OVER,
    Action,
    JobState,
    Outcome,
    ParentRows,
    Purpose,
    ReadState,
)
from jobsui.jobs.errors import NotPossibleNow, NotPossibleYet, OutdatedRead
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import reads
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.mapping.options import UNDO_FIELDS, UNDO_ROWS, Options
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.preparation import checker

OPEN_JOB = (
    "Another job of this object has not ended. What it writes is not known yet: wait for it, "
    "or cancel it."
)
NOTHING_CHOSEN = "The job has changed nothing in the chosen rows and fields."
NOT_INDEXED = (
    "A later job has ended just now, and its records are not in the history yet. Try again in "
    "a minute."
)
OUTDATED = "Another job of this object has run since the records were read. Read again."


def create(
    job: Job,
    *,
    by: Actor,
    rows: RowRanges | None = None,
    fields: Collection[str] | None = None,
) -> Job:
    """Create a draft that undoes a job, and read the records of its rows. `rows`: undo only
    these. `fields`: put back only these values of changed records, by their names as in an
    Image. Raises NotPossibleNow unless the job has ended."""
    _require_undoable(job)
    # Changes that others make after this read must not be overwritten.
    options = Options(refuse_changed="strict").to_json()
    if rows is not None:
        options[UNDO_ROWS] = rows.to_json()
    require_quiet(job)
    person = None if isinstance(by, str) else by
    with transaction.atomic():
        undo = Job.objects.create(
            connection=job.connection,
            object_key=job.object_key,
            action=Action.UPDATE,
            file=job.file,
            parent=job,
            parent_rows=ParentRows.UNDONE,
            options=_with_choice(options, fields),
            # The maximum. `live/pages.py` counts the rows.
            rows=job.succeeded,
            state=JobState.READY,
            created_by=person,
            **job.run_settings.columns,
        )
        _start(undo, by)
    return undo


def current(undo: Job) -> RecordRead | None:
    """The latest read, which says what the undo can put back."""
    return reads.latest(undo, Purpose.UNDO)


def undoable_rows(job: Job) -> int:
    """How many rows an undo would read; 0 if the job cannot be undone."""
    return 0 if _obstacle(job) else _changed_rows(job)


def read_again(undo: Job, *, by: Actor) -> RecordRead:
    """Read the records of a draft again. Rows that were left out stay so. Raises
    NotPossibleNow."""
    return _read_again(undo, by, lambda options: options)


def choose_fields(
    undo: Job, fields: Collection[str] | None, *, by: Actor
) -> RecordRead:
    """Put back only these values of records that were changed, or all (None). The records of
    the draft are read again, and rows that were left out stay so. Raises NotPossibleNow."""
    with transaction.atomic():
        lifecycle.record_choice(undo, "fields", by=by)
        return _read_again(undo, by, lambda options: _with_choice(options, fields))


def _read_again(
    undo: Job, by: Actor, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> RecordRead:
    """`changed`: returns the new options for the present ones."""
    with transaction.atomic():
        draft = Job.objects.select_for_update().get(pk=undo.pk)
        if draft.state != JobState.READY:
            raise NotPossibleNow("This undo was already launched.")
        draft.options = changed(draft.options)
        lifecycle.void_approval(draft, by=by, changed="records read")
        return _start(draft, by)


def obstacle(undo: Job) -> str:
    """Why a draft cannot be launched now, as a sentence; "" if it can."""
    try:
        require_usable(undo)
    except NotPossibleNow as refusal:
        return str(refusal)
    return ""


def require_usable(undo: Job) -> None:
    """Raise NotPossibleNow unless the undo can be launched: NotPossibleYet while other jobs
    prevent it, OutdatedRead if the records must be read again."""
    read = current(undo)
    if read is None or read.state != ReadState.DONE:
        raise NotPossibleNow(
            read.reason if read and read.reason else "The records are still being read."
        )
    if not undo.rows:
        raise NotPossibleNow(NOTHING_CHOSEN)
    if undo.parent is not None:
        require_quiet(undo.parent)
    if is_outdated(read):
        raise OutdatedRead(OUTDATED)


def is_outdated(read: RecordRead) -> bool:
    """Whether a later job may have changed the records, or found them as its file says, without
    the plan of the undo taking it into account."""
    undone = read.job.parent
    if undone is None:
        return False
    later = Job.objects.later_than(undone)
    return later.filter(indexed_at__gte=read.created_at).exists()


def require_quiet(job: Job) -> None:
    """Raise NotPossibleYet while a later job may still change the records of a job, or while
    what it changed is unknown."""
    later = Job.objects.later_than(job)
    if later.open().exists():
        raise NotPossibleYet(OPEN_JOB)
    if later.filter(indexed_at=None, results_pruned_at=None).exists():
        raise NotPossibleYet(NOT_INDEXED)


def _with_choice(
    options: Mapping[str, Any], fields: Collection[str] | None
) -> dict[str, Any]:
    others = {name: value for name, value in options.items() if name != UNDO_FIELDS}
    return others if fields is None else others | {UNDO_FIELDS: sorted(fields)}


def _start(undo: Job, by: Actor) -> RecordRead:
    """Save the undo and begin its read. The caller has opened a transaction."""
    undo.checked_fingerprint = checker.fingerprint(undo)
    undo.save(update_fields=["options", "checked_fingerprint"])
    return reads.begin(undo, Purpose.UNDO, by=by)


def _require_undoable(job: Job) -> None:
    if found := _obstacle(job):
        raise NotPossibleNow(found)


def _obstacle(job: Job) -> str:
    if job.state not in OVER:
        return "Only a job that has ended can be undone."
    if not _changed_rows(job):
        return "The job has changed nothing that could be undone."
    if job.results_pruned_at or job.bodies_pruned_at:
        return (
            "What the job did has been deleted by the retention settings, so it cannot be "
            "undone."
        )
    return ""


def _changed_rows(job: Job) -> int:
    """How many rows have changed a record."""
    return job.succeeded - job.count(Outcome.UNCHANGED)
