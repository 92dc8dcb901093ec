from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("connections", "0003_readpace")]

    operations = [migrations.RenameField("connection", "posts_ahead", "early_send")]
