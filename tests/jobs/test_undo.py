"""Undoing jobs: what is put back, what is kept, what is impossible."""

from typing import Any

import pytest
import requests
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobsui.jobs.control import actions, automation, comparisons, retries, sweep, undo
from jobsui.jobs.enums import Action, JobState, ReadState, Verdict
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.live import history_index, reasons
from jobsui.jobs.live.claims import LaterJobs
from jobsui.jobs.live.row_ranges import RowRanges
from jobsui.jobs.models import Job, RecordRead
from jobsui.jobs.reports import job_changes, undone_rows
from jobsui.jobs.reports.undone_rows import UndoList
from tests.harness import Harness, gadgets, record_of


def current(draft: Job) -> RecordRead:
    read = undo.current(draft)
    assert read is not None
    return read


def finish(harness: Harness, job: Job) -> Job:
    actions.launch(job, by=None)
    harness.task_queue.run_all()
    history_index.add(job)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    return job


def run(harness: Harness, rows: list[dict[str, Any]], action: Action) -> Job:
    """Compared first, so that what it changes is kept."""
    job = harness.checked(rows, action)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    return finish(harness, job)


def make(harness: Harness, count: int) -> Job:
    return finish(harness, harness.checked(gadgets(count), Action.CREATE))


def undo_of(
    harness: Harness,
    job: Job,
    rows: list[int] | None = None,
    fields: list[str] | None = None,
) -> Job:
    chosen = None if rows is None else RowRanges.of(rows)
    undone = undo.create(job, by=None, rows=chosen, fields=fields)
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


def test_update_is_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    before = contents(harness)
    rows = [
        {"external_id": f"g-{n}", "price": "100", "name": f"New {n}"} for n in (1, 3)
    ]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    assert contents(harness) != before

    undone = undo_of(harness, job)

    assert contents(harness) == before
    assert undone.counts["updated"] == 2


def test_undo_beside_an_earlier_open_job_sends_what_it_has_read(
    harness: Harness,
) -> None:
    """The earlier job may change any record until it ends, as an undo has no keys."""
    harness.object()
    make(harness, 3)
    before = contents(harness)
    earlier = harness.planned(gadgets(1, first=9), Action.CREATE)
    actions.pause(earlier, by=None)
    rows = [row | {"price": "100"} for row in gadgets(2)]
    created = gadgets(1, first=7)
    job = run(harness, rows + created, Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-2", price=77)

    undone = undo.create(job, by=None)
    harness.task_queue.run_all()
    actions.launch(undone, by=None)
    actions.cancel(earlier, by=None)
    harness.task_queue.run_all()

    assert outcomes(harness, undone) == [
        ("updated", ""),
        ("unchanged", "Kept"),
        ("deleted", ""),
    ]
    after = contents(harness)
    assert after.keys() == before.keys()
    assert after["g-1"] == before["g-1"]
    assert after["g-2"][1]["price"] == 77


def test_value_changed_since_is_kept(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    rows = [
        {"external_id": f"g-{n}", "price": "100", "name": f"New {n}"} for n in (1, 2)
    ]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-2", price=77)

    undo_of(harness, job)

    after = contents(harness)
    assert after["g-1"][0] == "Gadget 1"
    assert after["g-1"][1]["price"] == 1.5
    assert after["g-2"][0] == "Gadget 2"
    assert after["g-2"][1]["price"] == 77


def test_created_records_are_deleted_unless_changed(harness: Harness) -> None:
    harness.object()
    job = make(harness, 3)
    edit(harness, "g-2", price=77)

    undone = undo_of(harness, job)

    assert sorted(contents(harness)) == ["g-2"]
    assert outcomes(harness, undone) == [
        ("deleted", ""),
        ("unchanged", "Kept"),
        ("deleted", ""),
    ]


def test_deleted_records_are_created_again(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    before = contents(harness)
    rows = [{"external_id": key} for key in ("g-1", "g-2")]
    job = run(harness, rows, Action.DELETE_BY_EXTERNAL_ID)
    assert sorted(contents(harness)) == ["g-3"]

    undone = undo_of(harness, job)

    assert contents(harness) == before
    assert undone.counts["created"] == 2


def test_undo_of_an_undo_returns(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    rows = [{"external_id": "g-1", "price": "100"}]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    changed = contents(harness)
    undone = undo_of(harness, job)
    assert contents(harness) != changed

    undo_of(harness, undone)

    assert contents(harness) == changed


def test_what_a_later_job_wrote_or_found_is_kept(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2, 3)]
    first = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    later = [
        {"external_id": "g-1", "price": "200"},
        {"external_id": "g-2", "price": "100"},
    ]
    run(harness, later, Action.UPSERT_BY_EXTERNAL_ID)

    undo_of(harness, first)

    prices = {key: fields["price"] for key, (_, fields) in contents(harness).items()}
    assert prices == {"g-1": 200, "g-2": 100, "g-3": 3.5}


def test_claims_on_a_page_of_records_take_few_queries(harness: Harness) -> None:
    harness.object()
    first = make(harness, 100)
    rows = [{"external_id": f"g-{n}", "price": "7"} for n in range(1, 101)]
    later = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    ids = [record["id"] for record in harness.records().values()]

    with CaptureQueriesContext(connection) as queries:
        claims = LaterJobs(first).claims_of({each: [each] for each in ids})

    price = "custom_object_fields.price"
    assert [claims[each].of(price) for each in ids] == [later] * 100
    assert len(queries) == 7


def test_claim_of_a_later_job_ends_with_its_undo(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    before = contents(harness)
    first = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    second = run(
        harness, [{"external_id": "g-1", "price": "200"}], Action.UPSERT_BY_EXTERNAL_ID
    )

    undo_of(harness, second)
    undo_of(harness, first)

    assert contents(harness) == before


def test_claim_of_what_a_later_job_found_ends_with_its_undo(harness: Harness) -> None:
    """Its row for the record changed nothing, so it is no row of its undo."""
    harness.object()
    make(harness, 2)
    before = contents(harness)
    first = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    later = [
        {"external_id": "g-1", "price": "100"},
        {"external_id": "g-2", "price": "200"},
    ]
    second = run(harness, later, Action.UPSERT_BY_EXTERNAL_ID)

    undo_of(harness, second)
    undo_of(harness, first)

    assert contents(harness) == before


def test_claim_of_what_a_later_job_found_returns_with_a_second_undo(
    harness: Harness,
) -> None:
    harness.object()
    make(harness, 2)
    first = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    later = [
        {"external_id": "g-1", "price": "100"},
        {"external_id": "g-2", "price": "200"},
    ]
    second = run(harness, later, Action.UPSERT_BY_EXTERNAL_ID)
    undo_of(harness, undo_of(harness, second))

    undo_of(harness, first)

    assert contents(harness)["g-1"][1]["price"] == 100


def test_claim_ends_again_with_a_third_undo(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    before = contents(harness)
    first = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    later = [
        {"external_id": "g-1", "price": "100"},
        {"external_id": "g-2", "price": "200"},
    ]
    second = run(harness, later, Action.UPSERT_BY_EXTERNAL_ID)
    undo_of(harness, undo_of(harness, undo_of(harness, second)))

    undo_of(harness, first)

    assert contents(harness) == before


def test_claim_of_what_was_written_ends_again_with_a_third_undo(
    harness: Harness,
) -> None:
    harness.object()
    make(harness, 1)
    before = contents(harness)
    first = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    second = run(
        harness, [{"external_id": "g-1", "price": "200"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    undo_of(harness, undo_of(harness, undo_of(harness, second)))

    undo_of(harness, first)

    assert contents(harness) == before


def test_job_is_undone_again_after_its_undo_was_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    before = contents(harness)
    job = run(
        harness, [{"external_id": "g-1", "price": "100"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    undo_of(harness, undo_of(harness, job))

    undo_of(harness, job)

    assert contents(harness) == before


type Listed = dict[int, tuple[list[str], str]]
"""{row: (the values that are changed, what is kept and why)}."""


def lists(undone: Job) -> dict[str, Listed]:
    read = undo.current(undone)
    assert read is not None
    return {
        str(each): {
            found.row: (
                [value.name for value in found.compared.values]
                if found.compared.verdict is Verdict.CHANGE
                else [],
                reasons.sentences(found.reasons),
            )
            for found in undone_rows.page(read, each, size=1_000).entries
        }
        for each in UndoList
    }


def test_lists_are_exact_after_somebody_has_edited_records(harness: Harness) -> None:
    harness.object()
    harness.sandbox.add_records("gadget", list(map(record_of, gadgets(230))))
    before = contents(harness)
    new = [row | {"name": "New", "price": "9.25"} for row in gadgets(200)]
    update = run(harness, new, Action.UPSERT_BY_EXTERNAL_ID)
    create = finish(harness, harness.checked(gadgets(30, 231), Action.CREATE))
    keys = [{"external_id": row["external_id"]} for row in gadgets(30, 201)]
    delete = run(harness, keys, Action.DELETE_BY_EXTERNAL_ID)
    somebody = {"user": "26000000000002", "age": -60}
    price = {"custom_object_fields": {"price": 77}}
    prices = [{"external_id": f"g-{n}"} | price for n in (10, 110, 240)]
    both = {"external_id": "g-20", "name": "Edited"} | price
    filled = {"external_id": "g-250", "custom_object_fields": {"seats": 4}}
    harness.sandbox.edit_records("gadget", [*prices, both, filled], **somebody)
    harness.sandbox.delete_records("gadget", [{"external_id": "g-30"}], **somebody)
    taken = record_of(gadgets(1, 210)[0]) | {"name": "Another"}
    harness.sandbox.add_records("gadget", [taken])
    edited = contents(harness)

    undos = [undo_of(harness, job) for job in (delete, create, update)]

    changed = "Changed since by user 26000000000002:"
    values = ["name", "custom_object_fields.price"]
    restored: Listed = {
        row: (values, "") for row in range(2, 202) if row not in {21, 31}
    }
    restored |= {row: (["name"], f"{changed} Price.") for row in (11, 111)}
    others: Listed = {row: ([], "") for row in range(2, 32)}
    assert [lists(undone) for undone in undos] == [
        {
            "restored": {row: others[row] for row in others.keys() - {11}},
            "kept": {11: ([], "Another record has this external ID now.")},
            "impossible": {},
        },
        {
            "restored": {row: others[row] for row in others.keys() - {11, 21}},
            "kept": {
                11: ([], f"{changed} Price."),
                21: ([], "Other fields of the record were filled since."),
            },
            "impossible": {},
        },
        {
            "restored": restored,
            "kept": {21: ([], f"{changed} Name, Price.")},
            "impossible": {31: ([], "The record has been deleted since.")},
        },
    ]
    stays = {key: edited[key] for key in ("g-20", "g-210", "g-240", "g-250")}
    priced = {
        key: (before[key][0], before[key][1] | {"price": 77})
        for key in ("g-10", "g-110")
    }
    after = before | stays | priced
    assert contents(harness) == {key: after[key] for key in after.keys() - {"g-30"}}

    for undone in reversed(undos):
        undo_of(harness, undone)

    assert contents(harness) == edited


def test_only_records_that_the_job_has_changed_are_read(harness: Harness) -> None:
    harness.object()
    harness.sandbox.add_records("gadget", list(map(record_of, gadgets(300))))
    rows = gadgets(300)
    for index in (5, 150, 295):
        rows[index]["price"] = "9.25"
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    harness.sandbox.forget_requests()

    draft = undo.create(job, by=None)
    harness.task_queue.run_all()

    draft.refresh_from_db()
    assert draft.rows == 3
    assert harness.sandbox.requests()["records-by-id"] == 1
    assert lists(draft)["restored"] == {
        row: (["custom_object_fields.price"], "") for row in (7, 152, 297)
    }


def test_job_that_has_changed_nothing_is_not_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    job = run(harness, gadgets(2), Action.UPSERT_BY_EXTERNAL_ID)

    with pytest.raises(NotPossibleNow, match="has changed nothing"):
        undo.create(job, by=None)


def test_chosen_rows_are_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2, 3)]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)

    undo_of(harness, job, rows=[3])

    prices = {key: fields["price"] for key, (_, fields) in contents(harness).items()}
    assert prices == {"g-1": 100, "g-2": 2.5, "g-3": 100}


def test_job_without_images_cannot_be_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    rows = [{"external_id": "g-1", "price": "100"}]
    job = finish(harness, harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID))

    undone = undo.create(job, by=None)
    harness.task_queue.run_all()
    actions.launch(undone, by=None)
    harness.task_queue.run_all()

    assert outcomes(harness, undone) == [("failed", "CannotUndo")]
    assert contents(harness)["g-1"][1]["price"] == 100


def test_values_that_were_not_sent_are_not_counted_as_changed(harness: Harness) -> None:
    harness.object()
    make(harness, 101)
    rows = [{"external_id": f"g-{n}", "price": "500"} for n in range(1, 102)]
    job = harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID)
    comparisons.start(job, by=None)
    harness.task_queue.run_all()
    actions.launch(job, by=None, hold_after_first_batch=True)
    harness.task_queue.run_all()
    actions.cancel(job, by=None)
    harness.task_queue.run_all()

    job.refresh_from_db()
    changed = [(field.label, field.cells) for field in job_changes.changed_fields(job)]
    assert (job.state, job.cancelled) == (JobState.CANCELLED, 1)
    assert changed == [("Price", 100)]


def test_undo_waits_for_later_jobs(harness: Harness) -> None:
    harness.object()
    job = make(harness, 1)
    later = harness.checked(
        [{"external_id": "g-1", "price": "7"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    actions.launch(later, by=None)

    with pytest.raises(NotPossibleNow, match="has not ended"):
        undo.create(job, by=None)


def test_undo_is_read_again_after_a_later_job(harness: Harness) -> None:
    """A later job that found a value as its file says has sent nothing for it, so the record does
    not show that somebody counts on it."""
    harness.object()
    make(harness, 2)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2)]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    draft = undo.create(job, by=None)
    harness.task_queue.run_all()
    assert undo.obstacle(draft) == ""
    later = run(harness, rows[1:], Action.UPSERT_BY_EXTERNAL_ID)
    assert later.counts["unchanged"] == 1

    with pytest.raises(NotPossibleNow, match="Read again"):
        actions.launch(draft, by=None)

    undo.read_again(draft, by=None)
    harness.task_queue.run_all()
    finish(harness, draft)
    prices = {key: fields["price"] for key, (_, fields) in contents(harness).items()}
    assert prices == {"g-1": 1.5, "g-2": 100}


def test_undo_is_read_again_if_a_later_job_ended_during_the_read(
    harness: Harness,
) -> None:
    harness.object()
    make(harness, 2)
    rows = [{"external_id": "g-1", "price": "100"}]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    draft = undo.create(job, by=None)
    other = finish(harness, harness.checked(gadgets(1, first=9), Action.CREATE))
    read = undo.current(draft)
    assert read is not None
    assert read.state == ReadState.DONE

    assert other.state == JobState.COMPLETED
    assert undo.obstacle(draft) == undo.OUTDATED


def test_undo_of_a_program_waits_for_a_later_job_and_reads_again(
    harness: Harness,
) -> None:
    draft, later = undo_beside_a_later_job(harness)

    automation.advance(draft)
    draft.refresh_from_db()
    waiting = (draft.state, draft.is_in_progress, draft.reason)
    finish_open(harness, later)
    sweep.sweep()
    harness.task_queue.run_all()

    draft.refresh_from_db()
    assert waiting == (JobState.READY, True, undo.OPEN_JOB)
    assert (draft.state, draft.reason) == (JobState.COMPLETED, "")
    prices = {key: fields["price"] for key, (_, fields) in contents(harness).items()}
    assert prices == {"g-1": 1.5, "g-2": 7}


def test_undo_of_a_program_is_not_read_again_without_end(harness: Harness) -> None:
    draft, later = undo_beside_a_later_job(harness)
    finish_open(harness, later)
    created_at = draft.created_at - automation.MAX_READING
    Job.objects.filter(pk=draft.pk).update(created_at=created_at)

    automation.advance(draft)

    draft.refresh_from_db()
    assert (draft.state, draft.auto_target) == (JobState.READY, "")
    assert draft.reason == undo.OUTDATED


def undo_beside_a_later_job(harness: Harness) -> tuple[Job, Job]:
    """(a draft that is to be launched and whose records are read, a job that was launched
    meanwhile)."""
    harness.object()
    make(harness, 2)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2)]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    draft = undo.create(job, by=None)
    harness.task_queue.run_all()
    later = harness.checked(
        [{"external_id": "g-2", "price": "7"}], Action.UPSERT_BY_EXTERNAL_ID
    )
    actions.launch(later, by=None)
    Job.objects.filter(pk=draft.pk).update(auto_target=JobState.QUEUED)
    return draft, later


def finish_open(harness: Harness, job: Job) -> None:
    harness.task_queue.run_all()
    history_index.add(job)


def test_records_with_new_ids_are_followed(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    before = contents(harness)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2)]
    change = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    old_id = harness.records()["g-1"]["id"]
    deletion = run(harness, [{"external_id": "g-1"}], Action.DELETE_BY_EXTERNAL_ID)

    undo_of(harness, deletion)
    undo_of(harness, change)

    assert contents(harness) == before
    assert harness.records()["g-1"]["id"] != old_id


def test_external_id_taken_again_is_kept(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    deletion = run(harness, [{"external_id": "g-1"}], Action.DELETE_BY_EXTERNAL_ID)
    taken = [{**gadgets(1)[0], "name": "Another"}]
    finish(harness, harness.checked(taken, Action.CREATE))

    undone = undo_of(harness, deletion)

    assert outcomes(harness, undone) == [("unchanged", "Kept")]
    assert contents(harness)["g-1"][0] == "Another"


def test_chosen_fields_are_undone(harness: Harness) -> None:
    harness.object()
    make(harness, 2)
    rows = [
        {**gadgets(1)[0], "price": "100", "name": "New 1"},
        {**gadgets(2)[1], "name": "New 2"},
        {**gadgets(3)[2], "name": "New 3"},
    ]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)

    undone = undo_of(harness, job, fields=["name"])

    after = contents(harness)
    assert [after[key][0] for key in sorted(after)] == ["Gadget 1", "Gadget 2", "New 3"]
    assert after["g-1"][1]["price"] == 100
    assert undone.rows == 2
    assert undone.counts["updated"] == 2


def test_second_undo_takes_the_fields_that_are_left(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    before = contents(harness)
    rows = [{"external_id": "g-1", "price": "100", "name": "New 1"}]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)

    undo_of(harness, job, fields=["name"])
    undo_of(harness, job)

    assert contents(harness) == before


def test_rows_that_were_left_out_of_an_undo_stay(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2, 3)]
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    draft = undo.create(job, by=None)
    harness.task_queue.run_all()
    read = undo.current(draft)
    assert read is not None

    comparisons.leave_out(read, [3], is_left_out=True, by=None)
    planned = undone_rows.planned(read)
    undone = finish(harness, draft)

    done = undone_rows.done(undone, read)
    prices = {key: fields["price"] for key, (_, fields) in contents(harness).items()}
    assert planned.changes == done.changes == 2
    assert planned.left_out == done.left_out == 1
    assert done.impossible == 0
    assert prices == {"g-1": 1.5, "g-2": 100, "g-3": 3.5}


def test_rows_stay_left_out_when_the_records_are_read_again(harness: Harness) -> None:
    harness.object()
    make(harness, 3)
    rows = [{"external_id": f"g-{n}", "price": "100"} for n in (1, 2, 3)]
    rows[0]["name"] = "New 1"
    job = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    draft = undo.create(job, by=None)
    harness.task_queue.run_all()
    comparisons.leave_out(current(draft), [2, 4], is_left_out=True, by=None)
    planned = []

    for fields in (["name"], ["custom_object_fields.price"], None):
        undo.choose_fields(draft, fields, by=None)
        harness.task_queue.run_all()
        planned.append(undone_rows.planned(current(draft)))
    comparisons.leave_out(current(draft), [4], is_left_out=False, by=None)
    undo.read_again(draft, by=None)
    harness.task_queue.run_all()
    planned.append(undone_rows.planned(current(draft)))

    # The job has changed the name of the first row only.
    assert [(each.changes, each.left_out) for each in planned] == [
        (0, 1),
        (1, 2),
        (1, 2),
        (2, 1),
    ]


def test_choice_without_rows_is_not_launched(harness: Harness) -> None:
    harness.object()
    job = make(harness, 1)
    draft = undo.create(job, by=None, rows=RowRanges.of([7]))
    harness.task_queue.run_all()
    draft.refresh_from_db()

    with pytest.raises(NotPossibleNow, match="nothing in the chosen rows"):
        actions.launch(draft, by=None)


def test_reasons_name_later_jobs_and_fields_as_people_do(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    rows = [{"external_id": "g-1", "price": "100", "name": "New 1"}]
    first = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)
    later = run(harness, rows, Action.UPSERT_BY_EXTERNAL_ID)

    undone = undo_of(harness, first)

    [row] = harness.results(undone)
    launched = f"{later.created_at:%-d %b %Y, %H:%M} UTC"
    assert row["_error"] == (
        f"Name, Price are kept: a later job (rows.csv, launched {launched}) wrote them or "
        "found them so."
    )


def test_undo_with_failed_rows_is_not_retried(harness: Harness) -> None:
    harness.object()
    make(harness, 1)
    rows = [{"external_id": "g-1", "price": "100"}]
    job = finish(harness, harness.checked(rows, Action.UPSERT_BY_EXTERNAL_ID))
    undone = undo_of(harness, job)

    assert undone.failed == 1
    assert "retry" not in actions.may(undone)
    with pytest.raises(NotPossibleNow, match="nothing to retry"):
        retries.create_retry(undone, by=None)
