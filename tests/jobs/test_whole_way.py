"""Jobs from file to results, in this process, against a running sandbox."""

from jobsui.jobs.control import actions, retries
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Attempt, Batch, RowError
from tests.harness import GADGET, Harness, gadgets


def test_create_makes_every_record_field_by_field(harness: Harness) -> None:
    harness.object()

    job = harness.run(gadgets(250), Action.CREATE)

    assert (job.state, job.counts["created"], job.pending) == (
        JobState.COMPLETED,
        250,
        0,
    )
    records = harness.records()
    assert len(records) == 250
    assert records["g-7"]["name"] == "Gadget 7"
    assert records["g-7"]["custom_object_fields"]["serial"] == "AB-000007"
    assert records["g-7"]["custom_object_fields"]["price"] == 7.5


def test_create_without_external_ids_gets_ones_of_the_job(harness: Harness) -> None:
    harness.object()
    rows = [{"name": f"Gadget {n}", "serial": f"AB-{n:06}"} for n in range(3)]

    job = harness.run(rows, Action.CREATE)

    prefix = job.code.hex[:12]
    assert sorted(harness.records()) == [f"{prefix}-2", f"{prefix}-3", f"{prefix}-4"]


def test_update_changes_only_what_the_file_says(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    ids = {key: record["id"] for key, record in harness.records().items()}

    job = harness.run([{"id": ids["g-2"], "price": "99"}], Action.UPDATE)

    assert job.counts["updated"] == 1
    fields = harness.records()["g-2"]["custom_object_fields"]
    assert (fields["price"], fields["serial"]) == (99, "AB-000002")


def test_upsert_by_external_id_makes_and_changes(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)

    job = harness.run(gadgets(3), Action.UPSERT_BY_EXTERNAL_ID)

    assert job.counts["created_or_updated"] == 3
    assert sorted(harness.records()) == ["g-1", "g-2", "g-3"]


def test_upsert_by_name_needs_unique_names_and_then_works(harness: Harness) -> None:
    harness.object(is_unique=True)
    rows = [{"name": "Drill", "serial": "AB-000001", "seats": "4"}]

    harness.run(rows, Action.UPSERT_BY_NAME)
    job = harness.run([rows[0] | {"seats": "5"}], Action.UPSERT_BY_NAME)

    assert job.counts["created_or_updated"] == 1
    assert [r["custom_object_fields"]["seats"] for r in harness.records().values()] == [
        5
    ]


def test_delete_by_id_and_by_external_id(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(4), Action.CREATE)
    first = harness.records()["g-1"]["id"]

    by_id = harness.run([{"id": first}], Action.DELETE)
    by_key = harness.run(
        [{"external_id": "g-2"}, {"external_id": "g-99"}], Action.DELETE_BY_EXTERNAL_ID
    )

    assert by_id.counts["deleted"] == 1
    assert (by_key.counts["deleted"], by_key.counts["failed"]) == (1, 1)
    assert sorted(harness.records()) == ["g-3", "g-4"]


def test_blank_cells_clear_fields_only_when_asked_to(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    blanked = [row | {"price": ""} for row in gadgets(2)]

    harness.run(blanked[:1], Action.UPSERT_BY_EXTERNAL_ID)
    harness.run(blanked[1:], Action.UPSERT_BY_EXTERNAL_ID, blank="clear")

    assert [r["custom_object_fields"]["price"] for r in harness.records().values()] == [
        1.5,
        None,
    ]


def test_rows_zendesk_refuses_are_named_with_their_reason(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(1), Action.CREATE)

    job = harness.run(gadgets(3), Action.CREATE)

    assert (job.counts["created"], job.counts["failed"]) == (2, 1)
    error = RowError.objects.get(job=job)
    assert (error.row, error.outcome) == (2, "failed")
    results = {
        line["_row"]: (line["_outcome"], line["_error"])
        for line in harness.results(job)
    }
    assert results["2"][0] == "failed"
    assert results["2"][1] == error.message
    assert results["3"] == ("created", "")


def test_invalid_rows_are_left_out_and_reported(harness: Harness) -> None:
    harness.object()
    rows = gadgets(5)
    rows[1]["price"] = "1,5,0"
    rows[3]["serial"] = "nonsense"

    job = harness.run(rows, Action.CREATE, invalid="skip")

    assert (job.counts["created"], job.counts["invalid"]) == (3, 2)
    results = {
        line["external_id"]: (line["_outcome"], line["_error_code"])
        for line in harness.results(job)
    }
    assert results == {
        "g-1": ("created", ""),
        "g-2": ("invalid", "not_a_number"),
        "g-3": ("created", ""),
        "g-4": ("invalid", "no_match"),
        "g-5": ("created", ""),
    }


def test_retry_sends_only_failed_rows_as_a_linked_job(harness: Harness) -> None:
    harness.object()
    harness.run(gadgets(1), Action.CREATE)
    job = harness.run(gadgets(3), Action.CREATE)
    harness.sandbox.reset()
    harness.sandbox.settings(api_tokens=True)
    harness.sandbox.make_object("gadget", fields=GADGET, name={})

    child = retries.create_retry(job, by=None)
    harness.task_queue.run_all()
    child.refresh_from_db()
    actions.launch(child, by=None)
    harness.task_queue.run_all()
    child.refresh_from_db()

    assert (child.parent, child.rows, child.created) == (job, 1, 1)
    assert list(harness.records()) == ["g-1"]
    assert [line["_row"] for line in harness.results(child)] == ["2"]


def test_outcomes_and_batches_add_up(harness: Harness) -> None:
    harness.object()

    job = harness.run(gadgets(333), Action.CREATE)

    assert sum(job.counts.values()) - job.counts["rows"] == 333
    sizes = list(
        Batch.objects.filter(job=job).values_list("size", "succeeded", "state")
    )
    assert sizes == [(100, 100, "done")] * 3 + [(33, 33, "done")]
    assert (job.batches_total, job.batches_done) == (4, 4)
    assert Attempt.objects.filter(batch__job=job).count() == 4
