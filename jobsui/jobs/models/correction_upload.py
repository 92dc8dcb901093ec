from django.conf import settings
from django.db import models

from jobsui.jobs.models.file import File
from jobsui.jobs.models.job import Job

MAX_REFUSED = 50


class CorrectionUpload(models.Model):
    """The workbook with corrected rows that was last uploaded to a draft. A worker reads it
    and makes corrections of it."""

    job = models.OneToOneField(
        Job,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="correction_upload",
    )
    name = models.CharField(max_length=255)
    # None once it was taken over: it is deleted then.
    file = models.OneToOneField(
        File,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="correction_upload",
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    # How many cells were corrected, and how many rows were refused.
    corrected = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # [[row number or None, reason], ...] of the first ones, at most MAX_REFUSED.
    refusals = models.JSONField(default=list)
    # Why nothing was taken over, as a sentence.
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_waiting(self) -> bool:
        return self.file_id is not None

    @property
    def has_more(self) -> bool:
        return self.refused > len(self.refusals)
