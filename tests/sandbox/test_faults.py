import time
from typing import Any

import pytest
import requests

from tests.sandbox.conftest import FIELDS, OPTIONS, Api

EXPORT = "/api/v2/incremental/custom_objects/thing/cursor"
EVERY_FIELD: list[dict[str, Any]] = [
    *FIELDS,
    {"key": "weight", "type": "decimal"},
    {"key": "done", "type": "checkbox"},
    {"key": "day", "type": "date"},
    {"key": "shades", "type": "multiselect", "custom_field_options": OPTIONS},
]
SENT: dict[str, Any] = {
    "note": "a",
    "count": 7,
    "weight": 1.5,
    "done": True,
    "day": "2026-01-31",
    "colour": "red",
    "shades": ["red", "blue"],
}
ITEMS = [{"name": f"Thing {number}", "external_id": str(number)} for number in range(4)]


def every_field_items(number: int) -> list[dict[str, Any]]:
    return [
        {"external_id": str(each), "name": "Thing", "custom_object_fields": SENT}
        for each in range(number)
    ]


def run(api: Api, items: list[Any] = ITEMS) -> dict[str, Any]:
    """The final status of a job that creates these items."""
    return api.wait_for(api.start_job("thing", "create", items))


@pytest.mark.parametrize(
    ("fault", "applied"), [("drop_before_accept", 0), ("drop_after_accept", 4)]
)
def test_dropped_connection_gives_no_response(
    api: Api, fault: str, applied: int
) -> None:
    api.sandbox.faults(**{fault: 1})

    with pytest.raises(requests.ConnectionError):
        api.post_job("thing", "create", ITEMS)

    time.sleep(0.2)
    assert sum(api.sandbox.applied("thing").values()) == applied
    assert api.sandbox.log()[-1]["status"] == 0


def test_502_after_accept_hides_an_accepted_job(api: Api) -> None:
    api.sandbox.faults(**{"502-after-accept": 1})

    response = api.post_job("thing", "create", ITEMS)

    time.sleep(0.2)
    assert response.status_code == 502
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(api.sandbox.records("thing")) == 4


@pytest.mark.parametrize(
    ("fault", "status", "text", "retry_after"),
    [
        ("rate-429", 429, "Number of allowed API requests per minute exceeded", "7"),
        ("500", 500, "InternalError", None),
        ("503", 503, "Service Unavailable", None),
        ("503-retry-after", 503, "Database collision", "7"),
        ("409", 409, "Conflict", None),
        ("html-502", 502, "<h1>502 Bad Gateway</h1>", None),
        ("html-200", 200, "Sign in to Zendesk", None),
        ("missing-scope", 403, "missing the following required scopes: write", None),
        ("too-many-jobs", 429, "TooManyJobs", None),
    ],
)
def test_error_faults_change_nothing(
    api: Api, fault: str, status: int, text: str, retry_after: str | None
) -> None:
    api.sandbox.settings(retry_after=7)
    api.sandbox.faults(**{fault: 1})

    response = api.post_job("thing", "create", ITEMS)

    assert response.status_code == status
    assert text in response.text
    assert response.headers.get("Retry-After") == retry_after
    assert api.sandbox.jobs() == []


def test_fault_can_be_limited_to_times_method_and_path(api: Api) -> None:
    api.sandbox.faults(
        **{"503": {"rate": 1, "times": 2, "method": "GET", "path": "/job_statuses"}}
    )

    statuses = [
        api.status_of("GET", "/api/v2/users/me"),
        api.post_job("thing", "create", ITEMS).status_code,
        *(api.status_of("GET", "/api/v2/job_statuses") for _ in range(3)),
    ]

    assert statuses == [200, 201, 503, 503, 200]
    assert api.sandbox.seen("faults")["triggered"] == {"503": 2}


def test_slow_response_is_delayed(api: Api) -> None:
    api.sandbox.settings(slow_seconds=0.3)
    api.sandbox.faults(slow=1)

    started = time.monotonic()
    assert api.status_of("GET", "/api/v2/users/me") == 200
    assert time.monotonic() - started >= 0.3


def test_expired_bearer_stays_expired_until_refreshed(api: Api) -> None:
    api.session.auth = None
    api.session.headers["Authorization"] = f"Bearer {api.sandbox.bearer}"
    api.sandbox.faults(**{"bearer-expired": {"rate": 1, "times": 1}})

    responses = [api.call("GET", "/api/v2/custom_objects") for _ in range(2)]

    assert [response.status_code for response in responses] == [401, 401]
    assert responses[0].json()["error"] == "invalid_token"
    renewed = api.call(
        "POST",
        "/oauth/tokens",
        {
            "grant_type": "refresh_token",
            "refresh_token": api.sandbox.refresh_token,
            "client_id": "sandbox-client",
        },
    ).json()
    api.session.headers["Authorization"] = f"Bearer {renewed['access_token']}"
    assert api.status_of("GET", "/api/v2/custom_objects") == 200


def test_fresh_status_is_hidden_but_listed(api: Api) -> None:
    api.sandbox.settings(fresh_seconds=0.3)
    api.sandbox.faults(fresh_404=1)
    job_id = api.start_job("thing", "create", ITEMS)

    assert api.status_of("GET", f"/api/v2/job_statuses/{job_id}") == 404
    assert [each["id"] for each in api.get("/api/v2/job_statuses")["job_statuses"]] == [
        job_id
    ]
    assert api.wait_for(job_id)["status"] == "completed"


def test_expired_status_cannot_be_read_though_the_job_was_done(api: Api) -> None:
    api.sandbox.faults(status_expired=1)
    job_id = api.start_job("thing", "create", ITEMS)
    time.sleep(0.2)

    assert api.status_of("GET", f"/api/v2/job_statuses/{job_id}") == 404
    assert api.get("/api/v2/job_statuses/show_many", ids=job_id)["job_statuses"] == []
    assert api.get("/api/v2/job_statuses")["job_statuses"] == []
    assert len(api.sandbox.records("thing")) == 4


def test_killed_job_applies_half_and_has_no_results(api: Api) -> None:
    api.sandbox.faults(killed=1)

    status = run(api)

    assert status["status"] == "killed"
    assert status["results"] is None
    assert len(api.sandbox.records("thing")) == 2


def test_failed_job_shows_what_it_applied(api: Api) -> None:
    api.sandbox.faults(failed_partial=1)

    status = run(api)

    assert status["status"] == "failed"
    statuses = [result["status"] for result in status["results"]]
    assert statuses == ["Created", "Created", "Failed"]
    assert [each["external_id"] for each in api.sandbox.records("thing")] == ["0", "1"]


def test_results_can_be_an_object(api: Api) -> None:
    api.sandbox.faults(results_object=1)

    status = run(api)

    assert status["status"] == "completed"
    assert status["results"] == {"success": True}
    assert len(api.sandbox.records("thing")) == 4


@pytest.mark.parametrize(("fault", "missing"), [("no_id", "id"), ("no_index", "index")])
def test_results_can_lack_a_key(api: Api, fault: str, missing: str) -> None:
    api.sandbox.faults(**{fault: 1})

    results = run(api)["results"]

    members = {"external_id", "id", "index", "status"}
    assert [members - result.keys() for result in results] == [{missing}] * 4


def test_results_can_be_shuffled(api: Api) -> None:
    api.sandbox.faults(shuffled=1)

    items = [{"name": str(number)} for number in range(50)]

    results = run(api, items)["results"]

    indexes = [result["index"] for result in results]

    assert indexes != sorted(indexes)
    assert sorted(indexes) == list(range(50))


def test_results_can_have_the_generic_form(api: Api) -> None:
    api.sandbox.faults(generic_results=1)
    [record_id] = api.sandbox.add_records("thing", [{"name": "One"}])

    results = api.run_job(
        "thing",
        "update",
        [{"id": record_id, "name": "Uno"}, {"id": "none", "name": "Dos"}],
    )

    assert results == [
        {
            "id": record_id,
            "index": 0,
            "action": "update",
            "success": True,
            "status": "Updated",
        },
        {
            "index": 1,
            "action": "update",
            "success": False,
            "id": "none",
            "error": "CustomObjectRecordUpdateFailed",
            "details": "Record not found",
        },
    ]


def test_random_faults_are_repeatable(api: Api) -> None:
    api.sandbox.faults(**{"503": 0.5})
    first = [api.status_of("GET", "/api/v2/users/me") for _ in range(20)]
    api.sandbox.reset()
    api.sandbox.faults(**{"503": 0.5})

    assert [api.status_of("GET", "/api/v2/users/me") for _ in range(20)] == first
    assert set(first) == {200, 503}


@pytest.mark.parametrize(
    ("faults", "complaint"),
    [
        ({"503": 1.5}, "The rate of 503 must be a number from 0 to 1."),
        (
            {"503": {"rate": 1, "often": 2}},
            "503 takes rate, times, method, path, keys and field.",
        ),
    ],
)
def test_invalid_fault_is_refused_and_changes_nothing(
    api: Api, faults: dict[str, Any], complaint: str
) -> None:
    api.sandbox.faults(slow=0)

    response = requests.post(
        f"{api.sandbox.url}/sandbox/faults", json=faults, timeout=10
    )

    assert response.status_code == 400
    assert response.json() == {"error": complaint}
    assert list(api.sandbox.seen("faults")["faults"]) == ["slow"]


def test_results_can_be_too_few(api: Api) -> None:
    api.sandbox.faults(short_results=1)

    assert [result["index"] for result in run(api)["results"]] == [0, 1, 2]
    assert len(api.sandbox.records("thing")) == 4


def test_show_many_can_leave_statuses_out(api: Api) -> None:
    ids = [api.start_job("thing", "create", [{"name": "a"}]) for _ in range(4)]
    api.sandbox.faults(partial_list=1)

    shown = api.get("/api/v2/job_statuses/show_many", ids=",".join(ids))["job_statuses"]

    assert [each["id"] for each in shown] == ids[2:]


def test_aborted_job_applies_nothing(api: Api) -> None:
    api.sandbox.faults(aborted=1)

    status = run(api)

    assert status["status"] == "aborted"
    assert status["results"] is None
    assert api.sandbox.records("thing") == []


def test_wrong_index_contradicts_the_external_id(api: Api) -> None:
    api.sandbox.faults(wrong_index=1)

    results = run(api)["results"]

    found = [(result["index"], result["external_id"]) for result in results]
    assert found == [(1, "0"), (2, "1"), (3, "2"), (0, "3")]


@pytest.mark.parametrize(
    ("fault", "refused"),
    [("refused_reads", "records"), ("refused_statuses", "statuses")],
)
def test_refused_reads_let_jobs_through(api: Api, fault: str, refused: str) -> None:
    paths = {
        "records": "/api/v2/custom_objects/thing/records",
        "statuses": "/api/v2/job_statuses",
    }
    api.sandbox.faults(**{fault: 1})

    read = {name: api.status_of("GET", path) for name, path in paths.items()}

    assert read == dict.fromkeys(paths, 200) | {refused: 403}
    assert api.post_job("thing", "create", ITEMS).status_code == 201


def test_refused_exports_are_forbidden(api: Api) -> None:
    api.sandbox.faults(refused_exports=1)

    response = api.call("GET", f"{EXPORT}?start_time=1")

    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == "Forbidden"
    assert api.status_of("GET", "/api/v2/custom_objects/thing/records") == 200


def test_altered_values_are_stored_as_successes(api: Api) -> None:
    api.sandbox.make_object("thing", fields=EVERY_FIELD)
    api.sandbox.faults(altered_values={"rate": 1, "times": 2})

    results = api.run_job("thing", "create", every_field_items(3))

    assert [result["status"] for result in results] == ["Created"] * 3
    made = api.sandbox.alterations()
    assert [each["external_id"] for each in made] == ["0", "1"]
    by_id = {record["external_id"]: record for record in api.sandbox.records("thing")}
    for each in made:
        values = by_id[each["external_id"]]["custom_object_fields"]
        assert values[each["field"]] == each["stored"]
        assert values | {each["field"]: each["sent"]} == SENT
        assert each["stored"] != each["sent"]
    assert by_id["2"]["custom_object_fields"] == SENT


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("note", "a (altered)"),
        ("count", 8),
        ("weight", 2.5),
        ("done", False),
        ("day", "2026-02-01"),
        ("colour", "blue"),
        ("shades", ["red"]),
    ],
)
def test_altered_value_depends_on_the_type(api: Api, key: str, stored: Any) -> None:
    api.sandbox.make_object("thing", fields=EVERY_FIELD)
    api.sandbox.faults(altered_values={"rate": 1, "field": key})

    api.run_job("thing", "create", every_field_items(1))

    [made] = api.sandbox.alterations()
    del made["id"]
    assert made == {
        "object": "thing",
        "external_id": "0",
        "fault": "altered-values",
        "field": key,
        "sent": SENT[key],
        "stored": stored,
    }


def test_dropped_value_leaves_what_was_there(api: Api) -> None:
    old = {"note": "before", "count": 1}
    new = {"note": "after", "count": 2}
    records = [
        {"external_id": key, "name": key, "custom_object_fields": old}
        for key in ("1", "2")
    ]
    ids = api.sandbox.add_records("thing", records)
    fault = {"rate": 1, "keys": [ids[1]], "field": "note"}
    api.sandbox.faults(dropped_values=fault)

    items = [{"id": record_id, "custom_object_fields": new} for record_id in ids]
    results = api.run_job("thing", "update", items)

    assert [result["status"] for result in results] == ["Updated", "Updated"]
    held = [
        (values["note"], values["count"])
        for values in (
            record["custom_object_fields"] for record in api.sandbox.records("thing")
        )
    ]
    assert held == [("after", 2), ("before", 2)]
    [made] = api.sandbox.alterations()
    assert (made["sent"], made["stored"]) == ("after", "before")


def test_alteration_needs_a_value_that_it_can_alter(api: Api) -> None:
    api.sandbox.faults(altered_values=1, dropped_values=1)
    item = {"name": "One", "custom_object_fields": {"note": None}}

    [result] = api.run_job("thing", "create", [item])

    assert result["status"] == "Created"
    assert api.sandbox.alterations() == []
    assert api.sandbox.seen("faults")["triggered"] == {}


def test_item_is_altered_by_one_fault_only(api: Api) -> None:
    faults = {"rate": 1, "times": 1}
    api.sandbox.faults(altered_values=faults, dropped_values=faults)
    values = {"note": "a", "count": 1}
    items = [{"name": "Thing", "custom_object_fields": values}] * 3

    api.run_job("thing", "create", items)

    made = api.sandbox.alterations()
    assert [each["fault"] for each in made] == ["altered-values", "dropped-values"]
    assert made[0]["id"] != made[1]["id"]
