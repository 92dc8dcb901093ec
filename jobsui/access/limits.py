"""How often a person or a token may do what costs much. The counts are in the database: all web
processes share them, and no request can flush them, as it could fill a cache."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from django.db.models.functions import Greatest, Now

from jobsui.access.models import ApiToken, LimitUse

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_STEP = timedelta(seconds=5)
"""The database's clock may be corrected by this much."""


class Limited(models.TextChoices):
    UPLOAD = "upload", "uploads"
    LAUNCH = "launch", "launches"
    TEST_REQUEST = "test_request", "test requests"
    CONNECTION_TEST = "connection_test", "connection tests"
    REFRESH = "refresh", "refreshes of objects"
    EXPORT = "export", "downloads"


@dataclass(frozen=True, slots=True)
class Limit:
    """This many at once, and in each `period` after that."""

    number: int
    period: timedelta = timedelta(minutes=1)

    @property
    def interval(self) -> timedelta:
        return self.period / self.number


LIMITS = {
    Limited.UPLOAD: Limit(600),
    Limited.LAUNCH: Limit(600),
    Limited.TEST_REQUEST: Limit(120),
    Limited.CONNECTION_TEST: Limit(30),
    Limited.REFRESH: Limit(30),
    Limited.EXPORT: Limit(300),
}
"""For each person, and for each token. A person does not come near them by hand."""


class LimitReached(Exception):
    """`str()` of it is a sentence for people. `retry_after`: seconds."""

    def __init__(self, what: Limited, retry_after: int) -> None:
        number = LIMITS[what].number
        super().__init__(
            f"The limit of {number} {what.label} a minute is reached. Nothing was changed. "
            f"Try again in {retry_after} s."
        )
        self.retry_after = retry_after


def count(who: User | ApiToken, what: Limited) -> None:
    """Count one use. Raises LimitReached."""
    limit = LIMITS[what]
    ahead = _take(f"{who._meta.model_name}:{who.pk}", what, limit)
    if ahead > timedelta(0):
        raise LimitReached(what, math.ceil(ahead.total_seconds()))


def _take(who: str, what: Limited, limit: Limit) -> timedelta:
    """How long the use is too early; it is counted if it is not. The times are stored as
    for forwarded reads (connections/proxy_reads.py): one time for each limit, which each use
    moves on by an interval."""
    use = LimitUse.objects.filter(who=who, what=what)
    # One that is further ahead was stored before the clock was set back.
    is_possible = Q(next_at__lte=Now() + limit.period - limit.interval)
    is_wrong = Q(next_at__gt=Now() + limit.period + CLOCK_STEP)
    next_at = Greatest("next_at", Now()) + limit.interval
    while not use.filter(is_possible).update(next_at=next_at):
        times = use.values_list("next_at", Now()).first()
        if times is None:
            new = LimitUse(who=who, what=what, next_at=LONG_AGO)
            LimitUse.objects.bulk_create([new], ignore_conflicts=True)
        elif not use.filter(is_wrong).update(next_at=LONG_AGO):
            ahead: timedelta = times[0] - times[1] - limit.period + limit.interval
            if ahead > timedelta(0):
                return ahead
    return timedelta(0)
