import pytest
from django.utils import timezone

from jobsui.jobs.enums import BatchState, Outcome
from jobsui.jobs.models import Batch, RowResult
from jobsui.jobs.reports import batch_strip
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET
from tests.jobs.reports.samples import planned, settle

pytestmark = pytest.mark.django_db


def test_strip_counts_the_rows_of_each_stretch() -> None:
    job = planned()
    failed = RowResult(Outcome.FAILED, code="C", message="No.")
    settle(job, 1, failed, failed)
    Batch.objects.filter(job=job, seq=2).update(state=BatchState.SENDING)

    first, second, third = batch_strip.strip(job)

    assert first.first == 1
    assert first.last == 1
    assert first.succeeded == 98
    assert first.failed == 2
    assert second.in_flight == 100
    assert third.waiting == 50


def test_strip_of_many_batches_has_at_most_a_hundred_stretches() -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    done = {"state": BatchState.DONE, "done_at": timezone.now(), "succeeded": 1}
    Batch.objects.bulk_create(
        Batch(job=job, seq=n, size=1, first_row=n, last_row=n, **done)
        for n in range(1, 251)
    )
    job.batches_total = 250

    stretches = batch_strip.strip(job)

    assert len(stretches) == 84
    assert stretches[0].first == 1
    assert stretches[0].last == 3
    assert stretches[0].succeeded == 3
    assert stretches[-1].first == 250
    assert stretches[-1].last == 250
