"""Drivers that crash one after the other: people learn why nothing is sent."""

import threading
from typing import Any

import pytest

from jobsui.jobs.control import actions
from jobsui.jobs.delivery import driver_pool, recovery
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job, Lease
from tests.harness import Harness, gadgets
from tests.jobs.driving import drive, state_of
from tests.timing import FAST


def crash(harness: Harness, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ValueError, match="broken"):
            driver_pool.drive(
                harness.connection.host, stopping=threading.Event(), timing=FAST
            )


@pytest.fixture
def job(harness: Harness) -> Job:
    harness.object()
    return harness.planned(gadgets(10))


@pytest.fixture
def _broken_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(recovery, "take_over", fail)


@pytest.mark.usefixtures("_broken_recovery")
def test_job_pauses_with_the_reason_after_five_crashes(
    harness: Harness, job: Job
) -> None:
    crash(harness, times=4)
    before = state_of(job)

    crash(harness, times=1)

    job.refresh_from_db()
    assert before == JobState.QUEUED
    assert job.state == JobState.PAUSING
    assert job.reason == driver_pool.CRASHED.format(error="ValueError")


def test_resumed_job_that_gets_on_starts_a_new_count(
    harness: Harness, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(recovery, "take_over", None)
        for _ in range(driver_pool.MAX_CRASHES):
            with pytest.raises(TypeError):
                driver_pool.drive(
                    harness.connection.host, stopping=threading.Event(), timing=FAST
                )
    job.refresh_from_db()
    actions.resume(job, by=None)

    drive(harness, job)

    assert job.state == JobState.COMPLETED
    assert Lease.objects.get(name=f"account:{harness.connection.host}").tries == 0
