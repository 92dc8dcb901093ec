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
def body(transactional_db: None) -> dict[str, Any]:
    """A job of an object whose fields are known."""
    to = stages.gadget()
    CustomObject.objects.update(read_at=timezone.now())
    return {
        "connection": to.connection.name,
        "object": to.key,
        "action": "create_or_update_by_external_id",
        "items": ITEMS,
    }


def made(program: Program, body: dict[str, Any], key: str = "k-1") -> Any:
    return program.call("POST", "/jobs", body, Idempotency_Key=key)


def at_once(times: int, act: Callable[[], Any]) -> list[Any]:
    """What so many threads get that do the same at the same time."""

    def acted(_: int) -> Any:
        try:
            return act()
        finally:
            database.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(acted, range(times)))


def test_twenty_equal_requests_at_once_make_one_job(
    program: Programs, body: dict[str, Any]
) -> None:
    token = program("run").token
    before = stored()

    answers = at_once(20, lambda: made(Program(token), body))

    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert Job.objects.count() == 1
    assert File.objects.count() == 1
    assert len(stored() - before) == 1


def test_another_request_with_the_key_is_refused(
    program: Programs, body: dict[str, Any]
) -> None:
    runner = program("run")
    made(runner, body)

    answer = made(runner, body | {"launch": True})

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Job.objects.count() == 1


def test_answer_stays_the_first_one_when_the_job_has_gone_on(
    program: Programs, body: dict[str, Any], task_queue: TaskQueue
) -> None:
    runner = program("run")
    first = made(runner, body)
    task_queue.run_all()

    again = made(runner, body)

    assert Job.objects.get().state == "ready"
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"


def test_keys_of_two_people_are_two_keys(
    program: Programs, body: dict[str, Any]
) -> None:
    other = Program(tokens.create(make_user("ana"), "Hers")[1])

    answers = [made(one, body) for one in (program("run"), other)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert Job.objects.count() == 2


def test_key_is_forgotten_after_a_day(program: Programs, body: dict[str, Any]) -> None:
    runner = program("run")
    made(runner, body)
    IdempotencyRecord.objects.update(
        created_at=timezone.now() - timedelta(hours=24, seconds=1)
    )

    made(runner, body)

    assert Job.objects.count() == 2
    assert IdempotencyRecord.objects.count() == 1


def test_request_that_was_refused_may_be_mended(
    program: Programs, body: dict[str, Any]
) -> None:
    runner = program("run")

    refused = made(runner, body | {"mapping": {"price": "nothing"}})
    mended = made(runner, body)

    assert refused.status_code == 422
    assert mended.status_code == 201
    assert Job.objects.count() == 1


def test_request_that_is_cut_off_leaves_nothing_and_can_be_sent_again(
    program: Programs,
    body: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    task_queue: TaskQueue,
) -> None:
    runner = program("run")
    before = stored()

    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(automation, "aim", cut_off)
        with pytest.raises(KeyboardInterrupt):
            made(runner, body)
    left = (
        Job.objects.count(),
        File.objects.count(),
        IdempotencyRecord.objects.count(),
        stored() - before,
        list(task_queue),
    )
    again = made(runner, body)

    assert left == (0, 0, 0, set(), [])
    assert again.status_code == 201
    assert Job.objects.count() == 1


@pytest.mark.parametrize("key", ["k" * 256, "a\tb"])
def test_key_that_is_none_is_refused(
    program: Programs, body: dict[str, Any], key: str
) -> None:
    answer = made(program("run"), body, key)

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_idempotency_key"
    assert Job.objects.count() == 0
