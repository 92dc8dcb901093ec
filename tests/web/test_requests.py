import json
import re
from typing import Any

import pytest
from django.test import Client

from jobsui.connections.models import CustomObject
from jobsui.connections.test_request import ACTIONS, MAX_BODY_BYTES
from tests.harness import Harness
from tests.web import stages

pytestmark = pytest.mark.django_db


JOBS = "/api/v2/custom_objects/gadget/jobs"


def path(thing: CustomObject, rest: str = "") -> str:
    return f"/objects/{thing.pk}/request/{rest}"


def send(
    client: Client,
    thing: CustomObject,
    method: str = "GET",
    to: str = "/api/v2/users/me",
    **more: str,
) -> Any:
    return client.post(path(thing, "send/"), {"method": method, "path": to} | more)


def create(name: str) -> str:
    return json.dumps(
        {
            "job": {
                "action": "create",
                "items": [
                    {"name": name, "custom_object_fields": {"serial": "AB-000001"}}
                ],
            }
        }
    )


@pytest.mark.parametrize("action", ACTIONS)
def test_request_is_prepared_for_every_action(operator: Client, action: str) -> None:
    answer = operator.get(path(stages.gadget()), {"action": action})

    form = answer.context["form"].initial
    assert form["method"] == "POST"
    assert form["path"] == "/api/v2/custom_objects/gadget/jobs"
    assert json.loads(form["body"])["job"]["action"] == action
    assert f'<option value="{action}" selected>' in answer.text
    assert "Basic ********" in answer.text
    assert "token-of-acme" not in answer.text


def test_unknown_action_is_prepared_as_create(operator: Client) -> None:
    answer = operator.get(path(stages.gadget()), {"action": "explode"})

    assert (
        json.loads(answer.context["form"].initial["body"])["job"]["action"] == "create"
    )


def test_reading_is_sent_at_once(operator: Client, harness: Harness) -> None:
    answer = send(operator, harness.object())

    answered = answer.context["answered"]
    assert answered.status == 200
    assert json.loads(answered.body)["user"]["email"] == harness.sandbox.email
    assert harness.sandbox.api_token not in answer.text


def test_writing_asks_first(operator: Client, harness: Harness) -> None:
    thing = harness.object()
    jobs = f"/api/v2/custom_objects/{thing.key}/jobs"

    asked = send(operator, thing, "POST", jobs, body=create("One"))
    after_asking = len(harness.sandbox.jobs())
    sent = send(operator, thing, "POST", jobs, body=create("One"), confirm="on")

    assert "cannot be undone." in asked.text
    assert asked.context["answered"] is None
    assert after_asking == 0
    assert sent.context["answered"].status == 201
    assert len(harness.sandbox.jobs()) == 1
    assert sent.context["status_id"] == harness.sandbox.jobs()[0]["id"]
    assert 'id="job-status"' in sent.text


def test_warning_of_a_response_is_shown(operator: Client, harness: Harness) -> None:
    harness.sandbox.assume(unknown_field="dropped")
    thing = harness.object()
    body = create("Ada").replace("AB-000001", 'AB-000001", "shade": "red')

    sent = send(operator, thing, "POST", JOBS, body=body, confirm="on")

    assert "Zendesk warned: Removed restricted keys" in sent.text
    assert "custom_object_fields.shade" in sent.context["answered"].warning


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_writing_method_asks_first(operator: Client, method: str) -> None:
    assert send(operator, stages.gadget(), method).context["asks"] is True


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"to": "https://evil.example/"}, "The address must be a path"),
        ({"to": "/api/v2/../../x"}, "The address must be a path"),
        ({"to": "/api/v2/oauth/clients"}, "cannot read or change tokens"),
        ({"method": "TRACE"}, "Select a valid choice."),
        ({"to": ""}, "This field is required."),
        ({"method": "POST", "body": "{", "confirm": "on"}, "The body is not JSON"),
        (
            {"method": "POST", "body": "x" * (MAX_BODY_BYTES + 1), "confirm": "on"},
            "Ensure this value has at most",
        ),
    ],
)
def test_what_is_never_sent(
    operator: Client, fields: dict[str, str], says: str
) -> None:
    answer = send(operator, stages.gadget(), **fields)

    assert answer.status_code == 200
    assert says in answer.text
    assert answer.context["answered"] is None


def test_large_body_fits_into_the_form(operator: Client) -> None:
    body = json.dumps({"x": '"' * (MAX_BODY_BYTES // 3)})

    answer = send(operator, stages.gadget(), "POST", body=body)

    assert answer.status_code == 200
    assert answer.context["asks"] is True


def test_unreachable_host_is_reported(operator: Client) -> None:
    answer = send(operator, stages.gadget())

    assert answer.context["answered"].error == (
        "The host refused the connection. Check the host and port, and the network of this server."
    )


def test_job_status_is_followed_to_its_end(operator: Client, harness: Harness) -> None:
    thing = harness.object()
    jobs = f"/api/v2/custom_objects/{thing.key}/jobs"
    harness.sandbox.settings(job_seconds=3600)
    slow = send(
        operator, thing, "POST", jobs, body=create("One"), confirm="on"
    ).context["status_id"]
    harness.sandbox.settings(job_seconds=0)
    quick = send(
        operator, thing, "POST", jobs, body=create("Two"), confirm="on"
    ).context["status_id"]

    running = operator.get(
        path(thing, f"status/{slow}/"), headers={"HX-Request": "true"}
    ).text
    over = operator.get(
        path(thing, f"status/{quick}/"), headers={"HX-Request": "true"}
    ).text

    assert re.findall(r'hx-trigger="([^"]+)"', running) == ["every 2s"]
    assert "hx-" not in over
    assert "completed" in over


def test_what_is_no_job_status_ends_the_poll(operator: Client) -> None:
    answer = operator.get(
        path(stages.gadget(), "status/..%2Fusers/"), headers={"HX-Request": "true"}
    )
    odd = operator.get(
        path(stages.gadget(), "status/a b/"), headers={"HX-Request": "true"}
    ).text

    assert "hx-" not in answer.text
    assert "This was deleted." in answer.text
    assert "hx-" not in odd
    assert "That is not the ID of a job status." in odd
