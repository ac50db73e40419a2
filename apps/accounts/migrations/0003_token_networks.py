"""Tokens may be bound to the addresses they are used from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_row_security")]
    operations = [
        migrations.AddField(
            model_name="token", name="networks", field=models.JSONField(default=list)
        )
    ]
