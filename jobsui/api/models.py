from datetime import timedelta

from django.conf import settings
from django.db import models


class IdempotencyRecord(models.Model):
    """What a POST with an Idempotency-Key was answered, to be answered again
    (idempotency.py)."""

    KEPT = timedelta(hours=24)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    key = models.CharField(max_length=255)
    # Of method, path and body.
    fingerprint = models.CharField(max_length=64)
    # None: the request was begun, and what came of it is not known.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "key"], name="one_replay_per_key"),
        )
