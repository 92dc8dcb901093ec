from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_event_kinds")]

    operations = [
        migrations.RenameField("batchblob", "outcomes", "results"),
        migrations.RenameField("batchblob", "reply", "job_status_body"),
        migrations.AlterField(
            "attempt",
            "result",
            models.CharField(
                blank=True,
                choices=[
                    ("", "In flight"),
                    ("accepted", "Accepted"),
                    ("not_sent", "Not sent"),
                    ("limited", "Rate limited"),
                    ("refused", "Refused"),
                    ("unconfirmed", "Unconfirmed"),
                    ("lost", "Job status lost"),
                ],
                max_length=12,
            ),
        ),
    ]
