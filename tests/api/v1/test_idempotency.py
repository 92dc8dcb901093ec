from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.utils import timezone

from jobsui.access import tokens
from jobsui.api.models import IdempotencyRecord
from jobsui.connections.models import CustomObject
from jobsui.jobs.control import automation
from jobsui.jobs.models import File, Job
from tests.api.conftest import Program, Programs
from tests.api.v1.uploading import stored
from tests.conftest import TaskQueue
from tests.factories import make_user
from tests.web import stages

ITEMS = [{"external_id": "g-1", "price": "1"}]


@pytest.fixture
def body(transactional_db: None) -> dict[str, Any]:  # noqa: ARG001
    """A job of an object whose fields are known."""
    to = stages.gadget()
    CustomObject.objects.update(read_at=timezone.now())
    return {
        "connection": to.connection.name,
        "object": to.key,
        "action": "create_or_update_by_external_id",
        "items": ITEMS,
    }


def create_job(program: Program, body: dict[str, Any], key: str = "k-1") -> Any:
    return program.call("POST", "/jobs", body, Idempotency_Key=key)


def concurrently(times: int, act: Callable[[], Any]) -> list[Any]:
    """The results of `act` in this number of threads."""

    def run(_: int) -> Any:
        try:
            return act()
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_twenty_concurrent_requests_create_one_job(
    program: Programs, body: dict[str, Any]
) -> None:
    token = program("run").token
    before = stored()

    responses = concurrently(20, lambda: create_job(Program(token), body))

    assert {(response.status_code, response.content) for response in responses} == {
        (201, responses[0].content)
    }
    assert Job.objects.count() == 1
    assert File.objects.count() == 1
    assert len(stored() - before) == 1


def test_different_request_with_the_same_key_is_refused(
    program: Programs, body: dict[str, Any]
) -> None:
    runner = program("run")
    create_job(runner, body)

    response = create_job(runner, body | {"launch": True})

    assert response.status_code == 409
    assert response.json()["code"] == "idempotency_key_reused"
    assert Job.objects.count() == 1


def test_repeated_request_returns_the_first_response(
    program: Programs, body: dict[str, Any], task_queue: TaskQueue
) -> None:
    runner = program("run")
    first = create_job(runner, body)
    task_queue.run_all()

    again = create_job(runner, body)

    assert Job.objects.get().state == "ready"
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"


def test_users_do_not_share_keys(program: Programs, body: dict[str, Any]) -> None:
    _, text = tokens.create(make_user("ana"), "Hers")

    responses = [create_job(one, body) for one in (program("run"), Program(text))]

    assert [response.status_code for response in responses] == [201, 201]
    assert Job.objects.count() == 2


def test_key_expires_after_a_day(program: Programs, body: dict[str, Any]) -> None:
    runner = program("run")
    create_job(runner, body)
    IdempotencyRecord.objects.update(
        created_at=timezone.now() - timedelta(hours=24, seconds=1)
    )

    create_job(runner, body)

    assert Job.objects.count() == 2
    assert IdempotencyRecord.objects.count() == 1


def test_refused_request_can_be_corrected(
    program: Programs, body: dict[str, Any]
) -> None:
    runner = program("run")

    refused = create_job(runner, body | {"mapping": {"price": "nothing"}})
    corrected = create_job(runner, body)

    assert refused.status_code == 422
    assert corrected.status_code == 201
    assert Job.objects.count() == 1


def test_interrupted_request_leaves_nothing_and_can_be_repeated(
    program: Programs,
    body: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    task_queue: TaskQueue,
) -> None:
    runner = program("run")
    before = stored()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(automation, "set_auto_target", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create_job(runner, body)
    counts = [model.objects.count() for model in (Job, File, IdempotencyRecord)]
    files = stored() - before
    tasks = list(task_queue)
    again = create_job(runner, body)

    assert counts == [0, 0, 0]
    assert files == set()
    assert tasks == []
    assert again.status_code == 201
    assert Job.objects.count() == 1


@pytest.mark.parametrize("key", ["k" * 256, "a\tb"])
def test_invalid_key_is_refused(
    program: Programs, body: dict[str, Any], key: str
) -> None:
    response = create_job(program("run"), body, key)

    assert response.status_code == 400
    assert response.json()["code"] == "bad_idempotency_key"
    assert Job.objects.count() == 0
