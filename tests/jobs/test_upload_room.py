from collections import namedtuple
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobsui.jobs.errors import NoRoom
from jobsui.jobs.models import File
from jobsui.jobs.preparation import upload_room, uploads
from tests.factories import make_file, make_user

pytestmark = pytest.mark.django_db
MEGABYTE = 1024**2
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def ana(db: None) -> User:  # noqa: ARG001
    return make_user("ana")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Megabytes free: those of the last question stay."""
    free = [2048]

    def usage(_path: Any) -> Usage:
        left = free.pop(0) if len(free) > 1 else free[0]
        return Usage(0, 0, left * MEGABYTE)

    monkeypatch.setattr(upload_room.shutil, "disk_usage", usage)  # type: ignore[attr-defined]
    return free


def test_upload_needs_room_for_itself_its_copy_and_the_reserve(
    ana: User, disk: list[int]
) -> None:
    upload_room.require_room(512 * MEGABYTE, by=ana)

    with pytest.raises(NoRoom) as refusal:
        upload_room.require_room(513 * MEGABYTE, by=ana)

    assert len(disk) == 1
    assert str(refusal.value) == (
        "The disk of Jobs UI has 2.0 GB free, and this upload needs 2.0 GB: the file, a copy of "
        "its rows, and 1.0 GB in reserve. Discard drafts that are not needed, or ask an "
        "administrator for a larger disk or a lower JOBSUI_KEEP_FILES_DAYS."
    )


def test_upload_stops_when_the_disk_gets_full(ana: User, disk: list[int]) -> None:
    disk[:] = [1025, 1024, 1023]
    read = []

    def chunks() -> Any:
        for number in range(5):
            read.append(number)
            yield b"name\n"

    with pytest.raises(NoRoom, match="so the upload was stopped"):
        uploads.receive(chunks(), "rows.csv", by=ana)

    assert read == [0, 1, 2]
    assert File.objects.count() == 0


def test_person_may_store_only_so_much(ana: User, settings: Any) -> None:
    settings.MAX_FILES_MB = 10
    make_file("name\n", uploaded_by=ana, size=6 * MEGABYTE)
    make_file("name\n", uploaded_by=make_user("ben"), size=9 * MEGABYTE)

    upload_room.require_room(4 * MEGABYTE, by=ana)
    with pytest.raises(NoRoom) as refusal:
        upload_room.require_room(5 * MEGABYTE, by=ana)

    assert str(refusal.value) == (
        "Your uploaded files take 6.0 MB of 10.0 MB, and this upload has 5.0 MB. Discard drafts "
        "that are not needed, or ask an administrator to raise JOBSUI_MAX_FILES_MB."
    )
