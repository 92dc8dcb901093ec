"""A batch whose stored content is damaged ends, and stops no other job."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import F

from jobsui.jobs.control import actions, retries, uncertain_rows
from jobsui.jobs.delivery import batch_request, restore_guard
from jobsui.jobs.enums import Action, AttemptResult, BatchState, JobState, Outcome
from jobsui.jobs.ledger import unreadable
from jobsui.jobs.models import Attempt, Batch, BatchBlob, Job, RowError
from jobsui.jobs.models.batch import pack
from tests.harness import Harness, gadgets
from tests.jobs.driving import assert_sums, drive, posts, state_of

DAMAGE = {
    "garbage": b"garbage",
    "cut": pack(b'["1", "2"]')[:-3],
    "no JSON": pack(b"{no json"),
    "too few": pack(b"[]"),
}


def two_jobs(harness: Harness) -> tuple[Job, Job]:
    """A planned job of two batches, and another one of one batch."""
    harness.object()
    damaged = harness.planned(gadgets(150))
    other = harness.planned(gadgets(10, first=1_001))
    return damaged, other


def first_batch(job: Job) -> Batch:
    return Batch.objects.get(job=job, seq=1)


def damage(batch: Batch, **columns: bytes) -> None:
    BatchBlob.objects.filter(pk=batch.pk).update(**columns)


def attempted(batch: Batch, result: str = "", **fields: Any) -> None:
    """An earlier driver has attempted it."""
    restore_guard.last_seen(f"account:{batch.job.connection.host}")
    Attempt.objects.create(
        batch=batch,
        number=1,
        epoch=0,
        at=batch.job.created_at,
        items=100,
        result=result,
    )
    Batch.objects.filter(pk=batch.pk).update(attempts_made=1, **fields)
    Job.objects.filter(pk=batch.job_id).update(state=JobState.RUNNING)


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("column", ["payload", "rows"])
def test_batch_that_was_never_sent_fails(
    harness: Harness, column: str, content: bytes
) -> None:
    job, other = two_jobs(harness)
    damage(first_batch(job), **{column: content})

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert (job.failed, job.created) == (100, 50)
    assert state_of(other) == JobState.COMPLETED
    errors = RowError.objects.filter(job=job)
    assert {(error.code, error.message) for error in errors} == {
        (unreadable.CODE, unreadable.NOT_SENT)
    }
    assert [error.row for error in errors] == list(range(2, 102))
    assert_sums(job)


@pytest.mark.parametrize(
    "rows", [b"", pack(b""), pack(b"[2, 3]"), b"2-3", b"2-", b"2-999999999999"]
)
def test_batch_of_one_row_without_its_number_fails(
    harness: Harness, rows: bytes
) -> None:
    harness.object()
    job = harness.planned(gadgets(1))
    BatchBlob.objects.update(rows=rows)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.failed == 1
    assert posts(harness) == 0


def test_batch_without_content_fails(harness: Harness) -> None:
    job, other = two_jobs(harness)
    BatchBlob.objects.filter(pk=first_batch(job).pk).delete()

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert (job.failed, job.created) == (100, 50)
    assert state_of(other) == JobState.COMPLETED


@pytest.mark.parametrize(
    ("state", "result", "fields"),
    [
        (BatchState.SENDING, "", {}),
        (BatchState.UNCONFIRMED, AttemptResult.UNCONFIRMED, {}),
        (BatchState.ACCEPTED, AttemptResult.ACCEPTED, {"status_id": "unknown"}),
        (BatchState.PLANNED, AttemptResult.UNCONFIRMED, {}),
    ],
)
@pytest.mark.parametrize("column", ["payload", "rows"])
def test_batch_that_may_have_been_sent_is_uncertain(
    harness: Harness,
    column: str,
    state: BatchState,
    result: AttemptResult,
    fields: dict[str, Any],
) -> None:
    job, other = two_jobs(harness)
    batch = first_batch(job)
    attempted(batch, result, state=state, **fields)
    damage(batch, **{column: b"garbage"})

    drive(harness, job)

    assert job.state == JobState.NEEDS_DECISION
    assert (job.uncertain, job.created) == (100, 50)
    assert state_of(other) == JobState.COMPLETED
    assert_sums(job)


def test_results_that_are_lost_take_back_what_is_not_known(harness: Harness) -> None:
    """60 rows have succeeded and one has failed: only the failed one is known."""
    job, other = two_jobs(harness)
    batch = first_batch(job)
    attempted(batch, AttemptResult.ACCEPTED, succeeded=60, failed=1)
    Job.objects.filter(pk=job.pk).update(created=F("created") + 60, failed=1)
    failed_row(batch, row=7)
    damage(batch, results=b"garbage")

    drive(harness, job)

    assert (job.failed, job.uncertain, job.created) == (1, 99, 50)
    assert job.state == JobState.NEEDS_DECISION
    assert state_of(other) == JobState.COMPLETED
    assert_sums(job)


def failed_row(batch: Batch, row: int) -> None:
    cause = batch.job.causes.create(phase="send", signature="s", code="C", message="M")
    RowError.objects.create(
        job=batch.job, batch=batch, cause=cause, row=row, outcome="failed", code="C"
    )


def test_lost_results_of_rows_that_were_known_to_be_new_are_taken_back(
    harness: Harness,
) -> None:
    harness.object()
    harness.run(gadgets(60), Action.CREATE)
    job = harness.planned(gadgets(100), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)
    drive(harness, job)
    assert (job.updated, job.created) == (60, 40)
    batch = first_batch(job)
    # As if one row were still open.
    Batch.objects.filter(pk=batch.pk).update(
        state=BatchState.PLANNED, done_at=None, succeeded=99
    )
    Job.objects.filter(pk=job.pk).update(
        state=JobState.RUNNING, batches_done=0, created=39
    )
    damage(batch, results=b"garbage")

    drive(harness, job)

    assert (job.updated, job.created, job.uncertain) == (0, 0, 100)
    assert_sums(job)


def test_estimated_rows_leave_out_invalid_rows(harness: Harness) -> None:
    harness.object()
    rows = gadgets(3)
    rows[1]["serial"] = "invalid"
    job = harness.planned(rows, invalid="skip")
    damage(first_batch(job), rows=b"garbage")

    drive(harness, job)

    failed = RowError.objects.filter(job=job, outcome=Outcome.FAILED)
    assert list(failed.values_list("row", flat=True)) == [2, 4]


@pytest.mark.parametrize("is_lost", [False, True])
def test_person_stops_waiting_for_a_damaged_batch(
    harness: Harness, is_lost: bool
) -> None:
    job, _ = two_jobs(harness)
    batch = first_batch(job)
    attempted(batch, AttemptResult.UNCONFIRMED, state=BatchState.UNCONFIRMED)
    if is_lost:
        BatchBlob.objects.filter(pk=batch.pk).delete()
    damage(batch, rows=b"garbage")
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLING)

    uncertain_rows.stop_waiting(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert job.uncertain == 100
    assert_sums(job)


@pytest.mark.parametrize("verb", [actions.pause, actions.cancel])
def test_pause_and_cancel_end_with_a_damaged_batch(
    harness: Harness, verb: Callable[..., None]
) -> None:
    job, _ = two_jobs(harness)
    batch = first_batch(job)
    attempted(batch, AttemptResult.UNCONFIRMED, state=BatchState.UNCONFIRMED)
    damage(batch, payload=b"garbage")
    job.refresh_from_db()

    verb(job, by=None)
    drive(harness, job)

    assert job.state in {JobState.PAUSED, JobState.CANCELLED}
    assert job.uncertain == 100


@pytest.mark.parametrize("decision", ["check_again", "resend"])
def test_decision_about_a_damaged_batch_ends(harness: Harness, decision: str) -> None:
    job, _ = two_jobs(harness)
    batch = first_batch(job)
    attempted(batch, AttemptResult.UNCONFIRMED, state=BatchState.UNCONFIRMED)
    damage(batch, payload=b"garbage")
    drive(harness, job)

    uncertain_rows.resolve(job, decision, by=None)
    drive(harness, job)

    assert job.state == JobState.NEEDS_DECISION
    assert job.uncertain == 100
    assert_sums(job)


def test_results_that_cannot_be_understood_are_reconciled(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("odd")

    harness.object()
    job = harness.planned(gadgets(10))
    monkeypatch.setattr(batch_request, "row_results", fail)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 10


def test_continuation_of_damaged_batches_fails_its_check(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(150))
    actions.cancel(job, by=None)
    assert state_of(job) == JobState.CANCELLED
    damage(first_batch(job), rows=b"garbage")

    child = retries.create_continuation(job, by=None)
    harness.task_queue.run_all()

    child.refresh_from_db()
    assert child.state == JobState.DRAFT
    assert child.reason.startswith("Which rows of batch 1 were not sent cannot be read")
