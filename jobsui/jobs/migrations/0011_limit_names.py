from typing import Any

from django.db import migrations, models

RENAMED = {
    "rate": "request_rate",
    "window": "job_slots",
    "others": "other_integrations",
    "blocked": "zendesk_wait",
    "doubt": "key_conflict",
    "workers": "worker",
    "approval": "first_batch",
}


def rename_limits(apps: Any, schema_editor: Any) -> None:
    _rename(apps, RENAMED)


def restore_limits(apps: Any, schema_editor: Any) -> None:
    _rename(apps, {new: old for old, new in RENAMED.items()})


def _rename(apps: Any, names: dict[str, str]) -> None:
    jobs = apps.get_model("jobs", "Job").objects
    for before, after in names.items():
        jobs.filter(limited_by=before).update(limited_by=after)
    with_seconds = jobs.exclude(limited_seconds={}).only("limited_seconds")
    for job in with_seconds.iterator():
        job.limited_seconds = {
            names.get(limit, limit): seconds
            for limit, seconds in job.limited_seconds.items()
        }
        job.save(update_fields=["limited_seconds"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_parent_rows")]

    operations = [
        migrations.AlterField(
            model_name="job",
            name="limited_by",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "nothing"),
                    ("request_rate", "request rate"),
                    ("job_slots", "Zendesk's job slots"),
                    ("other_integrations", "other integrations"),
                    ("zendesk_wait", "a wait requested by Zendesk"),
                    ("unreachable", "Zendesk is unreachable"),
                    ("key_conflict", "unconfirmed rows with the same keys"),
                    ("worker", "waiting for a worker"),
                    ("paused", "paused"),
                    ("first_batch", "first-batch approval"),
                ],
                default="",
                max_length=20,
            ),
        ),
        migrations.RunPython(rename_limits, restore_limits),
    ]
