"""Watching the records of a compared job: batches that the incremental export shows nothing of
are sent without a read, the others take the way of strict reads."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from jobsui.connections import proxy_reads
from jobsui.jobs.control import actions, comparisons, sweep
from jobsui.jobs.delivery.watched_changes import _Changes
from jobsui.jobs.enums import Action, EventKind, JobState
from jobsui.jobs.live import record_watch
from jobsui.jobs.models import ChangedRecords, Job, JobEvent, RecordWatch
from tests.failpoints import EXIT_STATUS
from tests.harness import Harness, gadgets
from tests.jobs.drivers import Driver, reported
from tests.jobs.driving import drive
from tests.timing import FAST

ACCEPT_LATER = {"502-after-accept": {"rate": 1, "times": 1}}


def launched(
    harness: Harness,
    rows: list[dict[str, Any]],
    action: Action = Action.UPSERT_BY_EXTERNAL_ID,
    **options: Any,
) -> Job:
    """A compared, planned job of 150 records, unchanged for an hour."""
    job = harness.checked(rows, action, refuse_changed="watched", **options)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None)
    for task in [each for each in harness.task_queue if each[0] == "plan_job"]:
        harness.task_queue.clear()
        harness.task_queue.append(task)
        harness.task_queue.run_next()
    harness.task_queue.clear()
    job.refresh_from_db()
    return job


def add_records(harness: Harness, count: int) -> None:
    harness.object()
    harness.sandbox.add_records(
        "gadget",
        [
            {
                "external_id": row["external_id"],
                "name": row["name"],
                "custom_object_fields": {"serial": row["serial"], "price": 1.5},
            }
            for row in gadgets(count)
        ],
    )


def edit(harness: Harness, key: str, **fields: Any) -> None:
    """As another program would."""
    record = {"external_id": key, "custom_object_fields": fields}
    harness.sandbox.edit_records("gadget", [record], user="26000000000002")


def watch_of(job: Job) -> RecordWatch:
    return RecordWatch.objects.get(pk=job.pk)


def read_page(job: Job) -> RecordWatch:
    """As soon as it is not due yet."""
    RecordWatch.objects.filter(pk=job.pk).update(
        next_at=F("next_at") - timedelta(hours=1)
    )
    record_watch.read_page(job.pk, stopping=threading.Event(), timing=FAST)
    return watch_of(job)


def sent(harness: Harness, job: Job) -> tuple[int, int]:
    """Send the job. How many requests read records and how many sent batches."""
    harness.sandbox.forget_requests()
    drive(harness, job)
    received = harness.sandbox.requests()
    assert job.state == JobState.COMPLETED, job.reason
    return received.get("records-by-id", 0), received.get("jobs", 0)


def refused(harness: Harness, job: Job) -> dict[str, str]:
    return {
        row["external_id"]: row["_error_code"]
        for row in harness.results(job)
        if row["_outcome"] != "updated"
    }


def reasons(job: Job) -> list[str]:
    events = JobEvent.objects.filter(job=job, kind=EventKind.NOT_WATCHED)
    return [event.facts["reason"] for event in events]


def test_batches_without_changed_records_are_not_read(harness: Harness) -> None:
    add_records(harness, 250)
    job = launched(harness, gadgets(250))

    watch = read_page(job)
    counted = sent(harness, job)

    assert (watch.read_at is not None, watch.pages) == (True, 0)
    assert counted == (0, 3)
    assert (job.updated, job.failed) == (249, 0)
    assert job.unchanged == 1


def test_row_whose_record_changed_is_not_sent(harness: Harness) -> None:
    add_records(harness, 250)
    job = launched(harness, gadgets(250))
    edit(harness, "g-120", price=77)

    read_page(job)
    counted = sent(harness, job)

    assert counted == (1, 3)
    assert refused(harness, job) == {"g-1": "", "g-120": "ChangedSince"}
    assert harness.records()["g-120"]["custom_object_fields"]["price"] == 77
    assert harness.records()["g-121"]["custom_object_fields"]["price"] == 121.5


def test_deleted_record_is_not_updated(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    harness.sandbox.delete_records("gadget", [{"external_id": "g-2"}])

    read_page(job)
    sent(harness, job)

    assert refused(harness, job) == {"g-1": "", "g-2": "ChangedSince"}


def test_record_that_changed_is_not_deleted(harness: Harness) -> None:
    add_records(harness, 3)
    rows = [{"external_id": f"g-{n}"} for n in (1, 2, 3)]
    job = launched(harness, rows, Action.DELETE_BY_EXTERNAL_ID)
    edit(harness, "g-2", notes="Do not delete")

    read_page(job)
    sent(harness, job)

    assert sorted(harness.records()) == ["g-2"]


def test_edit_of_another_field_refuses_nothing(harness: Harness) -> None:
    add_records(harness, 2)
    job = launched(harness, gadgets(2))
    edit(harness, "g-2", notes="Seen")

    read_page(job)
    counted = sent(harness, job)

    assert counted == (1, 1)
    assert refused(harness, job) == {"g-1": ""}


def test_change_between_two_pages_is_seen(harness: Harness) -> None:
    """The second one continues behind the first one, which reached the end."""
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    edit(harness, "g-2", price=77)
    first = read_page(job)
    edit(harness, "g-3", price=78)

    second = read_page(job)
    sent(harness, job)

    assert (first.pages, second.pages) == (1, 2)
    assert [len(each.hashes) for each in ChangedRecords.objects.order_by("seq")] == [
        1,
        1,
    ]
    assert refused(harness, job) == {
        "g-1": "",
        "g-2": "ChangedSince",
        "g-3": "ChangedSince",
    }


def test_new_records_need_no_watch(harness: Harness) -> None:
    harness.object()
    job = launched(harness, gadgets(2))

    counted = sent(harness, job)

    assert counted == (0, 1)
    assert job.created == 2


# Where the export does not say enough, records are read before each batch


def test_before_the_export_is_read_each_batch_is(harness: Harness) -> None:
    add_records(harness, 250)
    job = launched(harness, gadgets(250))
    edit(harness, "g-120", price=77)

    counted = sent(harness, job)

    assert counted == (3, 3)
    assert refused(harness, job) == {"g-1": "", "g-120": "ChangedSince"}


def test_old_reading_counts_no_more(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    read_page(job)
    edit(harness, "g-2", price=77)
    old = timedelta(seconds=FAST.watch_max_age)
    RecordWatch.objects.update(read_at=F("read_at") - old)

    counted = sent(harness, job)

    assert counted == (1, 1)
    assert refused(harness, job) == {"g-1": "", "g-2": "ChangedSince"}


def test_export_counts_once_it_is_read_to_its_end(harness: Harness) -> None:
    add_records(harness, 1_001)
    job = launched(harness, gadgets(3))
    seen = [
        {"external_id": row["external_id"], "custom_object_fields": {"notes": "Seen"}}
        for row in gadgets(1_001)
    ]
    harness.sandbox.edit_records("gadget", seen)

    first = read_page(job)
    second = read_page(job)
    sent(harness, job)

    assert (first.pages, first.read_at) == (1, None)
    assert second.pages == 2
    assert second.read_at is not None
    assert refused(harness, job) == {"g-1": ""}


def test_refused_export_is_said_and_records_are_read_instead(
    harness: Harness,
) -> None:
    add_records(harness, 250)
    job = launched(harness, gadgets(250))
    edit(harness, "g-120", price=77)
    harness.sandbox.faults(refused_exports=1)

    read_page(job)
    read_page(job)
    counted = sent(harness, job)

    assert reasons(job) == [
        "This connection is not allowed to read the incremental export. So the records of "
        "each batch are read right before it is sent, which takes one more request for each."
    ]
    assert counted == (3, 3)
    assert refused(harness, job) == {"g-1": "", "g-120": "ChangedSince"}


def test_export_that_is_permitted_later_is_read(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    harness.sandbox.faults(refused_exports=1)
    read_page(job)
    harness.sandbox.faults()

    watch = read_page(job)
    counted = sent(harness, job)

    assert watch.refusal == ""
    assert counted == (0, 1)


def test_forgotten_cursor_begins_the_export_again(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    edit(harness, "g-2", price=77)
    read_page(job)
    RecordWatch.objects.update(cursor="forgotten")

    first = read_page(job)
    second = read_page(job)
    sent(harness, job)

    assert (first.cursor, reasons(job)) == ("", [])
    assert second.pages == 2
    assert refused(harness, job) == {"g-1": "", "g-2": "ChangedSince"}


def test_page_waits_as_long_as_zendesk_asks(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    harness.sandbox.settings(exports_per_minute=0)

    watch = read_page(job)

    assert watch.read_at is None
    assert record_watch.waiting(threading.Event(), FAST) == {}
    assert reasons(job) == []


def test_other_reads_wait_as_long_as_zendesk_asks(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    harness.sandbox.settings(retry_after=40)
    harness.sandbox.faults(**{"503-retry-after": 1})

    watch = read_page(job)

    assert (watch.read_at, watch.refusal) == (None, "")
    with pytest.raises(proxy_reads.Busy):
        proxy_reads.wait_for_turn(job.connection, beside_driver=False)


def test_kept_records_are_read_before_each_batch(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3), keep_undo=True)

    counted = sent(harness, job)

    assert not RecordWatch.objects.exists()
    assert counted == (1, 1)


# Faults


def test_resent_batch_is_not_refused_for_what_it_has_written(harness: Harness) -> None:
    add_records(harness, 3)
    job = launched(harness, gadgets(3))
    harness.sandbox.faults(**ACCEPT_LATER)
    read_page(job)
    drive(harness, job)
    assert (job.state, refused(harness, job)) == (JobState.COMPLETED, {"g-1": ""})


@pytest.mark.parametrize(
    "failpoint",
    [
        "http:before-write:GET /api/v2/incremental:1",
        "http:after-read:GET /api/v2/incremental:1",
        "commit:before:_Reading._store:1",
        "commit:after:_Reading._store:1",
        "http:after-read:POST /jobs:2",
    ],
)
def test_killed_watch_continues(
    harness: Harness, tmp_path: Path, failpoint: str
) -> None:
    """Another host takes over."""
    add_records(harness, 350)
    job = launched(harness, gadgets(350))
    for key in ("g-120", "g-350"):
        edit(harness, key, price=77)

    killed = Driver(tmp_path / "reports", failpoint)
    assert killed.wait(30)
    other = Driver(tmp_path / "reports")
    assert other.wait(60)

    job.refresh_from_db()
    assert killed.exit_status == EXIT_STATUS
    assert reported(tmp_path / "reports") == []
    assert job.state == JobState.COMPLETED
    assert refused(harness, job) == {
        "g-1": "",
        "g-120": "ChangedSince",
        "g-350": "ChangedSince",
    }


def test_two_hosts_share_a_watch(harness: Harness, tmp_path: Path) -> None:
    """One of them drives the account, and each may read the export."""
    add_records(harness, 350)
    job = launched(harness, gadgets(350))
    edit(harness, "g-120", price=77)

    hosts = [Driver(tmp_path / "reports") for _ in range(2)]
    ended = [host.wait(60) for host in hosts]

    job.refresh_from_db()
    pages = ChangedRecords.objects.filter(watch=job.pk)
    assert ended == [True, True]
    assert reported(tmp_path / "reports") == []
    assert refused(harness, job) == {"g-1": "", "g-120": "ChangedSince"}
    assert list(pages.values_list("seq", flat=True)) == list(
        range(1, watch_of(job).pages + 1)
    )


def test_watch_is_deleted_with_the_end_of_its_job(harness: Harness) -> None:
    add_records(harness, 2)
    job = launched(harness, gadgets(2))
    edit(harness, "g-2", price=77)
    read_page(job)

    sweep.sweep()
    kept = RecordWatch.objects.exists()
    sent(harness, job)
    sweep.sweep()

    assert kept
    assert not ChangedRecords.objects.exists()
    assert not RecordWatch.objects.exists()


# What a driver keeps


def test_records_of_many_pages_are_found(harness: Harness) -> None:
    add_records(harness, 2)
    job = launched(harness, gadgets(2))
    watch = watch_of(job)
    ids = [f"01{n:024}" for n in range(20_000)]
    for seq in range(20):
        page = ids[seq * 500 : seq * 500 + 500]
        packed = ChangedRecords.packed(page)
        ChangedRecords.objects.create(watch=watch, seq=seq + 1, packed_hashes=packed)

    changes = _Changes(job.pk)
    changes.refresh()
    changes.refresh()

    assert sum(len(part) for part in changes._parts) == 10_000
    assert [each for each in ids if changes.has_record(each)] == ids[:10_000]
