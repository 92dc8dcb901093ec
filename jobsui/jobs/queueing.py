"""The only file that knows RQ. RQ is a doorbell: it carries the name of a task and ids, never data, and a ring that is
lost, doubled or late changes nothing but the delay, because the sweep rings again for all work the database knows."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django_rq import get_queue, get_worker
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job as RqJob
from rq.worker import SimpleWorker

logger = logging.getLogger(__name__)

WORK, DRIVE = "work", "drive"
QUEUES = (WORK, DRIVE)
# Drivers stay for minutes; they have a queue, and so a worker, of their own.
TASKS = {"read_file": WORK, "check_job": WORK, "plan_job": WORK, "drive": DRIVE}

stopping = threading.Event()
"""Set in a worker process when it was asked to end: long tasks look at it between two steps."""

Bell = Callable[[str, tuple[int, ...]], None]


def _ring_rq(task: str, ids: tuple[int, ...]) -> None:
    queue = get_queue(TASKS[task])
    name = "-".join([task, *map(str, ids)])
    if name in queue.get_job_ids():
        return  # Rung already, and nobody has come to the door yet.
    queue.enqueue(f"jobsui.jobs.tasks.{task}", *ids, job_id=name, job_timeout=-1, result_ttl=0, failure_ttl=86400)


bell: Bell = _ring_rq
"""Replaced in tests by a list that the test works off."""


def ring(task: str, *ids: int) -> None:
    """Ask a worker for `task` once the present transaction is committed. Never fails: without Redis the work waits in
    the database for the sweep."""
    transaction.on_commit(partial(_ring, task, ids))


def _ring(task: str, ids: tuple[int, ...]) -> None:
    try:
        bell(task, ids)
    except RedisError as error:
        logger.warning("The queue cannot be reached, %s%s waits for the sweep: %s", task, ids, error)


def answers() -> bool:
    """Whether the queue can be reached now."""
    try:
        return bool(Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping())
    except RedisError:
        return False


class Task(RqJob):
    """A job hash from Redis may only name one of our tasks: whoever can write to Redis gains no code execution."""

    ALLOWED = frozenset(f"jobsui.jobs.tasks.{task}" for task in TASKS)

    def restore(self, raw_data: Any) -> Any:
        result = super().restore(raw_data)
        self._success_callback_name = self._failure_callback_name = self._stopped_callback_name = None
        self.webhooks = []
        return result

    def _execute(self) -> Any:
        if self.func_name not in self.ALLOWED:
            raise PermissionError(f"{self.func_name!r} is not a task of Jobs UI.")
        return super()._execute()


class Worker(SimpleWorker):
    """Runs tasks in its own process, so that asking the worker to end reaches the task (`stopping`)."""

    def handle_warm_shutdown_request(self) -> None:
        stopping.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]


def work(*queues: str) -> None:
    """Be a worker of these queues until asked to stop."""
    worker = get_worker(
        *queues, job_class=Task, worker_class=Worker, serializer="rq.serializers.JSONSerializer"  # type: ignore[arg-type]
    )  # fmt: skip
    worker.work(logging_level="WARNING")
