import re
import time
from typing import Any

import pytest

from tests.sandbox.conftest import FIELDS, Api


def test_job_is_accepted_as_queued(api: Api) -> None:
    response = api.post_job("thing", "create", [{"name": "a"}, {"name": "b"}])

    status = response.json()["job_status"]
    assert response.status_code == 201
    assert re.fullmatch(r"V3-[0-9a-f]{32}", status["id"])
    assert status["status"] == "queued"
    assert status["total"] == 2
    assert status["progress"] is None
    assert status["results"] is None
    assert status["message"] is None
    slots = response.headers["zendesk-ratelimit-inflight-jobs"]
    assert slots == "total=30; remaining=29; resets=60"


def test_job_works_and_then_completes(api: Api) -> None:
    api.sandbox.settings(job_seconds=0.5)
    items = [{"name": str(number)} for number in range(100)]
    url = api.post_job("thing", "create", items).json()["job_status"]["url"]
    statuses: list[str] = []
    progress: list[int] = []

    while "completed" not in statuses:
        status = api.session.get(url, timeout=10).json()["job_status"]
        statuses.append(status["status"])
        progress.append(status["progress"] or 0)
        time.sleep(0.01)

    assert list(dict.fromkeys(statuses)) == ["queued", "working", "completed"]
    assert progress == sorted(progress)
    assert progress[-1] == 100


def test_create_makes_records(api: Api) -> None:
    fields = {"note": "Grüße", "count": 3, "colour": "red"}
    item = {"name": "One", "external_id": "1", "custom_object_fields": fields}

    [result] = api.run_job("thing", "create", [item])

    [record] = api.sandbox.records("thing")
    assert result == {
        "id": record["id"],
        "index": 0,
        "status": "Created",
        "external_id": "1",
    }
    assert record["name"] == "One"
    assert record["external_id"] == "1"
    assert record["custom_object_fields"] == fields


def test_update_changes_only_what_is_sent_and_null_clears(api: Api) -> None:
    fields = {"note": "old", "count": 3, "colour": "red"}
    before = {"name": "One", "external_id": "1", "custom_object_fields": fields}
    [record_id] = api.sandbox.add_records("thing", [before])
    changes = {"note": "new", "count": None}

    [result] = api.run_job(
        "thing", "update", [{"id": record_id, "custom_object_fields": changes}]
    )

    [record] = api.sandbox.records("thing")
    assert result == {
        "id": record_id,
        "index": 0,
        "status": "Updated",
        "external_id": "1",
    }
    assert record["name"] == "One"
    assert record["custom_object_fields"] == {
        "note": "new",
        "count": None,
        "colour": "red",
    }


def test_upsert_by_external_id_creates_and_updates(api: Api) -> None:
    api.sandbox.add_records("thing", [{"name": "One", "external_id": "1"}])
    items = [{"external_id": "1", "name": "Uno"}, {"external_id": "2", "name": "Dos"}]

    results = api.run_job("thing", "create_or_update_by_external_id", items)

    statuses = [result["status"] for result in results]
    assert statuses == ["CreateOrUpdate", "CreateOrUpdate"]
    records = api.sandbox.records("thing")
    names = {record["external_id"]: record["name"] for record in records}
    assert names == {"1": "Uno", "2": "Dos"}
    assert api.sandbox.applied("thing") == {"1": 1, "2": 1}


def test_upsert_by_name_needs_unique_names(api: Api) -> None:
    api.sandbox.make_object("plate", fields=FIELDS, name={"is_unique": True})
    items = [
        {"name": "B 1", "custom_object_fields": {"count": 1}},
        {"name": "B 1", "custom_object_fields": {"count": 2}},
    ]

    on_unique = api.run_job("plate", "create_or_update_by_name", items)
    on_other = api.run_job("thing", "create_or_update_by_name", items)

    statuses = [result["status"] for result in on_unique]
    assert statuses == ["CreateOrUpdate", "CreateOrUpdate"]
    [plate] = api.sandbox.records("plate")
    assert plate["custom_object_fields"]["count"] == 2
    assert [result["status"] for result in on_other] == ["Failed", "Failed"]
    assert api.sandbox.records("thing") == []


def test_delete_by_id_and_by_external_id(api: Api) -> None:
    ids = api.sandbox.add_records(
        "thing", [{"name": "One"}, {"name": "Two", "external_id": "2"}]
    )

    by_id = api.run_job("thing", "delete", [ids[0]])
    by_external_id = api.run_job("thing", "delete_by_external_id", ["2", "3"])

    gone = {"code": "CustomObjectRecordDeleteFailed", "title": "Record not found"}
    assert by_id == [{"id": ids[0], "index": 0, "status": "Deleted"}]
    assert by_external_id == [
        {"id": ids[1], "index": 0, "status": "Deleted", "external_id": "2"},
        {"index": 1, "status": "Failed", "errors": [gone], "external_id": "3"},
    ]
    assert api.sandbox.records("thing") == []
    assert api.sandbox.applied("thing") == {"One": 1, "2": 1}


def test_items_fail_alone(api: Api) -> None:
    items = [
        {"name": "good", "external_id": "1"},
        {"name": "unknown field", "custom_object_fields": {"size": 1}},
        {"name": "bad option", "custom_object_fields": {"colour": "Red"}},
        {"name": " "},
        {"name": "taken", "external_id": "1"},
        "not an object",
    ]

    results = api.run_job("thing", "create", items)

    errors = [result["errors"] for result in results[1:]]
    assert [error["detail"] for [error] in errors] == [
        "size: is not a field of thing",
        "Colour: Red is not an option",
        "Name: cannot be blank",
        "External ID already exists. Try another one.",
        "The item must be an object",
    ]
    assert results[0]["status"] == "Created"
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4, 5]
    assert [each["name"] for each in api.sandbox.records("thing")] == ["good"]


def test_autonumbered_names_are_made_and_not_taken(api: Api) -> None:
    rules = {
        "autoincrement_enabled": True,
        "autoincrement_prefix": "T-",
        "autoincrement_padding": 4,
    }
    api.sandbox.make_object("ticket", name=rules)

    items = [{"external_id": "a"}, {"name": "mine"}, {"external_id": "b"}]

    results = api.run_job("ticket", "create", items)

    assert [result["status"] for result in results] == ["Created", "Failed", "Created"]
    names = [record["name"] for record in api.sandbox.records("ticket")]
    assert names == ["T-0001", "T-0002"]


def test_unique_names_are_kept_unique(api: Api) -> None:
    api.sandbox.make_object("plate", name={"is_unique": True})

    results = api.run_job("plate", "create", [{"name": "B 1"}, {"name": "B 1"}])

    assert results[1]["errors"] == [
        {
            "title": "Record validation errors",
            "detail": "Name already exists. Try another one.",
        }
    ]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "job is missing"),
        ({"job": []}, "job must be an object"),
        ({"job": {"action": "destroy", "items": []}}, "job.action must be one of"),
        ({"job": {"action": "create", "items": {}}}, "job.items must be an array"),
        ({"job": {"action": "create", "items": []}}, "job.items must not be empty"),
        (
            {"job": {"action": "create", "items": [{}] * 101}},
            "job.items must have at most 100 items",
        ),
    ],
)
def test_malformed_job_is_refused(api: Api, body: Any, complaint: str) -> None:
    response = api.call("POST", "/api/v2/custom_objects/thing/jobs", body)

    assert response.status_code == 400
    assert response.json()["error"]["title"] == "Invalid attribute"
    assert f"Invalid parameter: {complaint}" in response.json()["error"]["message"]


def test_job_for_unknown_object_is_refused(api: Api) -> None:
    response = api.post_job("nothing", "create", [{"name": "a"}])

    assert response.status_code == 404
    assert response.json() == {"error": "RecordNotFound", "description": "Not found"}


def test_job_slots_are_limited(api: Api) -> None:
    api.sandbox.settings(job_seconds=30, max_running_jobs=3, other_jobs=1)

    responses = [api.post_job("thing", "create", [{"name": "a"}]) for _ in range(3)]

    assert [response.status_code for response in responses] == [201, 201, 429]
    refusal = responses[2].json()
    assert refusal["error"] == "TooManyJobs"
    assert len(refusal["current_job_ids"]) == 3
    slots = responses[2].headers["zendesk-ratelimit-inflight-jobs"]
    assert slots == "total=3; remaining=0; resets=60"


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_statuses_are_shown_alone_together_and_listed(api: Api, suffix: str) -> None:
    ids = [api.start_job("thing", "create", [{"name": "a"}]) for _ in range(3)]
    finished = [api.wait_for(each) for each in ids]

    one = api.get(f"/api/v2/job_statuses/{ids[0]}{suffix}")["job_status"]
    many = api.get(
        f"/api/v2/job_statuses/show_many{suffix}",
        ids=",".join([*ids[:2], "V3-unknown"]),
    )["job_statuses"]
    listed = api.get(f"/api/v2/job_statuses{suffix}", **{"page[size]": 2})

    assert one == finished[0]
    assert many == finished[:2]
    assert listed["job_statuses"] == [finished[2], finished[1]]
    assert listed["meta"]["has_more"] is True
    following = api.session.get(listed["links"]["next"], timeout=10).json()
    assert following["job_statuses"] == [finished[0]]
    assert following["links"]["next"] is None


def test_running_jobs_are_listed_first(api: Api) -> None:
    done = api.start_job("thing", "create", [{"name": "a"}])
    api.wait_for(done)
    api.sandbox.settings(job_seconds=30)
    running = api.start_job("thing", "create", [{"name": "b"}])

    listed = api.get("/api/v2/job_statuses")["job_statuses"]

    assert [each["id"] for each in listed] == [running, done]


def test_statuses_are_forgotten_after_their_time(api: Api) -> None:
    job_id = api.start_job("thing", "create", [{"name": "a"}])
    api.wait_for(job_id)

    api.sandbox.settings(status_seconds=0)

    assert api.status_of("GET", f"/api/v2/job_statuses/{job_id}") == 404
    assert api.get("/api/v2/job_statuses")["job_statuses"] == []
    assert len(api.sandbox.records("thing")) == 1


def test_show_many_takes_up_to_100_ids(api: Api) -> None:
    ids = ",".join(f"V3-{number:032x}" for number in range(101))

    path = "/api/v2/job_statuses/show_many"

    assert api.status_of("GET", path, params={"ids": ids}) == 400


def test_job_fails_when_its_object_is_deleted_meanwhile(api: Api) -> None:
    api.sandbox.settings(job_seconds=0.2)
    job_id = api.start_job("thing", "create", [{"name": "a"}])
    api.call("DELETE", "/api/v2/custom_objects/thing")

    status = api.wait_for(job_id)

    assert status["status"] == "failed"
    assert status["results"] == []
