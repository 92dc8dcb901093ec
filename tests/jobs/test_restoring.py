"""A database that has gone back in time."""

import shutil
import threading

import pytest
from django.conf import settings

from jobsui.jobs.engine import control, hosting, leases, restoring, sweeping
from jobsui.jobs.enums import JobState
from jobsui.jobs.models import Job, Lease
from tests.databases import ARE_SHARED
from tests.world import World, gadgets


def drive(world: World) -> None:
    hosting.drive(world.connection.host, stopping=threading.Event())


def assert_waits_for_a_person(world: World, job: Job) -> None:
    drive(world)
    job.refresh_from_db()
    waits = (job.state, job.reason, job.created)
    control.resume(job, by=None)
    drive(world)
    job.refresh_from_db()

    assert waits == (JobState.PAUSED, restoring.RESTORED, 0)
    assert (job.state, job.created) == (JobState.COMPLETED, 1)


def test_jobs_of_a_restored_backup_wait_for_a_person(world: World) -> None:
    world.object()
    for first in (1, 2):
        world.planned(gadgets(1, first=first))
        drive(world)
    job = world.planned(gadgets(1, first=3))
    Lease.objects.filter(name=f"account:{world.connection.host}").update(
        epoch=1
    )  # As it was before the second job.

    assert_waits_for_a_person(world, job)


def test_what_another_host_did_counts_as_well(world: World) -> None:
    world.object()
    world.planned(gadgets(1))
    drive(world)
    Lease.objects.filter(name=f"account:{world.connection.host}").update(
        epoch=7
    )  # By another host.
    sweeping.sweep()
    job = world.planned(gadgets(1, first=2))
    Lease.objects.filter(name=f"account:{world.connection.host}").update(epoch=3)

    drive(world)

    job.refresh_from_db()
    assert (job.state, job.created) == (JobState.PAUSED, 0)


def test_a_sweep_at_the_moment_of_taking_over_is_no_restored_backup(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.object()
    job = world.planned(gadgets(1))
    take = leases.acquire

    def take_and_sweep(name: str, **more: str | None) -> leases.Held | None:
        lease = take(name, **more)
        sweeping.sweep()
        return lease

    monkeypatch.setattr(leases, "acquire", take_and_sweep)

    drive(world)

    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.COMPLETED, "")


@pytest.mark.skipif(ARE_SHARED, reason="A server's database is no file.")
@pytest.mark.parametrize(
    "forgets", [False, True], ids=["with the data directory", "alone"]
)
def test_jobs_in_a_copy_of_the_database_wait_for_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    world.object()
    world.planned(gadgets(1))
    drive(world)
    job = world.planned(gadgets(1, first=2))
    if forgets:
        shutil.rmtree(settings.DATA_DIR / "epochs")
    else:
        monkeypatch.setattr(
            restoring, "_database_file", lambda: 1
        )  # A copy would be another file.
    sweeping.sweep()

    assert_waits_for_a_person(world, job)


def test_a_new_data_directory_is_no_restored_backup(world: World) -> None:
    world.object()
    job = world.planned(gadgets(1))

    drive(world)

    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
