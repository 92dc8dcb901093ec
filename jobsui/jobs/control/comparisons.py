"""Comparing a checked draft with the account: what each row would change."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from jobsui.connections.models import Connection
from jobsui.jobs.enums import Action, JobState, Purpose, ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.ledger.lifecycle import Actor
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.models.record_read import OPEN
from jobsui.jobs.queueing import enqueue

ROWS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """What a comparison takes."""

    requests: int
    minutes: float
    """While no job of the account is sent."""


def cost_of(job: Job) -> Cost:
    action = Action(job.action)
    rows = job.to_send
    # Names can only be searched for, one by one.
    requests = rows if action.key == "name" else -(-rows // ROWS_PER_REQUEST)
    return Cost(requests, requests / _requests_per_minute(job.connection))


def current(job: Job) -> RecordRead | None:
    """The comparison with the rows of the present check, if there is one."""
    reads = RecordRead.objects.filter(
        job=job, purpose=Purpose.COMPARE, fingerprint=_fingerprint(job)
    )
    return reads.order_by("-pk").first() if job.checked_fingerprint else None


def start(job: Job, *, by: Actor) -> RecordRead:
    """Compare all rows again. Raises NotPossibleNow."""
    if job.state != JobState.READY:
        raise NotPossibleNow("Check the rows first: only valid rows are compared.")
    if not Action(job.action).key:
        raise NotPossibleNow(
            "New records have no record in Zendesk to be compared with."
        )
    person = by if not isinstance(by, str) else None
    try:
        with transaction.atomic():
            own = RecordRead.objects.filter(job=job, purpose=Purpose.COMPARE)
            own.exclude(state__in=OPEN).delete()
            read = RecordRead.objects.create(
                job=job,
                purpose=Purpose.COMPARE,
                fingerprint=_fingerprint(job),
                created_by=person,
            )
    except IntegrityError:
        raise NotPossibleNow("The rows are being compared already.") from None
    enqueue("divide_rows", read.pk)
    return read


def cancel(read: RecordRead) -> None:
    """Raises NotPossibleNow unless it is open."""
    cancelled = RecordRead.objects.filter(pk=read.pk, state__in=OPEN).update(
        state=ReadState.CANCELLED, finished_at=timezone.now(), version=F("version") + 1
    )
    if not cancelled:
        raise NotPossibleNow("The comparison has ended already.")


def _fingerprint(job: Job) -> str:
    """Changes with the rows that would be sent."""
    choice = Options.from_json(job.options).warnings if job.rows_warned else ""
    return f"{job.checked_fingerprint}{choice}"


def _requests_per_minute(connection: Connection) -> float:
    return connection.requests_per_minute * connection.share / 100
