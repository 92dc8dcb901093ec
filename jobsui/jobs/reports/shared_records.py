"""The jobs that change the same records as another job, for people and programs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from jobsui.jobs.enums import OVER
from jobsui.jobs.ledger import record_order
from jobsui.jobs.models import Job, Overlap
from jobsui.text import counted


@dataclass(frozen=True, slots=True)
class SharedRecords:
    job: Job
    """The other job."""
    rows: int | None
    """How many rows change the same records. None: unknown, because the two jobs
    identify their records by different keys."""


def if_launched(job: Job) -> list[SharedRecords]:
    """The jobs that a checked job would wait for if it were launched now."""
    return [
        SharedRecords(overlap.earlier, overlap.rows)
        for overlap in record_order.overlaps_of(job)
    ]


def waits_for(jobs: Sequence[Job]) -> dict[int, list[SharedRecords]]:
    """The open jobs that each of these jobs waits for or waited for, by its id."""
    found: defaultdict[int, list[SharedRecords]] = defaultdict(list)
    for overlap in _open_overlaps().filter(later__in=jobs):
        found[overlap.later_id].append(SharedRecords(overlap.earlier, overlap.rows))
    return found


def launched_since(job: Job) -> list[SharedRecords]:
    """The jobs that were launched after this open one and change the same records."""
    return [
        SharedRecords(overlap.later, overlap.rows)
        for overlap in _open_overlaps().filter(earlier=job)
    ]


def names(shared: Iterable[SharedRecords]) -> str:
    """Such as "fleet.csv (12 rows) and assets.csv"."""
    return " and ".join(
        f"{entry.job.file.name} ({counted(entry.rows, 'row')})"
        if entry.rows
        else entry.job.file.name
        for entry in shared
    )


def _open_overlaps() -> QuerySet[Overlap]:
    overlaps = Overlap.objects.exclude(earlier__state__in=OVER).order_by("pk")
    return overlaps.select_related("earlier__file", "later__file")
