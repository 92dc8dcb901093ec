"""A connection to a running sandbox, and jobs on it that go through the engine's own
functions in the test's process."""

import csv
import io
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.control.auto_mapping import auto_check
from jobsui.jobs.enums import Action
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import Job
from jobsui.jobs.preparation import planner, uploads
from jobsui.jobs.reports import row_results
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_object
from tests.sandbox_server import Sandbox

GADGET: list[dict[str, Any]] = [
    {
        "key": "serial",
        "title": "Serial",
        "type": "regexp",
        "required": True,
        "regexp_for_validation": "^[A-Z]{2}-[0-9]{6}$",
    },
    {
        "key": "status",
        "title": "Status",
        "type": "dropdown",
        "custom_field_options": [
            {"value": "in_use", "name": "In use"},
            {"value": "retired", "name": "Retired"},
        ],
    },
    {
        "key": "tags",
        "title": "Tags",
        "type": "multiselect",
        "custom_field_options": [
            {"value": "wifi", "name": "Wi-Fi"},
            {"value": "gps", "name": "GPS"},
        ],
    },
    {"key": "price", "title": "Price", "type": "decimal"},
    {"key": "seats", "title": "Seats", "type": "integer"},
    {"key": "insured", "title": "Insured", "type": "checkbox", "tag": "insured_gadget"},
    {"key": "bought", "title": "Bought", "type": "date"},
    {"key": "notes", "title": "Notes", "type": "textarea"},
]
"""Fields of the common types, for a made-up object."""


def to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The keys of the first row are the header."""
    all_rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(all_rows[0]))
    writer.writeheader()
    writer.writerows(all_rows)
    return text.getvalue().encode()


def gadgets(count: int, first: int = 1) -> list[dict[str, Any]]:
    return [
        {
            "external_id": f"g-{n}",
            "name": f"Gadget {n}",
            "serial": f"AB-{n:06}",
            "price": f"{n}.5",
        }
        for n in range(first, first + count)
    ]


def record_of(gadget: Mapping[str, Any]) -> dict[str, Any]:
    """The record that one of `gadgets` becomes."""
    fields = {"serial": gadget["serial"], "price": float(gadget["price"])}
    members = {"external_id": gadget["external_id"], "name": gadget["name"]}
    return members | {"custom_object_fields": fields}


@dataclass
class Harness:
    sandbox: Sandbox
    connection: Connection
    task_queue: TaskQueue

    def object(self, key: str = "gadget", **name: Any) -> CustomObject:
        """Create an object in the sandbox and add it to the connection. `name`: the rules
        of its name field."""
        self.sandbox.make_object(key, fields=GADGET, name=name)
        return objects.refresh(make_object(self.connection, key))

    def checked(
        self,
        content: bytes | list[dict[str, Any]],
        action: Action,
        *,
        key: str = "gadget",
        name: str = "rows.csv",
        **options: Any,
    ) -> Job:
        """A checked draft of this file."""
        body = to_csv(content) if isinstance(content, list) else content
        file = uploads.receive([body], name, by=None)
        self.task_queue.run_all()
        file.refresh_from_db()
        job = drafts.create_draft(
            self.connection, key, action, file, by=None, options=Options(**options)
        )
        auto_check(job, by=None)
        self.task_queue.run_all()
        job.refresh_from_db()
        return job

    def planned(
        self,
        content: bytes | list[dict[str, Any]],
        action: Action = Action.CREATE,
        **options: Any,
    ) -> Job:
        """A launched and planned job. No driver is asked for."""
        job = self.checked(content, action, **options)
        actions.launch(job, by=None)
        self.task_queue.clear()
        planner.plan(job, stopping=threading.Event())
        self.task_queue.clear()
        job.refresh_from_db()
        return job

    def run(
        self, content: bytes | list[dict[str, Any]], action: Action, **options: Any
    ) -> Job:
        """Check, launch, plan and send, until the job has ended."""
        job = self.checked(content, action, **options)
        actions.launch(job, by=None)
        self.task_queue.run_all()
        job.refresh_from_db()
        return job

    def results(self, job: Job) -> list[dict[str, str]]:
        text = b"".join(row_results.results_csv(job, raw=True)).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    def records(self, key: str = "gadget") -> dict[str, dict[str, Any]]:
        """The sandbox's records by external ID, or by name if they have none."""
        return {
            record["external_id"] or record["name"]: record
            for record in self.sandbox.records(key)
        }


@pytest.fixture
def harness(
    transactional_db: None,  # noqa: ARG001
    sandbox: Sandbox,
    task_queue: TaskQueue,
) -> Harness:
    sandbox.settings(api_tokens=True)
    connection = make_connection(
        name="Sandbox",
        host=sandbox.host,
        email=sandbox.email,
        requests_per_minute=60_000,
        max_running_jobs=30,
    )
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return Harness(sandbox, connection, task_queue)
