from collections import Counter
from collections.abc import Callable

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobsui.jobs.enums import BatchState, JobState, Outcome
from jobsui.jobs.ledger import causes, lifecycle, settlement
from jobsui.jobs.models import (
    Attempt,
    Batch,
    BatchBlob,
    Cause,
    Job,
    RowError,
    RowResult,
)
from tests.factories import make_connection, make_job, make_object

pytestmark = pytest.mark.django_db
Plan = Callable[..., Job]
SIZE = 4


def make_planned(batches: int = 1, state: JobState = JobState.RUNNING) -> Job:
    """A running job of batches of SIZE rows, planned to its end and accepted."""
    connection = make_connection(name=f"c{Job.objects.count()}")
    content = "external_id\n" + "".join(f"g-{n}\n" for n in range(batches * SIZE))
    job = make_job(content, to=make_object(connection, "gadget"))
    for seq in range(1, batches + 1):
        first = 2 + (seq - 1) * SIZE
        rows = list(range(first, first + SIZE))
        batch = Batch.objects.create(
            job=job,
            seq=seq,
            size=SIZE,
            first_row=rows[0],
            last_row=rows[-1],
            state=BatchState.ACCEPTED,
        )
        BatchBlob.objects.create(batch=batch, **BatchBlob.packed(["{}"] * SIZE, rows))
    Job.objects.filter(pk=job.pk).update(
        state=state,
        rows=batches * SIZE,
        batches_total=batches,
        planned_at=job.created_at,
    )
    job.refresh_from_db()
    return job


def settle(batch: Batch, results: dict[int, RowResult]) -> bool:
    ledger = settlement.JobCounters()
    done = settlement.settle(batch, results, ledger)
    ledger.write()
    lifecycle.finish_if_over(batch.job_id)
    return done


def sums(job: Job) -> dict[str, int]:
    """The job's counters as its batches have them."""
    found: Counter[str] = Counter()
    for batch in Batch.objects.filter(job=job).select_related("blob"):
        found.update(
            result[0] if result else "pending" for result in batch.blob.row_results
        )
    return {outcome.value: found[outcome.value] for outcome in Outcome}


def counters(job: Job) -> dict[str, int]:
    job.refresh_from_db()
    return {outcome.value: job.count(outcome) for outcome in Outcome}


OUTCOMES = st.sampled_from([Outcome.CREATED, Outcome.UPDATED, Outcome.FAILED])
Step = tuple[int, dict[int, Outcome], int]
"""Which batch, the results of its items, and 4 to mark it uncertain."""
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.dictionaries(st.integers(0, SIZE), OUTCOMES),
        st.integers(0, 4),
    )
)


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
@pytest.mark.usefixtures("db")
def test_sums_stay_right_whatever_comes_in_whatever_order(
    steps: list[tuple[int, dict[int, Outcome], int]],
) -> None:
    job = make_planned(3)
    batches = list(Batch.objects.filter(job=job))
    done: set[int] = set()

    for number, outcomes, give_up in steps:
        batch = batches[number]
        results = {
            index: RowResult(outcome, code="C", message="Why.")
            for index, outcome in outcomes.items()
        }
        if give_up == 4:
            ledger = settlement.JobCounters()
            settlement.mark_uncertain(batch, range(SIZE), "Unknown.", ledger)
            ledger.write()
            lifecycle.finish_if_over(job.pk)
        else:
            settle(batch, results)

        over = {
            b.pk
            for b in Batch.objects.filter(
                job=job, state__in=[BatchState.DONE, BatchState.UNCERTAIN]
            )
        }
        assert counters(job) == sums(job)
        assert (done <= over, job.batches_done) == (True, len(over))
        assert RowError.objects.filter(job=job).count() == job.failed + job.uncertain
        assert (
            sum(Cause.objects.filter(job=job).values_list("count", flat=True))
            == job.failed + job.uncertain
        )
        tallies = [
            (b.succeeded, b.failed, b.uncertain) for b in Batch.objects.filter(job=job)
        ]
        assert [sum(each) for each in zip(*tallies, strict=True)] == [
            job.succeeded,
            job.failed,
            job.uncertain,
        ]
        done = over

    if len(done) == 3:
        assert job.state == (
            JobState.NEEDS_DECISION if job.uncertain else JobState.COMPLETED
        )
    else:
        assert job.state == JobState.RUNNING


def test_settling_twice_changes_nothing() -> None:
    job = make_planned(2)
    batch = Batch.objects.filter(job=job)[0]
    results = {n: RowResult(Outcome.CREATED, f"r{n}") for n in range(SIZE)}

    first = settle(batch, results)
    second = settle(batch, {n: RowResult(Outcome.FAILED) for n in range(SIZE)})

    assert (first, second) == (True, True)
    assert (counters(job)["created"], job.failed, job.batches_done) == (SIZE, 0, 1)


def test_an_item_of_an_open_batch_keeps_its_first_result() -> None:
    job = make_planned(1)
    batch = Batch.objects.get(job=job)

    settle(batch, {0: RowResult(Outcome.CREATED, "r0")})
    settle(batch, {0: RowResult(Outcome.FAILED)})

    job.refresh_from_db()
    assert job.created == 1
    assert job.failed == 0


def test_results_reported_twice_in_one_transaction_count_once() -> None:
    """A commit failed, and the batch was read again before the next one."""
    job = make_planned(1)
    batch = Batch.objects.get(job=job)
    created = {n: RowResult(Outcome.CREATED, f"r{n}") for n in range(SIZE)}
    updated = dict.fromkeys(range(SIZE), RowResult(Outcome.UPDATED))
    ledger = settlement.JobCounters()

    settlement.settle_all(
        [
            settlement.ReportedResults(batch, created),
            settlement.ReportedResults(batch, updated),
        ],
        ledger,
        timezone.now(),
    )
    ledger.write()

    assert counters(job) == sums(job)
    assert job.created == SIZE
    assert job.batches_done == 1


def test_a_cancelled_batch_stays_cancelled() -> None:
    job = make_planned(1, JobState.CANCELLING)
    Batch.objects.filter(job=job).update(state=BatchState.PLANNED)
    lifecycle.finish_if_over(job.pk)

    settle(Batch.objects.get(job=job), {0: RowResult(Outcome.CREATED)})

    assert (
        Batch.objects.get(job=job).state,
        counters(job)["created"],
        job.cancelled,
    ) == (
        BatchState.CANCELLED,
        0,
        SIZE,
    )
    assert job.state == JobState.CANCELLED


def test_cancelling_leaves_what_may_have_arrived_uncertain() -> None:
    job = make_planned(2, JobState.CANCELLING)
    Batch.objects.filter(job=job).update(state=BatchState.PLANNED, attempts_made=1)
    tried, refused = Batch.objects.filter(job=job)
    now = job.created_at
    Attempt.objects.create(
        batch=tried, number=1, epoch=1, at=now, items=SIZE, result="unconfirmed"
    )
    Attempt.objects.create(
        batch=refused, number=1, epoch=1, at=now, items=SIZE, result="limited"
    )

    lifecycle.finish_if_over(job.pk)

    assert (counters(job)["uncertain"], job.cancelled, job.state) == (
        SIZE,
        SIZE,
        JobState.CANCELLED,
    )
    assert [b.state for b in Batch.objects.filter(job=job)] == [
        BatchState.UNCERTAIN,
        BatchState.CANCELLED,
    ]


def test_pausing_waits_for_what_is_in_flight() -> None:
    job = make_planned(2, JobState.PAUSING)
    waiting, flying = Batch.objects.filter(job=job)
    Batch.objects.filter(pk=waiting.pk).update(state=BatchState.PLANNED)

    lifecycle.finish_if_over(job.pk)
    job.refresh_from_db()
    before = job.state
    settle(flying, {n: RowResult(Outcome.CREATED) for n in range(SIZE)})

    job.refresh_from_db()
    assert (before, job.state) == (JobState.PAUSING, JobState.PAUSED)


def test_reopened_rows_are_counted_once_they_are_settled_again() -> None:
    job = make_planned(1)
    batch = Batch.objects.get(job=job)
    ledger = settlement.JobCounters()
    settlement.mark_uncertain(batch, range(SIZE), "Unknown.", ledger)
    settlement.reopen_uncertain(batch, BatchState.UNCONFIRMED, ledger)
    ledger.write()
    between = (
        counters(job)["uncertain"],
        job.batches_done,
        RowError.objects.filter(job=job).count(),
    )

    settle(batch, {n: RowResult(Outcome.CREATED) for n in range(SIZE)})

    assert between == (0, 0, 0)
    assert (counters(job)["created"], job.uncertain, job.batches_done) == (SIZE, 0, 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Name 'a' is taken", "Name 'b' is taken", True),
        ("Line 1", "Line 22", True),
        (
            "Record 01GDXYD7ZTWYP542BA8MDDTE36 is gone",
            "Record 01GDXYD7ZTWYP542BA8MDDTE37 is gone",
            True,
        ),
        ("Name is taken", "Name is too long", False),
    ],
)
def test_causes_are_one_when_messages_differ_in_particulars(
    one: str, other: str, same: bool
) -> None:
    assert (causes.signature("C", "", one) == causes.signature("C", "", other)) is same


def test_codes_tell_causes_apart() -> None:
    assert causes.signature("A", "", "m") != causes.signature("B", "", "m")
