import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from jobsui.connections.models import CustomObject
from jobsui.jobs import leases
from jobsui.jobs.control import sweep
from jobsui.jobs.enums import FileState, JobState
from jobsui.jobs.models import File, Job
from tests.conftest import TaskQueue
from tests.factories import make_connection, make_job, make_object

pytestmark = pytest.mark.django_db
Tasks = list[tuple[str, tuple[int, ...]]]


@pytest.fixture
def gadget() -> CustomObject:
    return make_object(make_connection(), "gadget")


def make(gadget: CustomObject, state: JobState, **fields: Any) -> Job:
    job = make_job("external_id\ng-1\n", to=gadget)
    Job.objects.filter(pk=job.pk).update(state=state, **fields)
    job.refresh_from_db()
    return job


def swept(task_queue: TaskQueue) -> Tasks:
    task_queue.clear()
    sweep.sweep()
    return sorted(task_queue)


def test_indexed_job_is_left_alone(gadget: CustomObject, task_queue: TaskQueue) -> None:
    make(gadget, JobState.COMPLETED, indexed_at=timezone.now())

    assert swept(task_queue) == []


@pytest.mark.parametrize(
    ("state", "is_planned", "tasks"),
    [
        (JobState.DRAFT, False, []),
        (JobState.CHECKING, False, ["check_job"]),
        (JobState.READY, False, []),
        (JobState.QUEUED, False, ["drive", "plan_job"]),
        (JobState.RUNNING, True, ["drive"]),
        (JobState.PAUSING, True, ["drive"]),
        (JobState.PAUSED, False, ["plan_job"]),
        (JobState.PAUSED, True, []),
        (JobState.CANCELLING, True, ["drive"]),
        (JobState.NEEDS_DECISION, True, []),
        (JobState.COMPLETED, True, ["index_job"]),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_sweep_enqueues_what_no_process_holds(
    gadget: CustomObject,
    task_queue: TaskQueue,
    state: JobState,
    is_planned: bool,
    tasks: list[str],
) -> None:
    make(gadget, state, planned_at=timezone.now() if is_planned else None)

    assert [task for task, _ in swept(task_queue)] == tasks


@pytest.mark.django_db(transaction=True)
def test_sweep_enqueues_nothing_that_a_process_holds(
    gadget: CustomObject, task_queue: TaskQueue
) -> None:
    job = make(gadget, JobState.QUEUED)
    file = File.objects.create(
        **{
            "name": "f",
            "stored_as": "f",
            "size": 1,
            "sha256": "",
            "state": FileState.READING,
        }
    )
    before = swept(task_queue)

    names = [f"account:{job.connection.host}", f"plan:{job.pk}", f"read:{file.pk}"]
    owned = [leases.acquire(name) for name in names]

    assert before == [("drive", ()), ("plan_job", (job.pk,)), ("read_file", (file.pk,))]
    assert None not in owned
    assert swept(task_queue) == []


@pytest.mark.parametrize(
    ("state", "fields", "last_event", "stays"),
    [
        (JobState.DRAFT, {"created_at": 8}, 8, False),
        (JobState.DRAFT, {"created_at": 8}, 1, True),
        (JobState.READY, {"created_at": 8, "checked_at": 8}, 8, False),
        (JobState.READY, {"created_at": 8, "checked_at": 1}, 8, True),
        (JobState.CHECKING, {"created_at": 8}, 8, False),
        (JobState.CHECKING, {"created_at": 8}, 1, True),
        (JobState.DRAFT, {"created_at": 6}, 6, True),
        (JobState.COMPLETED, {"created_at": 80}, 80, True),
    ],
)
def test_sweep_discards_unused_drafts(
    gadget: CustomObject,
    state: JobState,
    fields: dict[str, int],
    last_event: int,
    stays: bool,
) -> None:
    job = make(
        gadget,
        state,
        **{
            name: timezone.now() - timedelta(days=days) for name, days in fields.items()
        },
    )
    job.events.update(at=timezone.now() - timedelta(days=last_event))

    sweep.sweep()

    assert Job.objects.filter(pk=job.pk).exists() is stays


def test_draft_that_was_just_launched_stays(
    gadget: CustomObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = timezone.now() - timedelta(days=8)
    job = make(gadget, JobState.READY, created_at=long_ago)
    job.events.update(at=long_ago)
    unused = sweep._unused_drafts()
    monkeypatch.setattr(sweep, "_unused_drafts", lambda: list(unused))
    list(unused)
    Job.objects.filter(pk=job.pk).update(state=JobState.QUEUED)

    sweep.sweep()

    assert Job.objects.filter(pk=job.pk).exists()


def test_incomplete_upload_is_deleted_after_a_day(
    settings: Any,
) -> None:
    incoming = Path(settings.FILE_UPLOAD_TEMP_DIR)
    left = incoming / "left.upload"
    under_way = incoming / "under-way.upload"
    for path in (left, under_way):
        path.write_bytes(b"half of a fi")
    folder = incoming / "reading-1"
    folder.mkdir()
    (folder / "unpacked").write_bytes(b"id")
    for path in (left, folder):
        os.utime(path, (time.time() - 25 * 3600,) * 2)

    sweep.sweep()

    assert not left.exists()
    assert not folder.exists()
    assert under_way.exists()
    under_way.unlink()
