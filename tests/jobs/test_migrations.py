from importlib import import_module

import pytest
from django.apps import apps

from jobsui.jobs.models import File, Job
from tests.factories import make_connection, make_file, make_job, make_object

plain_names = import_module("jobsui.jobs.migrations.0006_plain_names")
limit_names = import_module("jobsui.jobs.migrations.0011_limit_names")

file_warnings = import_module("jobsui.jobs.migrations.0025_file_warnings")


@pytest.mark.django_db
def test_warnings_become_objects_and_sentences_again() -> None:
    make_file("a\n1\n", warnings=["Odd. Fix it."])
    make_file("a\n1\n")

    file_warnings.converted(file_warnings.as_objects)(apps, None)
    [converted] = File.objects.exclude(warnings=[])
    file_warnings.converted(file_warnings.as_sentences)(apps, None)
    [restored] = File.objects.exclude(warnings=[])

    assert converted.warnings == [
        {
            "code": "other",
            "message": "Odd. Fix it.",
            "fix": "",
            "column": "",
            "count": 0,
            "rows": [],
            "values": [],
        }
    ]
    assert restored.warnings == ["Odd. Fix it."]


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
