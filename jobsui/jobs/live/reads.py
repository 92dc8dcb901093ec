"""The end of a read."""

from django.db.models import F
from django.utils import timezone

from jobsui.jobs.enums import ReadState
from jobsui.jobs.models import RecordRead
from jobsui.jobs.models.record_read import OPEN


def fail(read: RecordRead, reason: str) -> None:
    """End an open read. `reason` is a sentence."""
    RecordRead.objects.filter(pk=read.pk, state__in=OPEN).update(
        state=ReadState.FAILED,
        reason=reason,
        finished_at=timezone.now(),
        version=F("version") + 1,
    )
