"""The worker with a real queue: heartbeats, and what remains of tasks that failed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django_rq import get_queue, get_worker
from rq.job import Job as RqJob
from rq.job import JobStatus
from rq.queue import Queue
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.worker_registration import clean_worker_registry

from jobsui.jobs import queueing, tasks
from jobsui.jobs.queueing import Worker
from tests.jobs.driving import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue(queue_url: str) -> Queue:  # noqa: ARG001
    return get_queue("drive")


@pytest.fixture
def worker(queue: Queue) -> Worker:  # noqa: ARG001
    found = get_worker("drive")
    assert isinstance(found, Worker)
    found.job_monitoring_interval = 0.05
    found.register_birth()  # type: ignore[no-untyped-call]
    return found


def enqueued(queue: Queue) -> RqJob:
    queueing._enqueue_rq("drive", ())
    [job] = queue.get_jobs()
    return job


def expires_at(queue: Queue) -> float:
    """When the running task counts as abandoned."""
    key = StartedJobRegistry(queue=queue).key
    found: Any = queue.connection.zrange(key, 0, -1, withscores=True)
    return float(found[0][1])


def drives(monkeypatch: pytest.MonkeyPatch, task: Callable[[], None]) -> None:
    monkeypatch.setattr(tasks, "drive", task)


def test_running_task_and_its_worker_are_never_abandoned(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def run_for_long() -> None:
        first = expires_at(queue)
        wait_until(lambda: expires_at(queue) > first)
        # As if all the time had passed that the first heartbeat allowed.
        StartedJobRegistry(queue=queue).cleanup(timestamp=first)
        clean_worker_registry(queue)
        seen["failed"] = len(FailedJobRegistry(queue=queue))
        seen["started"] = len(StartedJobRegistry(queue=queue))
        seen["workers"] = [each.name for each in Worker.all(queue=queue)]

    drives(monkeypatch, run_for_long)

    worker.execute_job(enqueued(queue), queue)

    assert seen == {"failed": 0, "started": 1, "workers": [worker.name]}
    assert len(StartedJobRegistry(queue=queue)) == 0


def test_task_of_a_dead_worker_is_filed_as_failed(queue: Queue, worker: Worker) -> None:
    job = enqueued(queue)
    worker.prepare_execution(job)
    job.set_status(JobStatus.STARTED)

    StartedJobRegistry(queue=queue).cleanup(timestamp=expires_at(queue))

    assert FailedJobRegistry(queue=queue).get_job_ids() == [job.id]
    result = job.latest_result()
    assert result is not None
    assert "AbandonedJobError" in str(result.exc_string)


def test_failed_task_shows_its_error(
    queue: Queue, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("broken")

    drives(monkeypatch, fail)
    job = enqueued(queue)

    worker.execute_job(job, queue)

    assert FailedJobRegistry(queue=queue).get_job_ids() == [job.id]
    result = job.latest_result()
    assert result is not None
    assert "ValueError: broken" in str(result.exc_string)


def test_rqstats_shows_the_queues(
    queue: Queue, capsys: pytest.CaptureFixture[str]
) -> None:
    enqueued(queue)

    call_command("rqstats")

    assert "drive" in capsys.readouterr().out
