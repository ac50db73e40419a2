"""Grades of risk models and scenarios, seen by their team only."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_row_security"),
        ("accounts", "0003_token_networks"),
        ("risk", "0003_emergency_stops"),
    ]

    operations = [
        migrations.CreateModel(
            name="GradeRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(max_length=120)),
                ("title", models.CharField(max_length=200)),
                ("digest", models.CharField(max_length=64)),
                ("until", models.DateTimeField()),
                ("days", models.PositiveIntegerField()),
                ("window", models.PositiveIntegerField()),
                ("colour", models.CharField(max_length=10)),
                ("in_force", models.CharField(max_length=40)),
                ("before", models.CharField(max_length=40)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                ("body", models.JSONField()),
                ("series", models.JSONField(default=dict)),
                ("created_by", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField()),
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
                    models.Index(fields=["team", "-created_at", "-id"], name="grade_team_recent"),
                    models.Index(fields=["team", "subject", "-id"], name="grade_team_subject"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("team", "subject", "digest"), name="returns_are_graded_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Scenario",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("version", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=160)),
                ("note", models.CharField(blank=True, default="", max_length=500)),
                ("shocks", models.JSONField()),
                ("is_archived", models.BooleanField(default=False)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("created_at", models.DateTimeField()),
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
                    models.Index(fields=["team", "name", "-version"], name="scenario_team_name")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("team", "name", "version"), name="one_scenario_per_version"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("version__gte", 1)), name="scenario_version_counts"
                    ),
                ],
            },
        ),
        *guard("risk_graderun", "risk_scenario"),
    ]
