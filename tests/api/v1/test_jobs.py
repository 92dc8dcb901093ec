import threading
import time
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from jobsui import waits
from jobsui.api.v1.api import TOO_MANY
from jobsui.jobs.enums import Action, BatchState, JobState, Outcome
from jobsui.jobs.models import ApiWarning, Attempt, BatchImages, File, Job, RowResult
from tests.api.conftest import Program, Programs
from tests.api.v1.uploading import stored_counts, upload
from tests.factories import make_connection, make_file, make_object, make_user
from tests.harness import GADGET, Harness, gadgets, to_csv
from tests.web import stages

CREATE = {"connection": "Sandbox", "object": "gadget", "action": "create"}
CSV = "external_id,price\ng-1,1\n"


def create(harness: Harness, program: Program, **body: Any) -> dict[str, Any]:
    """The job created from this body, after all tasks have run."""
    response = program.call("POST", "/jobs", CREATE | body)
    assert response.status_code == 201, response.content
    harness.task_queue.run_all()
    return reload(program, response.json())


def reload(program: Program, job: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = program.call("GET", f"/jobs/{job['id']}").json()
    return data


def test_job_from_a_file_is_launched_and_returned(
    harness: Harness, program: Programs
) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    runner = program("run")
    file = upload(runner, to_csv(gadgets(250))).json()["id"]

    data = create(harness, runner, file=file, launch=True)

    job = Job.objects.get()
    assert data == {
        "id": str(job.code),
        "url": f"http://testserver/jobs/{job.code}/",
        "state": "completed",
        "connection": str(harness.connection.code),
        "object": "gadget",
        "action": "create",
        "file": file,
        "parent": None,
        "saved_mapping": None,
        "comparison": None,
        "undo_plan": None,
        "proof": None,
        "created_by": "boss",
        "created_at": data["created_at"],
        "started_at": data["started_at"],
        "finished_at": data["finished_at"],
        "error": None,
        "approval": None,
        "counts": {"rows": 250, "created": 250}
        | dict.fromkeys(
            [
                "pending",
                "updated",
                "created_or_updated",
                "deleted",
                "unchanged",
                "invalid",
                "failed",
                "uncertain",
                "cancelled",
            ],
            0,
        ),
        "batches": {"total": 3, "waiting": 0, "in_flight": 0, "done": 3},
        "warnings": [],
        "api_warnings": [],
        "temporary_failures": 0,
        "records_per_second": None,
        "eta_seconds": None,
        "waits_for": [],
        "limited_by": None,
        "continues_at": None,
        "pruned": dict.fromkeys(("undo", "bodies", "attempts", "results", "file")),
    }
    assert len(harness.records()) == 250


def test_job_from_items_is_launched(harness: Harness, program: Programs) -> None:
    harness.object()
    item = {
        "external_id": "g-1",
        "name": "Größe",
        "custom_object_fields": {"serial": "AB-000001", "insured": True},
    }

    data = create(harness, program("run"), items=[item], launch=True)

    fields = harness.records()["g-1"]["custom_object_fields"]
    assert data["state"] == "completed"
    assert data["counts"]["created"] == 1
    assert fields["serial"] == "AB-000001"
    assert fields["insured"]


def test_job_that_is_compared_sends_only_what_differs(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    harness.run(gadgets(3), Action.CREATE)

    data = create(
        harness,
        program("run"),
        items=gadgets(5),
        action="create_or_update_by_external_id",
        options={"compare": True},
        launch=True,
    )

    assert data["state"] == "completed"
    assert data["counts"]["unchanged"] == 3
    assert data["counts"]["created"] == 2


def test_job_that_only_updates_creates_no_record(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    harness.run(gadgets(2), Action.CREATE)
    runner = program("run")

    data = create(
        harness,
        runner,
        items=gadgets(3),
        action="create_or_update_by_external_id",
        options={"only_existing": True},
        launch=True,
    )

    rows = runner.call("GET", f"/jobs/{data['id']}/rows?outcome=failed").json()
    assert data["counts"]["unchanged"] == 2
    assert data["counts"]["failed"] == 1
    assert [row["error_code"] for row in rows["items"]] == ["NotFound"]
    assert len(harness.records()) == 2


def test_only_upserts_by_external_id_may_only_update(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    options = {"options": {"only_existing": True}}
    body = CREATE | {"items": gadgets(1), "action": "update"} | options

    response = program("run").call("POST", "/jobs", body)

    message = "is for create_or_update_by_external_id; leave only_existing out"
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"where": "body.options.only_existing", "message": message}
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [("compare", True), ("refuse_changed", "strict"), ("refuse_changed", "watched")],
)
def test_new_records_cannot_be_compared(
    harness: Harness, program: Programs, option: str, value: object
) -> None:
    harness.object()
    body = CREATE | {"items": gadgets(1), "options": {option: value}}

    response = program("run").call("POST", "/jobs", body)

    message = f"new records have no record to be compared with; leave {option} out"
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"where": f"body.options.{option}", "message": message}
    ]
    assert not Job.objects.exists()


def test_job_keeps_what_records_hold(harness: Harness, program: Programs) -> None:
    harness.object()
    harness.run(gadgets(1), Action.CREATE)

    data = create(
        harness,
        program("run"),
        items=gadgets(2),
        action="create_or_update_by_external_id",
        options={"keep_undo": True},
        launch=True,
    )

    assert data["counts"]["updated"] == 1
    assert data["counts"]["created"] == 1
    assert BatchImages.objects.count() == 1


@pytest.mark.parametrize("chosen", ["watched", "strict"])
def test_job_that_refuses_changes_is_compared(
    harness: Harness, program: Programs, chosen: str
) -> None:
    harness.object()
    harness.run(gadgets(1), Action.CREATE)

    data = create(
        harness,
        program("run"),
        items=gadgets(2),
        action="create_or_update_by_external_id",
        options={"refuse_changed": chosen},
        launch=True,
    )

    assert data["comparison"] is not None
    assert data["counts"]["unchanged"] == 1
    assert data["counts"]["created"] == 1


def test_comparison_is_chosen_for_a_draft(harness: Harness, program: Programs) -> None:
    harness.object()
    runner = program("run")
    upsert = create(
        harness,
        runner,
        items=gadgets(1),
        action="create_or_update_by_external_id",
    )
    new = create(harness, runner, items=gadgets(1))
    options = {"options": {"compare": True}}

    changed = runner.call("PATCH", f"/jobs/{upsert['id']}", options)
    refused = runner.call("PATCH", f"/jobs/{new['id']}", options)
    harness.task_queue.run_all()

    comparison = reload(runner, upsert)["comparison"]
    assert changed.status_code == 200
    assert refused.status_code == 422
    assert comparison == f"http://testserver/api/v1/jobs/{upsert['id']}/comparison"


def test_columns_are_mapped_as_requested(harness: Harness, program: Programs) -> None:
    harness.object()
    runner = program("run")
    file = upload(runner, b"a,b,c\nOne,AB-000001,x\n").json()["id"]

    data = create(harness, runner, file=file, mapping={"a": "name", "b": "serial"})

    assert data["state"] == "ready"
    assert Job.objects.get().mapping == {"a": "name", "b": "field:serial"}


def test_job_is_ready_until_it_is_launched(harness: Harness, program: Programs) -> None:
    harness.object()
    runner = program("run")
    ready = create(
        harness,
        runner,
        items=gadgets(2),
        run_settings={"priority": "low", "auto_pause_percent": None},
    )

    launched = runner.call("POST", f"/jobs/{ready['id']}/launch")
    again = runner.call("POST", f"/jobs/{ready['id']}/launch")

    job = Job.objects.get()
    assert ready["state"] == "ready"
    assert launched.status_code == 200
    assert again.status_code == 409
    assert job.state == JobState.QUEUED
    assert job.weight == 1
    assert job.stop_percent is None
    assert job.stop_rows == 1000


def test_launch_waits_until_the_job_is_ready(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    made = runner.call("POST", "/jobs", CREATE | {"items": gadgets(101)}).json()

    runner.call(
        "POST",
        f"/jobs/{made['id']}/launch",
        {"hold_after_first_batch": True, "run_settings": {"auto_pause_refusals": 3}},
    )
    harness.task_queue.run_all()
    waits = reload(runner, made)
    approved = runner.call("POST", f"/jobs/{made['id']}/resume").json()

    assert waits["state"] == "paused"
    assert waits["counts"]["created"] == 100
    assert waits["limited_by"] == "first_batch"
    assert approved["state"] == "running"
    assert approved["counts"]["pending"] == 1
    assert Job.objects.get().stop_refusals == 3


def test_draft_that_needs_a_person_says_why(
    harness: Harness, program: Programs
) -> None:
    harness.object()

    data = create(
        harness, program("run"), items=[{"name": "One", "serial": "x"}], launch=True
    )

    assert data["state"] == "ready"
    assert (
        data["error"]
        == "1 invalid row. Correct the file and upload it again, or skip these rows."
    )


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({}, 422, "body: send either file, the ID of an uploaded file, or items."),
        (
            {"file": "{file}", "items": [{"a": 1}]},
            422,
            "body: send either file, the ID of an uploaded file, or items.",
        ),
        ({"items": []}, 422, "body.items: list should have at least 1 item"),
        ({"items": ["g-1"]}, 422, "body.items.0: must be an object."),
        (
            {"items": [{"a": 1}, {"a": "é" * 16_400}]},
            422,
            "body.items.1: takes 32,809 bytes, and a record at most 32 KB.",
        ),
        (
            {"items": [1] * 21},
            422,
            "body.items.0: must be an object. errors lists the first 20 of 21.",
        ),
        ({"items": [{}] * 250_001}, 413, TOO_MANY),
        ({"items": [1] * 1_000_002}, 413, TOO_MANY),
        ({"items": [{}], **dict.fromkeys(map(str, range(20_001)), 1)}, 413, TOO_MANY),
        ({"items": [{}], "mapping": {"a": [1] * 20_001}}, 413, TOO_MANY),
        (
            {"file": "{file}", "connection": "Nope"},
            422,
            "The connection is unknown, or this token has no access to it.",
        ),
        (
            {"file": "00000000-0000-0000-0000-000000000000"},
            422,
            "The file is unknown",
        ),
        ({"file": "{rejected}"}, 422, "rows.csv cannot be read. It is a picture."),
        (
            {"file": "{file}", "object": "nope"},
            422,
            "nope could not be read. Zendesk did not find this",
        ),
        ({"file": "{file}", "object": "a/b"}, 422, "'a/b' is not an object key"),
        (
            {"file": "{file}", "action": "upsert"},
            422,
            "body.action: input should be 'create', 'update',",
        ),
        (
            {"file": "{file}", "mapping": {"name": "colour"}},
            422,
            "This action cannot fill a field 'colour'.",
        ),
        (
            {"file": "{file}", "mapping": {"nom": "name", "serial": "serial"}},
            422,
            "The file has no column 'nom'.",
        ),
        (
            {"file": "{file}", "mapping": {"name": "name"}},
            422,
            "Serial is required. Map a column to it.",
        ),
        (
            {"file": "{file}", "action": "delete"},
            422,
            "Zendesk ID is required. Map a column to it.",
        ),
        (
            {"file": "{file}", "options": {"undo": True}},
            422,
            "body.options.undo: extra inputs",
        ),
        (
            {"file": "{file}", "run_settings": {"auto_pause_percent": 101}},
            422,
            "body.run_settings.auto_pause_percent",
        ),
        (
            {"items": [{"a": 1}], "mapping": {"a": "na\x00me"}},
            422,
            "body.mapping.a.field: contains a NUL character",
        ),
    ],
)
def test_impossible_job_is_refused_and_leaves_nothing(
    harness: Harness, program: Programs, body: dict[str, Any], status: int, detail: str
) -> None:
    harness.object()
    owner = User.objects.get(username="boss")
    file = make_file("name,serial\nOne,AB-000001\n", uploaded_by=owner)
    rejected = make_file(
        "a\n1\n", state="rejected", error="It is a picture.", uploaded_by=owner
    )
    if "file" in body:
        body = body | {
            "file": body["file"].format(file=file.code, rejected=rejected.code)
        }
    before = stored_counts()

    response = program("run").call("POST", "/jobs", CREATE | body)

    assert response.status_code == status
    assert response.json()["detail"][: len(detail)] == detail
    assert Job.objects.count() == 0
    assert stored_counts() == before


@pytest.mark.django_db
def test_unknown_object_without_zendesk_is_502(
    program: Programs,
) -> None:
    to = stages.gadget()
    body = {
        "connection": str(to.connection.code),
        "object": "other",
        "action": "create",
        "items": [{"a": 1}],
    }

    response = program("run").call("POST", "/jobs", body)

    assert response.status_code == 502
    assert response.json()["code"] == "zendesk_unreachable"
    assert Job.objects.count() == 0


def test_draft_is_changed_and_checked_again(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    made = create(harness, runner, items=[{"a": "One", "serial": "AB-000001"}])

    response = runner.call(
        "PATCH",
        f"/jobs/{made['id']}",
        {
            "mapping": {"a": "name", "serial": "serial"},
            "options": {"blank": "clear"},
            "run_settings": {"auto_pause_rows": 5},
        },
    )
    harness.task_queue.run_all()

    job = Job.objects.get()
    assert made["state"] == "draft"
    assert made["error"] == "Name is required. Map a column to it."
    assert response.status_code == 200
    assert response.json()["error"] is None
    assert job.state == JobState.READY
    assert job.mapping == {"a": "name", "serial": "field:serial"}
    assert job.stop_rows == 5
    assert job.options["blank"] == "clear"
    assert job.options["generate_external_ids"]


@pytest.mark.django_db
def test_impossible_change_changes_nothing(program: Programs) -> None:
    job = stages.checked()

    response = program("run").call(
        "PATCH", f"/jobs/{job.code}", {"mapping": {"price": "price"}}
    )

    job.refresh_from_db()
    assert response.status_code == 422
    assert response.json()["detail"] == "External ID is required. Map a column to it."
    assert job.state == JobState.READY
    assert len(job.mapping) == 2


@pytest.mark.django_db
def test_mapping_with_rules_rewrites_the_cells(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    content = b'key,cost\n a-1 ,"1.250,50"\n'
    file = upload(runner, content).json()["id"]
    mapping = {
        "key": {"field": "external_id", "trim": True, "case": "upper"},
        "cost": {"field": "price", "decimal_mark": "comma"},
    }

    data = create(
        harness,
        runner,
        action="create_or_update_by_external_id",
        file=file,
        mapping=mapping,
        launch=True,
    )

    assert data["state"] == "completed"
    blob = Job.objects.get().batches.select_related("blob").get().blob
    assert blob.items == [
        {"external_id": "A-1", "custom_object_fields": {"price": 1250.5}}
    ]


def test_joined_columns_and_constants_are_sent(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    file = upload(runner, b"key,brand,model\na-1,Acme,X2\na-2,,X3\n").json()["id"]
    mapping = {
        "key": "external_id",
        "brand": {"field": "name", "also": ["model"], "joiner": "-"},
    }
    constants = {"price": 2.5, "insured": True, "status": "Retired", "tags": ["gps"]}

    data = create(
        harness,
        runner,
        action="create_or_update_by_external_id",
        file=file,
        mapping=mapping,
        constants=constants,
        launch=True,
    )

    assert data["state"] == "completed"
    sent = Job.objects.get().batches.select_related("blob").get().blob.items
    assert [item["name"] for item in sent] == ["Acme-X2", "X3"]
    assert sent[0]["custom_object_fields"] == {
        "status": "retired",
        "tags": ["gps"],
        "price": 2.5,
        "insured": True,
    }


def test_mapping_and_constants_are_changed_apart(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    file = upload(runner, b"external_id,cost,seats\n1,2,3\n").json()["id"]
    data = create(
        harness,
        runner,
        action="create_or_update_by_external_id",
        file=file,
        mapping={"external_id": "external_id"},
        constants={"price": 1, "seats": 1},
    )
    address = f"/jobs/{data['id']}"
    mapping = {"external_id": "external_id", "cost": {"field": "price", "trim": True}}

    runner.call("PATCH", address, {"mapping": mapping})
    after_mapping = Job.objects.get().rules
    runner.call("PATCH", address, {"constants": {"status": "in_use"}})
    after_constants = Job.objects.get().rules
    refused = runner.call("PATCH", address, {"constants": {"status": "lost"}})

    assert after_mapping == {
        "field:price": {"trim": True},
        "field:seats": {"constant": "1"},
    }
    assert after_constants == {
        "field:price": {"trim": True},
        "field:status": {"constant": "in_use"},
    }
    assert refused.status_code == 422
    assert "Status: “lost” is not an option of Status." in refused.json()["detail"]


def test_rule_that_cannot_be_meant_is_refused(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    runner = program("run")
    file = upload(runner, CSV.encode()).json()["id"]
    rule = {"field": "price", "blank": "set"}

    response = runner.call(
        "POST", "/jobs", CREATE | {"file": file, "mapping": {"price": rule}}
    )

    assert response.status_code == 422
    assert "The value for blank cells is blank." in response.json()["detail"]


def test_launched_job_accepts_run_settings_but_no_mapping(program: Programs) -> None:
    job = stages.planned()
    runner = program("run")

    ruled = runner.call(
        "PATCH", f"/jobs/{job.code}", {"run_settings": {"priority": "high"}}
    )
    mapped = runner.call(
        "PATCH",
        f"/jobs/{job.code}",
        {"mapping": {}, "run_settings": {"priority": "low"}},
    )

    job.refresh_from_db()
    assert ruled.status_code == 200
    assert mapped.status_code == 409
    assert job.weight == 16


@pytest.mark.django_db
def test_only_drafts_can_be_discarded(program: Programs) -> None:
    runner = program("run")
    draft = stages.checked()
    launched = stages.planned()

    statuses = [
        runner.call("DELETE", f"/jobs/{job.code}").status_code
        for job in (draft, launched)
    ]

    assert statuses == [204, 409]
    assert list(Job.objects.all()) == [launched]
    assert File.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["new", "old", "draft"]),
        ("state=draft", ["draft"]),
        ("state=completed", ["old"]),
        ("connection=Acme", ["new", "draft"]),
        ("connection={other}", ["old"]),
        ("connection=Nope", []),
        ("object=asset", ["old"]),
        ("object=ass", []),
        ("action=delete", []),
        ("action=create", ["new"]),
        ("created_by=ana", ["new"]),
        ("q=LD.c", ["old"]),
        ("created_after=2026-01-02T00:00:00Z", ["new", "old"]),
        ("created_before=2026-01-03", ["draft"]),
        ("created_after=0001-01-01", None),
        ("state=done", None),
        ("limit=0", None),
        ("q=%00", None),
        ("cursor=nonsense", None),
    ],
)
def test_jobs_are_filtered(
    program: Programs, query: str, names: list[str] | None
) -> None:
    to = stages.gadget(make_connection(host=stages.NOWHERE))
    other = make_object(make_connection(name="Other"), "asset", fields=GADGET)
    facts: dict[str, dict[str, Any]] = {
        "draft": {"created_at": "2026-01-01T12:00Z"},
        "old": {"created_at": "2026-01-03T12:00Z", "state": JobState.COMPLETED},
        "new": {
            "created_at": "2026-01-04T12:00Z",
            "state": JobState.RUNNING,
            "action": Action.CREATE,
            "created_by": make_user("ana"),
        },
    }
    for name, fields in facts.items():
        job = stages.draft(CSV, to=other if name == "old" else to, **fields)
        File.objects.filter(pk=job.file_id).update(name=f"{name}.csv")

    response = program("read").call(
        "GET", f"/jobs?{query.format(other=other.connection.code)}"
    )

    if names is None:
        assert response.status_code == 422
    else:
        found = [
            Job.objects.get(code=data["id"]).file.name
            for data in response.json()["items"]
        ]
        assert found == [f"{name}.csv" for name in names]


@pytest.mark.django_db
@pytest.mark.parametrize("jobs", [1, 3])
def test_list_takes_the_same_queries_for_any_length(
    program: Programs, django_assert_num_queries: DjangoAssertNumQueries, jobs: int
) -> None:
    reader = program("read")
    parent = stages.settled(CSV, stages.failed())
    for _ in range(jobs):
        stages.planned(
            parent=parent,
            parent_rows="failed",
            created_by=make_user(f"ana-{Job.objects.count()}"),
            pace=[[time.time() - 9, 0]],
        )
    reader.call("GET", "/jobs?limit=1")

    # The token, the jobs, their batches in flight, the jobs that they wait for, warnings
    # of Zendesk and of checks.
    with django_assert_num_queries(9):
        response = reader.call("GET", "/jobs?state=queued")

    assert len(response.json()["items"]) == jobs


@pytest.mark.django_db
def test_list_is_paged(program: Programs) -> None:
    reader = program("read")
    codes = [str(stages.draft().code) for _ in range(3)]

    first = reader.call("GET", "/jobs?limit=2&state=draft").json()
    second = reader.call("GET", first["next"].rpartition("/api/v1")[2]).json()

    pages = [[job["id"] for job in page["items"]] for page in (first, second)]
    assert pages == [[codes[2], codes[1]], [codes[0]]]
    assert second["next"] is None
    assert quote("state=draft", safe="=") in first["next"]


@pytest.mark.django_db(transaction=True)
def test_wait_ends_with_the_job(program: Programs) -> None:
    job = stages.planned()
    reader = program("read")
    finish = threading.Timer(0.2, _complete, [job])

    finish.start()
    begin = time.monotonic()
    response = reader.call("GET", f"/jobs/{job.code}?wait=30")
    took = time.monotonic() - begin
    finish.join()

    assert response.json()["state"] == "completed"
    assert 0.15 < took < 10


@pytest.mark.django_db
@pytest.mark.parametrize("made", [stages.checked, stages.settled, stages.draft])
def test_wait_returns_at_once_if_a_person_is_needed(
    program: Programs, made: Any
) -> None:
    job = made()
    begin = time.monotonic()

    response = program("read").call("GET", f"/jobs/{job.code}?wait=60")

    assert response.status_code == 200
    assert time.monotonic() - begin < 5


@pytest.mark.django_db
def test_number_of_waiting_requests_is_limited(
    program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "places", threading.BoundedSemaphore(1))
    job = stages.planned()
    reader = program("read")
    waits.places.acquire()
    begin = time.monotonic()

    response = reader.call("GET", f"/jobs/{job.code}?wait=60")

    assert response.json()["state"] == "queued"
    assert time.monotonic() - begin < 5


@pytest.mark.django_db
def test_wait_polls_and_then_returns_the_job(program: Programs) -> None:
    job = stages.planned()
    reader = program("read")

    with CaptureQueriesContext(database) as asked:
        response = reader.call("GET", f"/jobs/{job.code}?wait=1")

    polls = [
        query["sql"]
        for query in asked
        if query["sql"].startswith('SELECT "jobs_job"."id", "jobs_job"."state"')
    ]
    assert response.json()["state"] == "queued"
    assert 2 <= len(polls) <= 4


@pytest.mark.django_db
def test_check_of_a_draft_is_cancelled(program: Programs) -> None:
    job = stages.planned()
    Job.objects.filter(pk=job.pk).update(
        state=JobState.CHECKING, auto_target=JobState.QUEUED
    )

    response = program("run").call("POST", f"/jobs/{job.code}/cancel")

    job.refresh_from_db()
    assert response.status_code == 200
    assert response.json()["state"] == "draft"
    assert job.auto_target == ""
    assert job.reason == "The check was cancelled."


def test_job_is_paused_resumed_and_cancelled(program: Programs) -> None:
    job = stages.planned()
    runner = program("run")

    data = [
        runner.call("POST", f"/jobs/{job.code}/{verb}")
        for verb in ("pause", "resume", "cancel", "pause")
    ]

    assert [response.status_code for response in data] == [200, 200, 200, 409]
    assert [response.json().get("state") for response in data] == [
        "paused",
        "queued",
        "cancelled",
        None,
    ]
    assert (
        data[3].json()["detail"] == "It is too late to pause this job: it is cancelled."
    )


@pytest.mark.django_db
def test_failed_rows_of_a_cause_are_retried_once(program: Programs) -> None:
    job = stages.settled(
        "external_id,price\ng-1,1\ng-2,2\ng-3,3\n",
        stages.failed(),
        stages.failed("Other."),
    )
    runner = program("run")
    cause = runner.call("GET", f"/jobs/{job.code}/errors").json()["items"][0]["id"]

    first = runner.call(
        "POST", f"/jobs/{job.code}/retry", {"cause": cause}, Idempotency_Key="r-1"
    )
    again = runner.call(
        "POST", f"/jobs/{job.code}/retry", {"cause": cause}, Idempotency_Key="r-1"
    )
    rest = runner.call("POST", f"/jobs/{job.code}/retry")
    none = runner.call("POST", f"/jobs/{job.code}/retry", {"cause": 10**15})

    children = list(Job.objects.filter(parent=job).order_by("pk"))
    assert [response.status_code for response in (first, again, rest, none)] == [
        201,
        201,
        201,
        422,
    ]
    assert again.content == first.content
    assert first.json()["parent"] == str(job.code)
    assert [child.cause_id for child in children] == [cause, None]


@pytest.mark.django_db
def test_uncertain_rows_are_resolved(program: Programs) -> None:
    job = stages.settled(CSV, RowResult(Outcome.UNCERTAIN, message="Lost."))
    runner = program("run")

    wrong = runner.call("POST", f"/jobs/{job.code}/resolve", {"uncertain": "shrug"})
    accepted = runner.call("POST", f"/jobs/{job.code}/resolve", {"uncertain": "accept"})
    again = runner.call("POST", f"/jobs/{job.code}/resolve", {"uncertain": "accept"})

    assert [response.status_code for response in (wrong, accepted, again)] == [
        422,
        200,
        409,
    ]
    assert accepted.json()["state"] == "completed"


@pytest.mark.django_db
def test_job_says_what_was_left_out_and_sent_again(program: Programs) -> None:
    job = stages.settled(CSV, temporary_failures=4)
    ApiWarning.objects.create(job=job, text="photo", is_member=True, requests=3)

    found = program("read").call("GET", f"/jobs/{job.code}").json()

    assert found["temporary_failures"] == 4
    assert found["api_warnings"] == [
        {"member": "photo", "message": None, "requests": 3}
    ]


@pytest.mark.django_db
def test_program_stops_waiting_and_checks_again(program: Programs) -> None:
    job = stages.planned(CSV, state=JobState.CANCELLING)
    batch = job.batches.get()
    Attempt.objects.create(
        batch=batch, number=1, epoch=1, at=timezone.now(), items=2, result="accepted"
    )
    job.batches.update(state=BatchState.ACCEPTED, attempts_made=1)
    runner = program("run")

    stopped = runner.call("POST", f"/jobs/{job.code}/stop-waiting")
    again = runner.call("POST", f"/jobs/{job.code}/stop-waiting")
    resent = runner.call("POST", f"/jobs/{job.code}/resolve", {"uncertain": "resend"})
    checked = runner.call(
        "POST", f"/jobs/{job.code}/resolve", {"uncertain": "check_again"}
    )

    statuses = [response.status_code for response in (again, resent, checked)]
    assert stopped.json()["state"] == "cancelled"
    assert stopped.json()["counts"]["uncertain"] == batch.size
    assert statuses == [409, 409, 200]
    assert checked.json()["state"] == "cancelling"


@pytest.mark.django_db
def test_program_bound_elsewhere_finds_no_job(program: Programs) -> None:
    job = stages.planned()
    bound = program("run", make_connection(name="Other"))
    asked = [
        ("GET", ""),
        ("GET", "/rows"),
        ("GET", "/errors"),
        ("GET", "/results.csv"),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/launch"),
        ("POST", "/pause"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
    ]

    statuses = {
        bound.call(verb, f"/jobs/{job.code}{path}", {}).status_code
        for verb, path in asked
    }

    assert statuses == {404}
    assert bound.call("GET", "/jobs").json()["items"] == []


def _complete(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(state=JobState.COMPLETED)
    database.close()


@pytest.mark.django_db
def test_unsent_rows_of_a_cancelled_job_continue_in_a_new_one(
    program: Programs,
) -> None:
    job = stages.planned()
    runner = program("run")
    runner.call("POST", f"/jobs/{job.code}/cancel")

    response = runner.call("POST", f"/jobs/{job.code}/continue", {"launch": True})

    child = Job.objects.get(parent=job)
    assert response.status_code == 201
    assert response.json()["id"] == str(child.code)
    assert response.json()["parent"] == str(job.code)
    assert child.auto_target == "queued"


def test_proposal_about_keys_is_a_mapping(harness: Harness, program: Programs) -> None:
    harness.sandbox.make_object("gadget", fields=GADGET)
    held = [
        row | {"external_id": f"{number:06}", "serial": f"AB-{number * 7919:06}"}
        for number, row in enumerate(gadgets(30), start=1)
    ]
    records = [
        {
            "name": f"Pump {row['serial']}",
            "external_id": row["external_id"],
            "custom_object_fields": {"serial": row["serial"]},
        }
        for row in held
    ]
    harness.sandbox.add_records("gadget", records)
    rows = [row | {"external_id": row["external_id"].lstrip("0")} for row in held]
    runner = program("run")
    file = upload(runner, to_csv(rows)).json()["id"]

    data = create(harness, runner, file=file, action="create_or_update_by_external_id")

    [warning] = data["warnings"]
    assert warning["code"] == "keys_would_match"
    assert warning["source"] == "check"
    proposal = warning["proposal"]
    assert proposal["mapping"] == {"external_id": {"field": "external_id", "pad": 6}}
    assert (proposal["sampled"], proposal["exist"]) == (30, 0)
    assert proposal["would_exist"] == 30
    assert len(proposal["examples"]) == 10
