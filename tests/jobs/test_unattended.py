"""Drafts that go on by themselves."""

import json
from typing import Any

import pytest

from jobsui.jobs.engine import control, intake, sweeping, unattended, verbatim
from jobsui.jobs.engine.options import Options
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Job
from tests.world import World, gadgets, to_csv

pytestmark = pytest.mark.django_db(transaction=True)


def drafted(
    world: World,
    content: bytes,
    action: Action = Action.UPSERT_BY_EXTERNAL_ID,
    **options: Any,
) -> Job:
    world.object()
    file = intake.receive([content], "rows.csv", by=None)
    return control.draft(
        world.connection, "gadget", action, file, by=None, options=Options(**options)
    )


def arrived(world: World, job: Job) -> Job:
    world.doorbell.answer()
    job.refresh_from_db()
    return job


def test_draft_that_aims_at_launch_goes_all_the_way(world: World) -> None:
    job = drafted(world, to_csv(gadgets(250)))

    unattended.aim(job, JobState.QUEUED)
    goes_on = job.goes_on
    arrived(world, job)

    assert (goes_on, job.state, job.aims_at, job.created_or_updated) == (
        True,
        JobState.COMPLETED,
        "",
        250,
    )
    assert len(world.records()) == 250


def test_draft_that_aims_at_ready_waits_there(world: World) -> None:
    job = drafted(world, to_csv(gadgets(3)))

    unattended.aim(job, JobState.READY)
    arrived(world, job)

    assert (job.state, job.aims_at, job.goes_on, job.rows) == (
        JobState.READY,
        "",
        False,
        3,
    )
    assert world.records() == {}


def test_rows_with_problems_stop_it_and_say_so(world: World) -> None:
    job = drafted(world, to_csv([*gadgets(2), {**gadgets(1, 3)[0], "price": "dear"}]))

    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)

    assert (job.state, job.goes_on) == (JobState.READY, False)
    assert job.reason.startswith("1 row with problems: mend the file")


def test_rows_with_problems_are_left_out_when_it_may(world: World) -> None:
    job = drafted(
        world,
        to_csv([*gadgets(2), {**gadgets(1, 3)[0], "price": "dear"}]),
        invalid="skip",
    )

    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)

    assert (job.state, job.created_or_updated, job.invalid) == (
        JobState.COMPLETED,
        2,
        1,
    )


def test_job_without_one_good_row_ends_with_all_of_them_invalid(world: World) -> None:
    job = drafted(
        world,
        to_csv([{**row, "price": "dear"} for row in gadgets(150)]),
        invalid="skip",
    )

    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)

    assert (job.state, job.invalid, job.rows) == (JobState.COMPLETED, 150, 150)


def test_file_that_cannot_be_read_stops_it(world: World) -> None:
    job = drafted(world, b"\x89PNG")

    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)

    assert (job.state, job.goes_on) == (JobState.DRAFT, False)
    assert job.reason == "This is a picture. Upload CSV, XLSX, JSON or JSON Lines."


def test_mapping_that_cannot_work_stops_it(world: World) -> None:
    job = drafted(world, b"colour\nred\n")

    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)

    assert (job.state, job.goes_on) == (JobState.DRAFT, False)
    assert "External ID must be filled. Choose its column." in job.reason


def test_zendesk_out_of_reach_is_waited_for(world: World) -> None:
    job = drafted(world, to_csv(gadgets(3)))
    unattended.aim(job, JobState.READY)
    arrived(world, job)
    world.sandbox.faults(**{"503": 1.0})
    unattended.aim(job, JobState.QUEUED)
    arrived(world, job)
    waiting = (job.state, job.goes_on, "could not be read again" in job.reason)

    world.sandbox.faults()
    sweeping.sweep()
    arrived(world, job)

    assert waiting == (JobState.READY, True, True)
    assert (job.state, job.reason, job.created_or_updated) == (
        JobState.COMPLETED,
        "",
        3,
    )


def test_lost_ring_is_rung_again_by_the_sweep(world: World) -> None:
    job = drafted(world, to_csv(gadgets(3)))
    world.doorbell.answer()
    unattended.aim(job, JobState.QUEUED)
    world.doorbell.clear()

    sweeping.sweep()
    arrived(world, job)

    assert job.state == JobState.COMPLETED


def items_job(world: World, items: list[Any], action: Action) -> Job:
    body = json.dumps({"job": {"items": items, "action": action.value}}).encode()
    received = verbatim.receive([body], "API request")
    job = control.draft(
        world.connection,
        "gadget",
        action,
        received.register(by=None),
        by=None,
        options=Options(invalid="skip", own_external_ids=False),
    )
    unattended.aim(job, JobState.QUEUED)
    return arrived(world, job)


def test_items_are_sent_as_they_came(world: World) -> None:
    world.object()
    fields = {
        "serial": "AB-000001",
        "price": 1.10,
        "insured": False,
        "tags": ["wifi", "gps"],
        "notes": "ä\u0001\n",
    }
    item = {"external_id": "g-1", "name": "Größe", "custom_object_fields": fields}

    job = items_job(world, [item], Action.CREATE)

    record = world.records()["g-1"]
    assert (job.state, job.created, job.file.columns) == (
        JobState.COMPLETED,
        1,
        ["item"],
    )
    assert {name: record["custom_object_fields"][name] for name in fields} == fields
    assert world.results(job)[0]["item"] == json.dumps(
        item, ensure_ascii=False, separators=(",", ":")
    )


def test_items_are_launched_without_reading_the_fields_again(world: World) -> None:
    world.object()
    before = [entry["path"] for entry in world.sandbox.log()]

    items_job(
        world,
        [
            {
                "external_id": "g-1",
                "name": "One",
                "custom_object_fields": {"serial": "AB-000001"},
            }
        ],
        Action.CREATE,
    )

    asked = {entry["path"] for entry in world.sandbox.log()[len(before) :]}
    assert asked == {
        "/api/v2/custom_objects/gadget/jobs",
        "/api/v2/job_statuses/show_many",
    }


def test_items_that_mean_no_record_or_one_twice_are_not_sent(world: World) -> None:
    world.object()
    good = {
        "external_id": "g-1",
        "name": "One",
        "custom_object_fields": {"serial": "AB-000001"},
    }

    job = items_job(
        world,
        [good, {"name": "Nameless"}, "g-1", good, None],
        Action.UPSERT_BY_EXTERNAL_ID,
    )

    told = [
        (row["_row"], row["_outcome"], row["_error_code"]) for row in world.results(job)
    ]
    assert told == [
        ("1", "created_or_updated", ""),
        ("2", "invalid", "not_an_item"),
        ("3", "invalid", "not_an_item"),
        ("4", "invalid", "duplicate_external_id"),
        ("5", "invalid", "not_an_item"),
    ]


def test_ids_to_delete_are_texts(world: World) -> None:
    world.object()
    items_job(
        world,
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
        world, ["7", {"external_id": "7"}, ""], Action.DELETE_BY_EXTERNAL_ID
    )

    assert [row["_outcome"] for row in world.results(job)] == [
        "deleted",
        "invalid",
        "invalid",
    ]
    assert world.records() == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"[]", (None, None, 0)),
        (b'{"job": {"action": "create", "items": 7}}', ("create", 7, 0)),
        (
            b'{"job": {"items": [{"a": {"items": [1]}}, 2], "action": {"x": 1}}}',
            ("object", "array", 2),
        ),
        (b'{"items": [1]}', (None, None, 0)),
        (b'{"job": {"action": null, "items": []}}', (None, "array", 0)),
    ],
)
def test_request_is_read_for_what_it_is(body: bytes, found: tuple[Any, ...]) -> None:
    received = verbatim.receive([body], "API request")

    assert (received.action, received.items, received.count) == found
    received.delete()


def test_request_with_too_many_items_is_kept_with_one_too_many() -> None:
    received = verbatim.receive(
        [b'{"job": {"items": [1, 2, 3, 4, 5]}}'], "API request", most=3
    )

    assert received.count == 4
    received.delete()
