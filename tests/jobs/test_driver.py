"""The driver in this process: rounds, sharing, limits, pausing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from jobsui.connections.models import Connection
from jobsui.jobs.control import actions
from jobsui.jobs.delivery import rate_limits
from jobsui.jobs.delivery.call_threads import PollResult, RunningBatch
from jobsui.jobs.delivery.driver import Driver
from jobsui.jobs.enums import (
    Action,
    AttemptResult,
    BatchState,
    EventKind,
    JobState,
    LimitedBy,
    Weight,
)
from jobsui.jobs.models import Attempt, Batch, Job
from jobsui.zendesk.errors import Refused
from jobsui.zendesk.payloads import ItemResult, JobStatus, Verdict
from tests.harness import Harness, gadgets
from tests.jobs.driving import (
    InlineExecutor,
    assert_sums,
    drive,
    new_driver,
    posts,
    priced,
    records,
    refuses,
    running_driver,
    state_of,
    wait_until,
)
from tests.timing import FAST, AdvanceableClock, FakeClock


@pytest.mark.parametrize("verb", [actions.pause, actions.cancel])
def test_pause_and_cancel_prevent_the_next_claim(
    harness: Harness, verb: Callable[..., None]
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        verb(job, by=None)
        requests = driver._commit()

    assert requests == []
    assert Batch.objects.get(job=job).attempts_made == 0


@pytest.mark.parametrize("verb", [actions.pause, actions.cancel])
def test_pause_and_cancel_come_before_a_claim_that_was_chosen(
    harness: Harness, verb: Callable[..., None]
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        chosen = driver._choose()
        verb(job, by=None)
        with transaction.atomic():
            requests = driver._claim(chosen)

    assert set(chosen) == {job.pk}
    assert requests == []


def test_cancel_finishes_the_batches_in_flight(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.5)
    job = harness.planned(gadgets(4500))

    with running_driver(harness):
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.ACCEPTED).exists()
        )
        job.refresh_from_db()
        actions.cancel(job, by=None)
        wait_until(lambda: state_of(job) == JobState.CANCELLED)
    job.refresh_from_db()

    assert job.created == len(harness.records()) > 0
    assert job.created + job.cancelled == 4500
    assert_sums(job)


def test_pause_finishes_the_batches_in_flight_and_resumes(
    harness: Harness,
) -> None:
    harness.object()
    harness.sandbox.settings(job_seconds=0.5)
    job = harness.planned(gadgets(4500))

    with running_driver(harness):
        wait_until(
            lambda: Batch.objects.filter(job=job, state=BatchState.ACCEPTED).exists()
        )
        job.refresh_from_db()
        actions.pause(job, by=None)
        wait_until(lambda: state_of(job) == JobState.PAUSED)
    job.refresh_from_db()
    half = (job.created, len(harness.records()))
    harness.sandbox.settings(job_seconds=0.05)
    actions.resume(job, by=None)
    drive(harness, job)

    assert half[0] == half[1] < 4500
    assert job.state == JobState.COMPLETED
    assert job.created == 4500
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_a_job_pauses_when_every_request_is_refused(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(500))
    Job.objects.filter(pk=job.pk).update(stop_refusals=4)
    refuses(monkeypatch, Refused("A field is missing.", status=422), "items")

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.pending == 500
    assert job.failed == 0
    assert job.reason.startswith("Zendesk refused ")


def test_a_job_pauses_when_too_many_rows_fail(harness: Harness) -> None:
    harness.object(is_unique=True)
    harness.sandbox.add_records("gadget", records(1000))
    harness.connection.max_running_jobs = 2
    harness.connection.save()
    job = harness.planned(
        [{**row, "name": f"G{n}"} for n, row in enumerate(gadgets(1000))]
    )
    Job.objects.filter(pk=job.pk).update(stop_rows=300, stop_percent=60)

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.created == 0
    assert 300 <= job.failed <= 500
    assert job.reason == "300 of the last 300 rows failed."
    actions.resume(job, by=None)
    Job.objects.filter(pk=job.pk).update(stop_percent=None)
    drive(harness, job)
    assert job.state == JobState.COMPLETED
    assert job.failed == 1000


def test_a_job_with_nothing_left_to_send_does_not_pause(harness: Harness) -> None:
    harness.object(is_unique=True)
    harness.sandbox.add_records("gadget", records(3))
    job = harness.planned(
        [{**row, "name": f"G{n}"} for n, row in enumerate(gadgets(3))]
    )

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.failed == 3
    assert not job.events.filter(kind=EventKind.AUTO_PAUSED).exists()


def test_a_held_job_sends_only_its_first_batch_until_approved(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(250))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=True)

    drive(harness, job)
    first = (job.state, job.limited_by, job.created, posts(harness))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=False)
    actions.resume(job, by=None)
    drive(harness, job)

    assert first == (JobState.PAUSED, LimitedBy.FIRST_BATCH, 100, 1)
    assert job.state == JobState.COMPLETED
    assert job.created == 250
    assert job.limited_by == LimitedBy.NOTHING
    assert set(job.limited_seconds) >= {LimitedBy.FIRST_BATCH}


def test_a_held_job_of_one_batch_completes(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(50))
    Job.objects.filter(pk=job.pk).update(hold_after_first_batch=True)

    assert drive(harness, job).state == JobState.COMPLETED


def test_jobs_share_the_account_by_their_weight(harness: Harness) -> None:
    harness.object()
    jobs = [harness.planned(gadgets(3000, first=1 + 3000 * n)) for n in range(2)]
    Job.objects.filter(pk=jobs[0].pk).update(weight=Weight.LOW)
    Connection.objects.update(max_running_jobs=5)

    with running_driver(harness):
        wait_until(lambda: Attempt.objects.count() >= 30)
        sent = Attempt.objects.order_by("pk").values_list("batch__job", flat=True)[:30]
        counts = [list(sent).count(job.pk) for job in jobs]

    # A fifth of thirty, give or take the requests in flight when they were counted.
    assert 5 <= counts[0] <= 7


def test_batches_without_a_slot_do_not_count_as_sent(harness: Harness) -> None:
    """Otherwise the job that is chosen last, whose batches are refused most often, would
    get the fewest."""
    jobs = []
    for key in ("gadget", "widget"):
        harness.object(key)
        jobs.append(harness.planned(gadgets(3000), key=key))
    harness.sandbox.faults(**{"too-many-jobs": {"rate": 0.5, "path": "widget"}})
    accepted = Attempt.objects.filter(result=AttemptResult.ACCEPTED)
    clock = FakeClock()

    # One call after the other, so that no request is in flight when they are counted.
    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        while accepted.count() < 30:
            driver.round(driver._collect())
        sent = accepted.order_by("pk").values_list("batch__job", flat=True)[:30]
        counts = [list(sent).count(job.pk) for job in jobs]

    # A half, give or take what the sandbox happened to refuse.
    assert 12 <= counts[1] <= 18


def test_other_jobs_wait_for_the_keys_of_unconfirmed_batches(
    harness: Harness,
) -> None:
    timing = replace(FAST, quiet_time=60)
    clock = AdvanceableClock()
    harness.object()
    older = harness.planned(priced(range(50), 1), Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})

    with running_driver(harness, timing, clock):
        wait_until(Batch.objects.filter(job=older, state=BatchState.UNCONFIRMED).exists)
        newer = harness.planned(priced(range(40, 60), 2), Action.UPSERT_BY_EXTERNAL_ID)
        apart = harness.planned(gadgets(10, first=900), Action.UPSERT_BY_EXTERNAL_ID)
        wait_until(lambda: state_of(apart) == JobState.COMPLETED)
        clock.advance(60)
        wait_until(lambda: state_of(older) == JobState.COMPLETED)
        wait_until(lambda: state_of(newer) == JobState.COMPLETED)

    prices = {
        key: record["custom_object_fields"]["price"]
        for key, record in harness.records().items()
    }
    assert [prices[f"g-{n}"] for n in (0, 39, 40, 49, 59)] == [1, 1, 2, 2, 2]
    order = list(Attempt.objects.order_by("pk").values_list("batch__job", flat=True))
    assert order == [older.pk, apart.pk, older.pk, newer.pk]


def test_a_batch_without_a_response_is_unconfirmed_at_once(
    harness: Harness,
) -> None:
    """Unconfirmed batches are read again in the round that takes in the lost response."""
    harness.object()
    batch = harness.planned(gadgets(10)).batches.get()
    harness.sandbox.faults(drop_before_accept={"rate": 1, "times": 1})
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        results = driver._collect()
        clock.sleep(FAST.refresh_interval + 0.01)
        driver.round(results)
        unconfirmed = len(driver.unconfirmed)

    batch.refresh_from_db()
    assert batch.state == BatchState.UNCONFIRMED
    assert unconfirmed == 1


def test_a_batch_whose_status_is_lost_is_unconfirmed_at_once(
    harness: Harness,
) -> None:
    """It counts before the refresh that reads unconfirmed batches."""
    harness.object()
    batch = harness.planned(gadgets(10)).batches.get()
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        accepted = _send(driver)
        driver.round([PollResult(accepted, clock.monotonic())])
        clock.sleep(FAST.status_absent_timeout)
        driver.reconcile_at = clock.monotonic() + FAST.refresh_interval
        driver.round([PollResult(accepted, clock.monotonic())])
        unconfirmed = len(driver.unconfirmed)

    batch.refresh_from_db()
    assert batch.state == BatchState.UNCONFIRMED
    assert unconfirmed == 1


def test_a_batch_with_too_few_results_is_unconfirmed_at_once(harness: Harness) -> None:
    harness.object()
    batch = harness.planned(gadgets(10)).batches.get()
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        accepted = _send(driver)
        results = tuple(ItemResult(n, Verdict.SUCCEEDED) for n in range(9))
        status = JobStatus(accepted[0].status_id, "completed", results=results)
        driver.reconcile_at = clock.monotonic() + FAST.refresh_interval
        driver.round([PollResult(accepted, clock.monotonic(), (status,))])
        unconfirmed = len(driver.unconfirmed)

    batch.refresh_from_db()
    assert batch.state == BatchState.UNCONFIRMED
    assert unconfirmed == 1


def _send(driver: Driver) -> tuple[RunningBatch, ...]:
    """Post the planned batches; returns those that Zendesk accepted."""
    driver.round([])
    driver.round(driver._collect())
    return tuple(driver.running.all())


def test_unconfirmed_batches_count_towards_the_window(harness: Harness) -> None:
    with new_driver(harness) as driver:
        driver.limits.window = rate_limits.Window(30, clock=FakeClock())
        driver.unconfirmed.replace(range(28), 0.0)
        room = driver._room()

    assert room == 2


@pytest.mark.parametrize(
    ("rows", "requests_left", "slots", "sent", "limited"),
    [
        (1000, 2, 30, 2, {LimitedBy.REQUEST_RATE: 1}),
        (1000, 5, 3, 3, {LimitedBy.JOB_SLOTS: 1}),
        # It does not know yet that there are no more batches.
        (200, 2, 30, 2, {LimitedBy.REQUEST_RATE: 1}),
        (200, 5, 30, 2, {}),
    ],
)
def test_a_round_notes_what_kept_it_from_sending_more(
    harness: Harness,
    rows: int,
    requests_left: int,
    slots: int,
    sent: int,
    limited: dict[LimitedBy, int],
) -> None:
    harness.object()
    harness.planned(gadgets(rows))
    Connection.objects.update(max_running_jobs=slots)

    with new_driver(harness) as driver:
        driver._refresh_if_due()
        driver.limits.budget = rate_limits.Budget(600, clock=FakeClock())
        driver.limits.budget._tokens = requests_left
        driver.round([])
        posting = len(driver.posting)
        tokens = driver.limits.budget.tokens
        noted = dict(driver.limit_log.rounds)

    assert posting == sent
    assert tokens == requests_left - sent
    assert noted == limited


def test_an_idle_driver_makes_one_query_per_refresh(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    Batch.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).update(planned_at=None)
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        for _ in range(3):
            driver.round([])
            clock.sleep(FAST.refresh_interval + 0.01)
        driver.lease.renew()
        with CaptureQueriesContext(connection) as queries:
            driver.round([])
            driver.round([])

    assert len(queries) == 1


def test_a_driver_asks_about_unchanged_jobs_after_a_failed_commit(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    batch = Batch.objects.filter(job=job)
    batch.update(state=BatchState.CANCELLED, done_at=Now())
    Job.objects.filter(pk=job.pk).update(planned_at=None)
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        for _ in range(3):
            driver.round([])
            clock.sleep(FAST.refresh_interval + 0.01)
        batch.update(state=BatchState.PLANNED, done_at=None)
        driver.round([])
        before = len(driver.posting)
        driver.needs_resync = True
        driver.round([])
        after = len(driver.posting)

    assert before == 0
    assert after == 1


def test_a_driver_runs_on_a_given_clock_without_threads(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(250))
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.run()
    job.refresh_from_db()

    assert job.state == JobState.COMPLETED
    assert job.created == 250
    assert set(harness.sandbox.applied("gadget").values()) == {1}


def test_batches_planned_later_are_sent_at_the_next_refresh(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(10))
    later = Batch.objects.filter(job=job)
    later.update(state=BatchState.CANCELLED, done_at=Now())
    Job.objects.filter(pk=job.pk).update(planned_at=None)
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        for _ in range(3):
            driver.round([])
            clock.sleep(FAST.refresh_interval + 0.01)
        later.update(state=BatchState.PLANNED, done_at=None)
        Job.objects.filter(pk=job.pk).update(version=F("version") + 1)
        driver.round([])
        posting = len(driver.posting)

    assert posting == 1


def test_other_integrations_keep_their_job_slots(harness: Harness) -> None:
    harness.object()
    harness.sandbox.settings(other_jobs=26, job_seconds=0.2)
    job = harness.planned(gadgets(1000))

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 1000
    assert Attempt.objects.filter(batch__job=job, result="limited").exists()


def test_a_batch_that_is_sent_again_is_unconfirmed_from_then_on(
    harness: Harness,
) -> None:
    harness.object()
    job = harness.planned(gadgets(3))
    [batch] = job.batches.all()
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver.round([])
        driver.unconfirmed.add(batch.pk, clock.time - 100)
        before = driver.unconfirmed.waited(batch.pk, clock.time)
        driver._post([driver.posting[batch.pk]])
        after = driver.unconfirmed.waited(batch.pk, clock.time)

    assert before == 100
    assert after == 0
