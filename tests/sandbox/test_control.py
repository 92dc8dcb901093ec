import time

import pytest
import requests

from tests.sandbox.conftest import Api


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
