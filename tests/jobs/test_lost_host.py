"""The host that stores a job's file is lost, and with it the only planner that can read
the file. People can still end the job."""

import threading
from typing import Any

import pytest
from pytest_django import Settings

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import actions, drafts, sweep
from jobsui.jobs.enums import Action, BatchState, JobState
from jobsui.jobs.models import Batch, File, Job
from jobsui.jobs.preparation import checker, pending_rows, planner
from tests.conftest import TaskQueue
from tests.factories import make_job
from tests.harness import Harness, gadgets
from tests.jobs.control_jobs import checked
from tests.jobs.driving import new_driver, state_of
from tests.timing import FakeClock

pytestmark = pytest.mark.django_db(transaction=True)


def launched(gadget: CustomObject, settings: Settings) -> Job:
    """A launched job whose file is on another host."""
    job = checked(gadget)
    actions.launch(job, by=None)
    settings.STORAGE_ID = "another-host"
    return job


def test_cancel_needs_no_planner(gadget: CustomObject, settings: Settings) -> None:
    job = launched(gadget, settings)

    actions.cancel(job, by=None)

    assert job.state == JobState.CANCELLED
    assert job.pending == 0
    assert job.cancelled == 3


def test_cancel_under_a_driver_needs_no_planner(
    harness: Harness, settings: Settings
) -> None:
    harness.object()
    job = harness.checked(gadgets(250), Action.CREATE)
    actions.launch(job, by=None)
    settings.STORAGE_ID = "another-host"
    clock = FakeClock()

    with new_driver(harness, clock) as driver:
        driver.round([])
        actions.cancel(job, by=None)
        clock.sleep(1)
        driver.round([])

    assert state_of(job) == JobState.CANCELLED


def test_pause_needs_no_planner(gadget: CustomObject, settings: Settings) -> None:
    job = launched(gadget, settings)

    actions.pause(job, by=None)

    assert job.state == JobState.PAUSED


def test_cancelled_job_is_not_enqueued_for_its_planner(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    job = checked(gadget)
    actions.launch(job, by=None)
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLING)
    task_queue.clear()

    sweep.sweep()

    assert task_queue == [("drive", ())]


def test_draft_that_is_being_checked_can_be_discarded(
    gadget: CustomObject, settings: Settings, task_queue: TaskQueue
) -> None:
    job = make_job("external_id\ng-1\n", to=gadget)
    checker.start(job, by=None)
    settings.STORAGE_ID = "another-host"
    task_queue.clear()

    drafts.discard(job)
    sweep.sweep()

    assert not Job.objects.exists()
    assert File.objects.count() == 1
    assert task_queue == []


def test_planner_adds_nothing_to_a_job_that_has_ended(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_rows, "MAX_BATCH_SIZE", 1)
    monkeypatch.setattr(pending_rows, "BATCHES_PER_COMMIT", 1)
    job = checked(gadget)
    actions.launch(job, by=None)
    commit = planner._commit

    def cancel_first(*args: Any) -> None:
        actions.cancel(Job.objects.get(pk=job.pk), by=None)
        commit(*args)

    monkeypatch.setattr(planner, "_commit", cancel_first)

    planner.plan(job, stopping=threading.Event())

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert job.pending == 0
    assert not Batch.objects.filter(job=job).exclude(state=BatchState.CANCELLED)
