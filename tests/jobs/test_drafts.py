import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from jobsui.connections.models import CustomObject
from jobsui.jobs.control import drafts, pruning
from jobsui.jobs.control.pruning import Pruner
from jobsui.jobs.enums import Action, JobState
from jobsui.jobs.errors import NotPossibleNow
from jobsui.jobs.mapping.options import Match, Options
from jobsui.jobs.models import File, Job
from jobsui.jobs.preparation import checker
from tests.factories import make_file, make_object, make_user
from tests.jobs.control_jobs import ROWS, checked, planned

pytestmark = pytest.mark.django_db


def test_draft_has_its_own_prefix_for_external_ids(gadget: CustomObject) -> None:
    first, second = (
        drafts.create_draft(
            gadget.connection, "gadget", "create", make_file(ROWS), by=make_user(name)
        )
        for name in ("ana", "leo")
    )

    assert first.state == JobState.DRAFT
    assert first.action == "create"
    assert first.created_by == first.created_by
    assert first.options["prefix"] == first.code.hex[:12]
    assert first.options["prefix"] != second.options["prefix"]


def test_new_mapping_requires_another_check(
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

    assert job.state == JobState.DRAFT
    assert job.checked_fingerprint == ""
    assert job.mapping == {"external_id": "external_id"}
    assert job.options["blank"] == "clear"
    assert job.options["prefix"] == prefix


CHOSEN = Options(
    blank="clear",
    compare=True,
    only_existing=True,
    keep_undo=True,
    refuse_changed="strict",
    match=Match(only_in_account="delete"),
)


@pytest.mark.parametrize(
    ("object_key", "action", "kept"),
    [
        ("gadget", Action.UPSERT_BY_EXTERNAL_ID, CHOSEN),
        ("widget", Action.UPSERT_BY_EXTERNAL_ID, replace(CHOSEN, match=None)),
        ("gadget", Action.UPDATE, replace(CHOSEN, only_existing=False, match=None)),
        ("gadget", Action.CREATE, Options(blank="clear", compare=True)),
    ],
)
def test_options_that_do_not_apply_to_another_target_are_reset(
    gadget: CustomObject, object_key: str, action: Action, kept: Options
) -> None:
    make_object(gadget.connection, "widget")
    job = checked(gadget)
    prefix = job.options["prefix"]
    drafts.set_mapping(job, job.mapping, CHOSEN, by=None)

    drafts.set_target(job, job.connection, object_key, action, by=None)

    job.refresh_from_db()
    assert Options.from_json(job.options) == replace(kept, prefix=prefix)


def test_rows_without_external_id_get_one_after_another_action_again(
    gadget: CustomObject,
) -> None:
    job = checked(gadget)
    drafts.set_target(job, job.connection, "gadget", Action.CREATE, by=None)
    drafts.set_mapping(
        job, {"name": "name"}, Options(generate_external_ids=False), by=None
    )

    drafts.set_target(job, job.connection, "gadget", Action.UPDATE, by=None)

    job.refresh_from_db()
    assert Options.from_json(job.options).generate_external_ids


def test_launched_job_cannot_be_edited(
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
    assert job.state == JobState.QUEUED
    assert job.action == Action.UPSERT_BY_EXTERNAL_ID


def test_new_file_replaces_the_old_one(
    gadget: CustomObject, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    old = job.file
    new = make_file("id\n1\n")

    with django_capture_on_commit_callbacks(execute=True):
        drafts.set_target(job, job.connection, "gadget", "delete", new, by=None)

    assert job.file == new
    assert job.action == "delete"
    assert job.mapping == {}
    assert job.state == JobState.DRAFT
    assert not File.objects.filter(pk=old.pk).exists()
    assert not default_storage.exists(old.stored_as)
    assert default_storage.exists(new.stored_as)


def test_discard_deletes_the_file_unless_another_job_has_it(
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
    assert Job.objects.count() == 0
    assert File.objects.count() == 0


def test_file_on_another_machine_is_pruned_there(
    gadget: CustomObject, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    job = checked(gadget)
    here = settings.STORAGE_ID
    settings.STORAGE_ID = "web2-2c3d"
    drafts.discard(job)
    File.objects.update(created_at=timezone.now() - timedelta(days=8))
    Pruner(pruning.steps).run(threading.Event())
    left = (
        File.objects.filter(pk=job.file.pk).exists(),
        default_storage.exists(job.file.stored_as),
    )

    settings.STORAGE_ID = here
    with django_capture_on_commit_callbacks(execute=True):
        Pruner(pruning.steps).run(threading.Event())

    assert left == (True, True)
    assert File.objects.count() == 0
    assert not default_storage.exists(job.file.stored_as)
