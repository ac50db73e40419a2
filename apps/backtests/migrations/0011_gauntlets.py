"""Runs held against null worlds."""

import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0010_validations"),
        ("core", "0003_row_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="Gauntlet",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=24), size=None
                    ),
                ),
                ("worlds", models.PositiveIntegerField()),
                ("run_digest", models.CharField(max_length=64)),
                ("result", models.JSONField(default=dict)),
                ("nulls", models.JSONField(default=dict)),
                ("digest", models.CharField(blank=True, default="", max_length=64)),
                ("null_p_value", models.FloatField(null=True)),
                ("break_even_bps", models.FloatField(null=True)),
                ("capacity", models.FloatField(null=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="core.job",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gauntlets",
                        to="backtests.run",
                    ),
                ),
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
                "indexes": [
                    models.Index(fields=["run", "-created_at", "-id"], name="gauntlet_run_recent")
                ],
            },
        ),
        *guard("backtests_gauntlet"),
    ]
