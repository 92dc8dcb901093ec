"""How many bytes the old values of a job take."""

from django.db.models import QuerySet, Sum
from django.db.models.functions import Length

from jobsui.jobs.models import BatchImages, Job, ReadPageBlob


def note(job: Job) -> None:
    """Measure what is stored now, and store the size with the job."""
    of_batches = BatchImages.objects.filter(batch__job=job)
    of_pages = ReadPageBlob.objects.filter(page__read__job=job)
    job.image_bytes = _bytes(of_batches) + _bytes(of_pages)
    Job.objects.filter(pk=job.pk).update(image_bytes=job.image_bytes)


def _bytes(
    stored: "QuerySet[BatchImages] | QuerySet[ReadPageBlob]",
) -> int:
    total: int | None = stored.aggregate(size=Sum(Length("images")))["size"]
    return total or 0
