"""How large a request may be, and what remains of a refused one."""

import json
import re
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobsui import waits
from jobsui.connections.models import CustomObject
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation.upload_room import UploadHandler
from jobsui.web.middleware import MAX_FORM_BYTES
from tests.web import stages
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


class Untouched(BytesIO):
    """A body that must not be read."""

    def read(self, _size: int | None = -1, /) -> bytes:
        raise AssertionError("The body was read.")

    readline = read


@pytest.fixture
def thing(db: None) -> CustomObject:  # noqa: ARG001
    return stages.gadget()


@pytest.fixture
def stored() -> Any:
    """The number of files in the folder of uploads."""
    return lambda: sum(
        path.is_file() for path in Path(configured.MEDIA_ROOT).rglob("*")
    )


def form(thing: CustomObject, content: bytes, name: str = "rows.csv") -> dict[str, Any]:
    return {
        "object": thing.pk,
        "action": "create",
        "file": SimpleUploadedFile(name, content),
    }


def post_unread(
    client: Client,
    path: str,
    length: int,
    *,
    kind: str = "multipart/form-data; boundary=x",
    **headers: str,
) -> Any:
    """A POST with this Content-Length, whose body must not be read."""
    body: Any = {
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(length),
        "wsgi.input": Untouched(),
    }
    return client.generic("POST", path, headers=headers, **body)


@pytest.mark.usefixtures("thing")
def test_too_large_upload_is_refused_before_it_is_read(
    operator: Client, stored: Any
) -> None:
    draft, before = stages.draft(), stored()
    length = configured.MAX_UPLOAD_BYTES + configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1

    answers = [
        post_unread(operator, path, length)
        for path in ("/jobs/new/", f"/jobs/new/{draft.code}/")
    ]

    with pytest.raises(AssertionError, match="The body was read"):
        post_unread(operator, "/jobs/new/", length - 1)
    assert [answer.status_code for answer in answers] == [413, 413]
    for answer in answers:
        assert "File too large" in answer.text
        assert "The maximum is 2,048 MB." in answer.text
    assert stored() == before
    assert Job.objects.count() == 1


@pytest.mark.usefixtures("thing")
def test_too_large_upload_by_htmx_is_refused_in_place(operator: Client) -> None:
    answer = post_unread(operator, "/jobs/new/", 2**40, **HTMX)

    assert answer.status_code == 413
    assert "<html" not in answer.text
    assert "File too large" in answer.text
    assert 'href="/jobs/new/"' in answer.text


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/objects/add/", "/people/add/", "/nothing/"]
)
def test_other_forms_take_no_upload(administrator: Client, path: str) -> None:
    answer = post_unread(
        administrator, path, configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
    )

    assert answer.status_code == (404 if path == "/nothing/" else 413)


@pytest.mark.usefixtures("ana")
def test_stranger_uploads_nothing(client: Client) -> None:
    answers = [
        post_unread(client, "/jobs/new/", 1000),
        post_unread(client, "/accounts/login/", waits.MAX_SMALL_BODY + 1),
    ]

    assert [answer.status_code for answer in answers] == [302, 413]


@pytest.mark.parametrize("path", ["/objects/add/", "/jobs/new/"])
def test_form_that_would_take_too_much_memory_is_refused(
    administrator: Client, path: str
) -> None:
    kind = "application/x-www-form-urlencoded"

    answer = post_unread(administrator, path, MAX_FORM_BYTES + 1, kind=kind)

    assert answer.status_code == 413


@pytest.fixture
def no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many requests wait as may wait."""
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    waits.places.acquire()


@pytest.mark.usefixtures("thing", "no_place")
def test_upload_that_finds_no_place_is_refused_before_it_is_read(
    operator: Client,
) -> None:
    answer = post_unread(operator, "/jobs/new/", waits.MAX_SMALL_BODY + 1)

    assert answer.status_code == 429
    assert answer["Retry-After"] == "5"
    assert "<html" in answer.text
    assert "Jobs UI is busy" in answer.text
    assert "Nothing was changed. Try again in a few seconds." in answer.text


@pytest.mark.usefixtures("thing", "no_place")
def test_upload_by_htmx_that_finds_no_place_is_refused_in_place(
    operator: Client,
) -> None:
    answer = post_unread(operator, "/jobs/new/", waits.MAX_SMALL_BODY + 1, **HTMX)

    assert answer.status_code == 429
    assert "<html" not in answer.text
    assert "Jobs UI is busy" in answer.text


@pytest.mark.usefixtures("thing")
def test_upload_without_room_is_refused_before_it_is_read(
    operator: Client, settings: Any
) -> None:
    settings.MIN_FREE_MB = 10**9

    answer = post_unread(operator, "/jobs/new/", 1000)

    assert answer.status_code == 507
    assert "No room for the upload" in answer.text
    assert "JOBSUI_KEEP_FILES_DAYS" in answer.text


def test_upload_that_fills_the_disk_is_stopped(
    operator: Client,
    thing: CustomObject,
    settings: Any,
    stored: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jobsui.jobs.preparation.upload_room.require_room", no_check)
    settings.MIN_FREE_MB = 10**9
    before = stored()

    answer = operator.post("/jobs/new/", form(thing, b"name\na\n"))

    assert answer.status_code == 507
    assert "so the upload was stopped" in answer.text
    assert stored() == before


def no_check(_size: int, **_by: Any) -> None:
    """The disk had room when the upload began."""


@pytest.mark.usefixtures("no_place")
def test_small_upload_needs_no_place(operator: Client, thing: CustomObject) -> None:
    assert operator.post("/jobs/new/", form(thing, b"name\na\n")).status_code == 302


def test_upload_gives_its_place_back(
    operator: Client, thing: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    large = b"name\n" + b"a\n" * waits.MAX_SMALL_BODY

    answers = [operator.post("/jobs/new/", form(thing, large)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]


def test_file_a_little_too_large_is_refused_on_the_form(
    operator: Client, thing: CustomObject, settings: Any, stored: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    before = stored()

    answer = operator.post("/jobs/new/", form(thing, b"name\n" + b"x" * 1024 * 1024))

    assert answer.status_code == 200
    assert "The file is larger than 1 MB." in answer.text
    assert stored() == before
    assert File.objects.count() == 0
    assert Job.objects.count() == 0


def test_refused_uploads_leave_no_temporary_file(
    ana: User, thing: CustomObject, tmp_path: Path, settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    strict, lenient = signed_in(ana, enforce_csrf_checks=True), signed_in(ana)

    answers = [
        strict.post("/jobs/new/", form(thing, b"name\na\n")),
        lenient.post("/jobs/new/", form(thing, b"")),
        lenient.post("/jobs/new/", form(thing, b"name\na\n") | {"object": "x"}),
        lenient.post("/objects/add/", form(thing, b"name\na\n")),
    ]

    assert [answer.status_code for answer in answers] == [403, 200, 200, 200]
    assert list(tmp_path.iterdir()) == []
    assert File.objects.count() == 0
    assert [
        f"{UploadHandler.__module__}.{UploadHandler.__name__}"
    ] == configured.FILE_UPLOAD_HANDLERS


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\rows.csv", "rows.csv"),
        ("a\x07b.csv", "ab.csv"),
        ("\u202egpj.csv", "gpj.csv"),
        ("ü" * 250 + ".csv", "…" + "ü" * 195 + ".csv"),
    ],
)
def test_file_keeps_a_plain_name_and_is_stored_under_one_of_ours(
    operator: Client, thing: CustomObject, name: str, kept: str
) -> None:
    operator.post("/jobs/new/", form(thing, b"name\na\n", name))

    file = File.objects.get()
    assert file.name == kept
    assert file.stored_as.startswith("uploads/") is True
    assert "passwd" not in file.stored_as


def test_page_shows_what_a_refused_upload_is_answered(operator: Client) -> None:
    config = re.search(
        r"name=\"htmx-config\"\s+content='([^']+)'", operator.get("/").text
    )
    assert config

    rules = {
        rule["code"]: rule["swap"] for rule in json.loads(config[1])["responseHandling"]
    }

    assert rules == {"204": False, "[23]..": True, "413|429|507": True, "[45]..": False}
