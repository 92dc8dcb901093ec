from datetime import timedelta
from typing import cast

from django.db import models
from django.db.models.functions import Now


class AccountWaitQuerySet(models.QuerySet["AccountWait"]):
    def lasting(self) -> "AccountWaitQuerySet":
        return self.filter(until__gt=Now())

    def ask(self, host: str, seconds: float) -> None:
        """Send nothing to this account for `seconds` from now."""
        until = Now() + timedelta(seconds=seconds)
        wait = AccountWait(host=host, since=Now(), until=cast("Now", until))
        self.bulk_create(
            [wait],
            update_conflicts=True,
            unique_fields=["host"],
            update_fields=["since", "until"],
        )

    def seconds_left(self, host: str) -> float:
        """0 when the account waits for nothing."""
        times = self.filter(host=host).values_list("since", "until", Now()).first()
        if times is None:
            return 0.0
        since, until, now = times
        # If the clock was set back, the wait is no longer than it was at first.
        left: timedelta = until - max(since, now)
        return max(0.0, left.total_seconds())


class AccountWait(models.Model):
    """Until when Zendesk accepts no requests of an account, as its last Retry-After
    said. By the database's clock."""

    host = models.CharField(max_length=255, unique=True)
    # When Zendesk asked for it.
    since = models.DateTimeField()
    until = models.DateTimeField()

    objects = AccountWaitQuerySet.as_manager()
