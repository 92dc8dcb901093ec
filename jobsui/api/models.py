from datetime import timedelta

from django.conf import settings
from django.db import models


class IdempotencyRecord(models.Model):
    """The response to a POST with an Idempotency-Key, to be sent again when the request
    is repeated."""

    RETENTION = timedelta(hours=24)

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    key = models.CharField(max_length=255)
    # Keyed digest of method, path and body.
    fingerprint = models.CharField(max_length=64)
    # None: the request has started, and its result is unknown.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["user", "key"], name="one_idempotency_record_per_key"
            ),
        )
