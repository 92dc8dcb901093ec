import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobsui.jobs import leases
from jobsui.jobs.enums import Action, BatchState, JobState, LimitedBy
from jobsui.jobs.models import AccountWait, Batch, Job
from jobsui.jobs.reports import job_progress
from tests.factories import make_connection, make_job, make_object
from tests.harness import GADGET
from tests.jobs.reports.samples import planned, settle

pytestmark = pytest.mark.django_db


APPROVAL = {"state": JobState.PAUSED, "hold_after_first_batch": True, "batches_done": 1}
IS_PLANNED = timezone.now()


def test_progress_has_percent_rate_and_time_left() -> None:
    job = planned()
    settle(job, 1)
    now = time.time()
    Job.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, pace=[[now - 50, 0]], started_at=timezone.now()
    )
    job.refresh_from_db()

    shown = job_progress.progress(job)

    assert shown.percent == 40
    assert shown.in_flight == 0
    assert shown.waiting == 2
    assert shown.records_per_second is not None
    assert round(shown.records_per_second) == 2
    assert shown.eta_seconds == round(job.pending / shown.records_per_second)


def test_progress_counts_what_is_in_flight_in_batches_and_open_rows() -> None:
    job = planned()
    Batch.objects.filter(job=job, seq=1).update(state=BatchState.ACCEPTED)
    Batch.objects.filter(job=job, seq=3).update(
        state=BatchState.UNCONFIRMED, succeeded=20, failed=5
    )
    Job.objects.filter(pk=job.pk).update(state=JobState.PAUSING)
    job.refresh_from_db()

    shown = job_progress.progress(job)

    assert shown.in_flight == 2
    assert shown.rows_in_flight == 125
    assert shown.waiting == 1


@pytest.mark.parametrize(
    ("fields", "is_driven", "is_stocked", "limit"),
    [
        ({"state": JobState.RUNNING}, True, True, LimitedBy.JOB_SLOTS),
        ({"state": JobState.QUEUED}, True, True, LimitedBy.JOB_SLOTS),
        ({"state": JobState.RUNNING, "limited_by": ""}, True, True, LimitedBy.NOTHING),
        # No worker is on it, whatever limit was stored last.
        ({"state": JobState.RUNNING}, False, True, LimitedBy.WORKER),
        ({"state": JobState.PAUSING}, False, True, LimitedBy.WORKER),
        ({"state": JobState.CANCELLING}, False, True, LimitedBy.WORKER),
        # The planner is behind, or there is nothing left to plan.
        ({"state": JobState.RUNNING}, True, False, LimitedBy.WORKER),
        (
            {"state": JobState.RUNNING, "planned_at": IS_PLANNED},
            True,
            False,
            LimitedBy.JOB_SLOTS,
        ),
        ({"state": JobState.PAUSING}, True, True, LimitedBy.PAUSED),
        ({"state": JobState.CANCELLING}, True, True, LimitedBy.NOTHING),
        ({"state": JobState.PAUSED}, False, True, LimitedBy.PAUSED),
        (APPROVAL, False, True, LimitedBy.FIRST_BATCH),
        (APPROVAL | {"batches_done": 0}, False, True, LimitedBy.PAUSED),
        (APPROVAL | {"hold_after_first_batch": False}, False, True, LimitedBy.PAUSED),
        ({"state": JobState.COMPLETED}, True, True, LimitedBy.NOTHING),
        ({"state": JobState.NEEDS_DECISION}, True, True, LimitedBy.NOTHING),
    ],
)
def test_current_limit_follows_the_present_state(
    fields: dict[str, Any], is_driven: bool, is_stocked: bool, limit: LimitedBy
) -> None:
    job = planned()
    if not is_stocked:
        Batch.objects.filter(job=job).update(state=BatchState.ACCEPTED)
    Job.objects.filter(pk=job.pk).update(
        **{"limited_by": LimitedBy.JOB_SLOTS, "planned_at": None} | fields
    )

    with leases.held(
        f"account:{job.connection.host}" if is_driven else "account:other.zendesk.com"
    ):
        assert Job.objects.with_limit().get(pk=job.pk).current_limit == limit


@pytest.mark.parametrize(
    ("state", "seconds", "waits"),
    [
        (JobState.RUNNING, 3600, True),
        (JobState.CANCELLING, 3600, True),
        (JobState.RUNNING, -1, False),
        (JobState.PAUSED, 3600, False),
        (JobState.COMPLETED, 3600, False),
    ],
)
def test_end_of_a_wait_concerns_jobs_with_requests(
    state: JobState, seconds: float, waits: bool
) -> None:
    job = planned()
    Job.objects.filter(pk=job.pk).update(state=state)
    AccountWait.objects.ask(job.connection.host, seconds)

    shown = Job.objects.with_limit().get(pk=job.pk)

    until = AccountWait.objects.get().until
    assert shown.continues_at == (until if waits else None)


def test_limited_seconds_have_the_longest_first_up_to_now() -> None:
    since = timezone.now() - timedelta(seconds=100)
    job = Job(
        state=JobState.RUNNING,
        limited_by=LimitedBy.REQUEST_RATE,
        limited_since=since,
        limited_seconds={
            "": 500,
            "request_rate": 20.5,
            "job_slots": 300,
            "paused": 0.4,
        },
    )

    running = job_progress.limited_seconds(job)
    job.state = JobState.COMPLETED
    over = job_progress.limited_seconds(job)

    assert [(by, round(seconds)) for by, seconds in running] == [
        ("Zendesk's job slots", 300),
        ("request rate", pytest.approx(120, abs=2)),
    ]
    assert over == [
        ("Zendesk's job slots", 300.0),
        ("request rate", 20.5),
    ]


@pytest.mark.parametrize(
    ("state", "age", "quiet", "interval"),
    [
        (JobState.RUNNING, 5, 0, 1),
        (JobState.RUNNING, 60, 0, 2),
        (JobState.RUNNING, 600, 90, 5),
        (JobState.PAUSED, 600, 90, 30),
        (JobState.COMPLETED, 600, 90, None),
        (JobState.NEEDS_DECISION, 600, 90, None),
    ],
)
def test_interval_follows_what_the_job_does(
    state: JobState, age: int, quiet: int, interval: int | None
) -> None:
    job = make_job(
        "external_id\n1\n", to=make_object(make_connection(), "gadget", fields=GADGET)
    )
    job.state = state
    job.started_at = timezone.now() - timedelta(seconds=age)
    job.pace = [[time.time() - quiet, 0]]

    assert job_progress.progress(job).interval == interval


def test_rate_is_of_the_last_minute_and_unknown_without_news() -> None:
    now = time.time()
    job = Job(
        state=JobState.RUNNING,
        created=900,
        rows=2000,
        pace=[[now - 300, 0], [now - 30, 600], [now - 10, 800]],
    )
    old = Job(state=JobState.RUNNING, created=900, rows=2000, pace=[[now - 300, 0]])

    assert job_progress.records_per_second(job) == pytest.approx(10, rel=0.01)
    assert job_progress.records_per_second(old) is None
    assert (
        job_progress.records_per_second(Job(state=JobState.RUNNING, rows=2000)) is None
    )
    job.state = JobState.PAUSED
    assert job_progress.records_per_second(job) is None


def test_percent_of_a_cancelled_job_counts_only_rows_with_a_result() -> None:
    job = Job(state=JobState.CANCELLED, rows=1000, created=260, cancelled=740)

    shown = job_progress.progress(job)

    assert shown.percent == 26
    assert shown.processed == 260
    assert shown.left_out == 0


def test_rows_left_out_are_done() -> None:
    job = Job(state=JobState.COMPLETED, rows=1000, created=980, cancelled=20)

    shown = job_progress.progress(job)

    assert shown.percent == 100
    assert shown.left_out == 20


def test_rate_is_unknown_when_results_were_taken_back() -> None:
    now = time.time()
    job = Job(
        state=JobState.RUNNING, created=50, rows=150, pace=[[now - 30, 150], [now, 50]]
    )

    assert job_progress.records_per_second(job) is None
    assert job_progress.seconds_left(job) is None


@pytest.mark.parametrize(
    ("counts", "label"),
    [
        ({"created": 3}, "created"),
        ({"updated": 3}, "updated"),
        ({"created": 3, "updated": 1}, "created or updated"),
        ({"updated": 1, "unchanged": 3}, "updated"),
        ({"created": 1, "deleted": 2}, "created, updated or deleted"),
        ({}, "created or updated"),
    ],
)
def test_succeeded_label_names_the_outcome(counts: dict[str, int], label: str) -> None:
    job = Job(action=Action.UPSERT_BY_EXTERNAL_ID, rows=9, **counts)

    assert job_progress.succeeded_label(job) == label
