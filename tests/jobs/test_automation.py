"""Drafts that advance without a person."""

import json
from typing import Any

import pytest

from jobsui.jobs.control import actions, automation, drafts, sweep
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import item_uploads, uploads
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
