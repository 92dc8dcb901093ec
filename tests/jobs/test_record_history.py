"""Which jobs have touched a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsui.connections import proxy_reads
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, comparisons, undo
from jobsui.jobs.enums import Action, Component, EventKind, JobState, Outcome
from jobsui.jobs.ledger import lifecycle
from jobsui.jobs.live import history_index
from jobsui.jobs.models import Job, RecordHistory
from jobsui.jobs.preparation.single_hash import hash_of
from jobsui.jobs.reports import record_history, record_now
from tests.harness import Harness, gadgets
from tests.jobs.test_key_hashes import NEIGHBORS, hashes

type Seen = list[tuple[int, int, str]]
"""(job, row, outcome)"""


@given(key=st.text(max_size=60), target=st.sampled_from(["id", "external_id"]))
def test_hash_of_one_key_is_that_of_many(key: str, target: str) -> None:
    assert [hash_of(target, key)] == hashes([key], target)


def test_hashes_of_many_keys_are_those_of_one() -> None:
    some = NEIGHBORS[::97]

    assert [hash_of("external_id", key) for key in some] == hashes(some)


def indexed(job: Job) -> Job:
    history_index.add(job)
    job.refresh_from_db()
    assert job.indexed_at is not None
    return job


def compared(harness: Harness, job: Job) -> Job:
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    return indexed(job)


def seen(custom_object: CustomObject, key: str) -> Seen:
    return [
        (touch.job.pk, touch.row, touch.result.outcome)
        for touch in record_history.page(custom_object, [key]).entries
    ]


def test_every_job_that_touched_a_record_is_found(harness: Harness) -> None:
    gadget = harness.object()
    made = indexed(harness.run(gadgets(300), Action.CREATE))
    rows = gadgets(300)
    rows[6]["price"] = "99"
    changed = compared(harness, harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID))
    record_id = harness.records()["g-7"]["id"]
    deleted = compared(
        harness,
        harness.checked([{"external_id": "g-7"}], Action.DELETE_BY_EXTERNAL_ID),
    )

    assert seen(gadget, record_id) == [
        (deleted.pk, 2, Outcome.DELETED),
        (changed.pk, 8, Outcome.UPDATED),
        (made.pk, 8, Outcome.CREATED),
    ]
    assert seen(gadget, "g-8") == [
        (changed.pk, 9, Outcome.UNCHANGED),
        (made.pk, 9, Outcome.CREATED),
    ]
    assert seen(gadget, "g-999") == []
    newest, change, creation = record_history.page(gadget, [record_id]).entries
    assert newest.image is not None
    assert newest.image.old["custom_object_fields.price"] == 99
    assert change.image is not None
    assert change.image.old == {"custom_object_fields.price": 7.5}
    assert change.item["custom_object_fields"] == {"price": 99}
    assert creation.image is None


def test_record_of_another_object_is_not_found(harness: Harness) -> None:
    harness.object()
    other = harness.object("widget")
    indexed(harness.run(gadgets(1), Action.CREATE))

    assert seen(other, "g-1") == []


def test_job_is_indexed_once(harness: Harness) -> None:
    harness.object()
    job = indexed(harness.run(gadgets(2), Action.CREATE))
    before = list(RecordHistory.objects.values_list("pk", flat=True))

    history_index.add(job)

    assert list(RecordHistory.objects.values_list("pk", flat=True)) == before


def test_job_is_indexed_once_it_has_ended(harness: Harness) -> None:
    harness.object()

    job = harness.run(gadgets(2), Action.CREATE)

    assert job.indexed_at is not None


def test_job_whose_rows_were_checked_again_is_indexed_again(harness: Harness) -> None:
    harness.object()
    job = indexed(harness.run(gadgets(2), Action.CREATE))
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLING)
    job.refresh_from_db()

    lifecycle.move(
        job, JobState.CANCELLED, by=Component.DRIVER, event=EventKind.CANCELLED
    )

    assert job.indexed_at is None
    assert harness.task_queue == [("index_job", (job.pk,))]


@pytest.mark.django_db
def test_open_job_is_not_indexed(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(2))

    history_index.add(job)

    job.refresh_from_db()
    assert job.indexed_at is None


def test_history_follows_a_record_that_was_created_again(harness: Harness) -> None:
    gadget = harness.object()
    made = indexed(harness.run(gadgets(1), Action.CREATE))
    old_id = harness.records()["g-1"]["id"]
    row = [{"external_id": "g-1"}]
    deleted = compared(harness, harness.checked(row, Action.DELETE_BY_EXTERNAL_ID))
    undone = undo.create(deleted, by=None)
    harness.task_queue.run_all()
    actions.launch(undone, by=None)
    harness.task_queue.run_all()
    indexed(undone)
    new_id = harness.records()["g-1"]["id"]
    rows = [{"id": new_id, "price": "9"}]
    changed = indexed(harness.run(rows, Action.UPDATE))

    by_id = seen(gadget, old_id)

    assert by_id == [
        (changed.pk, 2, Outcome.UPDATED),
        (undone.pk, 2, Outcome.CREATED),
        (deleted.pk, 2, Outcome.DELETED),
        (made.pk, 2, Outcome.CREATED),
    ]
    assert seen(gadget, new_id) == by_id
    assert seen(gadget, "g-1") == by_id
    assert record_history.later_jobs(made, [old_id]) == {old_id: changed}
    assert record_now.read(gadget, old_id).keys(old_id) == [old_id, new_id, "g-1"]


def test_other_reads_wait_as_long_as_zendesk_asks(harness: Harness) -> None:
    gadget = harness.object()
    harness.sandbox.settings(retry_after=40)
    harness.sandbox.faults(**{"503-retry-after": 1})

    now = record_now.read(gadget, "g-1")

    assert (now.record, now.problem != "") == (None, True)
    with pytest.raises(proxy_reads.Busy):
        proxy_reads.wait_for_turn(gadget.connection, beside_driver=False)
