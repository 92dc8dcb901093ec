"""Reading the records of a batch right before it is sent: what they held is kept, and rows
whose records have changed since the comparison are not sent."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from jobsui.jobs.control import actions, comparisons, undo
from jobsui.jobs.enums import Action, BatchState, JobState, ReadState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import history_index
from jobsui.jobs.models import BatchImages, Job, RecordRead
from tests.failpoints import EXIT_STATUS
from tests.harness import Harness, gadgets
from tests.jobs.drivers import Driver, reported
from tests.jobs.driving import InlineExecutor, drive, new_driver
from tests.timing import FakeClock


def finish(harness: Harness, job: Job) -> Job:
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    history_index.add(job)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    return job


def run(
    harness: Harness, rows: list[dict[str, Any]], action: Action, **options: Any
) -> Job:
    return finish(harness, harness.checked(rows, action, **options))


def compared(harness: Harness, rows: list[dict[str, Any]], action: Action) -> Job:
    """A draft that refuses rows whose records change from now on."""
    job = harness.checked(rows, action, refuse_changed="strict")
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return job


def undo_of(harness: Harness, job: Job) -> Job:
    undone = undo.create(job, by=None)
    harness.task_queue.run_all()
    read = undo.current(undone)
    assert read is not None
    assert read.state == ReadState.DONE
    return finish(harness, undone)


def edit(harness: Harness, key: str, **fields: Any) -> None:
    """As another program would."""
    record_id = harness.records()[key]["id"]
    url = f"{harness.sandbox.url}/api/v2/custom_objects/gadget/records/{record_id}"
    signed_in = (f"{harness.sandbox.email}/token", harness.sandbox.api_token)
    body = {"custom_object_record": {"custom_object_fields": fields}}
    response = requests.patch(url, json=body, auth=signed_in, timeout=10)
    assert response.status_code == 200


def contents(harness: Harness) -> dict[str, Any]:
    """Without what no undo can put back."""
    return {
        key: (record["name"], record["custom_object_fields"])
        for key, record in harness.records().items()
    }


def outcomes(harness: Harness, job: Job) -> list[tuple[str, str]]:
    return [(row["_outcome"], row["_error_code"]) for row in harness.results(job)]


def finish_counted(harness: Harness, job: Job) -> tuple[int, int]:
    """How many requests read records and how many sent batches."""
    harness.sandbox.forget_requests()
    finish(harness, job)
    received = Counter(harness.sandbox.requests())
    read = received["records-by-id"] + received["records-by-external-id"]
    return read, received["jobs"]


def priced(*numbers: int) -> list[dict[str, Any]]:
    return [
        {
            "external_id": f"g-{n}",
            "name": f"New {n}",
            "serial": f"AB-{n:06}",
            "price": 100,
        }
        for n in numbers
    ]


# Keeping what records hold


def test_upsert_without_comparison_is_undone(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(3), Action.CREATE)
    before = contents(harness)

    job = run(harness, priced(1, 3, 4), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    assert [outcome for outcome, _ in outcomes(harness, job)] == [
        "updated",
        "updated",
        "created",
    ]
    undo_of(harness, job)
    assert contents(harness) == before


def test_created_record_that_zendesk_has_not_named_is_deleted(
    harness: Harness,
) -> None:
    harness.object()
    run(harness, gadgets(1), Action.CREATE)
    before = contents(harness)
    harness.sandbox.assume(result_id="absent")

    job = run(harness, priced(1, 2), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    undo_of(harness, job)
    assert contents(harness) == before


@pytest.mark.parametrize(
    ("action", "key"),
    [(Action.DELETE_BY_EXTERNAL_ID, "external_id"), (Action.DELETE, "id")],
)
def test_deletion_without_comparison_is_undone(
    harness: Harness, action: Action, key: str
) -> None:
    harness.object()
    run(harness, gadgets(3), Action.CREATE)
    before = contents(harness)
    ids = harness.records()
    rows = [{key: ids[name][key]} for name in ("g-1", "g-3")]

    job = run(harness, rows, action, keep_undo=True)

    assert sorted(contents(harness)) == ["g-2"]
    undo_of(harness, job)
    assert contents(harness) == before


def test_update_without_comparison_is_undone(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(2), Action.CREATE)
    before = contents(harness)
    rows = [
        {"id": record["id"], "price": 7, "name": "New"}
        for record in harness.records().values()
    ]

    job = run(harness, rows, Action.UPDATE, keep_undo=True)

    undo_of(harness, job)
    assert contents(harness) == before


def test_value_changed_after_the_job_is_kept(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(2), Action.CREATE)
    job = run(harness, priced(1, 2), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)
    edit(harness, "g-2", price=77)

    undo_of(harness, job)

    after = contents(harness)
    assert after["g-1"][1]["price"] == 1.5
    assert after["g-2"][1]["price"] == 77


def test_each_batch_takes_one_read(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(250), Action.CREATE)
    job = harness.checked(gadgets(250), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    counted = finish_counted(harness, job)

    assert job.updated == 250
    assert counted == (3, 3)


def test_new_records_take_no_read(harness: Harness) -> None:
    harness.object()

    job = harness.checked(gadgets(3), Action.CREATE, keep_undo=True)

    counted = finish_counted(harness, job)

    assert counted == (0, 1)
    undo_of(harness, job)
    assert contents(harness) == {}


def test_keys_that_only_a_search_finds_are_not_called_new(harness: Harness) -> None:
    harness.object()
    rows = [{"external_id": "a,b", "name": "A", "serial": "AB-000001"}]

    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    assert outcomes(harness, job) == [("created_or_updated", "")]


# Refusing what has changed


def test_rows_changed_since_the_comparison_are_not_sent(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(3), Action.CREATE)
    job = compared(harness, priced(1, 2, 3), Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-2", price=77)

    finish(harness, job)

    assert outcomes(harness, job) == [
        ("updated", ""),
        ("failed", "ChangedSince"),
        ("updated", ""),
    ]
    name, fields = contents(harness)["g-2"]
    assert (name, fields["price"]) == ("Gadget 2", 77)
    [row] = [row for row in harness.results(job) if row["_outcome"] == "failed"]
    assert "after the comparison: Price." in row["_error"]


def test_edits_of_other_fields_refuse_nothing(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(1), Action.CREATE)
    job = compared(harness, priced(1), Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-1", notes="Seen")

    finish(harness, job)

    name, fields = contents(harness)["g-1"]
    assert outcomes(harness, job) == [("updated", "")]
    assert (name, fields["price"], fields["notes"]) == ("New 1", 100, "Seen")


def test_value_that_somebody_has_set_as_wanted_is_no_conflict(
    harness: Harness,
) -> None:
    harness.object()
    run(harness, gadgets(1), Action.CREATE)
    job = compared(harness, priced(1), Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-1", price=100)

    finish(harness, job)
    undo_of(harness, job)

    assert outcomes(harness, job) == [("updated", "")]
    name, fields = contents(harness)["g-1"]
    assert (name, fields["price"]) == ("Gadget 1", 100)


def test_record_deleted_since_the_comparison_is_not_updated(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(2), Action.CREATE)
    job = compared(harness, priced(1, 2), Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.delete_records("gadget", [{"external_id": "g-2"}])

    finish(harness, job)

    assert outcomes(harness, job) == [("updated", ""), ("failed", "ChangedSince")]
    assert sorted(contents(harness)) == ["g-1"]


def test_record_that_changed_is_not_deleted(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(3), Action.CREATE)
    rows = [{"external_id": f"g-{n}"} for n in (1, 2, 3)]
    job = compared(harness, rows, Action.DELETE_BY_EXTERNAL_ID)
    edit(harness, "g-2", notes="Do not delete")
    harness.sandbox.delete_records("gadget", [{"external_id": "g-3"}])

    finish(harness, job)

    assert outcomes(harness, job) == [
        ("deleted", ""),
        ("failed", "ChangedSince"),
        ("unchanged", ""),
    ]
    assert sorted(contents(harness)) == ["g-2"]


def test_new_row_is_refused_by_zendesk_if_its_key_is_taken(harness: Harness) -> None:
    harness.object()
    job = compared(harness, priced(1), Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.add_records(
        "gadget",
        [
            {
                "external_id": "g-1",
                "name": "Theirs",
                "custom_object_fields": {"serial": "AB-000009"},
            }
        ],
    )

    counted = finish_counted(harness, job)

    assert counted == (0, 1)
    assert [outcome for outcome, _ in outcomes(harness, job)] == ["failed"]
    assert contents(harness)["g-1"][0] == "Theirs"


def test_only_rows_that_are_sent_are_read_again(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(250), Action.CREATE)
    rows = gadgets(250)
    for row in rows[::25]:
        row["price"] = "7000"
    job = compared(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)

    counted = finish_counted(harness, job)

    assert (job.updated, job.unchanged) == (10, 240)
    assert counted == (1, 1)


def test_job_that_refuses_changes_has_to_be_compared(harness: Harness) -> None:
    harness.object()
    job = harness.checked(
        priced(1), Action.UPSERT_BY_EXTERNAL_ID, refuse_changed="strict"
    )
    RecordRead.objects.filter(job=job).delete()

    with pytest.raises(NotPossibleNow, match="Compare its rows"):
        actions.launch(job, by=None)

    comparisons.skip(job, by=None)
    assert finish(harness, job).succeeded == 1


def test_undo_does_not_replace_what_changes_before_its_launch(
    harness: Harness,
) -> None:
    harness.object()
    run(harness, gadgets(2), Action.CREATE)
    job = run(harness, priced(1, 2), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)
    undone = undo.create(job, by=None)
    harness.task_queue.run_all()
    edit(harness, "g-2", price=77)

    finish(harness, undone)

    assert outcomes(harness, undone) == [("updated", ""), ("failed", "ChangedSince")]
    after = contents(harness)
    assert after["g-1"][0] == "Gadget 1"
    assert after["g-2"][0] == "New 2"
    assert after["g-2"][1]["price"] == 77


# Faults between the read and the response


@pytest.mark.parametrize(
    "failpoint",
    [
        "http:after-read:GET /records:1",
        "commit:before:Driver._commit:2",
        "commit:after:Driver._commit:2",
        "http:before-write:POST /jobs:1",
        "http:after-write:POST /jobs:1",
        "http:after-read:POST /jobs:1",
    ],
)
def test_killed_driver_keeps_what_records_held(
    harness: Harness, tmp_path: Path, failpoint: str
) -> None:
    harness.object()
    run(harness, gadgets(120), Action.CREATE)
    # A record that has changed just before may have been changed by the batch.
    rows = [{"external_id": f"g-{n}", "name": f"Old {n}"} for n in range(1, 121)]
    harness.sandbox.edit_records("gadget", rows, age=60)
    before = contents(harness)
    numbers = range(60, 180)
    job = harness.planned(
        priced(*numbers), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True
    )

    killed = Driver(tmp_path / "reports", failpoint)
    assert killed.wait(30)
    next_one = Driver(tmp_path / "reports")
    assert next_one.wait(60)

    job.refresh_from_db()
    assert killed.exit_status == EXIT_STATUS
    assert reported(tmp_path / "reports") == []
    assert (job.updated, job.created) == (61, 59)
    history_index.add(job)
    undo_of(harness, job)
    assert contents(harness) == before


def test_kill_before_a_batch_is_sent_leaves_nothing_unconfirmed(
    harness: Harness, tmp_path: Path
) -> None:
    harness.object()
    run(harness, gadgets(1), Action.CREATE)
    job = harness.planned(priced(1), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    killed = Driver(tmp_path / "reports", "http:after-read:GET /records:1")
    assert killed.wait(30)

    [batch] = job.batches.all()
    assert (batch.state, batch.attempts_made) == (BatchState.PLANNED, 0)
    assert not BatchImages.objects.exists()


def test_resent_batch_keeps_its_first_images(harness: Harness) -> None:
    harness.object()
    run(harness, gadgets(2), Action.CREATE)
    before = contents(harness)
    harness.sandbox.faults(**{"502-after-accept": {"rate": 1, "times": 1}})
    job = run(harness, priced(1, 2, 3), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    undo_of(harness, job)

    assert contents(harness) == before


def test_records_that_cannot_be_read_pause_the_job(harness: Harness) -> None:
    harness.object()
    job = harness.planned(priced(1), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)
    harness.sandbox.settings(role="end-user")

    drive(harness, job)

    assert job.state == JobState.PAUSED
    assert job.reason.startswith("Zendesk refused to show the records of this job:")
    assert not job.batches.get().attempts.exists()


def test_batch_of_a_paused_job_is_not_sent_after_its_read(harness: Harness) -> None:
    harness.object()
    job = harness.planned(priced(1), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)

    with new_driver(harness) as driver:
        driver.round([])
        actions.pause(job, by=None)
        result = driver.calls.get(10)
        driver.round([result])

    assert job.batches.get().attempts_made == 0
    assert (len(driver.reads), driver.posting) == (0, {})


def test_read_is_paid_for_together_with_its_post(harness: Harness) -> None:
    harness.object()
    job = harness.planned(priced(1), Action.UPSERT_BY_EXTERNAL_ID, keep_undo=True)
    clock = FakeClock()

    with new_driver(harness, clock, InlineExecutor(clock)) as driver:
        driver._refresh_if_due()
        tokens = driver.limits.budget.tokens
        driver.round([])
        spent = tokens - driver.limits.budget.tokens

    assert spent == 2
    assert job.batches.get().state == BatchState.PLANNED
