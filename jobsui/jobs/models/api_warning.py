from django.db import models

from jobsui.jobs.models.job import Job

MAX_TEXT = 500


class ApiWarning(models.Model):
    """What Zendesk warned about in requests of one job, counted. A warning about members
    that it left out has a row for each member."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="api_warnings")
    # The member, or the first MAX_TEXT characters of another warning. "": all warnings
    # beyond the limit (ledger/api_warnings.py).
    text = models.CharField(max_length=MAX_TEXT, blank=True)
    is_member = models.BooleanField(default=False)
    # How many requests had it.
    requests = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-requests", "pk")
        constraints = (
            models.UniqueConstraint(fields=["job", "text"], name="one_api_warning"),
        )
