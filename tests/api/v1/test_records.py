"""The history of records, through the API."""

from typing import Any

import pytest

from jobsui.jobs.enums import Action
from tests.api.conftest import Program, Programs
from tests.harness import Harness
from tests.jobs.test_undo import make, run
from tests.web import stages


def history(program: Program, connection: Any, record: str) -> Any:
    path = f"/connections/{connection.code}/objects/gadget/record-history"
    return program.call("GET", f"{path}?record={record}")


def test_record_history_has_jobs_and_present_values(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    made = make(harness, 1)
    row = [{"external_id": "g-1", "price": "100"}]
    changed = run(harness, row, Action.UPSERT_BY_EXTERNAL_ID)
    record = harness.records()["g-1"]

    data = history(program("read"), harness.connection, "g-1").json()

    assert [item["job"] for item in data["items"]] == [
        str(changed.code),
        str(made.code),
    ]
    assert data["items"][0] == {
        "job": str(changed.code),
        "url": f"http://testserver/jobs/{changed.code}/",
        "row": 2,
        "at": data["items"][0]["at"],
        "by": None,
        "action": "update",
        "outcome": "updated",
        "record_id": record["id"],
        "note": None,
        "is_old_known": True,
        "changes": [{"field": "price", "old": "1.5", "new": "100"}],
    }
    assert data["items"][1]["is_old_known"] is False
    assert data["next"] is None
    assert data["problem"] is None
    assert data["now"]["id"] == record["id"]
    assert {"field": "price", "value": "100"} in data["now"]["values"]


def test_record_that_nothing_has_is_not_found(
    harness: Harness, program: Programs
) -> None:
    harness.object()

    data = history(program("read"), harness.connection, "g-9").json()

    assert data == {"items": [], "next": None, "now": None, "problem": None}


@pytest.mark.django_db
def test_account_that_cannot_be_read_is_a_problem(program: Programs) -> None:
    known = stages.gadget()

    data = history(program("read"), known.connection, "g-1").json()

    assert data["now"] is None
    assert data["problem"]
