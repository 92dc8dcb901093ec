import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, drafts, retries
from jobsui.jobs.enums import (
    BatchState,
    EventKind,
    JobState,
    Outcome,
    ParentRows,
    Weight,
)
from jobsui.jobs.errors import ChangedSinceCheck, NotPossibleNow
from jobsui.jobs.ledger import settlement
from jobsui.jobs.models import (
    Batch,
    BatchBlob,
    Cause,
    Correction,
    Job,
    RowError,
    RowResult,
    RunSettings,
)
from jobsui.jobs.preparation import checker, file_reading, job_rows, planner
from tests.factories import make_file
from tests.harness import GADGET
from tests.jobs.control_jobs import planned, row_result, settled

pytestmark = pytest.mark.django_db


def test_retry_inherits_mapping_and_prefix(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    actions.set_run_settings(job, RunSettings(Weight.LOW, stop_percent=7), by=None)
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.CREATED_OR_UPDATED))
    assert actions.may(job) == {"retry": 1}

    child = retries.create_retry(job, by=None)

    assert child.parent == job
    assert child.cause is None
    assert child.state == JobState.CHECKING
    assert child.file == job.file
    assert child.mapping == job.mapping
    assert child.options == job.options
    assert child.run_settings == job.run_settings


def test_retry_keeps_the_corrections(gadget: CustomObject) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.CREATED_OR_UPDATED))
    for row, text in ((2, "one"), (None, "two")):
        Correction.objects.create(
            job=job, row=row, column="price", before=text, after="3"
        )

    child = retries.create_retry(job, by=None)

    made = child.corrections.order_by("pk")
    assert list(made.values_list("row", "column", "before", "after")) == [
        (2, "price", "one", "3"),
        (None, "price", "two", "3"),
    ]


def test_retry_is_created_once(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.CREATED_OR_UPDATED))

    child = retries.create_retry(job, by=None)
    assert retries.create_retry(job, by=None) == child
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()
    actions.launch(child, by=None)

    assert actions.may(job) == {}
    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None)


def failed_for_three_causes(to: CustomObject) -> tuple[Job, dict[str, Cause]]:
    """A job of six rows: three failed for A, one for B, one for C; and its causes."""
    job = planned(to, "external_id\n" + "".join(f"g-{n}\n" for n in range(1, 7)))
    codes = ("A", "B", "A", "C", "A")
    settled(
        job,
        *(RowResult(Outcome.FAILED, code=code, message=f"{code}!") for code in codes),
        row_result(Outcome.CREATED_OR_UPDATED),
    )
    return job, {cause.code: cause for cause in job.causes.all()}


def rows_of(retry: Job) -> list[int]:
    with file_reading.open_rows(retry.file) as table:
        return [number for number, _ in job_rows.rows_of(retry, table)]


def checked_retry(job: Job, cause: Cause | None = None) -> Job:
    child = retries.create_retry(job, by=None, cause=cause)
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()
    return child


def launched_retry(job: Job, cause: Cause | None = None) -> Job:
    child = checked_retry(job, cause)
    actions.launch(child, by=None)
    return child


def test_retry_of_a_cause_has_only_its_rows(gadget: CustomObject) -> None:
    job, causes = failed_for_three_causes(gadget)

    child = checked_retry(job, causes["A"])

    assert child.cause == causes["A"]
    assert child.rows == 3
    assert rows_of(child) == [2, 4, 6]
    assert retries.create_retry(job, by=None, cause=causes["A"]) == child
    assert retries.create_retry(job, by=None, cause=causes["B"]) != child


def test_launched_retries_reduce_the_rows_left(gadget: CustomObject) -> None:
    job, causes = failed_for_three_causes(gadget)
    a, b, c = (causes[code].pk for code in "ABC")
    assert actions.may(job) == {"retry": 5}
    assert retries.retriable_causes(job) == {a: 3, b: 1, c: 1}

    draft = checked_retry(job, causes["A"])
    assert actions.may(job) == {"retry": 5}
    actions.launch(draft, by=None)
    assert actions.may(job) == {"retry": 2}
    assert retries.retriable_causes(job) == {b: 1, c: 1}

    rest = launched_retry(job)
    assert actions.may(job) == {}
    assert retries.retriable_causes(job) == {}
    assert rest.cause is None
    assert rest.rows == 2
    assert rows_of(rest) == [3, 5]
    assert rows_of(draft) == [2, 4, 6]


def test_rows_of_a_retry_are_in_no_other(gadget: CustomObject) -> None:
    job, causes = failed_for_three_causes(gadget)
    everything = checked_retry(job)
    same = checked_retry(job, causes["A"])
    launched_retry(job, causes["B"])

    with pytest.raises(ChangedSinceCheck, match="rows left to retry"):
        actions.launch(everything, by=None)
    checker.start(everything, by=None)
    checker.check(everything, stopping=threading.Event())
    everything.refresh_from_db()
    actions.launch(everything, by=None)

    assert rows_of(everything) == [2, 4, 5, 6]
    with pytest.raises(NotPossibleNow, match="Another job already contains these rows"):
        actions.launch(same, by=None)
    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None, cause=causes["C"])
    same.refresh_from_db()
    assert same.state == JobState.READY


def test_only_one_of_two_equal_retries_is_launched(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, causes = failed_for_three_causes(gadget)
    everything = checked_retry(job)
    some = checked_retry(job, causes["A"])
    refresh = objects.refresh_fields

    def meanwhile(custom_object: CustomObject) -> None:
        """While the fields are read again for the one, the other is launched."""
        monkeypatch.setattr(objects, "refresh_fields", refresh)
        actions.launch(some, by=None)
        refresh(custom_object)

    monkeypatch.setattr(objects, "refresh_fields", meanwhile)
    with pytest.raises(ChangedSinceCheck):
        actions.launch(everything, by=None)

    assert list(job.retries.launched()) == [some]


def test_only_causes_of_failed_rows_are_retried(gadget: CustomObject) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.CREATED_OR_UPDATED))
    invalid = job.causes.get(phase=Cause.Phase.SEND, code="not_a_number")
    other, _ = failed_for_three_causes(gadget)

    with pytest.raises(NotPossibleNow):
        retries.create_retry(job, by=None, cause=invalid)
    with pytest.raises(NotPossibleNow):
        retries.create_retry(other, by=None, cause=job.causes.get(code="C"))


def test_retry_with_another_file_has_no_parent(gadget: CustomObject) -> None:
    job, causes = failed_for_three_causes(gadget)
    child = checked_retry(job, causes["A"])

    drafts.set_target(
        child,
        child.connection,
        "gadget",
        "create",
        make_file("external_id\n1\n"),
        by=None,
    )

    assert child.parent is None
    assert child.cause is None


def test_retry_with_an_outdated_mapping_is_a_draft(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)
    settled(job, row_result(Outcome.FAILED), row_result(Outcome.CREATED_OR_UPDATED))
    CustomObject.objects.update(fields=GADGET[:2])

    child = retries.create_retry(job, by=None)

    assert child.state == JobState.DRAFT
    assert child.reason == "This action cannot fill price."


def cancelled_after_one_batch(to: CustomObject) -> Job:
    """A job of 250 rows whose first batch was sent, whose second one was planned, and
    whose last 50 rows were not."""
    content = "external_id\n" + "".join(f"g-{n}\n" for n in range(250))
    job = planned(to, content)
    Batch.objects.filter(job=job, seq=3).delete()
    first = Batch.objects.get(job=job, seq=1)
    ledger = settlement.JobCounters()
    created = row_result(Outcome.CREATED_OR_UPDATED)
    settlement.settle(first, dict.fromkeys(range(100), created), ledger)
    ledger.write()
    Job.objects.filter(pk=job.pk).update(planned_row=201)
    job.refresh_from_db()
    actions.cancel(job, by=None)
    return job


def test_continuation_has_the_rows_that_were_not_sent(gadget: CustomObject) -> None:
    job = cancelled_after_one_batch(gadget)
    assert actions.may(job) == {"continue": 150}

    child = retries.create_continuation(job, by=None)

    assert child.parent == job
    assert child.rows_to_check == 150
    assert rows_of(child) == list(range(102, 252))
    assert retries.create_continuation(job, by=None) == child
    created = job.events.get(kind=EventKind.CONTINUATION_CREATED)
    assert created.facts == {"rows": 150, "job": str(child.code)}


def test_continuation_does_not_send_a_key_again(gadget: CustomObject) -> None:
    """The first row was sent. The last one, which the planner had not reached, has its
    key and was invalid in the job before."""
    content = "external_id\n" + "".join(f"g-{n}\n" for n in [*range(200), 0])
    job = planned(gadget, content)
    Batch.objects.filter(job=job, seq=2).delete()
    settlement.settle(
        Batch.objects.get(job=job),
        dict.fromkeys(range(100), row_result(Outcome.CREATED_OR_UPDATED)),
        settlement.JobCounters(),
    )
    Job.objects.filter(pk=job.pk).update(planned_row=101, created_or_updated=100)
    job.refresh_from_db()
    actions.cancel(job, by=None)

    child = retries.create_continuation(job, by=None)
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()
    actions.launch(child, by=None)
    planner.plan(child, stopping=threading.Event())

    assert child.rows == 101
    assert child.rows_invalid == 1
    assert [batch.last_row for batch in child.batches.all()] == [201]
    assert rows_of(child) == list(range(102, 203))


def test_launched_continuation_is_the_only_one(gadget: CustomObject) -> None:
    job = cancelled_after_one_batch(gadget)
    child = retries.create_continuation(job, by=None)
    checker.check(child, stopping=threading.Event())
    child.refresh_from_db()

    actions.launch(child, by=None)
    planner.plan(child, stopping=threading.Event())

    child.refresh_from_db()
    assert child.rows == 150
    assert child.batches_total == 2
    assert actions.may(job) == {}
    with pytest.raises(NotPossibleNow, match="no unsent rows"):
        retries.create_continuation(job, by=None)


def test_continuation_of_a_retry_has_rows_of_the_retry(gadget: CustomObject) -> None:
    job, _ = failed_for_three_causes(gadget)
    retry = launched_retry(job)
    actions.cancel(retry, by=None)
    planner.plan(retry, stopping=threading.Event())
    retry.refresh_from_db()

    child = retries.create_continuation(retry, by=None)

    assert retry.state == JobState.CANCELLED
    assert rows_of(child) == [2, 3, 4, 5, 6]


def test_continuation_takes_no_failed_rows_from_retries(gadget: CustomObject) -> None:
    job = cancelled_after_one_batch(gadget)
    Job.objects.filter(pk=job.pk).update(created_or_updated=97, failed=3)
    child = retries.create_continuation(job, by=None)
    Job.objects.filter(pk=child.pk).update(state=JobState.COMPLETED)
    job.refresh_from_db()

    assert retries.retriable_rows(job) == 3
    assert retries.unsent_rows(job) == 0


def test_retry_draft_has_its_own_rows_before_its_check(gadget: CustomObject) -> None:
    job, causes = failed_for_three_causes(gadget)

    child = retries.create_retry(job, by=None, cause=causes["A"])

    assert child.file.rows == 6
    assert child.rows_to_check == 3


def write_elsewhere() -> None:
    """Write by a connection of its own, as another process does."""

    def write() -> None:
        Job.objects.update(version=F("version") + 1)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("create", [retries.create_retry, retries.create_continuation])
def test_others_may_write_while_rows_are_read(
    gadget: CustomObject, create: Callable[..., Job]
) -> None:
    job = planned(gadget, "external_id\n" + "".join(f"g-{n}\n" for n in range(2100)))
    cause = Cause.objects.create(
        job=job, phase=Cause.Phase.SEND, signature="s", code="c", message="m"
    )
    RowError.objects.bulk_create(
        RowError(
            job=job, row=row, cause=cause, outcome=Outcome.FAILED, code="c", message="m"
        )
        for row in range(2, 2102)
    )
    cancelled = [
        Batch(
            job=job,
            seq=100 + n,
            size=1,
            first_row=n,
            last_row=n,
            state=BatchState.CANCELLED,
            done_at=timezone.now(),
        )
        for n in range(2, 62)
    ]
    Batch.objects.filter(job=job).delete()
    Batch.objects.bulk_create(cancelled)
    BatchBlob.objects.bulk_create(
        BatchBlob(batch=batch, **BatchBlob.packed(["{}"], [batch.first_row]))
        for batch in cancelled
    )
    Job.objects.filter(pk=job.pk).update(
        state=JobState.CANCELLED, failed=2100, cancelled=60
    )
    job.refresh_from_db()
    child = create(job, by=None)

    with file_reading.open_rows(child.file) as table:
        rows = job_rows.rows_of(child, table)
        next(rows)
        write_elsewhere()
        Job.objects.update(version=F("version") + 1)
        left = len(list(rows))

    assert left == (2099 if child.parent_rows == ParentRows.FAILED else 59)
