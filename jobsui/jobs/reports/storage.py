"""How much is stored, by what has a retention setting of its own, and what is due to be
deleted. Sizes of parts of the database are estimates from a sample of batches."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Avg, Count, Max, Min, Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast, Length
from django.utils import timezone

from jobsui.jobs import retention
from jobsui.jobs.models import Attempt, BatchBlob, File, Job
from jobsui.jobs.models.file import this_storage
from jobsui.jobs.retention import MARKS, UNDO_KINDS, Kind

SAMPLE_SIZE = 200
ATTEMPT_BYTES = 140
ROW_ERROR_BYTES = 180
BATCH_BYTES = 300
JOB_BYTES = 2_400
"""Of a row of the database with its indexes, without bodies, and of a job with its events,
causes and file. Measured on SQLite."""


@dataclass(frozen=True, slots=True)
class KeptKind:
    """How much of one kind is stored."""

    kind: Kind
    label: str
    variable: str
    """The environment variable that sets the days."""
    days: int | None
    """For how long it is kept; None: forever."""
    bytes: int
    due: int
    """How many jobs, or files, have passed these days."""
    due_bytes: int
    thing: str
    """ "job" or "file"."""
    left_bytes: int | None
    """What is left after that; None where sizes are estimates."""
    next_at: datetime | None
    """When the oldest that is kept will have passed them; None: never, or none is
    kept."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """In bytes."""

    database: int
    reusable: int
    """The part of the database that is free for new data; 0 if the database does not
    say."""
    kinds: list[KeptKind]
    undo: int
    """All old values of records."""
    max_undo: int | None
    """How much these may take; None: there is no limit."""
    max_undo_variable: str


def sizes() -> Sizes:
    now = timezone.now()
    database, reusable = _database_size()
    per_batch = _bytes_per_batch()
    kinds = [_kept(kind, per_batch, now) for kind in MARKS if kind not in UNDO_KINDS]
    kinds += [_old_values(kind, now) for kind in UNDO_KINDS]
    kinds.append(_files(now))
    kinds.append(_jobs(now))
    return Sizes(
        database,
        reusable,
        kinds,
        undo=retention.undo_bytes(),
        max_undo=retention.max_undo_bytes(),
        max_undo_variable=retention.MAX_UNDO_VARIABLE,
    )


def _old_values(kind: Kind, now: datetime) -> KeptKind:
    """Their sizes are exact. Those of jobs that are being undone are not due."""
    kept = retention.due_jobs(kind, now).filter(image_bytes__gt=0).order_by()
    before = retention.cutoff(kind, now)
    is_due = Q(finished_at__lt=before) if before else Q(pk__in=[])
    totals = kept.aggregate(
        due=Count("pk", filter=is_due),
        due_size=Sum("image_bytes", filter=is_due),
        oldest=Min("finished_at"),
    )
    return _kind(
        kind,
        retention.undo_bytes(kind),
        totals["due"],
        totals["due_size"] or 0,
        totals["oldest"],
    )


def _kept(kind: Kind, per_batch: dict[Kind, float], now: datetime) -> KeptKind:
    """A kind that belongs to batches."""
    jobs = Job.objects.launched().filter(**{MARKS[kind]: None})
    _, stored = _bytes(kind, jobs, per_batch)
    before = retention.cutoff(kind, now)
    due = 0
    due_bytes = 0
    if before is not None:
        due, due_bytes = _bytes(kind, retention.due_jobs(kind, before), per_batch)
    oldest = retention.due_jobs(kind, now).values_list("finished_at", flat=True)
    return _kind(kind, stored, due, due_bytes, oldest.first())


def _bytes(
    kind: Kind, jobs: QuerySet[Job], per_batch: dict[Kind, float]
) -> tuple[int, int]:
    """(how many jobs, bytes of this kind)."""
    totals = jobs.order_by().aggregate(
        number=Count("pk"),
        batches=Sum("batches_total"),
        failed=Sum("failed"),
        invalid=Sum("invalid"),
    )
    size = (totals["batches"] or 0) * per_batch[kind]
    if kind is Kind.RESULTS:
        errors = (totals["failed"] or 0) + (totals["invalid"] or 0)
        size += errors * ROW_ERROR_BYTES
    return totals["number"], round(size)


def _files(now: datetime) -> KeptKind:
    """Files of all storages; those of this one with their staged rows."""
    stored = File.objects.filter(has_content=True).order_by()
    elsewhere = stored.exclude(storage_id=this_storage()).aggregate(size=Sum("size"))
    size = _folder_size(Path(settings.MEDIA_ROOT)) + (elsewhere["size"] or 0)
    before = retention.cutoff(Kind.FILES, now)
    due = 0
    due_bytes = 0
    if before is not None:
        due_files = retention.due_files(before).order_by()
        totals = due_files.aggregate(number=Count("pk"), size=Sum("size"))
        due = totals["number"]
        due_bytes = totals["size"] or 0
    oldest = retention.due_files(now).first()
    last_use = None
    if oldest is not None:
        last_use = oldest.jobs.aggregate(at=Max("finished_at"))["at"]
    return _kind(Kind.FILES, size, due, due_bytes, last_use)


def _jobs(now: datetime) -> KeptKind:
    """Jobs with their batches, causes and events."""
    kind = Kind.JOBS
    _, stored = _jobs_size(Job.objects.launched().order_by())
    before = retention.cutoff(kind, now)
    due = 0
    due_bytes = 0
    if before is not None:
        due, due_bytes = _jobs_size(retention.due_jobs(kind, before).order_by())
    oldest = retention.due_jobs(kind, now).values_list("finished_at", flat=True)
    return _kind(kind, stored, due, due_bytes, oldest.first())


def _jobs_size(jobs: QuerySet[Job]) -> tuple[int, int]:
    """(how many, bytes without the kinds of their own)."""
    totals = jobs.aggregate(number=Count("pk"), batches=Sum("batches_total"))
    batches = totals["batches"] or 0
    return totals["number"], totals["number"] * JOB_BYTES + batches * BATCH_BYTES


def _kind(
    kind: Kind, size: int, due: int, due_bytes: int, oldest: datetime | None
) -> KeptKind:
    days = retention.days(kind)
    next_at = None
    if oldest is not None and days is not None:
        next_at = oldest + timedelta(days=days)
    return KeptKind(
        kind=kind,
        label=str(kind.label),
        variable=kind.variable,
        days=days,
        bytes=size,
        due=due,
        due_bytes=due_bytes,
        left_bytes=size - due_bytes if kind in UNDO_KINDS else None,
        thing="file" if kind is Kind.FILES else "job",
        next_at=next_at,
    )


def _database_size() -> tuple[int, int]:
    """(bytes, bytes of it that are free for new data)."""
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0]), 0
        cursor.execute(
            "SELECT page_size * page_count, page_size * freelist_count "
            "FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
        )
        size, free = cursor.fetchone()
    return int(size), int(free)


def _bytes_per_batch() -> dict[Kind, float]:
    """The average over batches that still have it, from a sample of all batches."""
    ids = list(_sample())
    blobs = BatchBlob.objects.filter(pk__in=ids).aggregate(
        results=Avg(Length("results") + Length("rows")),
        items=Avg(
            Length("payload") + Length("job_status_body"), filter=~Q(payload=b"")
        ),
    )
    headers = Length(Cast("response_headers", TextField()))
    attempts = Attempt.objects.filter(batch__in=ids).aggregate(
        number=Count("pk"),
        batches=Count("batch", distinct=True),
        responses=Avg(Length("response_body") + headers, filter=~Q(response_body=b"")),
    )
    batches = attempts["batches"]
    per_batch = attempts["number"] / batches if batches else 1.0
    responses = (attempts["responses"] or 0) * per_batch
    return {
        Kind.BODIES: (blobs["items"] or 0) + responses,
        Kind.ATTEMPTS: ATTEMPT_BYTES * per_batch,
        Kind.RESULTS: blobs["results"] or 0,
    }


def _sample() -> Iterator[int]:
    """Evenly spread primary keys of batches; some of them may be deleted."""
    ends = BatchBlob.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return
    width = max(1, (ends["last"] - ends["first"]) // SAMPLE_SIZE)
    yield from range(ends["first"], ends["last"] + 1, width)


def _folder_size(folder: Path) -> int:
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(path) / name).stat().st_size
            except FileNotFoundError:
                continue  # Deleted since.
    return size
