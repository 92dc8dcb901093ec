from django.conf import settings
from django.db import models
from django.db.models import Q

from jobsui.jobs.models.job import Job


class Correction(models.Model):
    """A text that a person changed after the upload. It is kept beside the file, which
    stays as it came, and applies before the rules. Undoing it deletes it."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="corrections")
    # None: every cell of the column with the text `before`, unless it has a correction
    # of its own.
    row = models.PositiveBigIntegerField(null=True, blank=True)
    column = models.TextField()
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=["job", "row", "column"],
                condition=Q(row__isnull=False),
                name="one_correction_per_cell",
            ),
            models.UniqueConstraint(
                fields=["job", "column", "before"],
                condition=Q(row__isnull=True),
                name="one_correction_per_text",
            ),
        )

    def __str__(self) -> str:
        return f"{self.column}: {self.before} → {self.after}"
