from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import drafts, sweep
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.options import Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import checker
from tests.factories import make_file, make_user
from tests.jobs.control_jobs import ROWS, checked, planned

pytestmark = pytest.mark.django_db


def test_draft_has_a_prefix_of_its_own_for_external_ids(gadget: CustomObject) -> None:
    first, second = (
        drafts.create_draft(
            gadget.connection, "gadget", "create", make_file(ROWS), by=make_user(name)
        )
        for name in ("ana", "leo")
    )

    assert (first.state, first.action, first.created_by) == (
        JobState.DRAFT,
        "create",
        first.created_by,
    )
    assert first.options["prefix"] == first.code.hex[:12]
    assert first.options["prefix"] != second.options["prefix"]


def test_new_mapping_makes_the_check_void_and_keeps_the_prefix(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    prefix = job.options["prefix"]

    drafts.set_mapping(
        job,
        {"external_id": "external_id"},
        Options(blank="clear", prefix="forged"),
        by=None,
    )

    assert (job.state, job.checked_fingerprint, job.mapping) == (
        JobState.DRAFT,
        "",
        {"external_id": "external_id"},
    )
    assert (job.options["blank"], job.options["prefix"]) == ("clear", prefix)


def test_launched_job_cannot_be_mapped_pointed_elsewhere_or_thrown_away(
    gadget: CustomObject,
) -> None:
    job = planned(gadget)

    with pytest.raises(NotPossibleNow):
        drafts.set_mapping(job, {}, Options(), by=None)
    with pytest.raises(NotPossibleNow):
        drafts.set_target(job, job.connection, "gadget", "create", by=None)
    with pytest.raises(NotPossibleNow):
        drafts.discard(job)
    with pytest.raises(NotPossibleNow):
        checker.start(job, by=None)
    job.refresh_from_db()
    assert (job.state, job.action) == (JobState.QUEUED, Action.UPSERT_BY_EXTERNAL_ID)


def test_new_file_takes_the_place_of_the_old_one(
    gadget: CustomObject, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    old, new = job.file, make_file("id\n1\n")

    with django_capture_on_commit_callbacks(execute=True):
        drafts.set_target(job, job.connection, "gadget", "delete", new, by=None)

    assert (job.file, job.action, job.mapping, job.state) == (
        new,
        "delete",
        {},
        JobState.DRAFT,
    )
    assert not File.objects.filter(pk=old.pk).exists()
    assert not default_storage.exists(old.stored_as)
    assert default_storage.exists(new.stored_as)


def test_discard_takes_the_file_along_unless_another_job_has_it(
    gadget: CustomObject, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    other = drafts.create_draft(
        gadget.connection, "gadget", "create", job.file, by=None
    )

    with django_capture_on_commit_callbacks(execute=True):
        drafts.discard(job)
    assert default_storage.exists(other.file.stored_as)

    with django_capture_on_commit_callbacks(execute=True):
        drafts.discard(other)
    assert not default_storage.exists(other.file.stored_as)
    assert (Job.objects.count(), File.objects.count()) == (0, 0)


def test_file_on_another_host_waits_for_the_sweep_there(
    gadget: CustomObject, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    here, settings.STORAGE_ID = settings.STORAGE_ID, "web2-2c3d"
    drafts.discard(job)
    File.objects.update(created_at=timezone.now() - timedelta(days=8))
    sweep.sweep()
    left = (
        File.objects.filter(pk=job.file.pk).exists(),
        default_storage.exists(job.file.stored_as),
    )

    settings.STORAGE_ID = here
    with django_capture_on_commit_callbacks(execute=True):
        sweep.sweep()

    assert left == (True, True)
    assert (File.objects.count(), default_storage.exists(job.file.stored_as)) == (
        0,
        False,
    )
