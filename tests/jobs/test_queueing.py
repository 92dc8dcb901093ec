import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from jobsui.jobs import queueing, tasks
from jobsui.jobs.enums import Purpose
from jobsui.jobs.models import File, RecordRead
from jobsui.jobs.queueing import Task
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_job, make_object


@pytest.mark.django_db(transaction=True)
def test_enqueue_waits_for_the_commit(task_queue: TaskQueue) -> None:
    with transaction.atomic():
        queueing.enqueue("plan_job", 7)
        before_commit = list(task_queue)

    assert before_commit == []
    assert task_queue == [("plan_job", (7,))]


@pytest.mark.django_db(transaction=True)
def test_enqueue_in_a_failed_transaction_does_nothing(task_queue: TaskQueue) -> None:
    with transaction.atomic():
        queueing.enqueue("drive")
        transaction.set_rollback(True)

    assert task_queue == []


@pytest.mark.django_db(transaction=True)
def test_enqueue_without_redis_only_warns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_task: str, _ids: tuple[int, ...]) -> None:
        raise RedisDown("refused")

    monkeypatch.setattr(queueing, "backend", refuse)

    queueing.enqueue("drive")

    assert caplog.messages == [
        "The queue is unreachable. drive() waits for the sweep: refused"
    ]


def test_every_task_has_a_function_and_a_queue() -> None:
    assert all(callable(getattr(tasks, task)) for task in queueing.TASKS)
    assert set(queueing.TASKS.values()) == set(queueing.QUEUES)


def stored(call: list[Any], **more: str) -> dict[bytes, bytes]:
    """A task as Redis keeps it."""
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
def test_function_that_is_no_task_does_not_run(name: str) -> None:
    task = restored(stored([name, None, ["true"], {}]))

    with pytest.raises(PermissionError):
        task._execute()


def test_callbacks_and_webhooks_from_redis_are_dropped() -> None:
    callbacks = {
        "success_callback_name": "os.system",
        "failure_callback_name": "os.system",
        "stopped_callback_name": "os.system",
    }

    task = restored(stored(["jobsui.jobs.tasks.drive", None, [], {}], **callbacks))

    assert task._success_callback_name is None
    assert task._failure_callback_name is None
    assert task._stopped_callback_name is None
    assert task.webhooks == []


def test_task_of_ours_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tasks, "plan_job", lambda *ids: ran.append(ids))

    restored(stored(["jobsui.jobs.tasks.plan_job", None, [7], {}]))._execute()

    assert ran == [(7,)]


def test_stopping_a_worker_reaches_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleWorker, "handle_warm_shutdown_request", lambda _: None)

    queueing.Worker.handle_warm_shutdown_request(object.__new__(queueing.Worker))

    assert queueing.stopping.is_set()


@pytest.mark.django_db
def test_work_on_a_file_goes_to_its_storage(settings: Settings) -> None:
    settings.STORAGE_ID = "web1-0a1b"
    job = make_job("external_id\ng-1\n", to=make_object(make_connection(), "gadget"))
    settings.STORAGE_ID = "web2-2c3d"

    assert queue_name("read_file", job.file.pk) == "read:web1-0a1b"
    assert queue_name("check_job", job.pk) == "work:web1-0a1b"
    assert queue_name("plan_job", job.pk) == "work:web1-0a1b"
    assert queue_name("drive") == "drive"


@pytest.mark.django_db
def test_large_file_is_not_read_among_small_ones(settings: Settings) -> None:
    settings.STORAGE_ID = "web1-0a1b"
    job = make_job("external_id\ng-1\n", to=make_object(make_connection(), "gadget"))
    File.objects.update(size=17 << 20)

    assert queue_name("read_file", job.file.pk) == "large:web1-0a1b"


@pytest.mark.parametrize(
    ("queues", "names"),
    [
        (["read"], ["read:web1-0a1b", "large:web1-0a1b"]),
        (["work"], ["read:web1-0a1b", "work:web1-0a1b"]),
        (
            ["work", "read", "drive", "notify"],
            ["read:web1-0a1b", "work:web1-0a1b", "large:web1-0a1b", "drive", "notify"],
        ),
        (["drive"], ["drive"]),
    ],
)
def test_queues_of_a_worker(
    queues: list[str],
    names: list[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.STORAGE_ID = "web1-0a1b"
    asked: list[str] = []

    def get_worker(*names: str, **_: Any) -> Any:
        asked.extend(names)
        return SimpleNamespace(work=lambda **_: None)

    monkeypatch.setattr(queueing, "get_worker", get_worker)
    monkeypatch.setattr("gc.freeze", lambda: None)

    queueing.work(*queues)

    assert asked == names


def queue_name(task: str, *ids: int) -> str:
    queue = queueing.queue_of(task, ids)
    assert queue is not None
    return queue.name


@pytest.mark.django_db
@pytest.mark.parametrize("task", ["read_file", "check_job", "plan_job"])
def test_work_on_a_deleted_file_has_no_queue(task: str) -> None:
    assert queueing.queue_of(task, (1,)) is None


@pytest.mark.django_db
def test_rows_are_divided_where_their_file_is() -> None:
    custom_object = make_object(make_connection())
    jobs = [make_job("a\n1\n", to=custom_object) for _ in range(2)]
    File.objects.filter(pk=jobs[1].file_id).update(storage_id="there")
    # Of the second job: its ID is that of the first one.
    read = RecordRead.objects.create(
        pk=jobs[0].pk, job=jobs[1], purpose=Purpose.COMPARE
    )

    assert queue_name("divide_rows", read.pk) == "work:there"
