"""What each value of each assumption does, seen from outside."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from jobsui.sandbox.assumptions import VALUES, Assumptions
from jobsui.sandbox.limits import Window
from tests.sandbox.conftest import FIELDS, OPTIONS, Api

RECORDS = "/api/v2/custom_objects/thing/records"
OBJECT = "/api/v2/custom_objects/thing"
NO_ULID = "not-a-ulid"
WARNING = "X-Zendesk-API-Warn"
MORE_FIELDS: list[dict[str, Any]] = [
    *FIELDS,
    {"key": "code", "type": "regexp", "regexp_for_validation": "[A-Z]+"},
    {"key": "day", "type": "date"},
    {"key": "done", "type": "checkbox"},
    {"key": "shades", "type": "multiselect", "custom_field_options": OPTIONS},
    {
        "key": "price",
        "type": "currency",
        "properties": {"allowed_currencies": ["EUR"]},
    },
    {
        "key": "parts",
        "type": "integer",
        "properties": {"rollup_aggregation_type": "COUNT"},
    },
]

type Probe = Callable[[Api], Any]
PROBES: dict[str, tuple[Probe, dict[str, Any]]] = {}
"""By assumption: what to look at, and what it shows under each value."""


def shows(name: str, **expected: Any) -> Callable[[Probe], Probe]:
    """The expected observation by value. An underscore stands for a dash; a value that
    begins with a digit or is a keyword has an underscore before it."""

    def register(probe: Probe) -> Probe:
        by_value = {
            value.removeprefix("_").replace("_", "-"): seen
            for value, seen in expected.items()
        }
        PROBES[name] = probe, by_value
        return probe

    return register


def status_and_error(response: requests.Response) -> tuple[int, str]:
    """The status, and the first member of the body."""
    return response.status_code, next(iter(response.json()))


def only_result(api: Api, action: str, item: Any) -> dict[str, Any]:
    [result] = api.run_job("thing", action, [item])
    return result


def result_or_status(api: Api, action: str, item: Any) -> Any:
    """The status of a request that is refused, else the status of its only item."""
    response = api.post_job("thing", action, [item])
    if response.status_code != 201:
        return response.status_code
    finished = api.wait_for(response.json()["job_status"]["id"])
    return finished["results"][0]["status"]


def created(api: Api, **item: Any) -> dict[str, Any]:
    """The record that an item creates, as it is read afterwards."""
    result = only_result(api, "create", {"name": "One", "external_id": "1"} | item)
    assert result["status"] == "Created", result
    record: dict[str, Any] = api.get(f"{RECORDS}/{result['id']}")[
        "custom_object_record"
    ]
    return record


def value_after(api: Api, key: str, first: Any, second: Any) -> Any:
    """The field's value after a job set `first` and another `second`, or the status of
    the second's item if it failed."""
    record = created(api, custom_object_fields={key: first})
    item = {"id": record["id"], "custom_object_fields": {key: second}}
    if only_result(api, "update", item)["status"] == "Failed":
        return "Failed"
    return read(api, record["id"])["custom_object_fields"][key]


def read(api: Api, record_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = api.get(f"{RECORDS}/{record_id}")["custom_object_record"]
    return shown


def with_token(api: Api, scope: str, method: str, path: str) -> int:
    """The status of a request with a token for this scope."""
    client = {"client_id": api.sandbox.client_id, "scope": scope}
    client["client_secret"] = api.sandbox.client_secret
    client["grant_type"] = "client_credentials"
    api.session.auth = None
    granted = api.call("POST", "/oauth/tokens", client)
    if not granted.ok:
        return granted.status_code
    headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    body = {"job": {"action": "create", "items": [{"name": "One"}]}}
    return api.status_of(
        method, path, body if method == "POST" else None, headers=headers
    )


# Requests that are refused as a whole


@shows("invalid-request", _400_titled="Invalid attribute", _400_errors="", _422="")
def title_of_an_invalid_request(api: Api) -> str:
    body = api.post_job("thing", "nothing", []).json()
    error = body.get("error")
    return str(error["title"]) if isinstance(error, dict) else ""


@shows("unknown-object", record_not_found=str, titled=dict)
def form_of_a_missing_object(api: Api) -> type:
    return type(api.call("GET", "/api/v2/custom_objects/nothing").json()["error"])


@shows("malformed-json", _400=400, _422=422)
def status_of_malformed_json(api: Api) -> int:
    return api.status_of("POST", f"{OBJECT}/jobs", data=b"{")


@shows("field-errors", by_field="count", base="base")
def key_of_a_field_error(api: Api) -> str:
    record = {"name": "One", "custom_object_fields": {"count": "many"}}
    response = api.call("POST", RECORDS, {"custom_object_record": record})
    return str(next(iter(response.json()["details"])))


@shows("role-error", titled=dict, description=str)
def form_of_a_role_error(api: Api) -> type:
    api.sandbox.settings(role="end-user")
    return type(api.call("GET", RECORDS).json()["error"])


@shows("anonymous-user", _200=200, _401=401)
def status_without_credentials(api: Api) -> int:
    api.session.auth = None
    return api.status_of("GET", "/api/v2/users/me")


@shows("request-limit-bytes", _0=201, _1=413)
def status_of_a_large_request(api: Api) -> int:
    return api.post_job("thing", "create", [{"name": "One"}]).status_code


@shows("address-limit", _0=200, _100=414)
def status_of_a_long_address(api: Api) -> int:
    return api.status_of("GET", RECORDS, params={"filter[external_ids]": "x" * 100})


@shows("long-address", _414=414, _400=400)
def status_of_an_address_that_is_too_long(api: Api) -> int:
    api.sandbox.assume(address_limit=10)
    return api.status_of("GET", RECORDS)


@shows("idempotency-key", ignored=2, honoured=1)
def jobs_of_a_repeated_key(api: Api) -> int:
    body = {"job": {"action": "create", "items": [{"name": "One"}]}}
    for _ in range(2):
        api.call("POST", f"{OBJECT}/jobs", body, headers={"Idempotency-Key": "a"})
    return len(api.sandbox.jobs())


# Limits


@shows("job-slots", account=429, action=201)
def status_beside_a_job_of_another_action(api: Api) -> int:
    api.sandbox.settings(max_running_jobs=1, job_seconds=5)
    api.post_job("thing", "create", [{"name": "One"}])
    return api.post_job("thing", "delete_by_external_id", ["1"]).status_code


@shows(
    "too-many-jobs",
    _429=(429, False),
    _429_retry_after=(429, True),
    _422=(422, False),
)
def refusal_without_a_slot(api: Api) -> tuple[int, bool]:
    api.sandbox.settings(max_running_jobs=0)
    response = api.post_job("thing", "create", [{"name": "One"}])
    return response.status_code, "Retry-After" in response.headers


@shows("inflight-header", all="remaining=1", own="remaining=4", absent="")
def free_slots_beside_others(api: Api) -> str:
    api.sandbox.settings(max_running_jobs=5, other_jobs=3, job_seconds=5)
    response = api.post_job("thing", "create", [{"name": "One"}])
    header = response.headers.get("zendesk-ratelimit-inflight-jobs", "; ;")
    return header.split(";")[1].strip()


@shows("rate-window", fixed=[True, True, True, True], sliding=[True, True, True, False])
def requests_over_the_end_of_a_window(api: Api) -> list[bool]:
    """Two requests are allowed in a window of a minute."""
    return allowed(api, limit=2, moments=[0, 50, 65, 66])


@shows("limited-requests", free=[True, False, True], counted=[True, False, False])
def requests_after_a_refused_one(api: Api) -> list[bool]:
    """One request is allowed in a minute that slides."""
    api.sandbox.assume(rate_window="sliding")
    return allowed(api, limit=1, moments=[0, 50, 65])


def allowed(api: Api, limit: int, moments: list[float]) -> list[bool]:
    """Which requests at these moments are within the limit."""
    assumptions = Assumptions()
    assumptions.change(api.sandbox.seen("assumptions"))
    clock = iter(moments)
    window = Window(lambda: 1000 + next(clock))
    return [window.take(limit, 60, assumptions) for _ in moments]


# Job statuses and results


@shows("unknown-job-ids", left_out=200, _404=404)
def status_with_an_unknown_job_id(api: Api) -> int:
    known = api.start_job("thing", "create", [{"name": "One"}])
    return api.status_of("GET", f"/api/v2/job_statuses/show_many?ids={known},V3-0")


@shows("status-list-lag", _0=1, _60=0)
def jobs_in_the_list_at_once(api: Api) -> int:
    api.start_job("thing", "create", [{"name": "One"}])
    return len(api.get("/api/v2/job_statuses")["job_statuses"])


@shows("success-word", action="Created", create_or_update="CreateOrUpdate", absent="")
def status_of_a_success(api: Api) -> str:
    return str(only_result(api, "create", {"name": "One"}).get("status", ""))


@shows(
    "result-id",
    present={"id", "index", "status"},
    absent={"index", "status"},
    data={"data", "index", "status"},
)
def members_of_a_result(api: Api) -> set[str]:
    return set(only_result(api, "create", {"name": "One"}))


@shows("result-index", present=True, absent=False)
def whether_a_result_has_an_index(api: Api) -> bool:
    return "index" in only_result(api, "create", {"name": "One"})


@shows(
    "failure-code",
    by_action="CustomObjectRecordDeleteFailed",
    generic="RecordNotFound",
    absent=None,
)
def code_of_a_missing_record(api: Api) -> str | None:
    result = only_result(api, "delete_by_external_id", "1")
    code: str | None = result["errors"][0].get("code")
    return code


@shows(
    "passing-error",
    deadlock="DatabaseDeadlock",
    conflict="DatabaseConflict",
    timeout="RecordTimeout",
    internal="InternalServerError",
)
def code_of_a_deadlocked_item(api: Api) -> str:
    api.sandbox.faults(deadlocked_items={"rate": 1, "times": 1})
    result = only_result(api, "create", {"name": "One"})
    assert api.sandbox.records("thing") == []
    return str(result["errors"][0]["code"])


@shows("deadlock-free-jobs", _0=False, _1=True)
def whether_a_job_beside_another_deadlocks(api: Api) -> bool:
    items = [{"name": str(number)} for number in range(100)]
    api.sandbox.settings(job_seconds=30)
    api.start_job("thing", "create", items)
    api.sandbox.settings(job_seconds=0.05)
    results = api.run_job("thing", "create", items)
    return any(result["status"] == "Failed" for result in results)


@shows("item-order", given=True, any=False)
def whether_items_are_applied_in_order(api: Api) -> bool:
    items = [{"name": str(number)} for number in range(50)]
    results = api.run_job("thing", "create", items)
    assert [result["index"] for result in results] == list(range(50))
    ids = [result["id"] for result in results]
    return ids == sorted(ids)


@shows("deleted-object", failed=("failed", None), items=("completed", 1))
def end_of_a_job_whose_object_is_deleted(api: Api) -> tuple[str, int | None]:
    api.sandbox.settings(job_seconds=1)
    job = api.start_job("thing", "create", [{"name": "One"}])
    api.call("DELETE", OBJECT)
    finished = api.wait_for(job)
    results = finished["results"]
    return finished["status"], len(results) if results else None


# Items


@shows("malformed-record-id", item="Failed", request=400)
def result_of_a_malformed_id(api: Api) -> Any:
    by_update = result_or_status(api, "update", {"id": NO_ULID, "name": "One"})
    assert result_or_status(api, "delete", NO_ULID) == by_update
    return by_update


@shows("record-id-case", exact="Failed", any="Deleted")
def result_of_an_id_in_lower_case(api: Api) -> Any:
    return result_or_status(api, "delete", created(api)["id"].lower())


@shows("update-key", id="Failed", external_id="Updated")
def result_of_an_update_by_external_id(api: Api) -> Any:
    created(api)
    return result_or_status(api, "update", {"external_id": "1", "name": "Uno"})


@shows("null-key", ignored="Created", item="Failed")
def result_of_a_null_key(api: Api) -> Any:
    return result_or_status(api, "create", {"name": "One", "external_id": None})


@shows("upsert-by-ambiguous-name", item="Failed", request=422)
def result_of_an_upsert_by_name(api: Api) -> Any:
    return result_or_status(api, "create_or_update_by_name", {"name": "One"})


@shows("autonumbered-name", item="Failed", ignored="Created", request=422)
def result_of_a_name_that_is_numbered(api: Api) -> Any:
    api.sandbox.make_object("thing", name={"autoincrement_enabled": True})
    return result_or_status(api, "create", {"name": "One"})


@shows("unknown-field", item=("Failed", ""), dropped=("Created", "fields.nothing"))
def result_of_an_unknown_field(api: Api) -> tuple[str, str]:
    return result_and_warning(api, "nothing")


@shows("read-only-value", dropped=("Created", "fields.parts"), item=("Failed", ""))
def result_of_a_value_for_a_rollup(api: Api) -> tuple[str, str]:
    return result_and_warning(api, "parts")


def result_and_warning(api: Api, key: str) -> tuple[str, str]:
    """What becomes of an item with a value for this field, and the end of the key that
    the header names."""
    item = {"name": "One", "custom_object_fields": {key: 1}}
    response = api.post_job("thing", "create", [item])
    warning = response.headers.get(WARNING, "")
    finished = api.wait_for(response.json()["job_status"]["id"])
    named = warning.partition('["custom_object_')[2].partition('"')[0]
    return finished["results"][0]["status"], named


@shows("standard-keys-in-fields", ignored="Created", item="Failed")
def result_of_a_name_among_the_fields(api: Api) -> Any:
    item = {"name": "One", "custom_object_fields": {"name": "One"}}
    return result_or_status(api, "create", item)


@shows("omitted-field", kept="a", emptied=None)
def value_that_an_update_leaves_out(api: Api) -> Any:
    record = created(api, custom_object_fields={"note": "a"})
    only_result(api, "update", {"id": record["id"], "name": "Uno"})
    return read(api, record["id"])["custom_object_fields"]["note"]


@shows("deleted-key", free="Created", taken="Failed")
def result_of_the_key_of_a_deleted_record(api: Api) -> Any:
    only_result(api, "delete", created(api)["id"])
    return result_or_status(api, "create", {"name": "Two", "external_id": "1"})


@shows("external-id-case", exact="Created", any="Failed")
def result_of_an_external_id_in_another_case(api: Api) -> Any:
    created(api, external_id="a")
    return result_or_status(api, "create", {"name": "Two", "external_id": "A"})


@shows("key-spaces", kept=("One ", " 1"), trimmed=("One", "1"))
def keys_with_spaces(api: Api) -> tuple[str, str]:
    record = created(api, name="One ", external_id=" 1")
    return record["name"], record["external_id"]


@shows("no-change-update", moves=True, keeps=False)
def whether_an_update_without_a_change_moves_the_time(api: Api) -> bool:
    [record_id] = api.sandbox.add_records("thing", [{"name": "One"}])
    only_result(api, "update", {"id": record_id, "name": "One"})
    record = read(api, record_id)
    return bool(record["updated_at"] != record["created_at"])


@shows("job-user", credentials="26000000000001", system="-1")
def user_of_a_record_that_a_job_created(api: Api) -> str:
    return str(created(api)["created_by_user_id"])


@shows("trigger-user", updater="26000000000001", system="-1")
def user_of_a_record_that_a_trigger_changed(api: Api) -> str:
    api.sandbox.assume(trigger="fires")
    return str(created(api)["updated_by_user_id"])


@shows("trigger", none=True, fires=False)
def whether_a_new_record_is_as_it_was_created(api: Api) -> bool:
    record = created(api)
    return bool(record["created_at"] == record["updated_at"])


# Values


@shows("null-value", empties=None, ignored="a", item="Failed")
def value_after_null(api: Api) -> Any:
    return value_after(api, "note", "a", None)


@shows("blank-text", empties=None, item="Failed")
def value_after_an_empty_string(api: Api) -> Any:
    return value_after(api, "note", "a", "")


@shows("unknown-option", item="Failed", vanishes="red")
def value_after_an_unknown_option(api: Api) -> Any:
    return value_after(api, "colour", "red", "purple")


@shows("pattern-match", search="A1", full="Failed")
def value_that_a_pattern_matches_in_part(api: Api) -> Any:
    return value_after(api, "code", "A", "A1")


@shows("text-spaces", kept=" a ", trimmed="a")
def value_of_a_text_with_spaces(api: Api) -> Any:
    return value_after(api, "note", "b", " a ")


@shows("text-form", kept="e\u0301\r\na", composed="\xe9\r\na", line_feeds="e\u0301\na")
def value_of_a_text_in_another_form(api: Api) -> Any:
    return value_after(api, "note", "b", "e\u0301\r\na")


@shows("text-limit", _0="ab", _1="Failed")
def value_of_two_letters(api: Api) -> Any:
    return value_after(api, "note", "a", "ab")


@shows("length-unit", bytes="Failed", characters="ä")
def value_of_a_letter_of_two_bytes(api: Api) -> Any:
    api.sandbox.assume(text_limit=1)
    return value_after(api, "note", "a", "ä")


@shows(
    "currency-shape",
    number=7.5,
    object={"amount": 7.5, "currency": "EUR"},
    string="7.5",
)
def shape_of_a_currency(api: Api) -> Any:
    return value_after(api, "price", 1, {"amount": 7.5, "currency": "EUR"})


@shows("number-shape", number=7, string="7")
def shape_of_a_number(api: Api) -> Any:
    return value_after(api, "count", 1, 7)


@shows("date-shape", date="2026-01-31", time="2026-01-31T00:00:00+00:00")
def shape_of_a_date(api: Api) -> Any:
    return value_after(api, "day", "2026-01-30", "2026-01-31")


@shows("empty-checkbox", null=None, false=False)
def value_of_a_checkbox_after_null(api: Api) -> Any:
    return value_after(api, "done", True, None)


@shows("multiselect-order", sent=["blue", "red"], options=["red", "blue"])
def order_of_the_options_of_a_multiselect(api: Api) -> Any:
    return value_after(api, "shades", ["red"], ["blue", "red"])


# Reading records


@shows("read-lag", _0=["Uno"], _60=["One"])
def name_after_a_change(api: Api) -> list[str]:
    api.sandbox.add_records("thing", [{"name": "One", "external_id": "1"}])
    return names_after_changes(api, "GET", f"{RECORDS}?filter[external_ids]=1,2,3")


@shows("search-lag", _0=["Uno"], _60=["One"])
def name_in_a_search_after_a_change(api: Api) -> list[str]:
    api.sandbox.add_records("thing", [{"name": "One", "external_id": "1"}])
    return names_after_changes(api, "POST", f"{RECORDS}/search")


def names_after_changes(api: Api, method: str, path: str) -> list[str]:
    """The names found after a record was changed and another created and deleted."""
    item = {"external_id": "1", "name": "Uno"}
    only_result(api, "create_or_update_by_external_id", item)
    only_result(api, "create", {"name": "Two", "external_id": "2"})
    only_result(api, "delete_by_external_id", "2")
    found = api.call(method, path, {} if method == "POST" else None).json()
    return [record["name"] for record in found["custom_object_records"]]


@shows("comma-in-filter", separator=0, literal=1)
def records_found_by_an_id_with_a_comma(api: Api) -> int:
    created(api, external_id="1,2")
    listed = api.get(RECORDS, **{"filter[external_ids]": "1,2"})
    return len(listed["custom_object_records"])


@shows("list-order", id=True, any=False)
def whether_a_list_by_external_ids_is_in_order_of_ids(api: Api) -> bool:
    records = [{"name": "One", "external_id": str(number)} for number in range(50)]
    ids = api.sandbox.add_records("thing", records)
    wanted = ",".join(str(number) for number in reversed(range(50)))
    listed = api.get(RECORDS, **{"filter[external_ids]": wanted})
    shown = [record["id"] for record in listed["custom_object_records"]]
    assert sorted(shown) == ids
    return shown == ids


@shows("export-lag", _0=1, _60=0)
def records_in_the_export_at_once(api: Api) -> int:
    created(api)
    path = "/api/v2/incremental/custom_objects/thing/cursor"
    exported = api.get(path, start_time=int(time.time()) - 120)
    return len(exported["custom_object_records"])


@shows("deleted-users", inactive=[True, False], left_out=[True])
def users_that_are_active(api: Api) -> list[bool]:
    ids = "26000000000003,26000000000004"
    shown = api.get("/api/v2/users/show_many", ids=ids)
    return [user["active"] for user in shown["users"]]


@shows("creating-upsert", _200=200, _201=201)
def status_of_an_upsert_that_creates(api: Api) -> int:
    body = {"custom_object_record": {"name": "One"}}
    path = f"{RECORDS}?external_id=1"
    created_with = api.status_of("PATCH", path, body)
    assert api.status_of("PATCH", path, body) == 200
    return created_with


# OAuth


@shows("granular-scopes", known=200, refused=400, dropped=403)
def status_with_the_granular_scope(api: Api) -> int:
    return with_token(api, "custom_objects:read", "GET", RECORDS)


@shows("jobs-scope", granular=201, write=403)
def status_of_a_job_with_the_granular_scope(api: Api) -> int:
    return with_token(api, "custom_objects:write", "POST", f"{OBJECT}/jobs")


@shows("job-statuses-scope", granular=200, read=403)
def status_of_job_statuses_with_the_granular_scope(api: Api) -> int:
    return with_token(api, "custom_objects:read", "GET", "/api/v2/job_statuses")


@shows("users-me-scope", any=200, read=403)
def status_of_the_user_with_the_granular_scope(api: Api) -> int:
    return with_token(api, "custom_objects:read", "GET", "/api/v2/users/me")


@shows("invalid-client", _401=401, _400=400)
def status_of_an_unknown_client(api: Api) -> int:
    client = {"client_id": "nobody", "grant_type": "client_credentials"}
    return api.status_of("POST", "/oauth/tokens", client)


def test_every_value_of_every_switch_is_tried() -> None:
    choices = {name: set(values) for name, values in VALUES.items() if values}
    tried = {name: set(expected) for name, (_, expected) in PROBES.items()}

    assert tried.keys() == VALUES.keys()
    assert {name: tried[name] for name in choices} == choices


CASES = [(name, value) for name, (_, seen) in PROBES.items() for value in seen]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_switch_shows_from_outside(api: Api, name: str, value: str) -> None:
    probe, expected = PROBES[name]
    api.sandbox.make_object("thing", fields=MORE_FIELDS)
    api.sandbox.assume(**{name: value})

    seen = probe(api)

    assert seen == expected[value]
