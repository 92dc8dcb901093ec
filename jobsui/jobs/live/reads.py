"""The rows of a read, and its end."""

from typing import Any

from django.db.models import F
from django.utils import timezone

from jobsui.jobs.enums import Purpose, ReadState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_read import OPEN
from jobsui.jobs.queueing import enqueue

DRAFT_CHANGED = "The draft was changed."


class Failed(Exception):
    """The account cannot be read. Carries the reason as a sentence."""


def fingerprint_of(job: Job) -> str:
    """Changes with the rows that would be sent."""
    choice = Options.from_json(job.options).warnings if job.rows_warned else ""
    return f"{job.checked_fingerprint}{choice}"


def is_of_present_rows(read: RecordRead) -> bool:
    """Whether a job that is compared still has the rows that are read. Otherwise the read
    ends."""
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
    """End a read, and let its draft advance if it does so by itself. False: its state is
    not among `expected`, and nothing has changed."""
    has_ended = RecordRead.objects.filter(pk=read.pk, state__in=expected).update(
        state=state, finished_at=timezone.now(), version=F("version") + 1, **fields
    )
    if has_ended and Job.objects.drafts().exclude(auto_target="").filter(
        pk=read.job_id
    ):
        enqueue("advance_job", read.job_id)
    return bool(has_ended)
