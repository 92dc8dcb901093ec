"""Stock clients, unchanged, doing their work against the sandbox."""
# mypy: disable-error-code="no-untyped-call"

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zendesk
from libzapi import CustomData
from mercuryorm import fields
from mercuryorm.base import CustomObject
from mercuryorm.client.connection import ZendeskAPIClient
from mercuryorm.exceptions import UniqueConstraintError
from mercuryorm.zendesk_manager import ZendeskObjectManager
from zendesk import models
from zenpy import Zenpy

from tests.sandbox.conftest import Api

# python-zendesk's JSONPath library asks for parts of the standard library that are on
# their way out.
pytestmark = pytest.mark.filterwarnings("ignore:ast.*:DeprecationWarning")

NODE = Path(__file__).parent / "node"
ACTIONS: list[tuple[str, list[Any]]] = [
    ("create", [{"name": "B 1", "external_id": "1"}]),
    ("create_or_update_by_external_id", [{"name": "B 2", "external_id": "2"}]),
    ("create_or_update_by_name", [{"name": "B 3", "external_id": "3"}]),
    ("delete_by_external_id", ["3"]),
]


@pytest.fixture
def libzapi(api: Api) -> CustomData:
    return CustomData(
        base_url=api.sandbox.url,
        email=api.sandbox.email,
        api_token=api.sandbox.api_token,
    )


def test_libzapi_runs_all_six_actions(api: Api, libzapi: Any) -> None:
    api.sandbox.make_object("plate", name={"is_unique": True})
    records = libzapi.custom_object_records
    for action, items in ACTIONS:
        job = records.bulk_job("plate", action=action, items=items)
        assert api.wait_for(job.id)["status"] == "completed"
    ids = {record.external_id: record.id for record in records.list_all("plate")}

    changed = {"id": ids["1"], "name": "B 9"}
    api.wait_for(records.bulk_job("plate", action="update", items=[changed]).id)
    api.wait_for(records.bulk_job("plate", action="delete", items=[ids["2"]]).id)

    [record] = records.list_all("plate")
    assert record.external_id == "1"
    assert record.name == "B 9"


def test_libzapi_writes_and_finds_single_records(api: Api, libzapi: Any) -> None:
    records = libzapi.custom_object_records
    made = records.create("thing", "One", {"note": "first"}, external_id="1")
    records.update("thing", made.id, {"note": "changed"})
    records.upsert("thing", "Two", {"count": 2}, external_id="2")

    assert records.get("thing", made.id).custom_object_fields["note"] == "changed"
    assert records.count("thing").value == 2
    assert records.limit().count == 2
    assert [each.name for each in records.search("thing", "chang")] == ["One"]
    wanted = {"custom_object_fields.count": {"$eq": 2}}
    assert [each.name for each in records.filtered_search("thing", wanted)] == ["Two"]
    assert [each.name for each in records.autocomplete("thing", "tw")] == ["Two"]
    listed = records.list_all("thing", external_ids=["2"])
    assert [each.name for each in listed] == ["Two"]
    records.delete("thing", made.id)
    records.delete_by_external_id("thing", "2")
    assert api.sandbox.records("thing") == []


@pytest.mark.usefixtures("api")
def test_libzapi_reads_objects_and_fields(libzapi: Any) -> None:
    assert [each.key for each in libzapi.custom_objects.list_all()] == ["thing"]
    assert libzapi.custom_objects.get("thing").title == "Thing"
    assert libzapi.custom_objects.limit().limit == 50
    listed = list(libzapi.custom_object_fields.list_all("thing"))
    assert [each.type for each in listed] == ["text", "integer", "dropdown"]


def test_libzapi_signs_in_with_a_bearer(api: Api) -> None:
    client = CustomData(base_url=api.sandbox.url, oauth_token=api.sandbox.bearer)

    assert [each.key for each in client.custom_objects.list_all()] == ["thing"]


@pytest.fixture
def mercury(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(ZendeskAPIClient, "BASE_URL", f"{api.sandbox.url}/api/v2")
    monkeypatch.setattr(ZendeskAPIClient.__init__, "__defaults__", (api.sandbox.email,))
    monkeypatch.setenv("ZENDESK_API_TOKEN", api.sandbox.api_token)
    return api


def test_mercury_orm_makes_an_object_and_works_with_its_records(mercury: Api) -> None:
    class Gadget(CustomObject):
        name = fields.NameField(unique=True)
        note = fields.TextField("note")
        count = fields.IntegerField("count")
        colour = fields.DropdownField("colour", choices=["Red", "Blue"])

    objects: Any = vars(Gadget)["objects"]
    ZendeskObjectManager(mercury.sandbox.email).create_custom_object_from_model(Gadget)
    first = Gadget(name="One", note="first", count=1, colour="red")
    first.save()
    first.note = "changed"
    first.save()
    with pytest.raises(UniqueConstraintError):
        Gadget(name="One").save()
    [response] = objects.bulk.create(
        [Gadget(name="Two", count=2), Gadget(name="Three", count=3)]
    )

    assert response["job_status"]["status"] == "completed"
    assert [result["status"] for result in response["job_status"]["results"]] == [
        "Created",
        "Created",
    ]
    assert objects.get(id=first.id).note == "changed"
    assert [each.name for each in objects.all()] == ["One", "Two", "Three"]
    wanted = {"custom_object_fields.count": {"$gt": 1}}
    assert [each.name for each in objects.find(wanted)] == ["Two", "Three"]
    assert objects.all_paginated(page_size=2)["count"] == 3
    assert [each.name for each in objects.search("Thr")] == ["Three"]
    assert objects.delete(first.id) == {"status_code": 204}
    assert sorted(mercury.sandbox.applied("gadget").values()) == [1, 1, 3]


@pytest.fixture
def speakeasy(api: Api) -> zendesk.Zendesk:
    security = models.Security(
        username=f"{api.sandbox.email}/token", password=api.sandbox.api_token
    )
    return zendesk.Zendesk(server_url=api.sandbox.url, security=security)


def test_python_zendesk_reads_objects_fields_and_records(
    api: Api, speakeasy: Any
) -> None:
    names = [str(number) for number in range(5)]
    items = [{"name": name, "external_id": name} for name in names]
    ids = api.sandbox.add_records("thing", items)

    objects = speakeasy.custom_objects.list_custom_objects().custom_objects
    assert [each.key for each in objects] == ["thing"]
    listed = speakeasy.custom_object_fields.list_custom_object_fields(
        custom_object_key="thing", include_standard_fields=True
    )
    assert [each.key for each in listed.result.custom_object_fields][:3] == [
        "standard::name",
        "standard::external_id",
        "note",
    ]
    page = speakeasy.custom_object_records.list_custom_object_records(
        custom_object_key="thing", page_size=2
    )
    read = []
    while page:
        read += [record.id for record in page.result.custom_object_records]
        page = page.next()
    assert read == ids
    shown = speakeasy.custom_object_records.show_custom_object_record(
        custom_object_key="thing", custom_object_record_id=ids[0]
    )
    assert shown.custom_object_record.name == "0"
    assert speakeasy.custom_object_records.custom_object_records_limit().count == 5


def test_python_zendesk_queues_a_job_and_follows_it(api: Api, speakeasy: Any) -> None:
    """It can't send names, so the object numbers its records; it can't read ids that
    are strings, so there are none."""
    api.sandbox.make_object(
        "numbered", fields=[{"key": "note"}], name={"autoincrement_enabled": True}
    )
    api.sandbox.faults(no_id=1, results_object=1)
    items = [
        models.CustomObjectRecordInput(
            external_id="1", custom_object_fields={"note": "x"}
        )
    ]

    response = speakeasy.custom_object_records.custom_object_record_bulk_jobs(
        custom_object_key="numbered",
        job=models.CustomObjectRecordsBulkCreateRequestJob(
            action="create", items=items
        ),
    )
    job_id = response.job_status.id
    api.wait_for(job_id)

    one = speakeasy.job_statuses.show_job_status(job_status_id=job_id)
    assert one.job_status.status == "completed"
    many = speakeasy.job_statuses.show_many_job_statuses(ids=job_id)
    assert [each.id for each in many.job_statuses] == [job_id]
    listed = speakeasy.job_statuses.list_job_statuses()
    assert [each.id for each in listed.result.job_statuses] == [job_id]
    assert [each["name"] for each in api.sandbox.records("numbered")] == ["1"]


def test_zenpy_reads_job_statuses_in_its_three_ways(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", api.sandbox.host)
    client = Zenpy(
        subdomain="acme", email=api.sandbox.email, token=api.sandbox.api_token
    )
    ids = [api.start_job("thing", "create", [{"name": name}]) for name in "ab"]
    finished = [api.wait_for(job_id) for job_id in ids]

    one = client.job_status(id=ids[0])
    many = client.job_status(ids=ids)["job_statuses"]
    listed = client.job_status()["job_statuses"]

    assert one.status == "completed"
    assert one.results[0].id == finished[0]["results"][0]["id"]
    assert [each.id for each in many] == ids
    assert [each.id for each in listed] == ids[::-1]


@pytest.mark.skipif(
    shutil.which("npm") is None,
    reason="npm is not installed: node-zendesk is not tried",
)
def test_node_zendesk_watches_and_reads_job_statuses(api: Api, tmp_path: Path) -> None:
    shutil.copytree(
        NODE, tmp_path / "node", ignore=shutil.ignore_patterns("node_modules")
    )
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(
        npm, cwd=tmp_path / "node", capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stderr
    api.sandbox.settings(job_seconds=0.3)
    ids = [api.start_job("thing", "create", [{"name": name}]) for name in "ab"]

    words = [
        "node",
        "jobstatuses.js",
        api.sandbox.url,
        api.sandbox.api_token,
        api.sandbox.email,
        *ids,
    ]
    ran = subprocess.run(
        words,
        cwd=tmp_path / "node",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )

    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["watched"]["status"] == "completed"
    assert said["shown"]["result"]["job_status"]["id"] == ids[0]
    assert [each["id"] for each in said["many"]["result"]["job_statuses"]] == ids
    listed = said["listed"]["result"]["job_statuses"]
    assert {each["id"] for each in listed} == set(ids)
