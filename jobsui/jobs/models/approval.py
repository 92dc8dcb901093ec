from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from jobsui.connections.models import Connection
from jobsui.jobs.enums import ApprovalState
from jobsui.jobs.models.job import Job

OPEN = (ApprovalState.ASKED, ApprovalState.APPROVED)


class ApprovalRules(models.Model):
    """Which jobs of a connection wait for the approval of another person. A connection without
    a row has no rules."""

    connection = models.OneToOneField(
        Connection,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="approval_rules",
    )
    every_job = models.BooleanField(default=False)
    # Any job that deletes a record.
    deletes = models.BooleanField(default=False)
    # Jobs beyond these numbers. None: there is no such rule.
    max_rows = models.PositiveBigIntegerField(null=True, blank=True)
    # Percentage of the object's records that are changed or deleted.
    max_percent = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    # Cells of records that become blank.
    max_blanked = models.PositiveBigIntegerField(null=True, blank=True)

    NAMES = ("every_job", "deletes", "max_rows", "max_percent", "max_blanked")

    @property
    def values(self) -> dict[str, bool | int | float | None]:
        """{name of a rule: its value}."""
        return {name: getattr(self, name) for name in self.NAMES}

    @property
    def is_empty(self) -> bool:
        return all(value is None or value is False for value in self.values.values())


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def open(self) -> "ApprovalQuerySet":
        """Asked for or given, and neither void nor used."""
        return self.filter(state__in=OPEN)


class Approval(models.Model):
    """A request for the approval of a job, with its result."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="approvals")
    state = models.CharField(
        max_length=8, choices=ApprovalState, default=ApprovalState.ASKED
    )
    # SHA-256 of all that is approved (control/approvals.py).
    plan = models.CharField(max_length=64)
    # Why the job needs approval, as sentences with their numbers.
    reasons = models.JSONField(default=list)
    # Of the person who asks.
    note = models.TextField(blank=True)
    # None: a person at the command line who gave no user name, or who was deleted.
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    # Of the person who decided.
    comment = models.TextField(blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["job"],
                condition=models.Q(state__in=[str(state) for state in OPEN]),
                name="one_open_approval_per_job",
            ),
        )
        indexes = (
            # Few are open at a time.
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=[str(state) for state in OPEN]),
                name="approval_open",
            ),
        )

    @property
    def is_open(self) -> bool:
        return self.state in OPEN
