from typing import Any

import pytest

from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.live import history_index
from jobsui.jobs.models import Job, RecordRead
from tests.api.conftest import Program, Programs
from tests.api.v1.test_rows import pages
from tests.harness import Harness, gadgets
from tests.web import stages

UPSERT = Action.UPSERT_BY_EXTERNAL_ID
COUNTS = (
    "same",
    "change",
    "create",
    "delete",
    "missing",
    "ambiguous",
    "unknown",
    "kept",
    "without_key",
    "gone",
)


@pytest.fixture
def account(harness: Harness) -> Harness:
    """With the gadgets 1 to 3."""
    harness.object()
    harness.run(gadgets(3), Action.CREATE)
    return harness


def different() -> list[dict[str, Any]]:
    """Of five gadgets two are new, and one has another price and another name."""
    rows = gadgets(5)
    rows[1] |= {"name": "Other", "price": "7"}
    return rows


def call(program: Program, method: str, job: Job, path: str) -> Any:
    return program.call(method, f"/jobs/{job.code}{path}")


def test_ready_job_is_compared(account: Harness, program: Programs) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)

    started = call(runner, "POST", job, "/compare")
    account.task_queue.run_all()

    data = call(runner, "GET", job, "/comparison").json()
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
        "counts": dict.fromkeys(COUNTS, 0) | {"same": 2, "change": 1, "create": 2},
        "changed_cells": [
            {"field": "name", "cells": 1, "blank": 0},
            {"field": "price", "cells": 1, "blank": 0},
        ],
        "only_in_account": None,
    }
    assert data["started_at"] <= data["finished_at"]


def test_compared_rows_are_listed(account: Harness, program: Programs) -> None:
    runner = program("run")
    ids = {key: record["id"] for key, record in account.records().items()}
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()
    comparison = RecordRead.objects.get(job=job)
    comparisons.leave_out(comparison, [3], is_left_out=True, by=None)

    listed = pages(runner, f"/jobs/{job.code}/comparison/rows?limit=2")

    same = {"verdict": "same", "is_left_out": False, "changes": []}
    assert [len(page) for page in listed] == [2, 2, 1]
    rows = [row for page in listed for row in page]
    assert rows[:4] == [
        {"row": 2, "key": "g-1", "record_id": ids["g-1"], **same},
        {
            "row": 3,
            "key": "g-2",
            "record_id": ids["g-2"],
            "verdict": "change",
            "is_left_out": True,
            "changes": [
                {"field": "name", "old": "Gadget 2", "new": "Other"},
                {"field": "price", "old": "2.5", "new": "7"},
            ],
        },
        {"row": 4, "key": "g-3", "record_id": ids["g-3"], **same},
        {
            "row": 5,
            "key": "g-4",
            "record_id": None,
            "verdict": "create",
            "is_left_out": False,
            "changes": [
                {"field": "name", "old": None, "new": "Gadget 4"},
                {"field": "serial", "old": None, "new": "AB-000004"},
                {"field": "price", "old": None, "new": "4.5"},
            ],
        },
    ]


def test_compared_rows_are_filtered_by_verdict(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()

    listed = pages(runner, f"/jobs/{job.code}/comparison/rows?verdict=create")

    assert [[row["key"] for row in page] for page in listed] == [["g-4", "g-5"]]


def test_plan_of_a_compared_job_is_downloaded(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    ids = {key: record["id"] for key, record in account.records().items()}
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    unfinished = call(runner, "GET", job, "/plan.csv")
    account.task_queue.run_all()

    response = call(runner, "GET", job, "/plan.csv")

    text = b"".join(response.streaming_content).decode("utf-8-sig")
    assert unfinished.status_code == 409
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert text.splitlines() == [
        "row,key,record_id,action,field,old,new",
        f"3,g-2,{ids['g-2']},update,name,Gadget 2,Other",
        f"3,g-2,{ids['g-2']},update,price,2.5,7",
        "5,g-4,,create,,,",
        "6,g-5,,create,,,",
    ]


def test_job_names_its_comparison(account: Harness, program: Programs) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    before = call(runner, "GET", job, "").json()["comparison"]
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()

    call(runner, "POST", job, "/launch")
    account.task_queue.run_all()

    after = call(runner, "GET", job, "").json()
    assert before is None
    assert after["comparison"] == (
        f"http://testserver/api/v1/jobs/{job.code}/comparison"
    )
    assert after["state"] == "completed"
    assert after["counts"]["unchanged"] == 2
    assert after["counts"]["updated"] == 1
    assert after["counts"]["created"] == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/comparison"),
        ("GET", "/comparison/rows"),
        ("GET", "/plan.csv"),
        ("DELETE", "/comparison"),
        ("POST", "/compare/cancel"),
    ],
)
def test_job_without_a_comparison_has_none(
    account: Harness, program: Programs, method: str, path: str
) -> None:
    job = account.checked(different(), UPSERT)

    response = call(program("run"), method, job, path)

    assert response.status_code == 404
    assert response.json()["detail"] == (
        "This job has no comparison of its present rows. "
        "Start one: POST /api/v1/jobs/{id}/compare."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stage", "action", "detail"),
    [
        (
            stages.draft,
            UPSERT,
            "Check the rows first: only valid rows are compared.",
        ),
        (
            stages.checked,
            Action.CREATE,
            "New records have no record in Zendesk to be compared with.",
        ),
    ],
)
def test_comparison_that_is_not_possible_is_refused(
    program: Programs, stage: Any, action: Action, detail: str
) -> None:
    content = "external_id,name,serial\ng-1,One,AB-000001\n"
    job = stage(content, action)

    response = call(program("run"), "POST", job, "/compare")

    assert response.status_code == 409
    assert response.json()["detail"] == detail


def test_second_comparison_waits_for_the_first(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")

    response = call(runner, "POST", job, "/compare")

    assert response.status_code == 409
    assert response.json()["detail"] == "The records are being read already."


def test_comparison_is_cancelled(account: Harness, program: Programs) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")

    cancelled = call(runner, "POST", job, "/compare/cancel")
    again = call(runner, "POST", job, "/compare/cancel")

    assert cancelled.status_code == 200
    assert cancelled.json()["state"] == "cancelled"
    assert again.status_code == 409
    assert again.json()["detail"] == "The comparison has ended already."


def test_job_without_its_comparison_sends_all_rows(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()

    deleted = call(runner, "DELETE", job, "/comparison")
    call(runner, "POST", job, "/launch")
    account.task_queue.run_all()

    counts = call(runner, "GET", job, "").json()["counts"]
    assert deleted.status_code == 204
    assert counts["created_or_updated"] == 5


def test_comparison_of_a_launched_job_stays(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()
    call(runner, "POST", job, "/launch")

    response = call(runner, "DELETE", job, "/comparison")

    assert response.status_code == 409
    assert response.json()["detail"] == "This job was already launched."
    assert RecordRead.objects.filter(job=job).count() == 1


def test_launch_waits_for_the_comparison(account: Harness, program: Programs) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")

    launched = call(runner, "POST", job, "/launch").json()
    account.task_queue.run_all()

    job.refresh_from_db()
    assert launched["state"] == "ready"
    assert job.state == JobState.COMPLETED
    assert job.unchanged == 2


def test_cancelled_comparison_prevents_the_launch(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    call(runner, "POST", job, "/launch")

    call(runner, "POST", job, "/compare/cancel")
    account.task_queue.run_all()

    data = call(runner, "GET", job, "").json()
    assert data["state"] == "ready"
    assert data["error"] == (
        "The rows were not compared with their records in Zendesk. "
        "The comparison was cancelled. "
        "Compare them again, or launch the job to send all rows."
    )


def test_reader_cannot_compare(account: Harness, program: Programs) -> None:
    job = account.checked(different(), UPSERT)

    response = call(program("read"), "POST", job, "/compare")

    assert response.status_code == 403
    assert comparisons.current(job) is None


def test_rows_of_a_compared_job_are_left_out(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = account.checked(different(), UPSERT)
    call(runner, "POST", job, "/compare")
    account.task_queue.run_all()
    path = f"/jobs/{job.code}/comparison/rows"

    runner.call("POST", path, {"leave_out": [2, 3, 5]})
    chosen = runner.call("POST", path, {"take": [3]})
    call(runner, "POST", job, "/launch")
    account.task_queue.run_all()

    job.refresh_from_db()
    assert chosen.status_code == 200
    assert job.updated == 1
    assert job.created == 1
    assert job.cancelled == 1
    assert job.unchanged == 2


def matching_job(account: Harness, runner: Program, **match: Any) -> Any:
    """Created with the gadgets 1 and 2 to be launched, run as far as it goes, and read."""
    response = runner.call(
        "POST",
        "/jobs",
        {
            "connection": str(account.connection.code),
            "object": "gadget",
            "action": str(UPSERT),
            "items": gadgets(2),
            "options": {"match": match},
            "launch": True,
        },
    )
    assert response.status_code == 201, response.json()
    account.task_queue.run_all()
    return runner.call("GET", f"/jobs/{response.json()['id']}").json()


def test_program_makes_the_account_match(account: Harness, program: Programs) -> None:
    runner = program("run")

    job = matching_job(account, runner, only_in_account="delete", max_percent=50)

    path = f"/jobs/{job['id']}"
    rows = runner.call("GET", f"{path}/rows").json()["items"]
    batches = runner.call("GET", f"{path}/batches").json()["items"]
    assert job["state"] == "completed"
    assert job["counts"]["unchanged"] == 2
    assert job["counts"]["deleted"] == 1
    assert job["counts"]["rows"] == 3
    assert [(row["row"], row["outcome"]) for row in rows] == [
        (1, "unchanged"),
        (2, "unchanged"),
        (None, "deleted"),
    ]
    assert [(batch["first_row"], batch["last_row"]) for batch in batches] == [
        (1, 2),
        (None, None),
    ]
    assert account.records().keys() == {"g-1", "g-2"}


def test_records_that_only_the_account_had_have_no_row_number(
    account: Harness, program: Programs
) -> None:
    runner = program("run")
    job = matching_job(account, runner, only_in_account="delete", max_percent=50)
    history_index.add(Job.objects.get(code=job["id"]))
    path = f"/jobs/{job['id']}"

    runner.call("POST", f"{path}/proof")
    undone = runner.call("POST", f"{path}/undo").json()
    account.task_queue.run_all()

    lists = {
        "proof": f"{path}/proof/rows?result=exact",
        "undo": f"/jobs/{undone['id']}/undo-plan/rows",
        "history": f"/connections/{account.connection.code}/objects/gadget/"
        "record-history?record=g-3",
    }
    rows = {
        name: runner.call("GET", address).json()["items"]
        for name, address in lists.items()
    }
    assert [(row["row"], row["key"]) for row in rows["proof"]] == [
        (1, "g-1"),
        (2, "g-2"),
        (None, "g-3"),
    ]
    assert [(row["row"], row["key"]) for row in rows["undo"]] == [(None, "g-3")]
    assert [(row["row"], row["outcome"]) for row in rows["history"]] == [
        (None, "deleted"),
        (4, "created"),
    ]


def test_limit_stops_a_program_that_would_delete(
    account: Harness, program: Programs
) -> None:
    runner = program("run")

    job = matching_job(account, runner, only_in_account="delete")

    path = f"/jobs/{job['id']}"
    comparison = runner.call("GET", f"{path}/comparison").json()
    rows = runner.call("GET", f"{path}/comparison/rows?verdict=delete").json()["items"]
    plan = runner.call("GET", f"{path}/plan.csv").getvalue().decode()
    reason = "1 record of 3 would be deleted, 33.3 %. The limit is 2 %."
    assert job["state"] == "ready"
    assert job["error"] == f"No record can be deleted. {reason}"
    assert comparison["counts"]["delete"] == 1
    assert comparison["only_in_account"] == {
        "listed": 3,
        "to_delete": 1,
        "reasons_against": [reason],
        "not_caught_up": None,
    }
    assert [(row["row"], row["key"]) for row in rows] == [(None, "g-3")]
    assert plan.splitlines()[1].startswith(",g-3,")
    assert len(account.records()) == 3


def test_match_is_refused_for_other_actions(
    account: Harness, program: Programs
) -> None:
    body = {
        "connection": str(account.connection.code),
        "object": "gadget",
        "action": "update",
        "items": [{"id": "1"}],
        "options": {"match": {}},
    }

    response = program("run").call("POST", "/jobs", body)

    assert response.status_code == 422
    assert "external ID" in response.text
