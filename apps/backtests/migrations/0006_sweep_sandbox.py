"""Within which fences the text of a sweep ran."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backtests", "0005_row_security")]

    operations = [
        migrations.AddField(model_name="sweep", name="sandbox", field=models.JSONField(null=True)),
    ]
