from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import saved_mappings
from jobsui.jobs.models import Job, SavedMapping
from tests.api.conftest import Program, Programs
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_file
from tests.web import stages

UPSERT = "create_or_update_by_external_id"
NEXT = "external_id,price\ng-7,7\n"


@pytest.fixture
def saved(db: None) -> SavedMapping:  # noqa: ARG001
    job = stages.draft(rules={"field:price": {"trim": True}})
    CustomObject.objects.update(read_at=timezone.now())
    return saved_mappings.save(job, "Monthly", by=None)


def create(program: Program, content: str = NEXT, **body: Any) -> Any:
    file = make_file(content, uploaded_by=User.objects.get(username="boss"))
    job = {
        "connection": "Acme",
        "object": "gadget",
        "action": UPSERT,
        "file": str(file.code),
    }
    return program.call("POST", "/jobs", job | body)


@pytest.mark.django_db
def test_newest_versions_are_listed(program: Programs, saved: SavedMapping) -> None:
    job = Job.objects.get()
    job.mapping = {"external_id": "external_id", "price": "field:price"}
    job.rules = {
        "field:price": {"trim": True},
        "field:status": {"constant": "in_use"},
    }
    newest = saved_mappings.save(job, "Monthly", by=None)

    listed = program("read").call(
        "GET", f"/connections/{saved.connection.code}/objects/gadget/mappings"
    )

    body = listed.json()
    assert listed.status_code == 200
    assert body == {
        "items": [
            {
                "id": newest.pk,
                "name": "Monthly",
                "version": 2,
                "connection": str(saved.connection.code),
                "object": "gadget",
                "action": UPSERT,
                "columns": ["external_id", "price"],
                "mapping": {
                    "external_id": "external_id",
                    "price": {"field": "price", "trim": True},
                },
                "constants": {"status": "in_use"},
                "options": newest.options,
                "file_settings": {},
                "changes": [],
                "created_by": None,
                "created_at": body["items"][0]["created_at"],
            }
        ],
        "next": None,
    }


@pytest.mark.django_db(transaction=True)
def test_job_is_mapped_with_a_saved_mapping(
    program: Programs, saved: SavedMapping, task_queue: TaskQueue
) -> None:
    response = create(
        program("run"), saved_mapping=saved.pk, options={"blank": "clear"}
    )
    task_queue.run_all()

    job = Job.objects.latest("pk")
    assert response.status_code == 201
    assert response.json()["saved_mapping"] == saved.pk
    assert job.state == "ready"
    assert job.mapping == saved.mapping
    assert job.rules == saved.rules
    assert job.options["blank"] == "clear"


@pytest.mark.django_db(transaction=True)
def test_changed_fields_leave_a_draft_for_a_person(
    program: Programs, saved: SavedMapping, task_queue: TaskQueue
) -> None:
    thing = stages.gadget()
    thing.fields = [field for field in thing.fields if field["key"] != "price"]
    thing.save()
    runner = program("run")

    created = create(runner, saved_mapping=saved.pk, launch=True).json()
    task_queue.run_all()
    job = runner.call("GET", f"/jobs/{created['id']}").json()

    assert job["state"] == "draft"
    assert job["error"] == (
        "“Monthly”, version 1, must be reviewed. Price no longer exists in Zendesk."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "content", "status", "sentence"),
    [
        ({"mapping": {"price": "price"}}, NEXT, 422, "either mapping and constants"),
        ({"action": "create"}, NEXT, 409, "maps columns for the action"),
        ({}, "external_id,cost\n1,2\n", 422, "The file has no column “price”."),
        ({"saved_mapping": 999}, NEXT, 422, "is unknown"),
    ],
)
def test_saved_mapping_that_cannot_be_used_is_refused(
    program: Programs,
    saved: SavedMapping,
    body: dict[str, Any],
    content: str,
    status: int,
    sentence: str,
) -> None:
    response = create(program("run"), content, **{"saved_mapping": saved.pk} | body)

    assert response.status_code == status
    assert sentence in str(response.json())
    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_bound_token_sees_mappings_of_its_connection_only(
    program: Programs, saved: SavedMapping
) -> None:
    elsewhere = make_connection(name="Other", host="other.zendesk.com")
    bound = program("run", elsewhere)

    listed = bound.call(
        "GET", f"/connections/{saved.connection.code}/objects/gadget/mappings"
    )
    created = create(bound, saved_mapping=saved.pk)

    assert listed.status_code == 404
    assert created.status_code == 422
