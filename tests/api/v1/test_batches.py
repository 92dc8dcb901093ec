import pytest
from django.utils import timezone

from jobsui.jobs.enums import Action
from jobsui.jobs.models import Batch
from tests.api.conftest import Programs
from tests.factories import make_connection
from tests.harness import Harness, gadgets
from tests.web import stages


def test_batch_includes_request_and_responses(
    harness: Harness, program: Programs
) -> None:
    harness.object()
    job = harness.run(gadgets(2), Action.CREATE)
    reader = program("read")

    listed = reader.call("GET", f"/jobs/{job.code}/batches").json()["items"]
    response = reader.call("GET", f"/batches/{listed[0]['id']}")

    data = response.json()
    assert [
        (one["number"], one["state"], one["rows"], one["succeeded"]) for one in listed
    ] == [(1, "done", 2, 2)]
    assert (
        data["request"]["url"]
        == f"http://{harness.sandbox.host}/api/v2/custom_objects/gadget/jobs"
    )
    assert data["request"]["headers"] == {
        "Authorization": "Basic ********",
        "Content-Type": "application/json",
    }
    assert data["request"]["body"] == {
        "job": {
            "action": "create",
            "items": [
                {
                    "external_id": "g-1",
                    "name": "Gadget 1",
                    "custom_object_fields": {"serial": "AB-000001", "price": 1.5},
                },
                {
                    "external_id": "g-2",
                    "name": "Gadget 2",
                    "custom_object_fields": {"serial": "AB-000002", "price": 2.5},
                },
            ],
        }
    }
    assert data["response"]["job_status"]["id"] == data["job_status"]
    assert data["job_status_body"]["status"] == "completed"
    assert [
        (one["number"], one["result"], one["http_status"]) for one in data["attempts"]
    ] == [(1, "accepted", 201)]
    assert harness.sandbox.api_token not in response.content.decode()


@pytest.mark.django_db
def test_batches_are_paged_and_filtered_by_state(program: Programs) -> None:
    rows = "".join(f"g-{n},{n}\n" for n in range(250))
    job = stages.planned(f"external_id,price\n{rows}")
    reader = program("read")
    Batch.objects.filter(job=job, seq=2).update(state="done", done_at=timezone.now())

    first = reader.call("GET", f"/jobs/{job.code}/batches?limit=2").json()
    second = reader.call("GET", first["next"].rpartition("/api/v1")[2]).json()
    done = reader.call("GET", f"/jobs/{job.code}/batches?state=done").json()

    numbers = [
        [one["number"] for one in page["items"]] for page in (first, second, done)
    ]
    assert numbers == [[1, 2], [3], [2]]
    assert second["next"] is None


@pytest.mark.django_db
def test_program_bound_elsewhere_finds_no_batch(program: Programs) -> None:
    job = stages.planned()
    bound = program("read", make_connection(name="Other"))
    batch = Batch.objects.get(job=job)

    statuses = [
        bound.call("GET", path).status_code
        for path in (f"/batches/{batch.pk}", f"/jobs/{job.code}/batches")
    ]

    assert statuses == [404, 404]
