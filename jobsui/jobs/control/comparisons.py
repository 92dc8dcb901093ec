"""Compares a checked draft with the account: what each row would change."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import F

from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import account_match
from jobsui.jobs.enums import (
    UNLAUNCHED,
    Action,
    JobState,
    ParentRows,
    Purpose,
    ReadState,
)
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import left_out, name_list, reads
from jobsui.jobs.live.reads import fingerprint_of
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RecordRead

ROWS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What a comparison takes."""

    requests: int
    minutes: float
    """While no job of the account is sent."""

    @property
    def seconds(self) -> float:
        return self.minutes * 60


def cost_of(job: Job) -> Cost:
    action = Action(job.action)
    rows = job.rows - job.rows_left_out
    requests = requests_for(rows)
    if action.key == "name":
        requests = name_list.requests_for(rows, _known_records(job))
    if account_match.of(job):
        requests += requests_to_list(job) or 0
    return Cost(requests, requests / _requests_per_minute(job.connection))


def requests_for(rows: int) -> int:
    """How many it takes to read their records, by ID or external ID."""
    return -(-rows // ROWS_PER_REQUEST)


def requests_to_list(job: Job) -> int | None:
    """How many requests list all records of the object; None: not known."""
    records = _known_records(job)
    return None if records is None else -(-records // ROWS_PER_REQUEST)


def is_possible(job: Job) -> bool:
    """Whether the rows of a job can be compared: new records have nothing to be compared
    with, and an undo has a read of its own (`undo.py`)."""
    return bool(Action(job.action).key) and job.parent_rows != ParentRows.UNDONE


def current(job: Job) -> RecordRead | None:
    """The comparison with the rows of the present check, if there is one."""
    found = RecordRead.objects.filter(
        job=job, purpose=Purpose.COMPARE, fingerprint=fingerprint_of(job)
    )
    return found.order_by("-pk").first() if job.checked_fingerprint else None


def finished(job: Job) -> RecordRead | None:
    """The current comparison if it is done. Launching the job then sends what differs."""
    read = current(job)
    return read if read and read.state == ReadState.DONE else None


def latest(job: Job) -> RecordRead | None:
    """The newest comparison, also if it is open, has failed, or is not `current`."""
    return reads.latest(job, Purpose.COMPARE)


def is_current(read: RecordRead, job: Job) -> bool:
    """Whether a comparison is with the rows of the present check."""
    return bool(job.checked_fingerprint) and read.fingerprint == fingerprint_of(job)


def compared(jobs: Collection[Job]) -> set[int]:
    """The IDs of those that have a current comparison."""
    found = RecordRead.objects.filter(job__in=jobs, purpose=Purpose.COMPARE)
    compared = set(found.values_list("job_id", "fingerprint"))
    return {job.pk for job in jobs if (job.pk, fingerprint_of(job)) in compared}


def start(job: Job, *, by: Actor) -> RecordRead:
    """Compare all rows again. Those that were left out stay so. Raises NotPossibleNow."""
    if job.state != JobState.READY:
        raise NotPossibleNow("Check the rows first: only valid rows are compared.")
    if job.parent_rows == ParentRows.UNDONE:
        raise NotPossibleNow("An undo reads the records of its rows by itself.")
    if not Action(job.action).key:
        raise NotPossibleNow(
            "New records have no record in Zendesk to be compared with."
        )
    fingerprint = fingerprint_of(job)
    with transaction.atomic():
        # Locked: the planner of a launched job needs what was found.
        ready = Job.objects.select_for_update().filter(pk=job.pk, state=JobState.READY)
        if not ready.exists():
            raise NotPossibleNow("Someone else has just launched or changed this job.")
        last = latest(job)
        if last is not None and last.fingerprint != fingerprint:
            # It reads the rows as they were before the present check.
            reads.end(last, ReadState.CANCELLED)
        lifecycle.void_approval(job, by=by, changed="comparison")
        read = reads.begin(job, Purpose.COMPARE, by=by, fingerprint=fingerprint)
        account_match.list_account(read)
    return read


def cancel(read: RecordRead) -> None:
    """Raises NotPossibleNow unless it is open."""
    if not reads.end(read, ReadState.CANCELLED):
        raise NotPossibleNow("The comparison has ended already.")


def skip(job: Job, *, by: Actor) -> None:
    """Send all rows, even if a comparison has found that they change nothing, or if their records
    have changed. Also resets the options `compare`, `refuse_changed` and `match`. Raises
    NotPossibleNow once the job was launched."""
    with transaction.atomic():
        # Locked: the planner of a launched job needs what was found.
        draft = Job.objects.drafts().select_for_update().filter(pk=job.pk).first()
        if draft is None:
            raise NotPossibleNow("This job was already launched.")
        RecordRead.objects.filter(job=job, purpose=Purpose.COMPARE).delete()
        options = replace(
            Options.from_json(draft.options),
            compare=False,
            refuse_changed="off",
            match=None,
        )
        job.options = draft.options | options.to_json()
        Job.objects.change(draft, expected=UNLAUNCHED, options=job.options)
        lifecycle.record_choice(job, "no comparison", by=by)


def obstacle(job: Job) -> str:
    """Why the job cannot be launched with its comparison, as a sentence; "" if it can."""
    try:
        require_usable(job)
    except NotPossibleNow as refusal:
        return str(refusal)
    return ""


def require_usable(job: Job) -> None:
    """Raise NotPossibleNow if the job needs a comparison and has none, or has one that does not
    say what its rows would change now. Open jobs are no obstacle: this job waits for the rows
    that both have, and sends them without regard to the comparison (`live/plan.py`)."""
    read = current(job)
    is_done = read is not None and read.state == ReadState.DONE
    options = Options.from_json(job.options)
    if options.refuse_changed != "off" and not is_done:
        raise NotPossibleNow(
            "This job refuses rows whose records change after the comparison. Compare its "
            "rows with the account first, or skip the comparison."
        )
    if options.only_existing and not is_done:
        raise NotPossibleNow(
            "This job only updates records that exist. Compare its rows with the account "
            "first."
        )
    if account_match.of(job) and not (
        is_done and read is not None and account_match.is_listed(read)
    ):
        raise NotPossibleNow(
            "This job makes the account match its file. Compare its rows with the account "
            "first."
        )
    if read is None:
        return
    if read.is_open:
        raise NotPossibleNow(
            "The rows are still being compared. Wait for it, or cancel the comparison."
        )
    if read.state == ReadState.DONE and is_outdated(read):
        raise NotPossibleNow(
            "Another job has changed records of this object since the comparison. Compare "
            "again, or skip the comparison."
        )
    if read.state == ReadState.DONE:
        account_match.require_safe(job, read)


def is_outdated(read: RecordRead) -> bool:
    """Whether another job may have changed what was read."""
    job = read.job
    others = Job.objects.on_account(job.connection.host).launched().exclude(pk=job.pk)
    since = others.filter(object_key=job.object_key, finished_at__gte=read.created_at)
    return since.exists()


def leave_out(
    read: RecordRead, rows: Collection[int], *, is_left_out: bool, by: Actor
) -> None:
    """Leave these rows out of a finished comparison or plan of an undo, or send them after all.
    Rows that would not be sent anyway are ignored. Raises NotPossibleNow once the job was
    launched."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=read.job_id)
        if job.state != JobState.READY or read.state != ReadState.DONE:
            raise NotPossibleNow("The rows of this comparison can no longer be chosen.")
        left_out.choose(read, sorted(rows), is_left_out=is_left_out)
        RecordRead.objects.filter(pk=read.pk).update(version=F("version") + 1)
        if rows:
            chosen = "rows left out" if is_left_out else "rows sent after all"
            lifecycle.record_choice(job, chosen, by=by)


def _known_records(job: Job) -> int | None:
    """How many records the object had when it was last synced."""
    own = CustomObject.objects.filter(connection=job.connection, key=job.object_key)
    return own.values_list("record_count", flat=True).first()


def _requests_per_minute(connection: Connection) -> float:
    return connection.requests_per_minute * connection.share / 100
