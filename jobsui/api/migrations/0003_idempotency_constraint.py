from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0002_idempotency_record")]

    operations = [
        migrations.RemoveConstraint(
            model_name="idempotencyrecord", name="one_replay_per_key"
        ),
        migrations.AddConstraint(
            model_name="idempotencyrecord",
            constraint=models.UniqueConstraint(
                fields=["user", "key"], name="one_idempotency_record_per_key"
            ),
        ),
    ]
