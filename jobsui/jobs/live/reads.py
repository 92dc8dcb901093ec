"""Reads of records: their begin, their rows, and their end."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from jobsui.jobs.enums import Purpose, ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.live import left_out
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_read import OPEN
from jobsui.jobs.queueing import enqueue

DRAFT_CHANGED = "The draft was changed."


class Failed(Exception):
    """The account cannot be read. Carries the reason as a sentence."""


def begin(
    job: Job, purpose: Purpose, *, by: Actor, fingerprint: str = ""
) -> RecordRead:
    """Read the records of a job, in place of what was read for this purpose before. Rows that
    were left out stay so, if they have the same fingerprint. Raises NotPossibleNow if they
    are being read already."""
    person = None if isinstance(by, str) else by
    before = latest(job, purpose)
    is_same = before is not None and before.fingerprint == fingerprint
    kept = left_out.kept_of(before) if before and is_same else {}
    try:
        with transaction.atomic():
            own = RecordRead.objects.filter(job=job, purpose=purpose)
            own.exclude(state__in=OPEN).delete()
            read = RecordRead.objects.create(
                job=job,
                purpose=purpose,
                fingerprint=fingerprint,
                left_out=kept,
                created_by=person,
            )
    except IntegrityError:
        raise NotPossibleNow("The records are being read already.") from None
    enqueue("divide_rows", read.pk)
    return read


def latest(job: Job, purpose: Purpose) -> RecordRead | None:
    """The newest one, also if it is open or has failed."""
    reads = RecordRead.objects.filter(job=job, purpose=purpose)
    return reads.order_by("-pk").first()


def fingerprint_of(job: Job) -> str:
    """A text that changes when other rows would be sent."""
    choice = Options.from_json(job.options).warnings if job.rows_warned else ""
    return f"{job.checked_fingerprint}{choice}"


def is_of_present_rows(read: RecordRead) -> bool:
    """Whether the rows of a comparison are still those of its job. If not, the read is
    cancelled."""
    if read.purpose != Purpose.COMPARE:
        return True
    job = Job.objects.get(pk=read.job_id)
    if read.fingerprint == fingerprint_of(job):
        return True
    end(read, ReadState.CANCELLED, reason=DRAFT_CHANGED)
    return False


def fail(read: RecordRead, reason: str) -> None:
    """End an open read. `reason` is a sentence."""
    end(read, ReadState.FAILED, reason=reason)


def end(
    read: RecordRead,
    state: ReadState,
    *,
    expected: tuple[str, ...] = OPEN,
    **fields: Any,
) -> bool:
    """End a read, and advance its draft if the draft advances by itself. Returns False if the
    state of the read is not among `expected`; then nothing has changed."""
    has_ended = RecordRead.objects.filter(pk=read.pk, state__in=expected).update(
        state=state, finished_at=timezone.now(), version=F("version") + 1, **fields
    )
    if has_ended and Job.objects.drafts().exclude(auto_target="").filter(
        pk=read.job_id
    ):
        enqueue("advance_job", read.job_id)
    return bool(has_ended)
