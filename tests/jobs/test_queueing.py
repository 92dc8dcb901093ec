import json
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from jobsui.jobs import queueing, tasks
from jobsui.jobs.models import File
from jobsui.jobs.queueing import Task
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_job, make_object


@pytest.mark.django_db(transaction=True)
def test_ring_waits_for_the_commit(task_queue: TaskQueue) -> None:
    with transaction.atomic():
        queueing.enqueue("plan_job", 7)
        before = list(task_queue)

    assert (before, list(task_queue)) == ([], [("plan_job", (7,))])


@pytest.mark.django_db(transaction=True)
def test_ring_of_a_transaction_that_failed_is_never_heard(
    task_queue: TaskQueue,
) -> None:
    with transaction.atomic():
        queueing.enqueue("drive")
        transaction.set_rollback(True)

    assert task_queue == []


@pytest.mark.django_db(transaction=True)
def test_ring_without_a_queue_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(task: str, ids: tuple[int, ...]) -> None:
        raise RedisDown("refused")

    monkeypatch.setattr(queueing, "backend", nobody)

    assert queueing.enqueue("drive") is None  # type: ignore[func-returns-value]


def test_every_task_has_a_function_and_a_queue() -> None:
    assert all(callable(getattr(tasks, task)) for task in queueing.TASKS)
    assert set(queueing.TASKS.values()) == set(queueing.QUEUES)


def stored(call: list[Any], **more: str) -> dict[bytes, bytes]:
    """A task as it lies in Redis, written by whoever can write there."""
    fields = {
        "data": json.dumps(call),
        "created_at": "2026-01-01T00:00:00.000000Z",
        "status": "queued",
    } | more
    return {name.encode(): value.encode() for name, value in fields.items()}


def restored(raw: dict[bytes, bytes]) -> Task:
    task = Task("t", connection=Redis(), serializer=JSONSerializer)
    task.restore(raw)
    return task


@pytest.mark.parametrize(
    "name", ["os.system", "jobsui.jobs.tasks.os.system", "jobsui.jobs.control.cancel"]
)
def test_whoever_writes_to_redis_can_run_nothing_else(name: str) -> None:
    task = restored(stored([name, None, ["true"], {}]))

    with pytest.raises(PermissionError):
        task._execute()


def test_callbacks_and_webhooks_from_redis_are_forgotten() -> None:
    callbacks = dict.fromkeys(
        [f"{when}_callback_name" for when in ("success", "failure", "stopped")],
        "os.system",
    )

    task = restored(stored(["jobsui.jobs.tasks.drive", None, [], {}], **callbacks))

    names = (
        task._success_callback_name,
        task._failure_callback_name,
        task._stopped_callback_name,
    )
    assert (names, task.webhooks) == ((None, None, None), [])


def test_our_own_tasks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tasks, "plan_job", lambda *ids: ran.append(ids))

    restored(stored(["jobsui.jobs.tasks.plan_job", None, [7], {}]))._execute()

    assert ran == [(7,)]


def test_asking_a_worker_to_end_reaches_the_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        SimpleWorker, "handle_warm_shutdown_request", lambda worker: None
    )

    queueing.Worker.handle_warm_shutdown_request(object.__new__(queueing.Worker))

    assert queueing.stopping.is_set()


@pytest.mark.django_db
def test_work_on_a_file_goes_to_where_it_is_kept(settings: Settings) -> None:
    settings.STORAGE_ID = "web1-0a1b"
    job = make_job("external_id\ng-1\n", to=make_object(make_connection(), "gadget"))
    settings.STORAGE_ID = "web2-2c3d"
    tasks_and_ids = {
        "read_file": (job.file.pk,),
        "check_job": (job.pk,),
        "plan_job": (job.pk,),
        "drive": (),
    }

    queues = {task: queueing.queue_of(task, ids) for task, ids in tasks_and_ids.items()}

    assert {task: queue and queue.name for task, queue in queues.items()} == {
        "read_file": "work:web1-0a1b",
        "check_job": "work:web1-0a1b",
        "plan_job": "work:web1-0a1b",
        "drive": "drive",
    }


@pytest.mark.django_db
def test_work_on_what_was_deleted_goes_nowhere() -> None:
    assert File.objects.count() == 0
    assert [
        queueing.queue_of(task, (1,)) for task in ("read_file", "check_job", "plan_job")
    ] == [None, None, None]
