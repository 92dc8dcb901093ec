"""The worker's part of a reading: the process that reads the file is watched, and what ends
it is the file's error."""

import threading
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.db import connection

from jobsui.files.parser_process import ParserFailed
from jobsui.jobs.enums import FileState
from jobsui.jobs.leases import Held
from jobsui.jobs.models import ColumnFacts, File, Lease
from jobsui.jobs.preparation import file_reading, uploads
from jobsui.jobs.preparation.file_reading import SMALLER_FILE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_process(settings: LazySettings) -> None:
    settings.READ_FILES_IN_PROCESS = False


def uploaded(name: str, content: bytes = b"id;name\n1;Drill\n2;Saw\n") -> File:
    """Not read yet. The name says what a broken parser does."""
    file = uploads.receive([content], "rows.csv", by=None)
    file.name = name
    file.save()
    return file


def read(file: File) -> None:
    file_reading.read_file(file, stopping=threading.Event())
    file.refresh_from_db()


def incoming() -> list[Any]:
    return list(settings.FILE_UPLOAD_TEMP_DIR.iterdir())


def test_file_is_read_in_a_process_of_its_own() -> None:
    file = uploaded("rows.csv")

    read(file)

    with file_reading.open_rows(file) as table:
        rows = list(table.rows)
    assert file.state == FileState.READY
    assert file.delimiter == ";"
    assert file.rows == 2
    assert rows == [(2, ["1", "Drill"]), (3, ["2", "Saw"])]
    assert incoming() == []


def test_facts_of_columns_are_stored_until_the_file_is_read_again() -> None:
    file = uploaded("rows.csv", b"day,state\n31.05.2024,new\n1.2.2024,\n,new\n")
    read(file)

    file_reading.reread(file, header_row=2)
    read(file)

    [day, state] = ColumnFacts.objects.filter(file=file)
    assert (day.position, day.name, day.filled) == (0, "31.05.2024", 1)
    assert day.longest == len("1.2.2024")
    assert day.distinct == 1
    assert day.values == [["1.2.2024", 1]]
    assert day.date_orders == {"either": 1}
    assert (state.position, state.name, state.filled) == (1, "new", 1)
    assert state.values == [["new", 1]]


@pytest.mark.usefixtures("broken_parser")
def test_file_that_kills_its_parser_is_rejected() -> None:
    file = uploaded("SIGKILL")

    read(file)

    assert file.state == FileState.REJECTED
    assert file.error == (
        "The program that reads the file was killed twice (SIGKILL), probably because the "
        f"server's memory ran out. {SMALLER_FILE}"
    )
    assert file.sheets == ["Assets", "People"]
    assert incoming() == []


@pytest.mark.usefixtures("broken_parser")
def test_error_of_ours_is_tried_three_times() -> None:
    file = uploaded("error")

    for _ in range(3):
        with pytest.raises(ParserFailed):
            file_reading.read_file(file, stopping=threading.Event())

    file.refresh_from_db()
    assert file.state == FileState.REJECTED
    assert "(ParserFailed)" in file.error


@pytest.mark.usefixtures("broken_parser")
def test_worker_that_stops_ends_the_process() -> None:
    file = uploaded("sleep")
    stopping = threading.Event()
    threading.Timer(1.0, stopping.set).start()

    file_reading.read_file(file, stopping=stopping)

    file.refresh_from_db()
    assert file.state == FileState.READING
    assert Lease.objects.get(name=f"read:{file.pk}").tries == 0
    assert incoming() == []


@pytest.mark.usefixtures("broken_parser")
def test_worker_that_lost_its_lease_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = uploaded("sleep")
    monkeypatch.setattr(Held, "age", 100.0)

    def lose_lease() -> None:
        Lease.objects.filter(name=f"read:{file.pk}").update(owner="another")
        # That of this thread.
        connection.close()

    threading.Timer(1.0, lose_lease).start()

    file_reading.read_file(file, stopping=threading.Event())

    lease = Lease.objects.get(name=f"read:{file.pk}")
    assert lease.owner == "another"


@pytest.mark.usefixtures("broken_parser")
def test_lease_is_renewed_before_the_first_row(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.FILE_LIMITS = {"min_seconds": 2}
    monkeypatch.setattr(Held, "age", 100.0)
    file = uploaded("sleep")
    renewed: list[str] = []
    renew = Held.renew

    def note(lease: Held) -> bool:
        renewed.append(lease.name)
        return renew(lease)

    monkeypatch.setattr(Held, "renew", note)

    read(file)

    assert len(renewed) > 3
    assert file.error == f"Reading the file takes longer than 2 seconds. {SMALLER_FILE}"
