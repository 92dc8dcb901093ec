"""Comparing an upsert by name: by a search for each name, or by a list of all records."""

import threading
from typing import Any

import pytest

from jobsui.connections import objects
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import comparisons
from jobsui.jobs.enums import Action, JobState, NameSource, ReadState, Verdict
from jobsui.jobs.live import name_list, pages, reader
from jobsui.jobs.live.name_list import Names
from jobsui.jobs.models import Job, ListedName, RecordRead
from jobsui.jobs.preparation import checker
from jobsui.zendesk import custom_objects
from jobsui.zendesk.client import Client
from jobsui.zendesk.custom_objects import RecordPage
from tests.factories import make_connection, make_job, make_object
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

FIELDS = [{"key": "room", "title": "Room", "type": "text"}]


@pytest.fixture
def device(sandbox: Sandbox) -> CustomObject:
    sandbox.make_object("device", fields=FIELDS, name={"is_unique": True})
    connection = make_connection(host=sandbox.host, email=sandbox.email)
    connection.requests_per_minute = 60_000
    connection.set_secret("api_token", sandbox.api_token)
    connection.save()
    return objects.refresh(make_object(connection, "device"))


def add_devices(sandbox: Sandbox, number: int) -> list[str]:
    records = [
        {"name": f"Device {n}", "custom_object_fields": {"room": f"R{n}"}}
        for n in range(number)
    ]
    return sandbox.add_records("device", records)


def started(to: CustomObject, names: list[str]) -> RecordRead:
    """A comparison whose rows are divided."""
    rows = "".join(f"{name},R{name.rpartition(' ')[2]}\n" for name in names)
    job = make_job(f"name,room\n{rows}", Action.UPSERT_BY_NAME, to=to)
    checker.start(job, by=None)
    checker.check(job, stopping=threading.Event())
    job.refresh_from_db()
    assert job.state == JobState.READY
    read = comparisons.start(job, by=None)
    pages.divide(read, stopping=threading.Event())
    return read


def run(read: RecordRead, stopping: threading.Event | None = None) -> RecordRead:
    reader.run(read, stopping=stopping or threading.Event())
    read.refresh_from_db()
    return read


def verdicts(read: RecordRead) -> list[str]:
    codes = b"".join(bytes(page.blob.verdicts) for page in read.pages.all())
    return [Verdict(code).name for code in codes]


NAMES = ["Device 7", "Device 249", "Device 1000", "Device 11", "Device 12"]


def test_names_are_found_by_a_list_where_that_is_cheaper(
    sandbox: Sandbox, device: CustomObject
) -> None:
    add_devices(sandbox, 250)
    read = started(device, NAMES)
    sandbox.forget_requests()

    read = run(read)

    assert read.state == ReadState.DONE
    assert read.name_source == NameSource.LIST
    assert verdicts(read) == ["SAME", "SAME", "CREATE", "SAME", "SAME"]
    assert read.records_listed == 250
    assert sandbox.requests() == {
        "count": 1,
        "records-list": 3,
        "records-by-id": 1,
    }
    assert not ListedName.objects.exists()


def test_few_names_are_searched_for(sandbox: Sandbox, device: CustomObject) -> None:
    add_devices(sandbox, 250)
    read = started(device, NAMES[:2])
    sandbox.forget_requests()

    read = run(read)

    assert read.name_source == NameSource.SEARCH
    assert verdicts(read) == ["SAME", "SAME"]
    assert "records-list" not in sandbox.requests()


def test_name_of_two_records_is_ambiguous(
    sandbox: Sandbox, device: CustomObject
) -> None:
    # As if names had become unique after that.
    sandbox.make_object("device", fields=FIELDS, name={"is_unique": False})
    add_devices(sandbox, 250)
    sandbox.add_records("device", [{"name": "Device 7"}])
    read = started(device, NAMES)

    read = run(read)

    assert verdicts(read) == ["AMBIGUOUS", "SAME", "CREATE", "SAME", "SAME"]


@pytest.fixture
def pages_listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cursors of the lists that were asked for. Each page is stored at once."""
    cursors: list[str] = []
    list_records = custom_objects.list_records

    def listed(client: Client, key: str, after: str = "") -> RecordPage:
        try:
            return list_records(client, key, after)
        finally:
            cursors.append(after)

    monkeypatch.setattr(custom_objects, "list_records", listed)
    monkeypatch.setattr(name_list, "COMMIT_SECONDS", 0.0)
    return cursors


class StopsAfter(threading.Event):
    """Is set once `number` pages were listed."""

    def __init__(self, number: int, listed: list[str]) -> None:
        super().__init__()
        self._number = number
        self._listed = listed

    def is_set(self) -> bool:
        return len(self._listed) >= self._number


def test_interrupted_list_continues_at_its_cursor(
    sandbox: Sandbox, device: CustomObject, pages_listed: list[str]
) -> None:
    add_devices(sandbox, 250)
    read = started(device, NAMES)

    read = run(read, StopsAfter(1, pages_listed))
    assert read.state == ReadState.READING
    assert read.records_listed == 100
    assert read.list_cursor
    read = run(read)

    assert verdicts(read) == ["SAME", "SAME", "CREATE", "SAME", "SAME"]
    assert read.records_listed == 250
    assert len(pages_listed) == 3
    assert pages_listed[0] == ""


def test_list_starts_again_where_its_cursor_is_unknown(
    sandbox: Sandbox, device: CustomObject, pages_listed: list[str]
) -> None:
    add_devices(sandbox, 250)
    read = started(device, NAMES)
    read = run(read, StopsAfter(1, pages_listed))
    RecordRead.objects.filter(pk=read.pk).update(list_cursor="unknown")

    read = run(read)

    assert verdicts(read) == ["SAME", "SAME", "CREATE", "SAME", "SAME"]
    assert read.records_listed == 250
    assert pages_listed[1:3] == ["unknown", ""]


def test_cost_of_names_is_that_of_the_cheaper_way(
    sandbox: Sandbox, device: CustomObject
) -> None:
    add_devices(sandbox, 1)
    job: Job = started(device, NAMES).job

    CustomObject.objects.update(record_count=250)
    listed = comparisons.cost_of(job).requests
    CustomObject.objects.update(record_count=None)
    searched = comparisons.cost_of(job).requests

    assert listed == 4
    assert searched == 6


def test_set_of_names_has_all_and_few_others() -> None:
    names = Names(10_000)
    for number in range(10_000):
        names.add(f"Device {number}")

    others: list[Any] = [f"Machine {n}" for n in range(10_000)]
    assert all(f"Device {number}" in names for number in range(10_000))
    assert sum(name in names for name in others) < 400
