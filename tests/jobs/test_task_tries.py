"""Tasks that raise an error or lose their worker each time end after three runs."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from jobsui.connections.models import CustomObject
from jobsui.jobs import leases, tasks
from jobsui.jobs.control import actions, automation, sweep
from jobsui.jobs.enums import FileState, JobState
from jobsui.jobs.models import File, Job, Lease
from jobsui.jobs.preparation import (
    checker,
    file_reading,
    pending_rows,
    planner,
    uploads,
)
from tests.conftest import TaskQueue
from tests.factories import make_job
from tests.jobs.control_jobs import checked

pytestmark = pytest.mark.django_db(transaction=True)

FAILED = (
    "Jobs UI tried this several times. The last time it failed with an internal error "
    "(ValueError). "
    "Administrators find the details under Background tasks."
)
KILLED = "The worker was killed 10 times, probably because its memory ran out."


@dataclass
class Failing:
    """Stands in for a function that fails each time."""

    calls: int = 0
    most: int = 1_000
    """How often it fails."""

    def __call__(self, *_args: Any, **_options: Any) -> None:
        self.calls += 1
        if self.calls <= self.most:
            raise ValueError("broken")


def run_swept(task_queue: TaskQueue, rounds: int = 6) -> None:
    """What workers do between these sweeps. RQ notes errors and goes on."""
    for _ in range(rounds):
        sweep.sweep()
        # A driver would wait for the planner.
        task_queue[:] = [task for task in task_queue if task[0] != "drive"]
        while task_queue:
            with contextlib.suppress(ValueError):
                task_queue.run_all()


def kill(name: str, times: int) -> None:
    """Workers began a task of this lease this many times and were killed."""
    for _ in range(times):
        lease = leases.acquire(name)
        assert lease
        lease.begin_try()
        past = Now() - timedelta(seconds=1)
        Lease.objects.filter(name=name).update(expires_at=past)


def uploaded() -> File:
    return uploads.receive([b"external_id\ng-1\n"], "rows.csv", by=None)


def checking(gadget: CustomObject) -> Job:
    job = make_job("external_id\ng-1\n", to=gadget)
    checker.start(job, by=None)
    return job


def launched(gadget: CustomObject) -> Job:
    job = checked(gadget)
    actions.launch(job, by=None)
    return job


def automatic(gadget: CustomObject) -> Job:
    job = make_job("external_id\ng-1\n", to=gadget)
    automation.set_auto_target(job, JobState.READY)
    return job


def test_file_that_cannot_be_read_is_rejected(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue
) -> None:
    file = uploaded()
    failing = Failing()
    monkeypatch.setattr(file_reading, "take_in", failing)

    run_swept(task_queue)

    file.refresh_from_db()
    assert failing.calls == 3
    assert file.state == FileState.REJECTED
    assert file.error == f"{FAILED} {file_reading.SMALLER_FILE}"


def test_check_that_always_fails_is_a_draft_again(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue, gadget: CustomObject
) -> None:
    job = checking(gadget)
    failing = Failing()
    monkeypatch.setattr(checker, "_check", failing)

    run_swept(task_queue)

    job.refresh_from_db()
    assert failing.calls == 3
    assert job.state == JobState.DRAFT
    assert job.reason == f"{FAILED} {file_reading.SMALLER_FILE}"


def test_job_that_cannot_be_planned_fails(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue, gadget: CustomObject
) -> None:
    job = launched(gadget)
    failing = Failing()
    monkeypatch.setattr(planner, "_plan", failing)

    run_swept(task_queue)

    job.refresh_from_db()
    assert failing.calls == 3
    assert job.state == JobState.FAILED
    assert job.reason == f"{FAILED} {file_reading.SMALLER_FILE}"
    assert job.pending == 0


def test_draft_that_cannot_advance_waits_for_a_person(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue, gadget: CustomObject
) -> None:
    job = automatic(gadget)
    failing = Failing()
    monkeypatch.setattr(automation, "_take_step", failing)

    run_swept(task_queue)

    job.refresh_from_db()
    assert failing.calls == 3
    assert job.auto_target == ""
    assert job.reason == f"{FAILED} Check and launch the job yourself."


def test_file_whose_readers_are_killed_is_rejected() -> None:
    file = uploaded()
    kill(f"read:{file.pk}", 10)

    tasks.read_file(file.pk)

    file.refresh_from_db()
    assert file.state == FileState.REJECTED
    assert file.error == f"{KILLED} {file_reading.SMALLER_FILE}"


@pytest.mark.parametrize(
    ("make", "lease", "task", "state"),
    [
        (checking, "check", tasks.check_job, JobState.DRAFT),
        (launched, "plan", tasks.plan_job, JobState.FAILED),
        (automatic, "advance", tasks.advance_job, JobState.DRAFT),
    ],
)
def test_job_whose_workers_are_killed_ends(
    gadget: CustomObject,
    make: Callable[[CustomObject], Job],
    lease: str,
    task: Callable[[int], None],
    state: JobState,
) -> None:
    job = make(gadget)
    kill(f"{lease}:{job.pk}", 10)

    task(job.pk)

    job.refresh_from_db()
    assert job.state == state
    assert job.reason.startswith(KILLED)


def test_third_run_may_succeed(task_queue: TaskQueue) -> None:
    file = uploaded()
    kill(f"read:{file.pk}", 2)

    task_queue.run_all()

    file.refresh_from_db()
    assert file.state == FileState.READY
    assert Lease.objects.get(name=f"read:{file.pk}").tries == 0


def test_run_that_was_asked_to_stop_is_no_try() -> None:
    file = uploaded()
    stopping = threading.Event()
    stopping.set()

    for _ in range(4):
        file_reading.read_file(file, stopping=stopping)

    file.refresh_from_db()
    assert file.state == FileState.READING


def test_check_of_a_person_is_a_new_count(
    monkeypatch: pytest.MonkeyPatch, task_queue: TaskQueue, gadget: CustomObject
) -> None:
    job = checking(gadget)
    kill(f"check:{job.pk}", 2)
    Job.objects.filter(pk=job.pk).update(state=JobState.DRAFT)
    checker.start(job, by=None)
    failing = Failing(most=2)
    check = checker._check

    def check_at_last(*args: Any) -> None:
        failing()
        check(*args)

    monkeypatch.setattr(checker, "_check", check_at_last)

    run_swept(task_queue)

    job.refresh_from_db()
    assert job.state == JobState.READY


def test_planner_with_progress_counts_from_there(
    monkeypatch: pytest.MonkeyPatch, gadget: CustomObject
) -> None:
    monkeypatch.setattr(pending_rows, "MAX_BATCH_SIZE", 1)
    monkeypatch.setattr(pending_rows, "BATCHES_PER_COMMIT", 1)
    job = launched(gadget)
    commit = planner._commit

    def commit_and_fail(*args: Any) -> None:
        commit(*args)
        raise ValueError("broken")

    monkeypatch.setattr(planner, "_commit", commit_and_fail)
    kill(f"plan:{job.pk}", 2)

    with pytest.raises(ValueError, match="broken"):
        tasks.plan_job(job.pk)

    job.refresh_from_db()
    assert job.state == JobState.QUEUED
    assert job.batches_total == 1
    assert Lease.objects.get(name=f"plan:{job.pk}").tries == 1
