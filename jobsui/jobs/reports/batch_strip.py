"""All batches of a job in one picture: stretches of consecutive batches, in the order of
the file, and what share of the rows of each has which result."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import Coalesce, Floor

from jobsui.jobs.enums import IN_FLIGHT
from jobsui.jobs.models import Batch, Job

MAX_STRETCHES = 100


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive batches and how many of their rows have which result."""

    first: int
    last: int
    succeeded: int
    failed: int
    uncertain: int
    cancelled: int
    in_flight: int
    waiting: int


def strip(job: Job) -> list[Stretch]:
    """The batches in at most MAX_STRETCHES stretches, by one query."""
    if not job.batches_total:
        return []
    width = math.ceil(job.batches_total / MAX_STRETCHES)
    settled = F("succeeded") + F("failed") + F("uncertain") + F("cancelled")
    is_in_flight = Q(done_at=None, state__in=IN_FLIGHT)
    in_flight = Sum(F("size") - settled, filter=is_in_flight)
    stretches = (
        Batch.objects.filter(job=job)
        .order_by()
        .annotate(stretch=Floor((F("seq") - 1) / float(width)))
        .values("stretch")
        .annotate(
            batch_count=Count("pk"),
            last_batch=Max("seq"),
            rows=Sum("size"),
            rows_succeeded=Sum("succeeded"),
            rows_failed=Sum("failed"),
            rows_uncertain=Sum("uncertain"),
            rows_cancelled=Sum("cancelled"),
            rows_in_flight=Coalesce(in_flight, 0),
        )
        .order_by("stretch")
    )
    return [_stretch(found) for found in stretches]


def _stretch(found: Mapping[str, Any]) -> Stretch:
    last = found["last_batch"]
    with_result = (
        found["rows_succeeded"]
        + found["rows_failed"]
        + found["rows_uncertain"]
        + found["rows_cancelled"]
    )
    return Stretch(
        first=last - found["batch_count"] + 1,
        last=last,
        succeeded=found["rows_succeeded"],
        failed=found["rows_failed"],
        uncertain=found["rows_uncertain"],
        cancelled=found["rows_cancelled"],
        in_flight=found["rows_in_flight"],
        waiting=found["rows"] - with_result - found["rows_in_flight"],
    )
