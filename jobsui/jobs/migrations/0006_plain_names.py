"""Columns, states and options get the names that the product now uses everywhere."""

from django.db import migrations, models


def rename_values(apps, schema_editor):
    """State and attempt result "unsure" become "unconfirmed"; the option
    "own_external_ids" becomes "generate_external_ids"."""
    batches = apps.get_model("jobs", "Batch").objects.order_by()
    batches.filter(done_at=None, state="unsure").update(state="unconfirmed")
    attempts = apps.get_model("jobs", "Attempt").objects.order_by()
    attempts.filter(result="unsure").update(result="unconfirmed")
    jobs = apps.get_model("jobs", "Job").objects.order_by().only("options")
    for job in jobs.iterator(chunk_size=500):
        if "own_external_ids" in job.options:
            job.options["generate_external_ids"] = job.options.pop("own_external_ids")
            job.save(update_fields=["options"])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_unsettled_batches")]

    operations = [
        migrations.RemoveConstraint("batch", "batch_done_once_settled"),
        migrations.RenameField("attempt", "answer_headers", "response_headers"),
        migrations.RenameField("attempt", "answer_body", "response_body"),
        migrations.RenameField("batch", "portion", "split_size"),
        migrations.RenameField("batch", "look_at", "reconcile_at"),
        migrations.RenameField("batch", "looks", "reconcile_count"),
        migrations.RenameField("cause", "cure", "fix"),
        migrations.RenameField("file", "kept_at", "storage_id"),
        migrations.RenameField("job", "aims_at", "auto_target"),
        migrations.RenameField("job", "canary", "hold_after_first_batch"),
        migrations.RenameField("job", "held_by", "limited_by"),
        migrations.RenameField("job", "held_seconds", "limited_seconds"),
        migrations.RenameField("job", "held_at", "limited_since"),
        migrations.AlterField(
            "batch",
            "state",
            models.CharField(
                choices=[
                    ("planned", "Planned"),
                    ("sending", "Sending"),
                    ("unconfirmed", "Unconfirmed"),
                    ("accepted", "Accepted"),
                    ("done", "Done"),
                    ("uncertain", "Uncertain"),
                    ("cancelled", "Cancelled"),
                ],
                default="planned",
                max_length=12,
            ),
        ),
        migrations.RunPython(rename_values, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            "batch",
            models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("done_at", None),
                        (
                            "state__in",
                            ["planned", "sending", "unconfirmed", "accepted"],
                        ),
                    ),
                    models.Q(
                        models.Q(("done_at", None), _negated=True),
                        models.Q(
                            (
                                "state__in",
                                ["planned", "sending", "unconfirmed", "accepted"],
                            ),
                            _negated=True,
                        ),
                    ),
                    _connector="OR",
                ),
                name="batch_done_once_settled",
            ),
        ),
    ]
