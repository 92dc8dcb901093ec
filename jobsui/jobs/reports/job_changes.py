"""Which values of records a job has changed, and how many of each."""

from collections import Counter

from jobsui.jobs.enums import Action, BatchState, Purpose, ReadState
from jobsui.jobs.models import BatchImages, Job, RecordRead
from jobsui.jobs.records import images
from jobsui.jobs.reports import record_values
from jobsui.jobs.reports.record_values import ChangedField

MAX_BATCHES = 1_000
"""Counting these takes about half a second."""
MAX_FIELDS = 500


def changed_fields(job: Job) -> list[ChangedField]:
    """The changed fields of existing records, most changed cells first. Rows that failed are
    counted too. For a job with many batches, so are rows that were left out or not sent. Empty
    if it is not known what the records held before."""
    labels = record_values.labels_of(job)
    fields = record_values.in_order(
        ChangedField(name, labels.of(name), cells, blanks=0)
        for name, cells in _cells(job).items()
    )
    return fields[:MAX_FIELDS]


def _cells(job: Job) -> Counter[str]:
    """{name of a value: how many cells change}."""
    if job.undo_pruned_at is not None:
        return Counter()
    stored = BatchImages.objects.filter(batch__job=job).exclude(
        batch__state=BatchState.CANCELLED
    )
    if stored.count() > MAX_BATCHES and (read := _read_before(job)):
        return Counter({name: cells for name, (cells, _) in read.changed_cells.items()})
    found = Counter[str]()
    for before in stored.select_related("batch__job")[:MAX_BATCHES]:
        if before.batch.action is Action.UPDATE or before.batch.action.is_upsert:
            for image in images.unpacked(before.images).values():
                found.update(image.old.keys())
    return found


def _read_before(job: Job) -> RecordRead | None:
    """The read before the launch that says which values change."""
    before = (Purpose.COMPARE, Purpose.UNDO)
    reads = RecordRead.objects.filter(job=job, purpose__in=before, state=ReadState.DONE)
    return reads.order_by("-pk").first()
