"""The proof that a job has landed, through the API."""

from typing import Any

import pytest

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Job
from tests.api.conftest import Program, Programs
from tests.api.v1.test_rows import pages
from tests.harness import Harness, gadgets
from tests.jobs.test_undo import edit, make, run
from tests.web import stages

COUNTS = (
    "exact",
    "other_form",
    "altered",
    "changed_since",
    "gone",
    "still_there",
    "unknown",
)


def call(program: Program, method: str, job: Job, path: str) -> Any:
    return program.call(method, f"/jobs/{job.code}{path}")


def test_job_is_proved(harness: Harness, program: Programs) -> None:
    runner = program("run")
    harness.object()
    job = make(harness, 3)
    before = call(runner, "GET", job, "").json()["proof"]

    started = call(runner, "POST", job, "/proof")
    harness.task_queue.run_all()

    data = call(runner, "GET", job, "/proof").json()
    named = call(runner, "GET", job, "").json()["proof"]
    assert before is None
    assert named == f"http://testserver/api/v1/jobs/{job.code}/proof"
    assert started.status_code == 201
    assert started.json()["state"] == "dividing"
    assert data == {
        "job": str(job.code),
        "state": "done",
        "reason": None,
        "created_at": data["created_at"],
        "started_at": data["started_at"],
        "finished_at": data["finished_at"],
        "requests": 1,
        "pages": {"read": 1, "total": 1},
        "counts": dict.fromkeys(COUNTS, 0) | {"exact": 3},
        "differing_cells": [],
        "other_forms": [],
    }


def test_rows_that_have_not_landed_are_listed(
    harness: Harness, program: Programs
) -> None:
    runner = program("run")
    harness.object()
    job = make(harness, 4)
    row = [{"external_id": "g-2", "price": "77"}]
    later = run(harness, row, Action.UPSERT_BY_EXTERNAL_ID)
    edit(harness, "g-3", price=5)
    call(runner, "POST", job, "/proof")
    harness.task_queue.run_all()
    records = harness.records()

    listed = pages(runner, f"/jobs/{job.code}/proof/rows?limit=1")
    exact = pages(runner, f"/jobs/{job.code}/proof/rows?result=exact")

    rows = [row for page in listed for row in page]
    assert [row["row"] for row in rows] == [3, 4]
    assert rows[0] == {
        "row": 3,
        "key": "g-2",
        "record_id": records["g-2"]["id"],
        "result": rows[0]["result"],
        "differences": [{"field": "price", "sent": "2.5", "held": "77"}],
        "updated_at": records["g-2"]["updated_at"],
        "updated_by": records["g-2"]["updated_by_user_id"],
        "later_job": str(later.code),
    }
    assert rows[0]["result"] in {"altered", "changed_since"}
    assert rows[1]["later_job"] is None
    assert [row["row"] for page in exact for row in page] == [2, 5]


@pytest.mark.django_db
def test_job_that_was_not_proved_has_no_proof(program: Programs) -> None:
    job = stages.settled()

    response = call(program("read"), "GET", job, "/proof")

    assert response.status_code == 404
    assert response.json()["detail"] == (
        "This job was not proved. Start it: POST /api/v1/jobs/{id}/proof."
    )


@pytest.mark.django_db
def test_job_that_runs_is_not_proved(program: Programs) -> None:
    job = stages.planned()

    response = call(program("run"), "POST", job, "/proof")

    assert response.status_code == 409
    assert response.json()["detail"] == "Wait until the job has ended."


@pytest.mark.django_db
def test_rows_of_an_open_proof_are_refused(program: Programs) -> None:
    runner = program("run")
    job = stages.settled()
    call(runner, "POST", job, "/proof")

    response = call(runner, "GET", job, "/proof/rows")

    assert response.status_code == 409
    assert response.json()["detail"].startswith("The proof is not done.")


def test_reader_cannot_prove(harness: Harness, program: Programs) -> None:
    harness.object()
    job = harness.run(gadgets(1), Action.CREATE)

    response = call(program("read"), "POST", job, "/proof")

    assert response.status_code == 403
