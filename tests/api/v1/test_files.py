import hashlib
import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from jobsui import waits
from jobsui.access.limits import LIMITS, Limit, Limited
from jobsui.jobs.enums import Action
from jobsui.jobs.models import File, Job
from tests.api.conftest import Programs
from tests.api.v1.uploading import send, stored, stored_counts, upload
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_file, make_job, make_object, make_user

pytestmark = pytest.mark.django_db
CONTENT = b"name;price\nM\xfcller;1\nMeyer;2\n"


def part(content: bytes = b"a\n1\n", name: str = "rows.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.mark.django_db(transaction=True)
def test_upload_is_stored_unchanged_and_read(
    program: Programs, task_queue: TaskQueue
) -> None:
    runner = program("run")

    response = upload(runner, CONTENT, encoding="cp1252")
    task_queue.run_all()

    data = runner.call("GET", f"/files/{response.json()['id']}").json()
    assert response.status_code == 201
    assert response.json()["state"] == "reading"
    assert data == {
        "id": str(File.objects.get().code),
        "name": "rows.csv",
        "state": "ready",
        "format": "csv",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "description": "CSV, Windows-1252, semicolon, 2 columns, 2 rows, header in row 1",
        "encoding": "cp1252",
        "proposals": [],
        "delimiter": ";",
        "quoting": "double",
        "header_row": 1,
        "sheets": [],
        "sheet": None,
        "values": None,
        "columns": ["name", "price"],
        "rows": 2,
        "sample": [
            {"row": 2, "cells": ["Müller", "1"]},
            {"row": 3, "cells": ["Meyer", "2"]},
        ],
        "warnings": [],
        "error": None,
        "pruned_at": None,
    }


@pytest.mark.django_db(transaction=True)
def test_warnings_are_answered_with_file_and_job(
    program: Programs, task_queue: TaskQueue
) -> None:
    runner = program("run")
    job = make_job("name\n", Action.CREATE, to=make_object(make_connection()))

    code = upload(runner, b"name\nM\xc3\x83\xc2\xbcller\n").json()["id"]
    task_queue.run_all()

    warnings = runner.call("GET", f"/files/{code}").json()["warnings"]
    Job.objects.update(file=File.objects.get(code=code))
    about_job = runner.call("GET", f"/jobs/{job.code}").json()["warnings"]
    assert [(one["code"], one["column"], one["count"]) for one in warnings] == [
        ("garbled", "name", 1)
    ]
    assert list(warnings[0]) == [
        "code",
        "column",
        "count",
        "message",
        "fix",
        "sample_rows",
        "sample_values",
    ]
    assert about_job[:1] == [
        warning | {"source": "file", "proposal": None} for warning in warnings
    ]


@pytest.mark.django_db(transaction=True)
def test_file_that_cannot_be_read_says_why(
    program: Programs, task_queue: TaskQueue
) -> None:
    runner = program("run")

    code = upload(runner, CONTENT).json()["id"]
    task_queue.run_all()

    data = runner.call("GET", f"/files/{code}").json()
    assert data["state"] == "rejected"
    assert data["rows"] is None
    assert data["error"].startswith(
        "The file is not UTF-8, and its encoding is not certain. "
        "Read as Windows-1252 (Western Europe) it has “Müller” (row 2)"
    )
    assert data["proposals"][0] == {
        "encoding": "cp1252",
        "samples": [{"row": 2, "text": "Müller"}],
    }
    assert data["description"] == "CSV, semicolon"


@pytest.mark.parametrize(
    ("parts", "status", "detail"),
    [
        ({}, 422, "file.file: field required."),
        ({"file": "a,b"}, 422, "file.file: field required."),
        (
            {"file": [part(), part()]},
            422,
            "Send one file, as the part “file” of multipart/form-data",
        ),
        (
            {"file": part(), "other": part()},
            422,
            "Send one file, as the part “file” of multipart/form-data",
        ),
        ({"file": part(b"")}, 422, "The file is empty."),
        ({"file": part(b"a" * 1001)}, 422, "The file is larger than 0 MB."),
        (
            {"file": part(), "encoding": "klingon"},
            422,
            "form.encoding: is not supported; choose one of utf-8, cp1252",
        ),
        (
            {"file": part(), "delimiter": "x"},
            422,
            "form.delimiter: is not supported; choose",
        ),
        (
            {"file": part(), "sheet": "\x00"},
            422,
            "form.sheet: contains a NUL character",
        ),
    ],
)
def test_bad_upload_is_refused_and_leaves_nothing(
    program: Programs,
    settings: Settings,
    parts: dict[str, Any],
    status: int,
    detail: str,
) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    before = stored_counts()

    response = send(program("run"), parts)

    assert response.status_code == status
    assert response.json()["detail"][: len(detail)] == detail
    assert stored_counts() == before


def test_body_that_is_not_a_form_is_refused(program: Programs) -> None:
    headers = {"Authorization": f"Bearer {program('run').token}"}
    before = stored_counts()

    broken = Client().post(
        "/api/v1/files",
        b"x",
        content_type="multipart/form-data; boundary=",
        headers=headers,
    )
    other = Client().post(
        "/api/v1/files", b"{}", content_type="application/json", headers=headers
    )

    assert broken.status_code == 400
    assert other.status_code == 422
    assert stored_counts() == before


def test_upload_that_is_too_large_is_refused_unread(
    program: Programs, settings: Settings
) -> None:
    settings.MAX_UPLOAD_BYTES = 1024**2
    headers = {
        "Authorization": f"Bearer {program('run').token}",
        "Content-Length": str(12 * 1024**2),
    }

    response = Client().post(
        "/api/v1/files",
        b"",
        content_type="multipart/form-data; boundary=x",
        headers=headers,
    )

    assert response.status_code == 413
    assert (
        response.json()["detail"] == "The file is too large. The maximum is 1 MB. "
        "Split the file, or raise JOBSUI_MAX_UPLOAD_MB."
    )


def test_read_token_cannot_upload(program: Programs) -> None:
    before = stored_counts()

    response = upload(program("read"), CONTENT)

    assert response.status_code == 403
    assert response.json()["code"] == "scope_missing"
    assert stored_counts() == before


def test_bound_program_sees_only_files_of_its_owner(
    program: Programs,
) -> None:
    bound = program("run", make_connection())
    foreign = make_file("a\n1\n", uploaded_by=make_user("ana"))
    own = upload(bound, CONTENT).json()["id"]

    statuses = [
        bound.call("GET", f"/files/{code}").status_code for code in (own, foreign.code)
    ]

    assert statuses == [200, 404]


def test_repeated_upload_is_stored_once(program: Programs) -> None:
    runner = program("run")
    before = stored()

    first, again = (upload(runner, CONTENT, key="k-1") for _ in range(2))
    other = upload(runner, CONTENT + b"x;3\n", key="k-1")

    assert first.status_code == 201
    assert again.status_code == 201
    assert again.content == first.content
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_key_reused"
    assert File.objects.count() == 1
    assert len(stored() - before) == 1


def test_upload_that_finds_no_place_is_refused_unread(
    program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    waits.places.acquire()

    response = upload(program("run"), b"a\n" * waits.MAX_SMALL_BODY)

    assert response.status_code == 429
    assert response["Retry-After"] == "5"
    assert response.json()["code"] == "busy"
    assert File.objects.count() == 0


def test_upload_without_room_is_refused_unread(
    program: Programs, settings: Settings
) -> None:
    settings.MIN_FREE_MB = 10**9

    response = upload(program("run"), CONTENT)

    assert response.status_code == 507
    assert response.json()["code"] == "no_room"
    assert "JOBSUI_KEEP_FILES_DAYS" in response.json()["detail"]
    assert File.objects.count() == 0


def test_uploads_of_a_token_are_limited(
    program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, Limited.UPLOAD, Limit(1))
    runner = program("run")

    responses = [upload(runner, CONTENT) for _ in range(2)]

    assert [response.status_code for response in responses] == [201, 429]
    assert responses[1].json()["code"] == "limit_reached"
    assert int(responses[1]["Retry-After"]) in {59, 60}
    assert upload(program("run"), CONTENT).status_code == 201
