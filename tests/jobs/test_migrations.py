from importlib import import_module

import pytest
from django.apps import apps

from jobsui.jobs.models import Job
from jobsui.jobs.preparation import checker
from tests.factories import make_connection, make_job, make_object

plain_names = import_module("jobsui.jobs.migrations.0006_plain_names")
limit_names = import_module("jobsui.jobs.migrations.0011_limit_names")


@pytest.mark.django_db
def test_limits_are_renamed_and_restored() -> None:
    job = make_job("external_id\nA\n", to=make_object(make_connection()))
    seconds = {"window": 3, "paused": 4}
    Job.objects.filter(pk=job.pk).update(limited_by="doubt", limited_seconds=seconds)

    limit_names.rename_limits(apps, None)
    renamed = Job.objects.get()
    limit_names.restore_limits(apps, None)
    restored = Job.objects.get()

    assert renamed.limited_by == "key_conflict"
    assert renamed.limited_seconds == {"job_slots": 3, "paused": 4}
    assert restored.limited_by == "doubt"
    assert restored.limited_seconds == seconds


@pytest.mark.django_db
def test_checks_made_before_options_were_renamed_remain_valid() -> None:
    job = make_job("external_id\nA\n", to=make_object(make_connection()))
    job.options = {"blank": "skip", "own_external_ids": True, "prefix": "p"}
    job.checked_fingerprint = checker.fingerprint(job)
    job.save()

    plain_names.rename_values(apps, None)

    job.refresh_from_db()
    assert job.options["generate_external_ids"] is True
    assert checker.fingerprint(job) == job.checked_fingerprint
