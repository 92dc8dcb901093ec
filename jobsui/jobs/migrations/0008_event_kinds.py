"""Events become kinds with facts. Events recorded before keep their sentence."""

from django.db import migrations, models
from django.db.models.functions import JSONObject


def keep_sentences(apps, schema_editor):
    events = apps.get_model("jobs", "JobEvent").objects.order_by()
    events.update(facts=JSONObject(text="text"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_limit_labels")]

    operations = [
        migrations.AddField(
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
                    ("finished", "Finished"),
                ],
                default="note",
                max_length=20,
            ),
            preserve_default=False,
        ),
        migrations.AddField("jobevent", "facts", models.JSONField(default=dict)),
        migrations.AddField(
            "jobevent",
            "component",
            models.CharField(
                blank=True,
                choices=[
                    ("check", "Check"),
                    ("planner", "Planner"),
                    ("driver", "Driver"),
                    ("automation", "Automation"),
                    ("command_line", "Command line"),
                ],
                max_length=12,
            ),
        ),
        migrations.RunPython(keep_sentences, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField("jobevent", "text"),
    ]
