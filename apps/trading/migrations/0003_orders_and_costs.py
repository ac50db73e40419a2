"""What accounts charge beside two costs, and the terms of strategies' own orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0002_equity"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="execution",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="account",
            name="more_costs",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="order",
            name="number",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="terms",
            field=models.JSONField(default=dict),
        ),
        migrations.AlterField(
            model_name="order",
            name="kind",
            field=models.CharField(
                choices=[
                    ("market", "Market"),
                    ("target", "Target"),
                    ("limit", "Limit"),
                    ("stop", "Stop"),
                    ("stop_limit", "Stop Limit"),
                    ("trailing", "Trailing"),
                ],
                max_length=10,
            ),
        ),
    ]
