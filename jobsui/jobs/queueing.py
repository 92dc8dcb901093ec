"""The only file that knows RQ. RQ is a task_queue: it carries the name of a task and
ids, never data, and a ring that is lost, doubled or late changes nothing but the delay,
because the sweep rings again for all work the database knows."""

import gc
import logging
import threading
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django_rq import get_queue, get_worker
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from jobsui.jobs.models import File

logger = logging.getLogger(__name__)

WORK, DRIVE = "work", "drive"
QUEUES = (WORK, DRIVE)
# Drivers stay for minutes; they have a queue, and so a worker, of their own. Work on
# files has a queue for each place where files are kept, which only the workers of that
# place come to.
TASKS = {
    "read_file": WORK,
    "check_job": WORK,
    "advance_job": WORK,
    "plan_job": WORK,
    "drive": DRIVE,
}

stopping = threading.Event()
"""Set in a worker process when it was asked to end: long tasks look at it between two
steps."""

Backend = Callable[[str, tuple[int, ...]], None]


def _enqueue_rq(task: str, ids: tuple[int, ...]) -> None:
    queue = queue_of(task, ids)
    name = "-".join([task, *map(str, ids)])
    if queue is None or name in {
        queued.rpartition("-")[0] for queued in queue.get_job_ids()
    }:
        return  # Rung already, and nobody has come to the door yet.
    # An id of its own: RQ deletes what a worker has ended by its id, which would
    # silence what that worker rang last.
    queue.enqueue(
        f"jobsui.jobs.tasks.{task}",
        *ids,
        job_id=f"{name}-{token_hex(4)}",
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=86400,
    )


def queue_of(task: str, ids: tuple[int, ...]) -> Queue | None:
    """Where the task belongs: about a file, with the workers of the place it is kept
    in. None when it is deleted."""
    drive = get_queue(DRIVE)
    if TASKS[task] == DRIVE:
        return drive
    files = (
        File.objects.filter(pk__in=ids)
        if task == "read_file"
        else File.objects.filter(jobs__in=ids)
    )
    storage_id = files.values_list("storage_id", flat=True).first()
    if storage_id is None:
        return None
    # django-rq makes only the queues of the settings, which know no place but ours.
    return Queue(
        _work_at(storage_id),
        connection=drive.connection,
        job_class=Task,
        serializer=JSONSerializer,
    )


def _work_at(storage_id: str) -> str:
    return f"{WORK}:{storage_id}"


backend: Backend = _enqueue_rq
"""Replaced in tests by a list that the test works off."""


def enqueue(task: str, *ids: int) -> None:
    """Ask a worker for `task` once the present transaction is committed. Never fails:
    without Redis the work waits in the database for the sweep."""
    transaction.on_commit(partial(_enqueue, task, ids))


def _enqueue(task: str, ids: tuple[int, ...]) -> None:
    try:
        backend(task, ids)
    except (RedisError, DatabaseError) as error:
        logger.warning(
            "The queue cannot be reached, %s%s waits for the sweep: %s",
            task,
            ids,
            error,
        )


def answers() -> bool:
    """Whether the queue can be reached now."""
    try:
        return bool(Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping())
    except RedisError:
        return False


class Task(RqJob):
    """A job hash from Redis may only name one of our tasks: whoever can write to Redis
    gains no code execution."""

    ALLOWED = frozenset(f"jobsui.jobs.tasks.{task}" for task in TASKS)

    def restore(self, raw_data: Any) -> Any:
        result = super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = (
            self._stopped_callback_name
        ) = None
        self.webhooks = []
        return result

    def _execute(self) -> Any:
        if self.func_name not in self.ALLOWED:
            raise PermissionError(f"{self.func_name!r} is not a task of Jobs UI.")
        return super()._execute()


class Worker(SimpleWorker):
    """Runs tasks in its own process, so that asking the worker to end reaches the task
    (`stopping`)."""

    def handle_warm_shutdown_request(self) -> None:
        stopping.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]


def work(*queues: str) -> None:
    """Be a worker of these queues (WORK: of the files kept here) until asked to
    stop."""
    names = [
        _work_at(settings.STORAGE_ID) if queue == WORK else queue for queue in queues
    ]
    worker = get_worker(
        *names,
        job_class=Task,
        worker_class=Worker,  # type: ignore[arg-type]
        serializer="rq.serializers.JSONSerializer",
    )
    # Django and all that is imported stays as long as the process: looking through it
    # for garbage again and again would be a tenth of what sending costs.
    gc.collect()
    gc.freeze()
    worker.work(logging_level="WARNING")
