"""Bulk jobs of the drop-in endpoint."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from jobsui import waits
from jobsui.access.limits import LIMITS, Limit, Limited
from jobsui.connections.models import CustomObject
from jobsui.files import jsonfile
from jobsui.files.errors import FileRefused
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import File, Job
from tests.api.dropin.conftest import Program, item, read
from tests.harness import Harness

pytestmark = pytest.mark.django_db(transaction=True)


def invalid(attribute: str, rule: str) -> dict[str, Any]:
    message = (
        f"You passed an invalid value for the {attribute} attribute. "
        f"Invalid parameter: {attribute} {rule} "
        "from api/v2/custom_objects/jobs/create"
    )
    return {"error": {"title": "Invalid attribute", "message": message}}


def stored_counts() -> tuple[int, int, int]:
    """(files on disk, files in the database, jobs)."""
    on_disk = sum(path.is_file() for path in Path(configured.MEDIA_ROOT).rglob("*"))
    return on_disk, File.objects.count(), Job.objects.count()


def test_items_are_sent_unchanged(harness: Harness, program: Program) -> None:
    items = [
        item(number, price=1.5, tags=["wifi"], insured=False)
        for number in range(1, 251)
    ]

    queued = program.post_job("create", items)
    harness.task_queue.run_all()

    job = Job.objects.get()
    assert queued == {
        "id": f"V3-{job.code.hex}",
        "job_type": "Bulk Create Custom Object Record",
        "url": f"http://testserver/api/v2/job_statuses/V3-{job.code.hex}.json",
        "total": 250,
        "progress": None,
        "status": "queued",
        "message": None,
        "results": None,
    }
    assert job.state == JobState.COMPLETED
    assert job.created == 250
    assert job.created_by == job.file.uploaded_by
    assert job.connection == harness.connection
    sent = {
        each["external_id"]: {"serial": None} | each["custom_object_fields"]
        for each in items
    }
    kept = {
        key: {
            name: record["custom_object_fields"][name]
            for name in ("serial", "price", "tags", "insured")
        }
        for key, record in harness.records().items()
    }
    assert kept == sent
    assert job.file.name == "Request of Importer"
    assert (job.created_by and job.created_by.username) == "ana"


def test_object_is_read_from_zendesk_at_most_once(
    harness: Harness, program: Program
) -> None:
    CustomObject.objects.all().delete()

    for number in (1, 2):
        program.post_job("create", [item(number)])

    reads = [
        entry["path"]
        for entry in harness.sandbox.log()
        if entry["path"] == "/api/v2/custom_objects/gadget"
    ]
    # The first read is that of harness.object().
    assert len(reads) == 2
    assert CustomObject.objects.get().read_at is not None


def test_job_never_pauses_automatically(program: Program) -> None:
    program.post_job("create", [item(1)])

    assert Job.objects.get().run_settings.auto_pause == "never pauses automatically"


@pytest.mark.parametrize("key", ["nothing", "not%20a%20key"])
@pytest.mark.usefixtures("harness")
def test_unknown_object_is_not_found(program: Program, key: str) -> None:
    before = stored_counts()

    response = program.post(
        f"custom_objects/{key}/jobs", {"job": {"action": "create", "items": [item(1)]}}
    )

    assert response.status_code == 404
    assert read(response) == {"error": "RecordNotFound", "description": "Not found"}
    assert stored_counts() == before


def test_unavailable_zendesk_is_503_for_an_unknown_object(
    harness: Harness, program: Program
) -> None:
    CustomObject.objects.all().delete()
    harness.sandbox.faults(**{"503": 1})

    response = program.post(
        "custom_objects/gadget/jobs", {"job": {"action": "create", "items": [item(1)]}}
    )

    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert read(response)["error"] == "ServiceUnavailable"
    assert CustomObject.objects.count() == 0


def test_refused_credentials_are_502(harness: Harness, program: Program) -> None:
    CustomObject.objects.all().delete()
    harness.connection.set_secret("api_token", "wrong")
    harness.connection.save()

    response = program.post(
        "custom_objects/gadget/jobs", {"job": {"action": "create", "items": [item(1)]}}
    )

    assert response.status_code == 502
    assert read(response)["error"] == "BadGateway"
    assert "Replace the secret of this connection." in read(response)["description"]


ACTIONS = (
    "must be one of create, update, create_or_update_by_external_id, "
    "create_or_update_by_name, delete, delete_by_external_id"
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, invalid("job", "must be an object with action and items")),
        ([], invalid("job", "must be an object with action and items")),
        ({"job": "create"}, invalid("job", "must be an object with action and items")),
        ({"job": {"items": [item(1)]}}, invalid("job.action", ACTIONS)),
        (
            {"job": {"action": "explode", "items": [item(1)]}},
            invalid("job.action", ACTIONS),
        ),
        (
            {"job": {"action": ["create"], "items": [item(1)]}},
            invalid("job.action", ACTIONS),
        ),
        ({"job": {"action": "create"}}, invalid("job.items", "must be an array")),
        (
            {"job": {"action": "create", "items": item(1)}},
            invalid("job.items", "must be an array"),
        ),
        (
            {"job": {"action": "create", "items": []}},
            invalid("job.items", "must not be empty"),
        ),
        (
            {"job": {"action": "delete", "items": ["x"] * 4}},
            invalid("job.items", "must have at most 3 items"),
        ),
    ],
)
def test_invalid_request_is_refused_and_leaves_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch, body: Any, expected: Any
) -> None:
    monkeypatch.setattr("jobsui.api.dropin.jobs.MAX_ITEMS", 3)
    before = stored_counts()

    response = program.post("custom_objects/gadget/jobs", body)

    assert response.status_code == 400
    assert read(response) == expected
    assert stored_counts() == before


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"job": {"action": "create", "items": [1,]}}', b"\x89PNG"]
)
def test_body_that_is_not_json_is_refused(program: Program, body: bytes) -> None:
    before = stored_counts()

    response = program.post("custom_objects/gadget/jobs", body)

    assert response.status_code == 400
    assert read(response)["error"] == "Unprocessable JSON"
    assert stored_counts() == before


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (
            rb'{"name": "Cut \ud83d"}',
            "has half of a character (\\ud83d) in “name”. Write the whole character, or "
            "remove the half. The text was probably cut off.",
        ),
        (
            b'{"name": "a", "name": "b"}',
            "has the member “name” twice. Keep the one that is right.",
        ),
        (
            b'{"n": 1e999}',
            "has a number that is too large: “1e999”. "
            "Write it as text, in quotation marks.",
        ),
        (
            b'{"name": "12" pipe"}',
            'is not JSON: “pipe"}]}}” where a comma or a closing bracket should be at '
            'line 1, column 69. Write a quotation mark inside a text as \\", and a '
            "comma between members.",
        ),
    ],
)
def test_item_that_cannot_be_sent_as_it_came_is_refused(
    program: Program, item: bytes, sentence: str
) -> None:
    body = b'{"job": {"action": "create", "items": [{"name": "a"}, %s]}}' % item

    response = program.post("custom_objects/gadget/jobs", body)

    assert response.status_code == 400
    assert read(response)["description"].removeprefix("job.items[1] ") == sentence


def test_item_that_is_far_too_long_is_refused_unread(program: Program) -> None:
    item = b'{"name": [%s1]}' % (b"[]," * 1_500_000)
    body = b'{"job": {"action": "create", "items": [%s]}}' % item

    response = program.post("custom_objects/gadget/jobs", body)

    assert response.status_code == 400
    assert "is longer than 1 MB. Shorten it." in read(response)["description"]


def test_request_is_not_outlined_through_an_item_that_is_far_too_long() -> None:
    members = ",".join(f'"m{number}": 1' for number in range(300_000))
    body = f'{{"job": {{"action": "create", "items": [{{{members}}}]}}}}'.encode()

    with pytest.raises(FileRefused, match="is longer than 1 MB"):
        jsonfile.members(io.BytesIO(body), "job")


def test_body_that_finds_no_place_is_refused_unread(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobsui.waits.places", threading.BoundedSemaphore(1))
    waits.places.acquire()
    before = stored_counts()

    response = program.post("custom_objects/gadget/jobs", b"[" + b" " * 100_000)

    assert response.status_code == 429
    assert response["Retry-After"] == "5"
    assert stored_counts() == before


def test_job_without_room_is_refused_unread(program: Program, settings: Any) -> None:
    settings.MIN_FREE_MB = 10**9
    before = stored_counts()

    response = program.post("custom_objects/gadget/jobs", {})

    assert response.status_code == 507
    assert "JOBSUI_KEEP_FILES_DAYS" in read(response)["description"]
    assert stored_counts() == before


def test_jobs_of_a_token_are_limited(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, Limited.LAUNCH, Limit(1))
    program.post_job("create", [item(1)])

    response = program.post("custom_objects/gadget/jobs", {})

    assert response.status_code == 429
    assert int(response["Retry-After"]) in {59, 60}


def test_body_with_a_byte_order_mark_is_accepted(program: Program) -> None:
    body = b'\xef\xbb\xbf{"job": {"action": "create", "items": [{"name": "a"}]}}'

    response = program.post("custom_objects/gadget/jobs", body)

    assert response.status_code == 201


def test_body_of_unknown_length_is_refused(program: Program) -> None:
    response = program.post(
        "custom_objects/gadget/jobs", b"{}", **{"Transfer-Encoding": "chunked"}
    )

    assert response.status_code == 411
    assert read(response)["error"] == "LengthRequired"


@pytest.mark.parametrize(
    "path", ["custom_objects/gadget/jobs", "custom_objects/gadget/records/search"]
)
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "",
    ],
)
def test_body_that_a_form_can_send_is_refused(
    program: Program, path: str, content_type: str
) -> None:
    before = stored_counts()
    body = {"job": {"action": "create", "items": [item(1)]}}

    response = program.post(path, body, content_type)

    assert response.status_code == 415
    assert response["Accept-Post"] == "application/json"
    assert read(response) == {
        "error": "UnsupportedMediaType",
        "description": "Send the body with the header Content-Type: application/json.",
    }
    assert stored_counts() == before


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON"]
)
def test_type_of_a_json_body_may_have_parameters_and_capitals(
    program: Program, content_type: str
) -> None:
    body = {"job": {"action": "create", "items": [item(1)]}}

    response = program.post("custom_objects/gadget/jobs", body, content_type)

    assert response.status_code == 201


def test_body_that_is_too_large_is_refused_in_json(
    program: Program, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    before = stored_counts()

    responses = [
        program.post("custom_objects/gadget/jobs", b"[" + b" " * size)
        for size in (1_050_000, 1_200_000)
    ]
    responses.append(
        program.post("custom_objects/gadget/records/search", b" " * 100_001)
    )

    assert [
        (response.status_code, read(response)["error"]) for response in responses
    ] == [(413, "TooLarge")] * 3
    assert stored_counts() == before


def test_crash_is_reported_in_json_and_leaves_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "jobsui.jobs.control.automation.set_auto_target",
        lambda job, state: 1 / 0,  # noqa: ARG005
    )
    before = stored_counts()

    response = program.post(
        "custom_objects/gadget/jobs", {"job": {"action": "create", "items": [item(1)]}}
    )

    assert response.status_code == 500
    assert read(response)["error"] == "InternalServerError"
    assert stored_counts() == before
