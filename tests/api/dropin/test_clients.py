"""Client libraries of Zendesk work with the drop-in endpoint; only their host
changes."""
# mypy: disable-error-code="no-untyped-call"

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import zendesk
from django.contrib.auth.models import User
from django.db import connections
from libzapi import CustomData
from mercuryorm import fields
from mercuryorm.base import CustomObject
from mercuryorm.client.connection import ZendeskAPIClient
from zendesk import models
from zenpy import Zenpy

from tests.api.dropin.conftest import item, make_token
from tests.conftest import TaskQueue
from tests.harness import Harness

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # python-zendesk's JSONPath library uses deprecated parts of the standard library.
    pytest.mark.filterwarnings("ignore:ast.*:DeprecationWarning"),
]
EMAIL = "ops@acme.example"
FIELDS = [
    {"key": "note", "title": "Note"},
    {"key": "count", "title": "Count", "type": "integer"},
]


@dataclass
class Server:
    """Jobs UI, with workers."""

    url: str
    token: str
    harness: Harness

    def wait_for(self, status_id: str) -> dict[str, Any]:
        """The job status, once the job is over."""
        for _ in range(1000):
            response = requests.get(
                f"{self.url}/api/v2/job_statuses/{status_id}",
                auth=(f"{EMAIL}/token", self.token),
                timeout=30,
            )
            status: dict[str, Any] = response.json()["job_status"]
            if status["status"] not in {"queued", "working"}:
                return status
            time.sleep(0.02)
        raise AssertionError(f"The job is not over: {status}")


@pytest.fixture
def idle(harness: Harness, ana: User, live_server: Any) -> Server:
    """Without workers."""
    return Server(live_server.url, make_token(ana, harness.connection), harness)


@pytest.fixture
def server(idle: Server) -> Iterator[Server]:
    """With one worker for the drivers and one for the other tasks."""
    stopping = threading.Event()
    queue = idle.harness.task_queue

    def work(*, drives: bool) -> None:
        while not stopping.wait(0.01):
            own = [entry for entry in queue if (entry[0] == "drive") is drives]
            for entry in own:
                queue.remove(entry)
                TaskQueue([entry]).run_all()
        connections.close_all()

    workers = [
        threading.Thread(target=work, kwargs={"drives": drives})
        for drives in (True, False)
    ]
    for worker in workers:
        worker.start()
    yield idle
    stopping.set()
    for worker in workers:
        worker.join()


@pytest.fixture
def libzapi(server: Server) -> Any:
    return CustomData(base_url=server.url, email=EMAIL, api_token=server.token)


def test_libzapi_runs_all_six_actions(server: Server, libzapi: Any) -> None:
    server.harness.sandbox.make_object("plate", name={"is_unique": True})
    bulk = libzapi.custom_object_records.bulk_job

    def run(action: str, *items: Any) -> list[str]:
        status_id = bulk("plate", action=action, items=list(items)).id
        results = server.wait_for(status_id)["results"]
        return [result["status"] for result in results]

    made = run(
        "create",
        *(
            {"name": f"P {number}", "external_id": str(number)}
            for number in range(1, 4)
        ),
    )
    ids = {
        record.external_id: record.id
        for record in libzapi.custom_object_records.list_all("plate")
    }
    others = [
        run("create_or_update_by_external_id", {"name": "P 4", "external_id": "4"}),
        run("create_or_update_by_name", {"name": "P 1", "external_id": "one"}),
        run("update", {"id": ids["2"], "name": "P 9"}),
        run("delete", ids["3"]),
        run("delete_by_external_id", "4"),
    ]

    assert made == ["Created"] * 3
    assert others == [
        ["CreateOrUpdate"],
        ["CreateOrUpdate"],
        ["Updated"],
        ["Deleted"],
        ["Deleted"],
    ]
    kept = [
        (record["external_id"], record["name"])
        for record in server.harness.sandbox.records("plate")
    ]
    assert kept == [("one", "P 1"), ("2", "P 9")]


def test_libzapi_sends_many_jobs(server: Server, libzapi: Any) -> None:
    server.harness.object()
    items = [item(number, price=number / 4) for number in range(500)]

    sent = [
        libzapi.custom_object_records.bulk_job(
            "gadget", action="create", items=items[first : first + 100]
        )
        for first in range(0, 500, 100)
    ]
    for status in sent:
        server.wait_for(status.id)

    assert records(server.harness) == {each["external_id"]: each for each in items}


def test_many_items_go_in_one_request(server: Server) -> None:
    server.harness.object()
    items = [item(number, price=number / 4) for number in range(2000)]

    response = requests.post(
        f"{server.url}/api/v2/custom_objects/gadget/jobs",
        json={"job": {"action": "create", "items": items}},
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=60,
    )
    status = server.wait_for(response.json()["job_status"]["id"])

    assert response.status_code == 201
    assert status["total"] == 2000
    assert status["progress"] == 2000
    assert len(status["results"]) == 2000
    assert records(server.harness) == {each["external_id"]: each for each in items}
    ids = {
        record["external_id"]: record["id"]
        for record in server.harness.sandbox.records("gadget")
    }
    assert status["results"] == [
        {
            "index": index,
            "id": ids[f"g-{index}"],
            "external_id": f"g-{index}",
            "status": "Created",
        }
        for index in range(2000)
    ]


def records(harness: Harness) -> dict[str, dict[str, Any]]:
    """The gadgets in the sandbox, as items."""
    return {
        key: {
            "external_id": key,
            "name": record["name"],
            "custom_object_fields": {
                name: value
                for name, value in record["custom_object_fields"].items()
                if value is not None
            },
        }
        for key, record in harness.records().items()
    }


def test_libzapi_reads_objects_fields_and_records(server: Server, libzapi: Any) -> None:
    server.harness.sandbox.make_object("thing", fields=FIELDS)
    made = server.harness.sandbox.add_records(
        "thing",
        [
            {
                "name": name,
                "external_id": name[0],
                "custom_object_fields": {"note": "first", "count": index},
            }
            for index, name in enumerate(("One", "Two"))
        ],
    )
    stock = libzapi.custom_object_records

    assert libzapi.custom_objects.get("thing").title == "Thing"
    assert [each.key for each in libzapi.custom_objects.list_all()] == ["thing"]
    assert [each.type for each in libzapi.custom_object_fields.list_all("thing")] == [
        "text",
        "integer",
    ]
    assert sorted(record.id for record in stock.list_all("thing")) == made
    assert stock.get("thing", made[0]).custom_object_fields["note"] == "first"
    assert stock.count("thing").value == 2
    assert stock.limit().count == 2
    assert [each.name for each in stock.search("thing", "Tw")] == ["Two"]
    wanted = {"custom_object_fields.count": {"$eq": 1}}
    assert [each.name for each in stock.filtered_search("thing", wanted)] == ["Two"]
    assert [each.name for each in stock.list_all("thing", external_ids=["O"])] == [
        "One"
    ]


def test_libzapi_authenticates_with_a_bearer_token(server: Server) -> None:
    client = CustomData(base_url=server.url, oauth_token=server.token)

    assert list(client.custom_objects.list_all()) == []


def test_mercury_orm_creates_and_finds_records(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ZendeskAPIClient, "BASE_URL", f"{server.url}/api/v2")
    monkeypatch.setattr(ZendeskAPIClient.__init__, "__defaults__", (EMAIL,))
    monkeypatch.setenv("ZENDESK_API_TOKEN", server.token)
    server.harness.sandbox.make_object("thing", fields=FIELDS)

    class Thing(CustomObject):
        name = fields.NameField()
        note = fields.TextField("note")
        count = fields.IntegerField("count")

    objects: Any = vars(Thing)["objects"]
    [response] = objects.bulk.create(
        [Thing(name=f"T {n}", note="x", count=n) for n in range(3)],
        wait_to_complete=True,
    )
    ids = [record["id"] for record in server.harness.sandbox.records("thing")]

    assert response["job_status"]["status"] == "completed"
    assert [
        (each["index"], each["id"], each["status"])
        for each in response["job_status"]["results"]
    ] == [(index, ids[index], "Created") for index in range(3)]
    assert [
        each.name for each in objects.find({"custom_object_fields.count": {"$gt": 0}})
    ] == ["T 1", "T 2"]
    page = objects.all_paginated(page_size=2)
    rest = objects.all_paginated(page_size=2, after_cursor=page["meta"]["after_cursor"])
    assert [
        [each.name for each in each_page["results"]] for each_page in (page, rest)
    ] == [["T 0", "T 1"], ["T 2"]]
    assert objects.get(id=ids[0]).note == "x"


def test_python_zendesk_reads_objects_and_queues_a_job(idle: Server) -> None:
    """The library cannot send names, so the object is autonumbered. It cannot read
    results whose IDs are strings, so it reads the job status before there are any."""
    harness = idle.harness
    harness.sandbox.make_object(
        "numbered", fields=FIELDS, name={"autoincrement_enabled": True}
    )
    security = models.Security(username=f"{EMAIL}/token", password=idle.token)
    client: Any = zendesk.Zendesk(server_url=idle.url, security=security)
    items = [
        models.CustomObjectRecordInput(
            external_id="1", custom_object_fields={"note": "x"}
        )
    ]

    job_id = client.custom_object_records.custom_object_record_bulk_jobs(
        custom_object_key="numbered",
        job=models.CustomObjectRecordsBulkCreateRequestJob(
            action="create", items=items
        ),
    ).job_status.id

    assert (
        client.job_statuses.show_job_status(job_status_id=job_id).job_status.status
        == "queued"
    )
    many = client.job_statuses.show_many_job_statuses(ids=job_id)
    listed = client.job_statuses.list_job_statuses()
    objects = client.custom_objects.list_custom_objects()
    assert [each.id for each in many.job_statuses] == [job_id]
    assert [each.id for each in listed.result.job_statuses] == [job_id]
    assert [each.key for each in objects.custom_objects] == ["numbered"]
    harness.task_queue.run_all()
    page = client.custom_object_records.list_custom_object_records(
        custom_object_key="numbered", page_size=2
    )
    assert [record.external_id for record in page.result.custom_object_records] == ["1"]


def test_zenpy_reads_job_statuses_in_three_ways(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", server.url.removeprefix("http://"))
    server.harness.object()
    client = Zenpy(subdomain="acme", email=EMAIL, token=server.token)
    stock = CustomData(
        base_url=server.url, email=EMAIL, api_token=server.token
    ).custom_object_records
    ids = [
        stock.bulk_job("gadget", action="create", items=[item(number)]).id
        for number in (1, 2)
    ]
    for each in ids:
        server.wait_for(each)

    one = client.job_status(id=ids[0])
    many = client.job_status(ids=ids)["job_statuses"]
    listed = client.job_status()["job_statuses"]

    assert one.status == "completed"
    assert one.results[0].status == "Created"
    assert [each.id for each in many] == ids
    assert [each.id for each in listed] == ids[::-1]
