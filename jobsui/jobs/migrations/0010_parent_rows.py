"""A job says which rows of its parent it sends."""

from django.db import migrations, models


def mark_retries(apps, schema_editor):
    jobs = apps.get_model("jobs", "Job").objects.order_by()
    jobs.filter(parent__isnull=False).update(parent_rows="failed")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_row_results")]

    operations = [
        migrations.AddField(
            "job",
            "parent_rows",
            models.CharField(
                blank=True,
                choices=[
                    ("failed", "Failed rows"),
                    ("unsent", "Rows that were not sent"),
                ],
                max_length=6,
                default="",
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            "jobevent",
            "kind",
            models.CharField(
                choices=[
                    ("note", "Note"),
                    ("edited", "Draft changed"),
                    ("check_started", "Check started"),
                    ("check_failed", "Check failed"),
                    ("checked", "Checked"),
                    ("check_outdated", "Check outdated"),
                    ("launched", "Launched"),
                    ("started", "Started"),
                    ("settings_changed", "Settings changed"),
                    ("pause_requested", "Pause requested"),
                    ("auto_paused", "Pausing automatically"),
                    ("paused", "Paused"),
                    ("held", "Approval needed"),
                    ("resumed", "Resumed"),
                    ("approved", "Approved"),
                    ("cancel_requested", "Cancel requested"),
                    ("cancelled", "Cancelled"),
                    ("planning_failed", "Preparing batches failed"),
                    ("failed", "Failed"),
                    ("decision_needed", "Decision needed"),
                    ("recheck_requested", "Checking again"),
                    ("resend_requested", "Resending"),
                    ("unknown_accepted", "Accepted as unknown"),
                    ("retry_created", "Retry created"),
                    ("continuation_created", "New job from rows not sent"),
                    ("finished", "Finished"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunPython(mark_retries, migrations.RunPython.noop, elidable=True),
    ]
