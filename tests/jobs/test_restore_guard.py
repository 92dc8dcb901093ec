"""A database that has gone back in time."""

import shutil
import threading
from typing import Any

import pytest
from django.conf import settings

from jobsui.jobs import leases
from jobsui.jobs.control import actions, sweep
from jobsui.jobs.delivery import driver_pool, restore_guard
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Attempt, Job, Lease
from tests.databases import ARE_SHARED
from tests.harness import Harness, gadgets
from tests.timing import FAST


def drive(harness: Harness) -> None:
    driver_pool.drive(harness.connection.host, stopping=threading.Event(), timing=FAST)


def set_epoch(harness: Harness, epoch: int) -> None:
    lease = Lease.objects.filter(name=f"account:{harness.connection.host}")
    lease.update(epoch=epoch)


def assert_waits_for_a_person(harness: Harness, job: Job) -> None:
    drive(harness)
    job.refresh_from_db()
    waits = (job.state, job.reason, job.created)
    actions.resume(job, by=None)
    drive(harness)
    job.refresh_from_db()

    assert waits == (JobState.PAUSED, restore_guard.RESTORED, 0)
    assert job.state == JobState.COMPLETED
    assert job.created == 1


def test_jobs_of_a_restored_backup_pause(harness: Harness) -> None:
    harness.object()
    for first in (1, 2):
        harness.planned(gadgets(1, first=first))
        drive(harness)
    job = harness.planned(gadgets(1, first=3))
    # As it was before the second job.
    set_epoch(harness, 1)

    assert_waits_for_a_person(harness, job)


def test_epochs_of_other_hosts_count_as_well(harness: Harness) -> None:
    harness.object()
    harness.planned(gadgets(1))
    drive(harness)
    # By another host.
    set_epoch(harness, 7)
    sweep.sweep()
    job = harness.planned(gadgets(1, first=2))
    set_epoch(harness, 3)

    drive(harness)

    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    assert job.created == 0


def test_a_sweep_during_a_takeover_is_no_restored_backup(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.object()
    job = harness.planned(gadgets(1))
    take = leases.acquire

    def take_and_sweep(name: str, **options: Any) -> leases.Held | None:
        lease = take(name, **options)
        sweep.sweep()
        return lease

    monkeypatch.setattr(leases, "acquire", take_and_sweep)

    drive(harness)

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert job.reason == ""


@pytest.mark.skipif(ARE_SHARED, reason="A server's database is no file.")
@pytest.mark.parametrize(
    "forgets", [False, True], ids=["with the data directory", "alone"]
)
def test_jobs_in_a_copy_of_the_database_pause(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    harness.object()
    harness.planned(gadgets(1))
    drive(harness)
    job = harness.planned(gadgets(1, first=2))
    if forgets:
        shutil.rmtree(settings.DATA_DIR / "epochs")
    else:
        # A copy would be another file.
        monkeypatch.setattr(restore_guard, "_database_file", lambda: 1)
    sweep.sweep()

    assert_waits_for_a_person(harness, job)


@pytest.mark.skipif(ARE_SHARED, reason="A server's database is no file.")
def test_copy_without_pruned_attempts_is_a_restored_backup(harness: Harness) -> None:
    harness.object()
    harness.planned(gadgets(1))
    drive(harness)
    Attempt.objects.all().delete()
    job = harness.planned(gadgets(1, first=2))
    shutil.rmtree(settings.DATA_DIR / "epochs")
    sweep.sweep()

    assert_waits_for_a_person(harness, job)


def test_a_new_data_directory_is_no_restored_backup(harness: Harness) -> None:
    harness.object()
    job = harness.planned(gadgets(1))

    drive(harness)

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
