from typing import ClassVar

from django.db import models

from jobsui.jobs.enums import Outcome
from jobsui.jobs.models.batch import Batch
from jobsui.jobs.models.job import Job


class CauseQuerySet(models.QuerySet["Cause"]):
    def failed(self) -> "CauseQuerySet":
        """Causes of rows that Zendesk refused. All rows of a cause have the same
        outcome, so its first row is enough."""
        rows = RowError.objects.filter(cause=models.OuterRef("pk")).order_by("row")
        outcome = models.Subquery(rows.values("outcome")[:1])
        return self.alias(outcome=outcome).filter(outcome=Outcome.FAILED)


class Cause(models.Model):
    """Problems of one kind in one job, counted. Found by the check, or reported by
    Zendesk."""

    class Phase(models.TextChoices):
        CHECK = "check"
        SEND = "send"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="causes")
    phase = models.CharField(max_length=5, choices=Phase)
    # The same for problems of one kind (ledger/causes.py).
    signature = models.CharField(max_length=64)
    code = models.CharField(max_length=80)
    # A warning: Zendesk may refuse these rows, and the person decides whether to send them.
    is_warning = models.BooleanField(default=False)
    column = models.CharField(max_length=255, blank=True)
    # A sentence about the problem, and one about what to do.
    message = models.TextField()
    fix = models.TextField(blank=True)
    count = models.PositiveBigIntegerField(default=0)
    # The first rows and a few different values.
    sample_rows = models.JSONField(default=list)
    sample_values = models.JSONField(default=list)
    # [[value, how often], ...] of the first different values that the check found.
    value_counts = models.JSONField(default=list, blank=True)

    objects = CauseQuerySet.as_manager()

    class Meta:
        ordering = ("-count", "pk")
        constraints = (
            models.UniqueConstraint(
                fields=["job", "phase", "signature"], name="one_cause_per_kind"
            ),
        )


class RowError(models.Model):
    """A row that did not succeed, and why. The results of all rows that were sent are in
    BatchBlob."""

    OUTCOMES: ClassVar = (Outcome.INVALID, Outcome.FAILED, Outcome.UNCERTAIN)

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="row_errors")
    # None: never sent (invalid).
    batch = models.ForeignKey(
        Batch,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="row_errors",
    )
    cause = models.ForeignKey(
        Cause, on_delete=models.CASCADE, related_name="row_errors"
    )
    row = models.PositiveBigIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    code = models.CharField(max_length=80)
    column = models.CharField(max_length=255, blank=True)
    # The cell's text, cut at 200 characters.
    value = models.CharField(max_length=200, blank=True)
    message = models.TextField()

    class Meta:
        ordering = ("job", "row")
        constraints = (
            models.UniqueConstraint(fields=["job", "row"], name="one_error_per_row"),
        )
        indexes = (models.Index(fields=["cause", "row"], name="row_error_of_cause"),)
