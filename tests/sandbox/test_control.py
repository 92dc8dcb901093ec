import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import Api
from tests.sandbox_server import start

RECORDS = "/api/v2/custom_objects/thing/records"
ADMIN = "26000000000001"
ANN = "26000000000002"


def users_of(record: dict[str, Any]) -> tuple[str, str]:
    """Who created a record, and who changed it last."""
    return record["created_by_user_id"], record["updated_by_user_id"]


def test_log_shows_requests_and_statuses(api: Api) -> None:
    api.call("GET", "/api/v2/custom_objects/nothing", params={"a": "b"})

    [entry] = api.sandbox.log()

    del entry["time"]
    assert entry == {
        "method": "GET",
        "path": "/api/v2/custom_objects/nothing",
        "query": {"a": "b"},
        "status": 404,
        "faults": [],
    }


def test_log_since_a_time_leaves_out_what_was_before(api: Api) -> None:
    api.call("GET", "/api/v2/custom_objects/early")
    [early] = api.sandbox.log()
    api.call("GET", "/api/v2/custom_objects/late")

    later = api.sandbox.seen("log", since=str(early["time"]))["requests"]

    assert [entry["path"] for entry in later] == ["/api/v2/custom_objects/late"]


def test_jobs_show_when_they_were_accepted_and_ended(api: Api) -> None:
    begun = time.time()
    api.run_job("thing", "create", [{"name": "One"}])

    [job] = api.sandbox.jobs()

    assert begun <= job["accepted_at"] < job["ended_at"] <= time.time()


def test_jobs_show_their_results_on_request(api: Api) -> None:
    results = api.run_job("thing", "create", [{"name": "One"}, {}])

    [job] = api.sandbox.jobs()

    assert job["object"] == "thing"
    assert job["action"] == "create"
    assert job["status"] == "completed"
    assert job["total"] == 2
    assert job["failed_items"] == 1
    assert api.sandbox.seen("jobs", results="true")["jobs"][0]["results"] == results


def test_seeded_records_are_not_counted_as_applied(api: Api) -> None:
    api.sandbox.add_records("thing", [{"name": "One", "external_id": "1"}])
    api.run_job(
        "thing",
        "create_or_update_by_external_id",
        [{"external_id": "1", "name": "Uno"}] * 2,
    )

    assert api.sandbox.applied("thing") == {"1": 2}


def test_reset_leaves_nothing(api: Api) -> None:
    api.run_job("thing", "create", [{"name": "One"}])
    api.sandbox.settings(job_seconds=5)
    api.sandbox.faults(slow=1)

    api.sandbox.reset()

    assert api.sandbox.seen("settings")["job_seconds"] == 0.05
    assert api.sandbox.seen("faults")["faults"] == {}
    assert api.sandbox.jobs() == []
    assert api.sandbox.log() == []
    assert api.get("/api/v2/custom_objects")["custom_objects"] == []


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("settings", {"speed": 1}, "There is no setting speed."),
        ("settings", {"job_seconds": "fast"}, "job_seconds can't be 'fast'."),
        ("settings", {"job_seconds": -1}, "job_seconds can't be -1."),
        ("settings", {"custom_objects": 1}, "custom_objects can't be 1."),
        ("faults", {"rain": 1}, "There is no fault rain."),
        (
            "records",
            {"object": "nothing", "records": []},
            "There is no object nothing.",
        ),
    ],
)
def test_invalid_command_is_refused_with_a_reason(
    api: Api, path: str, body: dict[str, object], complaint: str
) -> None:
    response = requests.post(f"{api.sandbox.url}/sandbox/{path}", json=body, timeout=10)

    assert response.status_code == 400
    assert response.json()["error"].startswith(complaint)


def test_unknown_command_is_refused_with_the_known_ones(api: Api) -> None:
    response = requests.get(f"{api.sandbox.url}/sandbox/nothing", timeout=10)

    assert response.status_code == 404
    assert "POST /sandbox/faults" in response.json()["error"]


def test_record_names_the_user_of_the_credentials(api: Api) -> None:
    [result] = api.run_job("thing", "create", [{"name": "One"}])

    shown = api.get(f"{RECORDS}/{result['id']}")["custom_object_record"]

    assert users_of(shown) == (ADMIN, ADMIN)
    assert str(api.get("/api/v2/users/me")["user"]["id"]) == ADMIN


def test_record_of_another_user_is_changed_by_a_job(api: Api) -> None:
    [record_id] = api.sandbox.add_records("thing", [{"name": "One"}], user=ANN)
    [before] = api.sandbox.records("thing")

    api.run_job("thing", "update", [{"id": record_id, "name": "Uno"}])

    [after] = api.sandbox.records("thing")
    assert users_of(before) == (ANN, ANN)
    assert users_of(after) == (ANN, ADMIN)


def test_edit_of_another_user_changes_what_it_names(api: Api) -> None:
    values = {"note": "a", "count": 1}
    record = {"name": "One", "external_id": "1", "custom_object_fields": values}
    api.sandbox.add_records("thing", [record])
    edit = {"external_id": "1", "custom_object_fields": {"note": "b"}}

    api.sandbox.edit_records("thing", [edit], user=ANN, age=60)

    [shown] = api.sandbox.records("thing")
    assert shown["name"] == "One"
    assert shown["custom_object_fields"]["note"] == "b"
    assert shown["custom_object_fields"]["count"] == 1
    assert users_of(shown) == (ADMIN, ANN)
    age = time.time() - datetime.fromisoformat(shown["updated_at"]).timestamp()
    assert 60 <= age < 65
    assert api.sandbox.applied("thing") == {"1": 0}


def test_edit_can_lie_in_the_future(api: Api) -> None:
    [record_id] = api.sandbox.add_records("thing", [{"name": "One"}])

    api.sandbox.edit_records("thing", [{"id": record_id, "name": "Uno"}], age=-60)

    [shown] = api.sandbox.records("thing")
    assert datetime.fromisoformat(shown["updated_at"]).timestamp() > time.time() + 50


def test_deletion_of_another_user_is_in_the_export(api: Api) -> None:
    record = {"name": "One", "external_id": "1"}
    api.sandbox.add_records("thing", [record])

    api.sandbox.delete_records("thing", [{"external_id": "1"}], user=ANN)

    path = "/api/v2/incremental/custom_objects/thing/cursor"
    start = int(time.time()) - 120
    [exported] = api.get(path, start_time=start)["custom_object_records"]
    assert api.sandbox.records("thing") == []
    assert users_of(exported) == (ADMIN, ANN)
    assert api.sandbox.applied("thing") == {"1": 0}


@pytest.mark.parametrize("path", ["edits", "deletions"])
def test_record_that_does_not_exist_is_refused(api: Api, path: str) -> None:
    body = {"object": "thing", "records": [{"external_id": "1"}]}

    response = requests.post(f"{api.sandbox.url}/sandbox/{path}", json=body, timeout=10)

    assert response.status_code == 400
    assert response.json() == {"error": "There is no record {'external_id': '1'}."}


def test_users_of_records_survive_a_restart(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": tmp_path / "sandbox.jsonl", "job_seconds": 0}
    first = start(**options)
    first.make_object("thing")
    records = [{"name": name, "external_id": name} for name in ("One", "Two", "Three")]
    first.add_records("thing", records)
    first.edit_records("thing", [{"external_id": "One", "name": "Uno"}], user=ANN)
    first.add_records("thing", [{"name": "Four"}], user=ANN)
    before = first.records("thing")
    first.stop()

    second = start(**options)

    after = second.records("thing")
    second.stop()
    assert [users_of(record) for record in before] == [
        (ADMIN, ANN),
        (ADMIN, ADMIN),
        (ADMIN, ADMIN),
        (ANN, ANN),
    ]
    assert without_urls(after) == without_urls(before)


def without_urls(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The two sandboxes listen on different ports."""
    return [record | {"url": ""} for record in records]


def test_hidden_records_are_not_shown_but_changed(api: Api) -> None:
    records = [{"name": name, "external_id": name} for name in ("One", "Two")]
    first, second = api.sandbox.add_records("thing", records)
    api.sandbox.hide_records("thing", [{"id": first}])

    listed = api.get(RECORDS, **{"filter[external_ids]": "One,Two"})
    found = api.call("POST", f"{RECORDS}/search", {"filter": {}}).json()
    [result] = api.run_job("thing", "update", [{"id": first, "name": "Uno"}])

    for page in (listed, found):
        shown = [record["id"] for record in page["custom_object_records"]]
        assert shown == [second]
    assert api.status_of("GET", f"{RECORDS}/{first}") == 404
    assert result["status"] == "Updated"
    api.sandbox.hide_records("thing", [])
    assert read_name(api, first) == "Uno"


def read_name(api: Api, record_id: str) -> Any:
    return api.get(f"{RECORDS}/{record_id}")["custom_object_record"]["name"]


def test_requests_are_counted_by_kind(api: Api) -> None:
    [record_id] = api.sandbox.add_records(
        "thing", [{"name": "One", "external_id": "1"}]
    )
    api.sandbox.forget_requests()

    api.get(RECORDS)
    api.get(RECORDS, **{"filter[ids]": record_id})
    for _ in range(2):
        api.get(RECORDS, **{"filter[external_ids]": "1,2"})
    api.get(f"{RECORDS}/{record_id}")
    api.call("POST", f"{RECORDS}/search", {"filter": {"external_id": {"$eq": "1"}}})
    job = api.start_job("thing", "create", [{"name": "Two"}])
    api.get("/api/v2/job_statuses/show_many", ids=job)
    api.get("/api/v2/users/me")

    assert api.sandbox.requests() == {
        "records-list": 1,
        "records-by-id": 1,
        "records-by-external-id": 2,
        "record": 1,
        "search": 1,
        "jobs": 1,
        "job-statuses": 1,
        "others": 1,
    }


def test_trigger_sets_values_in_records_of_jobs(api: Api) -> None:
    api.sandbox.assume(trigger="fires", trigger_user="system")
    api.sandbox.settings(trigger_values={"note": "by a trigger", "nothing": 1})

    api.run_job("thing", "create", [{"name": "One"}])

    [shown] = api.sandbox.records("thing")
    assert shown["custom_object_fields"]["note"] == "by a trigger"
    assert users_of(shown) == (ADMIN, "-1")
