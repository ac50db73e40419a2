"""Emergency stops, seen by their team only."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("core", "0003_row_security"),
        ("risk", "0002_row_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="Stop",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(max_length=40, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ok", "Ok"),
                            ("warning", "Warning"),
                            ("active", "Active"),
                            ("cooldown", "Cooldown"),
                        ],
                        default="ok",
                        max_length=10,
                    ),
                ),
                ("equity", models.FloatField()),
                ("peak", models.FloatField()),
                ("day_start", models.FloatField()),
                ("day", models.DateField()),
                ("drawdown_limit", models.FloatField(null=True)),
                ("daily_loss_limit", models.FloatField(null=True)),
                ("cause", models.CharField(blank=True, default="", max_length=300)),
                ("trips", models.PositiveIntegerField(default=0)),
                ("tripped_at", models.DateTimeField(null=True)),
                ("cool_until", models.DateTimeField(null=True)),
                ("marks", models.JSONField(default=dict)),
                ("updated_at", models.DateTimeField()),
                (
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.team",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["team", "scope"], name="stop_team_scope")],
            },
        ),
        *guard("risk_stop"),
    ]
