import pytest
from pytest_django import Settings

from jobsui.connections import objects
from jobsui.connections.models import Connection, CustomObject
from jobsui.jobs.control import actions, drafts
from jobsui.jobs.enums import EventKind, JobState
from jobsui.jobs.errors import ChangedSinceCheck, NotPossibleNow
from jobsui.jobs.models import Job
from tests.factories import make_job
from tests.harness import GADGET
from tests.jobs.control_jobs import ROWS, checked
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.django_db


def test_launch_queues_once(gadget: CustomObject) -> None:
    job = checked(gadget)
    twin = Job.objects.get(pk=job.pk)

    actions.launch(job, by=None)
    with pytest.raises(NotPossibleNow):
        actions.launch(twin, by=None)
    with pytest.raises(NotPossibleNow):
        actions.launch(job, by=None)

    assert job.state == JobState.QUEUED
    assert job.rows == 3
    assert job.pending == 3
    assert job.events.filter(kind=EventKind.LAUNCHED).count() == 1


def test_unchecked_job_is_not_launched(gadget: CustomObject) -> None:
    job = make_job(ROWS, to=gadget)

    with pytest.raises(NotPossibleNow, match="Check this job first"):
        actions.launch(job, by=None)


def test_invalid_rows_prevent_the_launch_unless_skipped(
    gadget: CustomObject,
) -> None:
    job = checked(gadget, invalid="stop")
    with pytest.raises(NotPossibleNow, match="1 invalid row"):
        actions.launch(job, by=None)

    drafts.set_invalid_rows(job, "skip", by=None)
    actions.launch(job, by=None)

    assert job.state == JobState.QUEUED


def test_job_of_invalid_rows_alone_is_not_launched(gadget: CustomObject) -> None:
    job = checked(gadget, "external_id,price\ng-1,x\n")

    with pytest.raises(NotPossibleNow, match="all rows are invalid"):
        actions.launch(job, by=None)


@pytest.mark.parametrize("path", ["/records/count", "/users/me", "/limits/"])
def test_information_that_cannot_be_read_stops_no_launch(
    gadget: CustomObject, sandbox: Sandbox, path: str
) -> None:
    sandbox.faults(**{"503": {"rate": 1, "path": path}})
    objects.refresh(gadget)
    job = checked(gadget)

    actions.launch(job, by=None)

    assert job.state == JobState.QUEUED


def test_changed_fields_require_another_check(
    gadget: CustomObject, sandbox: Sandbox
) -> None:
    job = checked(gadget)
    sandbox.make_object("gadget", fields=GADGET[:3])

    with pytest.raises(ChangedSinceCheck):
        actions.launch(job, by=None)

    assert job.state == JobState.DRAFT
    assert job.checked_fingerprint == ""


def test_skipping_invalid_rows_does_not_accept_changed_fields(
    gadget: CustomObject, sandbox: Sandbox
) -> None:
    job = checked(gadget, invalid="stop")
    sandbox.make_object("gadget", fields=GADGET[:3])
    objects.refresh(gadget)

    drafts.set_invalid_rows(job, "skip", by=None)

    with pytest.raises(ChangedSinceCheck):
        actions.launch(job, by=None)


def test_missing_file_prevents_the_launch(gadget: CustomObject) -> None:
    job = checked(gadget)
    job.file.delete_content()

    with pytest.raises(NotPossibleNow, match="gone or incomplete"):
        actions.launch(job, by=None)


def test_launch_on_another_machine_leaves_the_file_to_the_planner(
    gadget: CustomObject, settings: Settings
) -> None:
    job = checked(gadget)
    job.file.delete_content()
    settings.STORAGE_ID = "web2-2c3d"

    actions.launch(job, by=None)

    assert job.state == JobState.QUEUED


def test_launch_without_zendesk_leaves_the_job_ready(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    Connection.objects.update(host="127.0.0.1:1")
    job = Job.objects.get(pk=job.pk)

    with pytest.raises(
        NotPossibleNow, match="could not be refreshed before the launch"
    ):
        actions.launch(job, by=None)

    job.refresh_from_db()
    assert job.state == JobState.READY
