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


def ask(program: Program, thing: CustomObject, **more: Any) -> Any:
    headers = {name: more.pop(name) for name in ("idempotency_key",) if name in more}
    body = {"connection": str(thing.connection.code), "object": thing.key} | more
    return program.call("POST", "/requests", body, **headers)


def test_request_is_prepared_and_not_sent(program: Programs) -> None:
    answer = ask(program("read"), stages.gadget(), body=BODY)

    assert answer.status_code == 200
    assert answer.json() == {
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
    answer = ask(program("read"), stages.gadget(), action=action)

    assert answer.json()["request"]["body"]["job"]["action"] == action


def test_request_is_sent_once(program: Programs, harness: Harness) -> None:
    thing = harness.object()

    sent = ask(program("run"), thing, body=BODY, send=True, idempotency_key="k")
    again = ask(program("run"), thing, body=BODY, send=True, idempotency_key="k")

    answer = sent.json()["response"]
    assert answer["status"] == 201
    assert answer["error"] == ""
    assert len(harness.sandbox.jobs()) == 1
    assert (
        answer["status_id"]
        == json.loads(answer["body"])["job_status"]["id"]
        == harness.sandbox.jobs()[0]["id"]
    )
    assert again.json() == sent.json()


def test_connection_may_be_called_by_its_name(program: Programs) -> None:
    thing = stages.gadget()

    answer = program("read").call(
        "POST", "/requests", {"connection": thing.connection.name, "object": "gadget"}
    )

    assert answer.status_code == 200


def test_host_that_cannot_be_reached_is_told(program: Programs) -> None:
    answer = ask(program("run"), stages.gadget(), send=True).json()["response"]

    assert answer["status"] is None
    assert answer["headers"] == {}
    assert answer["status_id"] == ""
    assert answer["error"].startswith("The host refused the connection.")


def test_sending_needs_the_scope_run(program: Programs, harness: Harness) -> None:
    answer = ask(program("read"), harness.object(), body=BODY, send=True)

    assert answer.status_code == 403
    assert answer.json()["code"] == "scope_missing"
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
def test_what_is_never_sent(
    program: Programs, body: Any, says: str, send: bool
) -> None:
    answer = ask(program("run"), stages.gadget(), body=body, send=send)

    assert (answer.status_code, says in answer.json()["detail"]) == (422, True), (
        answer.json()
    )


def test_number_beyond_all_is_never_sent(program: Programs) -> None:
    thing = stages.gadget()
    text = f'{{"connection": "{thing.connection.code}", "object": "gadget", "body": {{"x": 1e999}}}}'

    answer = program("run").call("POST", "/requests", text)

    assert answer.status_code == 422
    assert "The body is not JSON" in answer.json()["detail"]


@pytest.mark.parametrize("member", ["connection", "object"])
def test_what_the_body_names_must_be_known(program: Programs, member: str) -> None:
    thing = stages.gadget()
    elsewhere = make_object(make_connection(name="Other"), "elsewhere")
    wrong = (
        {"connection": str(elsewhere.connection.code)}
        if member == "connection"
        else {"object": "elsewhere"}
    )

    answer = ask(program("read", thing.connection), thing, **wrong)

    said = "is unknown, or this token has no access to it"
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"where": f"body.{member}", "message": said}]
