"""Drafts that advance without a person."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from jobsui.jobs.control import actions, automation, comparisons, drafts, sweep
from jobsui.jobs.enums import Action, JobState, ReadState
from jobsui.jobs.live import pages, reader, reads
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job, RecordRead
from jobsui.jobs.preparation import checker, item_uploads, uploads
from tests.harness import Harness, gadgets, to_csv

pytestmark = pytest.mark.django_db(transaction=True)


def drafted(
    harness: Harness,
    content: bytes,
    action: Action = Action.UPSERT_BY_EXTERNAL_ID,
    **options: Any,
) -> Job:
    harness.object()
    file = uploads.receive([content], "rows.csv", by=None)
    return drafts.create_draft(
        harness.connection, "gadget", action, file, by=None, options=Options(**options)
    )


def finished(harness: Harness, job: Job) -> Job:
    harness.task_queue.run_all()
    job.refresh_from_db()
    return job


def test_draft_of_a_program_is_launched(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(250)))

    automation.set_auto_target(job, JobState.QUEUED)
    was_in_progress = job.is_in_progress
    finished(harness, job)

    assert was_in_progress
    assert job.state == JobState.COMPLETED
    assert job.auto_target == ""
    assert job.created_or_updated == 250
    assert len(harness.records()) == 250


def test_draft_that_is_not_to_be_launched_stops_when_ready(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(3)))

    automation.set_auto_target(job, JobState.READY)
    finished(harness, job)

    assert job.state == JobState.READY
    assert job.auto_target == ""
    assert not job.is_in_progress
    assert job.rows == 3
    assert harness.records() == {}


def test_incomplete_file_stops_the_launch_with_a_reason(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(3)))
    File.objects.filter(pk=job.file_id).update(size=1)

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.READY
    assert job.auto_target == ""
    assert job.reason == actions.INCOMPLETE_FILE


def test_invalid_rows_stop_the_launch_with_a_reason(harness: Harness) -> None:
    job = drafted(harness, to_csv([*gadgets(2), {**gadgets(1, 3)[0], "price": "dear"}]))

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.READY
    assert not job.is_in_progress
    assert job.reason.startswith("1 invalid row. Correct the file")


def test_invalid_rows_are_skipped_if_chosen(harness: Harness) -> None:
    job = drafted(
        harness,
        to_csv([*gadgets(2), {**gadgets(1, 3)[0], "price": "dear"}]),
        invalid="skip",
    )

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created_or_updated == 2
    assert job.invalid == 1


def test_job_of_invalid_rows_alone_completes(
    harness: Harness,
) -> None:
    job = drafted(
        harness,
        to_csv([{**row, "price": "dear"} for row in gadgets(150)]),
        invalid="skip",
    )

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.invalid == 150
    assert job.rows == 150


def test_file_that_cannot_be_read_stops_it(harness: Harness) -> None:
    job = drafted(harness, b"\x89PNG")

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.DRAFT
    assert not job.is_in_progress
    assert (
        job.reason
        == "This is a picture. Upload CSV, XLSX, XLS, ODS, JSON or JSON Lines."
    )


def test_mapping_that_cannot_work_stops_it(harness: Harness) -> None:
    job = drafted(harness, b"colour\nred\n")

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.DRAFT
    assert not job.is_in_progress
    assert "External ID is required. Map a column to it." in job.reason


def test_launch_waits_until_zendesk_is_reachable(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(3)))
    automation.set_auto_target(job, JobState.READY)
    finished(harness, job)
    harness.sandbox.faults(**{"503": 1.0})
    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)
    waiting = (job.state, job.is_in_progress, "could not be refreshed" in job.reason)

    harness.sandbox.faults()
    sweep.sweep()
    finished(harness, job)

    assert waiting == (JobState.READY, True, True)
    assert job.state == JobState.COMPLETED
    assert job.reason == ""
    assert job.created_or_updated == 3


def test_lost_task_is_enqueued_again_by_the_sweep(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(3)))
    harness.task_queue.run_all()
    automation.set_auto_target(job, JobState.QUEUED)
    harness.task_queue.clear()

    sweep.sweep()
    finished(harness, job)

    assert job.state == JobState.COMPLETED


def compared_draft(harness: Harness, rows: list[dict[str, Any]], **options: Any) -> Job:
    """A draft that is to be compared. Its object has the gadgets 1 to 3."""
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    file = uploads.receive([to_csv(rows)], "rows.csv", by=None)
    return drafts.create_draft(
        harness.connection,
        "gadget",
        Action.UPSERT_BY_EXTERNAL_ID,
        file,
        by=None,
        options=Options(compare=True, **options),
    )


def run_until_compared(harness: Harness, job: Job) -> RecordRead:
    """Run the tasks up to an open comparison."""
    while not (found := RecordRead.objects.filter(job=job).first()):
        harness.task_queue.run_next()
    return found


def test_compared_draft_sends_only_what_differs(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.auto_target == ""
    assert job.unchanged == 3
    assert job.created == 2


def test_compared_draft_that_is_not_to_be_launched_is_ready(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))

    automation.set_auto_target(job, JobState.READY)
    finished(harness, job)

    comparison = RecordRead.objects.get(job=job)
    assert job.state == JobState.READY
    assert job.auto_target == ""
    assert comparison.counts == {"same": 3, "create": 2}


def test_draft_waits_while_it_is_compared(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    comparison = run_until_compared(harness, job)

    automation.advance(job)
    automation.advance(job)

    assert job.state == JobState.READY
    assert job.is_in_progress
    assert list(RecordRead.objects.filter(job=job)) == [comparison]


def test_lost_tasks_of_a_comparison_are_enqueued_again(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    run_until_compared(harness, job)
    harness.task_queue.clear()

    sweep.sweep()
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.unchanged == 3


def test_finished_comparison_advances_the_draft(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    comparison = run_until_compared(harness, job)
    harness.task_queue.clear()

    pages.divide(comparison, stopping=threading.Event())
    harness.task_queue.clear()
    reader.run(comparison, stopping=threading.Event())

    assert harness.task_queue == [("advance_job", (job.pk,))]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (
            lambda read: reads.fail(read, "The account cannot be read."),
            "The account cannot be read.",
        ),
        (comparisons.cancel, "The comparison was cancelled."),
    ],
)
def test_comparison_without_a_result_stops_the_draft(
    harness: Harness, end: Callable[[RecordRead], None], reason: str
) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    end(run_until_compared(harness, job))

    finished(harness, job)

    assert job.state == JobState.READY
    assert job.auto_target == ""
    assert job.reason == (
        f"{automation.NOT_COMPARED} {reason} {automation.COMPARE_AGAIN}"
    )


def test_draft_that_only_updates_is_not_advised_to_launch(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(2)), only_existing=True)
    automation.set_auto_target(job, JobState.QUEUED)
    reads.fail(run_until_compared(harness, job), "The account cannot be read.")

    finished(harness, job)

    assert job.state == JobState.READY
    assert job.reason == (
        f"{automation.NOT_COMPARED} The account cannot be read. {automation.COMPARE_FIRST}"
    )


def test_refused_reads_stop_the_draft(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    run_until_compared(harness, job)
    harness.sandbox.faults(**{"refused-reads": {"rate": 1, "path": "/records"}})

    finished(harness, job)

    assert job.state == JobState.READY
    assert job.auto_target == ""
    assert job.reason.startswith(automation.NOT_COMPARED)


def test_another_check_compares_a_failed_draft_again(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.QUEUED)
    comparisons.cancel(run_until_compared(harness, job))
    finished(harness, job)
    checker.start(job, by=None)

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.unchanged == 3


def test_draft_is_compared_again_after_another_job(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    other = harness.planned(gadgets(1, 9))
    automation.set_auto_target(job, JobState.QUEUED)
    before = run_until_compared(harness, job)
    Job.objects.filter(pk=other.pk).update(
        state=JobState.CANCELLED, finished_at=timezone.now()
    )
    automation.advance(job)
    waiting = RecordRead.objects.get(job=job)

    sweep.sweep()
    finished(harness, job)

    after = RecordRead.objects.get(job=job)
    assert waiting == before
    assert after.pk > before.pk
    assert job.state == JobState.COMPLETED
    assert job.unchanged == 3


def test_changed_draft_is_compared_again(harness: Harness) -> None:
    job = compared_draft(harness, gadgets(5))
    automation.set_auto_target(job, JobState.READY)
    before = run_until_compared(harness, job)
    job.refresh_from_db()
    without_price = {
        column: field for column, field in job.mapping.items() if column != "price"
    }
    drafts.set_mapping(job, without_price, Options.from_json(job.options), by=None)

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.unchanged == 3
    assert not RecordRead.objects.filter(pk=before.pk, state=ReadState.DONE).exists()


def test_rows_that_are_not_launched_are_not_compared(harness: Harness) -> None:
    job = compared_draft(harness, [*gadgets(2), {**gadgets(1, 3)[0], "price": "dear"}])

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.READY
    assert job.reason.startswith("1 invalid row. Correct the file")
    assert not RecordRead.objects.filter(job=job).exists()


def test_compared_draft_without_valid_rows_completes(harness: Harness) -> None:
    job = compared_draft(
        harness, [{**row, "price": "dear"} for row in gadgets(3)], invalid="skip"
    )

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.invalid == 3


def test_draft_that_only_updates_is_compared(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(4)), only_existing=True)
    harness.run(gadgets(3), Action.CREATE)

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.unchanged == 3
    assert job.failed == 1
    assert len(harness.records()) == 3


def test_new_records_are_not_compared(harness: Harness) -> None:
    job = drafted(harness, to_csv(gadgets(2)), Action.CREATE, compare=True)

    automation.set_auto_target(job, JobState.QUEUED)
    finished(harness, job)

    assert job.state == JobState.COMPLETED
    assert job.created == 2
    assert not RecordRead.objects.filter(job=job).exists()


def items_job(harness: Harness, items: list[Any], action: Action) -> Job:
    body = json.dumps({"job": {"items": items, "action": action.value}}).encode()
    received = item_uploads.receive([body], "API request")
    job = drafts.create_draft(
        harness.connection,
        "gadget",
        action,
        received.register(by=None),
        by=None,
        options=Options(invalid="skip", generate_external_ids=False),
    )
    automation.set_auto_target(job, JobState.QUEUED)
    return finished(harness, job)


def test_items_are_sent_unchanged(harness: Harness) -> None:
    harness.object()
    fields = {
        "serial": "AB-000001",
        "price": 1.10,
        "insured": False,
        "tags": ["wifi", "gps"],
        "notes": "ä\u0001\n",
    }
    item = {"external_id": "g-1", "name": "Größe", "custom_object_fields": fields}

    job = items_job(harness, [item], Action.CREATE)

    record = harness.records()["g-1"]
    assert job.state == JobState.COMPLETED
    assert job.created == 1
    assert job.file.columns == ["item"]
    assert {name: record["custom_object_fields"][name] for name in fields} == fields
    assert harness.results(job)[0]["item"] == json.dumps(
        item, ensure_ascii=False, separators=(",", ":")
    )


def test_launch_of_items_reads_no_fields(harness: Harness) -> None:
    harness.object()
    before = [entry["path"] for entry in harness.sandbox.log()]

    items_job(
        harness,
        [
            {
                "external_id": "g-1",
                "name": "One",
                "custom_object_fields": {"serial": "AB-000001"},
            }
        ],
        Action.CREATE,
    )

    paths = {entry["path"] for entry in harness.sandbox.log()[len(before) :]}
    assert paths == {
        "/api/v2/custom_objects/gadget/jobs",
        "/api/v2/job_statuses/show_many",
    }


def test_items_without_a_key_or_with_a_duplicate_are_invalid(harness: Harness) -> None:
    harness.object()
    good = {
        "external_id": "g-1",
        "name": "One",
        "custom_object_fields": {"serial": "AB-000001"},
    }

    job = items_job(
        harness,
        [good, {"name": "Nameless"}, "g-1", good, None],
        Action.UPSERT_BY_EXTERNAL_ID,
    )

    results = [
        (row["_row"], row["_outcome"], row["_error_code"])
        for row in harness.results(job)
    ]
    assert results == [
        ("1", "created_or_updated", ""),
        ("2", "invalid", "not_an_item"),
        ("3", "invalid", "not_an_item"),
        ("4", "invalid", "duplicate_external_id"),
        ("5", "invalid", "not_an_item"),
    ]


def test_ids_to_delete_are_strings(harness: Harness) -> None:
    harness.object()
    items_job(
        harness,
        [
            {
                "external_id": "7",
                "name": "S",
                "custom_object_fields": {"serial": "AB-000007"},
            }
        ],
        Action.CREATE,
    )

    job = items_job(
        harness, ["7", {"external_id": "7"}, ""], Action.DELETE_BY_EXTERNAL_ID
    )

    assert [row["_outcome"] for row in harness.results(job)] == [
        "deleted",
        "invalid",
        "invalid",
    ]
    assert harness.records() == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"[]", (None, None, 0)),
        (b'{"job": {"action": "create", "items": 7}}', ("create", "7", 0)),
        (
            b'{"job": {"items": [{"a": {"items": [1]}}, 2], "action": {"x": 1}}}',
            ("object", "array", 2),
        ),
        (b'{"items": [1]}', (None, None, 0)),
        (b'{"job": {"action": null, "items": []}}', (None, "array", 0)),
    ],
)
def test_request_is_read_whatever_its_shape(
    body: bytes, found: tuple[Any, ...]
) -> None:
    received = item_uploads.receive([body], "API request")

    assert (received.action, received.items, received.count) == found
    received.delete()


def test_request_with_too_many_items_is_kept_with_one_too_many() -> None:
    received = item_uploads.receive(
        [b'{"job": {"items": [1, 2, 3, 4, 5]}}'], "API request", max_items=3
    )

    assert received.count == 4
    received.delete()
