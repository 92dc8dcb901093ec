from importlib import import_module

import pytest
from django.apps import apps

from jobsui.jobs.models import Job
from tests.factories import make_connection, make_job, make_object

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
