from typing import Any

import pytest

from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job
from jobsui.jobs.reports import job_details
from jobsui.jobs.reports.job_details import Mapped
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET
from tests.jobs.reports.samples import planned

pytestmark = pytest.mark.django_db


def test_retries_count_the_failed_rows_left() -> None:
    job = planned()
    common: dict[str, Any] = {
        "connection": job.connection,
        "object_key": "gadget",
        "action": job.action,
        "file": job.file,
        "parent_rows": "failed",
        "state": JobState.COMPLETED,
    }
    first = Job.objects.create(parent=job, rows=9, failed=5, **common)
    second = Job.objects.create(parent=job, rows=4, failed=2, **common)
    for rows in (2, 1):
        Job.objects.create(parent=first, rows=rows, **common)
    Job.objects.create(parent=second, rows=2, **common | {"state": JobState.DRAFT})
    Job.objects.create(parent=job, rows=7, **common | {"state": JobState.CHECKING})

    assert [(retry, vars(retry)["left"]) for retry in job_details.retries(job)] == [
        (first, 2),
        (second, 2),
    ]


def test_mapping_uses_the_labels_of_the_wizard() -> None:
    job = make_job(
        "external_id,price\n1,2\n",
        to=make_object(make_connection(), "gadget", fields=GADGET),
    )
    job.rules = {
        "field:price": {"decimal_mark": "comma"},
        "field:status": {"constant": "retired"},
    }

    assert job_details.mapped(job) == [
        Mapped("external_id", "External ID", ""),
        Mapped("price", "Price", "Numbers are like 1.234,5"),
        Mapped("", "Status", "Always “retired”"),
    ]


def test_preview_counts_rows_batches_and_the_least_time() -> None:
    job = planned()
    job.connection.requests_per_minute = 60
    job.connection.max_running_jobs = 30

    shown = job_details.preview(job)

    assert shown.sent == 250
    assert shown.left_out == 1
    assert shown.batches == 3
    assert shown.seconds == 13.75
