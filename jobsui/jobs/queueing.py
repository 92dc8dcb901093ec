"""The only module that uses RQ, except the frame of its pages (ops/background_tasks.py).

The queue carries the name of a task and ids, never data. A task that is lost, repeated or
late only delays work: the sweep enqueues everything that the database knows is open."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django_rq import get_queue, get_worker
from redis import Redis
from redis.exceptions import RedisError
from rq.executions import Execution
from rq.job import Job as RqJob
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker, WorkerStatus

from jobsui.jobs.models import File

logger = logging.getLogger(__name__)

DRIVE = "drive"
WORK = "work"
READ = "read"
NOTIFY = "notify"
QUEUES = (WORK, READ, DRIVE, NOTIFY)
COMMON_QUEUES = (DRIVE, NOTIFY)
"""The same for all hosts. The others belong to a storage of files."""
TASKS = {
    "read_file": READ,
    "check_job": WORK,
    "advance_job": WORK,
    "apply_corrections": WORK,
    "plan_job": WORK,
    "divide_rows": WORK,
    "index_job": WORK,
    "drive": DRIVE,
    "deliver": NOTIFY,
}
"""The queue of each task. A driver runs for minutes, so drivers have a queue and a
worker of their own. Each storage of files has queues of its own, which only the workers
that can open these files listen to. Files are read by a worker that does nothing else, so
that checks and plans do not wait for them. The same holds for messages: the other side of a
webhook may be slow."""
LARGE = "large"
"""The queue of large files, for the workers of READ. Small ones are also read by the
workers of WORK, so that they do not wait for large ones."""
MAX_SMALL_BYTES = 16 << 20
FAILURE_TTL_SECONDS = 24 * 3600

stopping = threading.Event()
"""Set in a worker process that was asked to stop. Long tasks check it between two
steps."""

Backend = Callable[[str, tuple[int, ...]], None]


def _enqueue_rq(task: str, ids: tuple[int, ...]) -> None:
    queue = queue_of(task, ids)
    if queue is None:
        return
    name = "-".join([task, *map(str, ids)])
    waiting = {job_id.rpartition("-")[0] for job_id in queue.get_job_ids()}
    if name in waiting:
        return
    # The id must be unique. A worker that finishes a task deletes it by its id, and
    # would delete the same task that it has just enqueued.
    queue.enqueue(
        f"jobsui.jobs.tasks.{task}",
        *ids,
        job_id=f"{name}-{token_hex(4)}",
        job_timeout=-1,
        result_ttl=0,
        failure_ttl=FAILURE_TTL_SECONDS,
    )


def queue_of(task: str, ids: tuple[int, ...]) -> Queue | None:
    """The task's queue. Work on a file belongs to the workers of the file's storage.
    None: the file was deleted."""
    kind = TASKS[task]
    if kind in COMMON_QUEUES:
        return get_queue(kind)
    file = _file_of(task, ids)
    if file is None:
        return None
    if kind == READ and file.size > MAX_SMALL_BYTES:
        kind = LARGE
    # django-rq creates only the queues in the settings, and these name no storage.
    return Queue(
        f"{kind}:{file.storage_id}",
        connection=get_queue(DRIVE).connection,
        job_class=Task,
        serializer=JSONSerializer,
    )


def _file_of(task: str, ids: tuple[int, ...]) -> File | None:
    if task == "read_file":
        files = File.objects.filter(pk__in=ids)
    elif task == "divide_rows":
        files = File.objects.filter(jobs__record_reads__in=ids)
    else:
        files = File.objects.filter(jobs__in=ids)
    return files.only("storage_id", "size").first()


backend: Backend = _enqueue_rq
"""Tests replace it with a list."""


def enqueue(task: str, *ids: int) -> None:
    """Ask a worker to run the task after the current transaction commits. Never
    fails: without Redis the work waits in the database for the sweep."""
    transaction.on_commit(partial(_enqueue, task, ids))


def _enqueue(task: str, ids: tuple[int, ...]) -> None:
    try:
        backend(task, ids)
    except (RedisError, DatabaseError) as error:
        logger.warning(
            "The queue is unreachable. %s%s waits for the sweep: %s",
            task,
            ids,
            error,
        )


def is_reachable() -> bool:
    try:
        return bool(Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping())
    except RedisError:
        return False


class Task(RqJob):
    """Runs nothing but our own tasks. Write access to Redis must not become code
    execution."""

    ALLOWED = frozenset(f"jobsui.jobs.tasks.{task}" for task in TASKS)

    def restore(self, raw_data: Any) -> Any:
        result = super().restore(raw_data)
        self._success_callback_name = None
        self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []
        return result

    def _execute(self) -> Any:
        if self.func_name not in self.ALLOWED:
            raise PermissionError(f"{self.func_name!r} is not a task of Jobs UI.")
        return super()._execute()


class Worker(SimpleWorker):
    """Runs tasks in its own process, so that a request to stop also reaches the running
    task (`stopping`).

    RQ's own worker of this kind sends no heartbeat while a task runs. A driver runs for
    hours, and RQ would file it as abandoned after minutes, and its worker as dead."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # Also for a worker that another command starts: RQ's default, pickle, would
        # run code from Redis.
        options["serializer"] = JSONSerializer
        options["job_class"] = Task
        super().__init__(*args, **options)

    def execute_job(self, job: RqJob, queue: Queue) -> None:
        execution = self.prepare_execution(job)
        with self._heartbeats(job, execution):
            self.perform_job(job, queue, execution)
        self.set_state(WorkerStatus.IDLE)

    @contextmanager
    def _heartbeats(self, job: RqJob, execution: Execution) -> Iterator[None]:
        """Send heartbeats from a thread for as long as the block lasts."""
        has_ended = threading.Event()

        def send() -> None:
            while not has_ended.wait(self.job_monitoring_interval):
                with suppress(RedisError):
                    self.maintain_heartbeats(job, execution)

        thread = threading.Thread(target=send, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()

    def handle_warm_shutdown_request(self) -> None:
        stopping.set()
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]


def work(*queues: str) -> None:
    """Run the tasks of these queues until asked to stop. READ and WORK mean the files of
    this machine's storage."""
    worker = get_worker(
        *_names(queues), job_class=Task, serializer="rq.serializers.JSONSerializer"
    )
    # Imported modules live as long as the process. To search them for garbage again and
    # again would take a tenth of the CPU that sending takes.
    gc.collect()
    gc.freeze()
    worker.work(logging_level="WARNING")


def _names(queues: tuple[str, ...]) -> list[str]:
    """In the order in which a worker takes tasks from them."""
    kinds = {READ: (READ, WORK), WORK: (WORK,), LARGE: (READ,)}
    names = [
        f"{kind}:{settings.STORAGE_ID}"
        for kind, workers in kinds.items()
        if not set(workers).isdisjoint(queues)
    ]
    return [*names, *(name for name in COMMON_QUEUES if name in queues)]
