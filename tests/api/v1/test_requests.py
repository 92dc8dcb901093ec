import json
from typing import Any

import pytest

from jobsui.connections.models import CustomObject
from jobsui.connections.test_request import ACTIONS, MAX_BODY_BYTES
from tests.api.conftest import Program, Programs
from tests.factories import make_connection, make_object
from tests.harness import Harness
from tests.web import stages

pytestmark = pytest.mark.django_db

BODY = {
    "job": {
        "action": "create",
        "items": [{"name": "One", "custom_object_fields": {"serial": "AB-000001"}}],
    }
}


def ask(
    program: Program, custom_object: CustomObject, *, key: str = "", **more: Any
) -> Any:
    body = {
        "connection": str(custom_object.connection.code),
        "object": custom_object.key,
    }
    headers = {"idempotency_key": key} if key else {}
    return program.call("POST", "/requests", body | more, **headers)


def test_request_is_prepared_and_not_sent(program: Programs) -> None:
    response = ask(program("read"), stages.gadget(), body=BODY)

    assert response.status_code == 200
    assert response.json() == {
        "request": {
            "method": "POST",
            "path": "/api/v2/custom_objects/gadget/jobs",
            "headers": {
                "Authorization": "Basic ********",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            "body": BODY,
        },
        "response": None,
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_sample_is_prepared_for_every_action(program: Programs, action: str) -> None:
    response = ask(program("read"), stages.gadget(), action=action)

    assert response.json()["request"]["body"]["job"]["action"] == action


def test_request_is_sent_once(program: Programs, harness: Harness) -> None:
    custom_object = harness.object()

    sent = ask(program("run"), custom_object, body=BODY, send=True, key="k")
    again = ask(program("run"), custom_object, body=BODY, send=True, key="k")

    response = sent.json()["response"]
    assert response["status"] == 201
    assert response["error"] == ""
    assert len(harness.sandbox.jobs()) == 1
    assert (
        response["status_id"]
        == json.loads(response["body"])["job_status"]["id"]
        == harness.sandbox.jobs()[0]["id"]
    )
    assert again.json() == sent.json()


def test_warning_of_a_response_is_returned(program: Programs, harness: Harness) -> None:
    harness.sandbox.assume(unknown_field="dropped")
    item = {"name": "Ada", "custom_object_fields": {"serial": "AB-000001", "x": 1}}
    body = {"job": {"action": "create", "items": [item]}}

    sent = ask(program("run"), harness.object(), body=body, send=True)

    assert "custom_object_fields.x" in sent.json()["response"]["warning"]


def test_connection_is_found_by_its_name(program: Programs) -> None:
    custom_object = stages.gadget()

    response = program("read").call(
        "POST",
        "/requests",
        {"connection": custom_object.connection.name, "object": "gadget"},
    )

    assert response.status_code == 200


def test_unreachable_host_is_reported(program: Programs) -> None:
    response = ask(program("run"), stages.gadget(), send=True).json()["response"]

    assert response["status"] is None
    assert response["headers"] == {}
    assert response["status_id"] == ""
    assert response["error"].startswith("The host refused the connection.")


def test_sending_requires_the_scope_run(program: Programs, harness: Harness) -> None:
    response = ask(program("read"), harness.object(), body=BODY, send=True)

    assert response.status_code == 403
    assert response.json()["code"] == "scope_missing"
    assert harness.sandbox.jobs() == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([1], "body.body: input should be a valid dictionary."),
        ("text", "body.body: input should be a valid dictionary."),
        ({"x": "a" * MAX_BODY_BYTES}, "The body is larger than 1 MB."),
        ({"x": "\ud800"}, "body.body: contains half of a surrogate pair"),
    ],
)
@pytest.mark.parametrize("send", [True, False])
def test_invalid_body_is_never_sent(
    program: Programs, body: Any, says: str, send: bool
) -> None:
    response = ask(program("run"), stages.gadget(), body=body, send=send)

    assert response.status_code == 422
    assert says in response.json()["detail"]


def test_infinite_number_is_never_sent(program: Programs) -> None:
    custom_object = stages.gadget()
    code = custom_object.connection.code
    text = f'{{"connection": "{code}", "object": "gadget", "body": {{"x": 1e999}}}}'

    response = program("run").call("POST", "/requests", text)

    assert response.status_code == 422
    assert (
        "The body has Infinity in “x”, which is not a JSON number."
        in response.json()["detail"]
    )


@pytest.mark.parametrize("member", ["connection", "object"])
def test_references_in_the_body_must_be_known(program: Programs, member: str) -> None:
    custom_object = stages.gadget()
    elsewhere = make_object(make_connection(name="Other"), "elsewhere")
    wrong = (
        {"connection": str(elsewhere.connection.code)}
        if member == "connection"
        else {"object": "elsewhere"}
    )

    response = ask(program("read", custom_object.connection), custom_object, **wrong)

    message = "is unknown, or this token has no access to it"
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"where": f"body.{member}", "message": message}
    ]
