"""Undoing jobs through the API."""

from typing import Any

import pytest

from jobsui.jobs.control import comparisons, undo
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.models import Job
from tests.api.conftest import Program, Programs
from tests.api.v1.test_rows import pages
from tests.harness import Harness
from tests.jobs.test_undo import contents, edit, finish, make, run
from tests.web import stages

UPSERT = Action.UPSERT_BY_EXTERNAL_ID


def changed(harness: Harness, count: int = 3) -> Job:
    """A compared job that has changed names and prices."""
    harness.object()
    make(harness, count)
    rows = [
        {"external_id": f"g-{n}", "name": f"New {n}", "price": "100"}
        for n in range(1, count + 1)
    ]
    return run(harness, rows, UPSERT)


def call(program: Program, method: str, job: Job, path: str, body: Any = None) -> Any:
    return program.call(method, f"/jobs/{job.code}{path}", body)


def planned(harness: Harness, program: Program, job: Job, **body: Any) -> Job:
    response = call(program, "POST", job, "/undo", body)
    assert response.status_code == 201, response.content
    harness.task_queue.run_all()
    return Job.objects.get(code=response.json()["id"])


def test_job_is_undone_and_launched(harness: Harness, program: Programs) -> None:
    runner = program("run")
    job = changed(harness)
    changed_to = contents(harness)

    response = call(runner, "POST", job, "/undo", {"launch": True})
    harness.task_queue.run_all()

    data = runner.call("GET", f"/jobs/{response.json()['id']}").json()
    prices = [fields["price"] for _, fields in contents(harness).values()]
    assert response.status_code == 201
    assert response.json()["state"] == "ready"
    assert data["parent"] == str(job.code)
    assert data["state"] == "completed"
    assert data["counts"]["updated"] == 3
    assert prices == [1.5, 2.5, 3.5]
    assert contents(harness) != changed_to


def test_undo_plan_says_what_is_put_back(harness: Harness, program: Programs) -> None:
    runner = program("run")
    job = changed(harness)
    edit(harness, "g-2", price=77)

    undone = planned(harness, runner, job)

    data = call(runner, "GET", undone, "/undo-plan").json()
    named = call(runner, "GET", undone, "").json()["undo_plan"]
    assert named == f"http://testserver/api/v1/jobs/{undone.code}/undo-plan"
    assert data == {
        "job": str(undone.code),
        "undoes": str(job.code),
        "state": "done",
        "reason": None,
        "created_at": data["created_at"],
        "started_at": data["started_at"],
        "finished_at": data["finished_at"],
        "rows": None,
        "fields": None,
        "pages": {"read": 1, "total": 1},
        "counts": {
            "change": 3,
            "create": 0,
            "delete": 0,
            "same": 0,
            "kept": 0,
            "impossible": 0,
            "left_out": 0,
        },
        "restored_cells": [
            {"field": "name", "cells": 3},
            {"field": "price", "cells": 2},
        ],
    }


def test_lists_of_an_undo_have_values_and_reasons(
    harness: Harness, program: Programs
) -> None:
    runner = program("run")
    job = changed(harness)
    later = run(harness, [{"external_id": "g-3", "price": "5"}], UPSERT)
    undone = planned(harness, runner, job, fields=["price"])
    ids = {key: record["id"] for key, record in harness.records().items()}

    restored = pages(runner, f"/jobs/{undone.code}/undo-plan/rows?limit=1")
    kept = pages(runner, f"/jobs/{undone.code}/undo-plan/rows?list=kept")

    rows = [row for page in restored for row in page]
    assert [row["row"] for row in rows] == [2, 3]
    assert rows[0] == {
        "row": 2,
        "key": "g-1",
        "record_id": ids["g-1"],
        "verdict": "change",
        "is_left_out": False,
        "changes": [{"field": "price", "old": "100", "new": "1.5"}],
        "reasons": [],
        "later_jobs": [],
    }
    [[row]] = kept
    launched = f"{later.created_at:%-d %b %Y, %H:%M} UTC"
    assert row["verdict"] == "kept"
    assert row["later_jobs"] == [str(later.code)]
    assert row["reasons"] == [
        f"Price is kept: a later job (rows.csv, launched {launched}) wrote it or found it "
        "so."
    ]


def test_chosen_rows_and_fields_are_undone(harness: Harness, program: Programs) -> None:
    runner = program("run")
    job = changed(harness, 4)

    undone = planned(harness, runner, job, rows=["2-3", 5], fields=["name"])
    finish(harness, undone)

    plan = call(runner, "GET", undone, "/undo-plan").json()
    after = contents(harness)
    names = [after[key][0] for key in sorted(after)]
    assert names == ["Gadget 1", "Gadget 2", "New 3", "Gadget 4"]
    assert [fields["price"] for _, fields in after.values()] == [100] * 4
    assert plan["rows"] == ["2-3", "5"]
    assert plan["fields"] == ["name"]
    assert plan["counts"]["change"] == 3


def test_rows_are_left_out_of_an_undo(harness: Harness, program: Programs) -> None:
    runner = program("run")
    undone = planned(harness, runner, changed(harness))

    call(runner, "POST", undone, "/undo-plan/rows", {"leave_out": [2, 3]})
    response = call(runner, "POST", undone, "/undo-plan/rows", {"take": [2]})
    finish(harness, undone)

    after = contents(harness)
    counts = call(runner, "GET", undone, "/undo-plan").json()["counts"]
    assert response.json()["counts"]["left_out"] == 1
    assert [after[key][0] for key in sorted(after)] == ["Gadget 1", "New 2", "Gadget 3"]
    assert counts["change"] == 2
    assert counts["left_out"] == 1
    assert counts["impossible"] == 0


@pytest.mark.parametrize(
    ("body", "where", "message"),
    [
        (
            {"fields": ["name", "colour"]},
            "body.fields.1",
            "is no field of the object",
        ),
        ({"rows": [2, "9-3"]}, "body.rows.1", "ends before it begins"),
    ],
)
def test_choice_that_cannot_be_is_refused(
    harness: Harness, program: Programs, body: Any, where: str, message: str
) -> None:
    job = changed(harness, 1)

    response = call(program("run"), "POST", job, "/undo", body)

    assert response.status_code == 422
    assert response.json()["errors"] == [{"where": where, "message": message}]
    assert not job.retries.exists()


def test_records_of_an_undo_are_read_again(harness: Harness, program: Programs) -> None:
    runner = program("run")
    undone = planned(harness, runner, changed(harness, 1))
    edit(harness, "g-1", price=77)

    again = call(runner, "POST", undone, "/undo-plan/read")
    harness.task_queue.run_all()

    cells = call(runner, "GET", undone, "/undo-plan").json()["restored_cells"]
    assert again.json()["state"] == "dividing"
    assert cells == [{"field": "name", "cells": 1}]


@pytest.mark.django_db
def test_job_that_undoes_nothing_has_no_undo_plan(program: Programs) -> None:
    job = stages.settled()

    response = call(program("read"), "GET", job, "/undo-plan")

    assert response.status_code == 404
    assert response.json()["detail"].startswith("This job undoes no other job.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"options": {"blank": "clear"}}),
        ("POST", "/compare", None),
        ("GET", "/undo-plan/rows", None),
    ],
)
def test_undo_that_is_read_has_no_steps_of_a_file(
    program: Programs, method: str, path: str, body: Any
) -> None:
    draft = undo.create(stages.settled(), by=None)

    response = call(program("run"), method, draft, path, body)

    draft.refresh_from_db()
    assert response.status_code == 409
    assert draft.state == JobState.READY
    assert comparisons.latest(draft) is None


@pytest.mark.django_db
def test_repeated_request_creates_one_undo(program: Programs) -> None:
    runner = program("run")
    job = stages.settled()
    path = f"/jobs/{job.code}/undo"

    first = runner.call("POST", path, {}, Idempotency_Key="u-1")
    again = runner.call("POST", path, {}, Idempotency_Key="u-1")

    assert first.json()["id"] == again.json()["id"]
    assert job.retries.count() == 1


def test_launch_of_an_undo_waits_for_its_records(
    harness: Harness, program: Programs
) -> None:
    runner = program("run")
    job = changed(harness, 1)
    draft = undo.create(job, by=None)

    launched = call(runner, "POST", draft, "/launch").json()
    harness.task_queue.run_all()

    draft.refresh_from_db()
    assert launched["state"] == "ready"
    assert draft.state == JobState.COMPLETED
    assert contents(harness)["g-1"][0] == "Gadget 1"
