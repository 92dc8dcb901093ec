"""Making the account match a file: records that only the account has are found and deleted."""

import threading
from typing import Any

import pytest

from jobsui.jobs.control import (
    account_match,
    actions,
    comparisons,
    proofs,
    retries,
    undo,
)
from jobsui.jobs.delivery.prior_reads import NOT_DELETED
from jobsui.jobs.enums import Action, JobState, ListingState, ReadState, Verdict
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import (
    account_listing,
    deletions,
    pages,
    planned_rows,
    reader,
    record_watch,
)
from jobsui.jobs.mapping.options import Match
from jobsui.jobs.models import AccountListing, Cause, Job, RecordRead, RecordWatch
from jobsui.jobs.reports import compared_rows
from jobsui.zendesk import custom_objects
from jobsui.zendesk.custom_objects import RecordPage
from tests.harness import Harness, gadgets
from tests.timing import FAST

pytestmark = pytest.mark.django_db(transaction=True)

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
CHANGED = "The record was changed by user 26000000000001 after the comparison"
ALL = Match(only_in_account="delete", max_percent=100.0)


def record(number: int) -> dict[str, Any]:
    row = gadgets(1, number)[0]
    return {
        "name": row["name"],
        "external_id": row["external_id"],
        "custom_object_fields": {
            "serial": row["serial"],
            "price": float(row["price"]),
        },
    }


def with_records(harness: Harness, count: int) -> None:
    harness.object()
    harness.sandbox.add_records(
        "gadget", [record(number) for number in range(1, count + 1)]
    )


def compared(harness: Harness, job: Job, match: Match = ALL) -> RecordRead:
    account_match.choose(job, match, by=None)
    read = comparisons.start(job, by=None)
    harness.task_queue.run_all()
    read.refresh_from_db()
    job.refresh_from_db()
    assert read.state == ReadState.DONE
    return read


def launched(harness: Harness, job: Job) -> Job:
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    job.refresh_from_db()
    return job


def test_account_of_1000_records_matches_its_file(harness: Harness) -> None:
    with_records(harness, 1_000)
    before = harness.records()
    rows = gadgets(950) + gadgets(20, 2_001)
    for row in rows[:300]:
        row["price"] = "7"
    job = harness.checked(rows, UPSERT)
    harness.sandbox.forget_requests()

    read = compared(harness, job)
    reading = harness.sandbox.requests()
    harness.sandbox.forget_requests()
    job = launched(harness, job)
    sending = harness.sandbox.requests()

    assert read.counts == {"same": 650, "change": 300, "create": 20, "delete": 50}
    assert reading == {
        "records-by-external-id": 10,
        "records-list": 10,
        "export": 1,
        "records-by-id": 1,
    }
    assert sending["jobs"] == 5
    assert sending["records-by-id"] == 1
    assert job.state == JobState.COMPLETED
    assert job.records_to_delete == 50
    counts = {name: number for name, number in job.counts.items() if number}
    assert counts == {
        "rows": 1_020,
        "created": 20,
        "updated": 300,
        "unchanged": 650,
        "deleted": 50,
    }
    after = harness.records()
    assert after.keys() == {row["external_id"] for row in rows}
    untouched = {f"g-{number}" for number in range(301, 951)}
    assert {key: after[key] for key in untouched} == {
        key: before[key] for key in untouched
    }
    results = harness.results(job)
    assert len(results) == 1_020
    gone = results[970:]
    assert {each["external_id"] for each in gone} == {
        f"g-{number}" for number in range(951, 1_001)
    }
    assert {each["_outcome"] for each in gone} == {"deleted"}
    assert {each["_row"] for each in gone} == {""}
    assert all(each["_record_id"] == before[each["external_id"]]["id"] for each in gone)
    assert [each["action"] for each in harness.sandbox.jobs()][-1] == "delete"


def test_deleted_records_come_back_with_an_undo(harness: Harness) -> None:
    with_records(harness, 3)
    before = harness.records()
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    job = launched(harness, job)
    harness.task_queue.run_all()
    assert harness.records().keys() == {"g-1", "g-2"}

    back = undo.create(job, by=None)
    harness.task_queue.run_all()
    back = launched(harness, back)

    after = harness.records()
    assert back.counts["created"] == 1
    assert after.keys() == before.keys()
    assert after["g-3"]["custom_object_fields"] == before["g-3"]["custom_object_fields"]
    assert [row["_outcome"] for row in harness.results(back)] == ["created"]


def test_more_deleted_records_than_a_page_has_come_back(harness: Harness) -> None:
    with_records(harness, 130)
    before = harness.records()
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    job = launched(harness, job)
    harness.task_queue.run_all()
    assert harness.records().keys() == {"g-1", "g-2"}
    proof = proofs.start(job, by=None)
    harness.task_queue.run_all()

    back = undo.create(job, by=None)
    harness.task_queue.run_all()
    back = launched(harness, back)

    proof.refresh_from_db()
    assert proof.counts == {"exact": 130}
    assert back.counts["created"] == 128
    assert harness.records().keys() == before.keys()


def test_nothing_is_deleted_unless_it_is_chosen(harness: Harness) -> None:
    with_records(harness, 3)
    rows = gadgets(1) + gadgets(1, 9)
    rows[0]["price"] = "7"
    job = harness.checked(rows, UPSERT)
    leave = Match(only_in_file="leave", different="leave")

    read = compared(harness, job, leave)
    plan = planned_rows.of(read)
    job = launched(harness, job)

    assert (plan.sent, plan.left_alone, plan.records) == (0, 2, 0)
    assert job.state == JobState.COMPLETED
    assert job.records_to_delete == 0
    assert job.counts["cancelled"] == 2
    assert harness.records().keys() == {"g-1", "g-2", "g-3"}
    assert retries.unsent_rows(job) == 0


def test_record_stays_left_out_when_the_account_is_listed_again(
    harness: Harness,
) -> None:
    with_records(harness, 4)
    job = harness.checked(gadgets(2), UPSERT)
    read = compared(harness, job)
    spared = _found(read)[1]
    comparisons.leave_out(read, [spared.row], is_left_out=True, by=None)
    # It gets another row number now.
    harness.sandbox.delete_records("gadget", [record(3)])

    again = compared(harness, job)

    assert [(row.record_id, row.is_left_out) for row in _found(again)] == [
        (spared.record_id, True)
    ]
    assert _found(again)[0].row != spared.row


def test_limits_refuse_the_launch(harness: Harness) -> None:
    with_records(harness, 100)
    job = harness.checked(gadgets(97), UPSERT)
    few = Match(only_in_account="delete")
    read = compared(harness, job, few)

    with pytest.raises(NotPossibleNow, match="3 records of 100 would be deleted, 3 %"):
        actions.launch(job, by=None)
    account_match.choose(job, Match(only_in_account="delete", max_percent=3), by=None)
    assert account_match.reasons_against(job, read) == []
    account_match.choose(job, Match("create", "update", "delete", 100, 2), by=None)
    assert account_match.reasons_against(job, read) == [
        "3 records would be deleted. The limit is 2."
    ]
    comparisons.leave_out(
        read, [each.row for each in _found(read)[:1]], is_left_out=True, by=None
    )
    job = launched(harness, job)

    assert job.counts["deleted"] == 2
    assert len(harness.records()) == 98


def _found(read: RecordRead) -> list[Any]:
    wanted = compared_rows.Wanted(frozenset({Verdict.DELETE}))
    return list(compared_rows.page(read, wanted).entries)


def test_file_with_rows_left_out_deletes_nothing(harness: Harness) -> None:
    with_records(harness, 3)
    rows = gadgets(2)
    rows[1]["serial"] = "bad"
    job = harness.checked(rows, UPSERT, invalid="skip")
    read = compared(harness, job)

    # The key of the invalid row counts as one of the file.
    assert read.counts == {"same": 1, "delete": 1}
    with pytest.raises(NotPossibleNow, match="1 row of the file is left out"):
        actions.launch(job, by=None)


def test_file_of_less_than_half_the_rows_deletes_nothing(harness: Harness) -> None:
    with_records(harness, 10)
    first = harness.checked(gadgets(9), UPSERT)
    compared(harness, first)
    launched(harness, first)
    job = harness.checked(gadgets(4), UPSERT)
    read = compared(harness, job)

    reasons = account_match.reasons_against(job, read)

    assert reasons == ["The file has 4 rows, less than half of the 9 of the last one."]


def test_open_job_of_the_object_prevents_deletions(harness: Harness) -> None:
    with_records(harness, 3)
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    other = harness.checked([{"external_id": "g-3", "price": "7"}], UPSERT)
    actions.launch(other, by=None)

    with pytest.raises(NotPossibleNow, match="has not ended"):
        actions.launch(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.READY
    assert job.rows == 2


def test_later_job_waits_for_all_deletions(harness: Harness) -> None:
    with_records(harness, 3)
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    later = harness.checked(gadgets(1, 3), UPSERT)
    actions.launch(job, by=None)

    actions.launch(later, by=None)
    harness.task_queue.run_all()

    assert harness.records().keys() == {"g-1", "g-2", "g-3"}


def test_records_without_external_id_are_never_deleted(harness: Harness) -> None:
    with_records(harness, 2)
    anonymous = record(9)
    del anonymous["external_id"]
    harness.sandbox.add_records("gadget", [anonymous])
    job = harness.checked(gadgets(1), UPSERT)

    read = compared(harness, job)
    found = deletions.found_by(read)
    launched(harness, job)

    assert read.counts == {"same": 1, "delete": 1, "without_key": 1}
    assert found is not None
    assert (found.listed, found.deletable, found.without_key) == (3, 1, 1)
    assert harness.records().keys() == {"g-1", "Gadget 9"}


def test_almost_the_same_key_is_kept(harness: Harness) -> None:
    harness.object()
    other_case = record(1) | {"external_id": "G-1"}
    harness.sandbox.add_records("gadget", [other_case, record(2)])
    job = harness.checked([*gadgets(1, 2), *gadgets(1)], UPSERT)

    read = compared(harness, job)

    assert read.counts == {"same": 1, "create": 1, "kept": 1}


def test_edits_since_the_comparison_keep_their_records(harness: Harness) -> None:
    with_records(harness, 6)
    job = harness.checked(gadgets(2), UPSERT)
    read = compared(harness, job)
    assert read.counts == {"same": 2, "delete": 4}
    edited = record(3)
    edited["custom_object_fields"] = {"price": 99}
    harness.sandbox.edit_records("gadget", [edited], age=0)
    harness.sandbox.delete_records("gadget", [{"external_id": "g-4"}])

    job = launched(harness, job)

    assert job.state == JobState.COMPLETED
    assert harness.records().keys() == {"g-1", "g-2", "g-3"}
    results = harness.results(job)
    assert [
        (row["external_id"], row["_outcome"], row["_error"]) for row in results[2:]
    ] == [
        ("g-3", "failed", f"{CHANGED}: Price. {NOT_DELETED}"),
        ("g-4", "unchanged", ""),
        ("g-5", "deleted", ""),
        ("g-6", "deleted", ""),
    ]
    assert job.records_to_delete == 4
    assert job.counts["rows"] == 6
    assert retries.unsent_rows(job) == 0


def test_watched_job_reads_a_record_before_it_deletes_it(harness: Harness) -> None:
    """The export lacks what has just changed."""
    with_records(harness, 4)
    harness.sandbox.assume(export_lag=3600)
    job = harness.checked(gadgets(2), UPSERT, refuse_changed="watched")
    compared(harness, job)
    actions.launch(job, by=None)
    record_watch.read_page(job.pk, stopping=threading.Event(), timing=FAST)
    assert RecordWatch.objects.get(pk=job.pk).read_at is not None
    harness.sandbox.edit_records("gadget", [record(3) | {"name": "Other"}], age=0)

    harness.task_queue.run_all()

    assert harness.records().keys() == {"g-1", "g-2", "g-3"}


def stop_after_pages(
    monkeypatch: pytest.MonkeyPatch, read: RecordRead, number: int
) -> None:
    """Divide the rows, and stop the worker that lists the account after this many pages."""
    pages.divide(read, stopping=threading.Event())
    stopping = threading.Event()
    read_page = custom_objects.list_records
    listed = []

    def counted(*args: Any) -> RecordPage:
        page = read_page(*args)
        listed.append(page)
        if len(listed) == number:
            stopping.set()
        return page

    with monkeypatch.context() as patch:
        patch.setattr(custom_objects, "list_records", counted)
        reader.run(read, stopping=stopping)


def test_records_that_change_during_the_list_are_found(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_records(harness, 150)
    job = harness.checked(gadgets(150), UPSERT)
    account_match.choose(job, ALL, by=None)
    read = comparisons.start(job, by=None)
    # A record gets another external ID behind the list.
    stop_after_pages(monkeypatch, read, 2)
    [one] = [
        each
        for each in harness.sandbox.records("gadget")
        if each["external_id"] == "g-1"
    ]
    renamed = {"id": one["id"], "external_id": "x-1"}
    harness.sandbox.edit_records("gadget", [renamed], age=0)

    reader.run(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.state == ReadState.DONE
    assert read.counts == {"same": 149, "create": 1, "delete": 1}
    assert AccountListing.objects.get(read=read).not_caught_up == ""


def test_without_the_export_the_list_alone_counts(harness: Harness) -> None:
    with_records(harness, 3)
    harness.sandbox.faults(refused_exports=1)
    job = harness.checked(gadgets(2), UPSERT)

    read = compared(harness, job)

    listing = AccountListing.objects.get(read=read)
    assert read.counts == {"same": 2, "delete": 1}
    assert listing.not_caught_up == account_listing.NO_EXPORT


def test_interrupted_list_continues_where_it_was(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_records(harness, 450)
    job = harness.checked(gadgets(100), UPSERT)
    account_match.choose(job, ALL, by=None)
    read = comparisons.start(job, by=None)
    harness.sandbox.forget_requests()

    stop_after_pages(monkeypatch, read, 2)
    stopped = AccountListing.objects.get(read=read)
    reader.run(read, stopping=threading.Event())

    read.refresh_from_db()
    assert stopped.state == ListingState.LISTING
    assert stopped.listed == 200
    assert read.state == ReadState.DONE
    assert read.counts == {"same": 100, "delete": 350}
    assert AccountListing.objects.get(read=read).listed == 450
    requests = harness.sandbox.requests()
    assert requests["records-list"] == 5
    assert requests["records-by-id"] == 4


def test_killed_list_repeats_only_what_was_not_stored(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_records(harness, 450)
    job = harness.checked(gadgets(100), UPSERT)
    account_match.choose(job, ALL, by=None)
    read = comparisons.start(job, by=None)
    pages.divide(read, stopping=threading.Event())
    list_records = custom_objects.list_records
    listed = []

    def killing(*args: Any) -> RecordPage:
        listed.append(args)
        if len(listed) == 4:
            raise KeyboardInterrupt
        return list_records(*args)

    with monkeypatch.context() as patch:
        patch.setattr(custom_objects, "list_records", killing)
        patch.setattr(account_listing, "COMMIT_SECONDS", 0)
        with pytest.raises(KeyboardInterrupt):
            reader.run(read, stopping=threading.Event())
    reader.run(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.counts == {"same": 100, "delete": 350}
    assert read.pages_total == read.pages_read
    assert AccountListing.objects.get(read=read).listed == 450


def test_forgotten_cursor_begins_the_list_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_records(harness, 450)
    job = harness.checked(gadgets(100), UPSERT)
    account_match.choose(job, ALL, by=None)
    read = comparisons.start(job, by=None)
    stop_after_pages(monkeypatch, read, 3)
    AccountListing.objects.filter(read=read).update(list_cursor="forgotten")

    reader.run(read, stopping=threading.Event())

    read.refresh_from_db()
    assert read.state == ReadState.DONE
    assert read.counts == {"same": 100, "delete": 350}
    assert read.pages_total == read.pages_read
    assert AccountListing.objects.get(read=read).listed == 450


def test_cancelled_job_deletes_nothing_more(harness: Harness) -> None:
    with_records(harness, 6)
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    actions.launch(job, by=None)
    harness.task_queue.clear()

    actions.cancel(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    results = harness.results(job)
    assert job.state == JobState.CANCELLED
    assert job.counts["cancelled"] == 6
    assert [row["_outcome"] for row in results] == ["cancelled"] * 6
    assert [row["external_id"] for row in results[2:]] == ["g-3", "g-4", "g-5", "g-6"]
    assert retries.unsent_rows(job) == 2


def test_failed_deletions_are_no_rows_to_retry(harness: Harness) -> None:
    with_records(harness, 3)
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    harness.sandbox.edit_records("gadget", [record(3) | {"name": "Other"}], age=0)

    job = launched(harness, job)

    assert job.counts["failed"] == 1
    assert Cause.objects.get(job=job).sample_rows == []
    assert retries.retriable_rows(job) == 0
    assert retries.retriable_causes(job) == {}


def test_other_records_than_confirmed_are_not_deleted(harness: Harness) -> None:
    with_records(harness, 4)
    job = harness.checked(gadgets(2), UPSERT)
    read = compared(harness, job)
    comparisons.leave_out(read, [_found(read)[0].row], is_left_out=True, by=None)

    with pytest.raises(NotPossibleNow, match="than you have confirmed"):
        actions.launch(job, by=None, confirmed_deletions=2)

    assert len(harness.records()) == 4


def test_retry_of_its_rows_does_not_match_the_account(harness: Harness) -> None:
    with_records(harness, 3)
    job = harness.checked(gadgets(2), UPSERT)
    compared(harness, job)
    actions.launch(job, by=None)
    harness.task_queue.clear()
    actions.cancel(job, by=None)
    harness.task_queue.run_all()

    retry = retries.create_continuation(job, by=None)
    harness.task_queue.run_all()
    retry.refresh_from_db()
    retry = launched(harness, retry)

    assert account_match.of(retry) is None
    assert retry.counts["rows"] == 2
    assert harness.records().keys() == {"g-1", "g-2", "g-3"}


def test_other_action_no_longer_matches(harness: Harness) -> None:
    with_records(harness, 3)
    job = harness.checked(gadgets(2), UPSERT)
    account_match.choose(job, ALL, by=None)

    job.action = Action.DELETE_BY_EXTERNAL_ID

    assert account_match.of(job) is None
