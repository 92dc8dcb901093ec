"""Checks the sandbox's responses against our own description (shapes.py) and against
Zendesk's OpenAPI document, which we do not distribute. To include the latter, get it
from developer.zendesk.com, convert it to JSON, and name the file in JOBSUI_OAS."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from requests import PreparedRequest

from tests.sandbox import shapes
from tests.sandbox.conftest import Api
from tests.sandbox.openapi import Document
from tests.sandbox_server import start

OBJECTS = "/api/v2/custom_objects"
KEY = OBJECTS + "/{custom_object_key}"
RECORDS = KEY + "/records"
RECORD = RECORDS + "/{custom_object_record_id}"
FIELD = KEY + "/fields/{custom_object_field_key_or_id}"
STATUS = "/api/v2/job_statuses/{job_status_id}"


def with_bearer(request: PreparedRequest) -> PreparedRequest:
    request.headers["Authorization"] = "Bearer sandbox-bearer-token"
    return request


NEW = {
    "custom_object_record": {
        "name": "New",
        "custom_object_fields": {"make": "Kia", "contract": "external_id:C-1001"},
    }
}
CALLS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("GET", OBJECTS, 200, {}),
    ("POST", OBJECTS, 201, {"json": {"custom_object": {"key": "car", "title": "Car"}}}),
    ("GET", KEY, 200, {}),
    ("PATCH", KEY, 200, {"json": {"custom_object": {"title": "Other"}}}),
    ("GET", KEY + "/fields", 200, {"params": {"include_standard_fields": "true"}}),
    (
        "POST",
        KEY + "/fields",
        201,
        {"json": {"custom_object_field": {"key": "more", "type": "text"}}},
    ),
    ("GET", FIELD, 200, {}),
    ("PATCH", FIELD, 200, {"json": {"custom_object_field": {"title": "Brand"}}}),
    ("DELETE", FIELD, 204, {}),
    ("PUT", KEY + "/fields/reorder", 200, {"json": {"custom_object_field_ids": []}}),
    ("GET", KEY + "/limits/field_limit", 200, {}),
    ("GET", OBJECTS + "/limits/object_limit", 200, {}),
    ("GET", OBJECTS + "/limits/record_limit", 200, {}),
    ("GET", KEY + "/permission_policies", 200, {}),
    ("GET", KEY + "/permission_policies/{id}", 200, {}),
    ("GET", KEY + "/access_rules", 200, {}),
    (
        "POST",
        KEY + "/jobs",
        201,
        {"json": {"job": {"action": "delete", "items": ["x"]}}},
    ),
    ("GET", RECORDS, 200, {"params": {"page[size]": 1}}),
    ("POST", RECORDS, 201, {"json": NEW}),
    ("PATCH", RECORDS, 200, {"json": NEW, "params": {"external_id": "V-9"}}),
    ("DELETE", RECORDS, 204, {"params": {"external_id": "V-1"}}),
    ("GET", RECORD, 200, {}),
    ("PATCH", RECORD, 200, {"json": {"custom_object_record": {"name": "Changed"}}}),
    ("DELETE", RECORD, 204, {}),
    ("GET", RECORDS + "/count", 200, {}),
    ("GET", RECORDS + "/search", 200, {"params": {"query": "volvo"}}),
    (
        "POST",
        RECORDS + "/search",
        200,
        {"json": {"filter": {"name": {"$contains": "B"}}}},
    ),
    ("GET", RECORDS + "/autocomplete", 200, {"params": {"name": "B"}}),
    ("GET", KEY + "/records/{record_id}/attachments", 400, {}),
    (
        "GET",
        "/api/v2/incremental/custom_objects/{custom_object_key}/cursor",
        200,
        {"params": {"start_time": 1}},
    ),
    (
        "GET",
        "/api/v2/incremental/custom_objects/{custom_object_key}/cursor",
        400,
        {"params": {"cursor": "x"}},
    ),
    ("GET", "/api/v2/job_statuses", 200, {}),
    ("GET", STATUS, 200, {}),
    ("GET", "/api/v2/users/me", 200, {}),
    ("GET", "/api/v2/users/show_many", 200, {"params": {"ids": "26000000000002"}}),
    (
        "GET",
        "/api/v2/organizations/show_many",
        200,
        {"params": {"external_ids": "O-1"}},
    ),
    ("GET", "/api/v2/tickets/show_many", 200, {"params": {"ids": "1,2"}}),
    ("GET", "/api/v2/account/settings", 200, {}),
    ("GET", "/api/v2/oauth/tokens", 200, {}),
    ("GET", "/api/v2/oauth/tokens/{oauth_token_id}", 200, {}),
    ("GET", "/api/v2/oauth/tokens/current", 200, {"auth": with_bearer}),
    ("DELETE", "/api/v2/oauth/tokens/{oauth_token_id}", 204, {}),
    (
        "POST",
        "/oauth/tokens",
        201,
        {
            "json": {
                "grant_type": "client_credentials",
                "client_id": "sandbox-client",
                "client_secret": "sandbox-client-secret",
            }
        },
    ),
]


@pytest.fixture(scope="module", params=["ours", "zendesk"])
def document(request: pytest.FixtureRequest) -> Document:
    if request.param == "ours":
        return Document(shapes.document())
    path = os.environ.get("JOBSUI_OAS")
    if not path:
        pytest.skip(
            "Only our own description is checked: JOBSUI_OAS names no copy of Zendesk's "
            "OpenAPI document, as JSON (developer.zendesk.com/zendesk/oas.yaml)"
        )
    return Document(json.loads(Path(path).read_text()))


@pytest.fixture(scope="module")
def samples() -> Iterator[Api]:
    sandbox = start(samples=True, job_seconds=0.02)
    api = Api(sandbox)
    yield api
    api.session.close()
    sandbox.stop()


@pytest.mark.parametrize(("method", "path", "status", "options"), CALLS)
def test_response_fits_the_document(
    document: Document,
    samples: Api,
    method: str,
    path: str,
    status: int,
    options: dict[str, Any],
) -> None:
    samples.sandbox.reset()

    response = samples.call(method, path.format(**parameters(samples)), **options)

    assert response.status_code == status, response.text
    schema = document.response_schema(method, path, status)
    if schema:
        assert document.problems(response.json(), schema) == []
    else:
        assert response.content == b""


@pytest.mark.parametrize("key", ["asset", "contract", "vehicle"])
def test_every_type_of_field_fits_the_document(
    document: Document, samples: Api, key: str
) -> None:
    samples.sandbox.reset()

    response = samples.get(f"{OBJECTS}/{key}/fields", include_standard_fields="true")

    schema = document.response_schema("GET", f"{KEY}/fields", 200)
    assert document.problems(response, schema) == []


def test_finished_jobs_fit_the_document(document: Document, samples: Api) -> None:
    samples.sandbox.reset()
    job_id = finished_job(samples)

    path = "/api/v2/job_statuses/show_many"

    many = samples.get(path, ids=job_id)

    results = many["job_statuses"][0]["results"]
    statuses = [result["status"] for result in results]
    assert statuses == ["CreateOrUpdate", "Failed"]
    schema = document.response_schema("GET", path, 200)
    assert document.problems(many, schema) == []


def parameters(api: Api) -> dict[str, str]:
    """The values of path parameters."""
    record = api.sandbox.records("vehicle")[0]["id"]
    return {
        "custom_object_key": "vehicle",
        "custom_object_record_id": record,
        "record_id": record,
        "custom_object_field_key_or_id": "remarks",
        "job_status_id": finished_job(api),
        "oauth_token_id": "1",
        "id": "custom-role-1",
    }


def finished_job(api: Api) -> str:
    """The id of a finished job with a success and a failure."""
    items = [
        {"external_id": "V-1", "name": "B-JU 200"},
        {"external_id": "V-2", "name": ""},
    ]
    job_id: str = api.start_job("vehicle", "create_or_update_by_external_id", items)
    api.wait_for(job_id)
    return job_id
