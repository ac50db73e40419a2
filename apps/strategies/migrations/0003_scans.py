"""Scans and what they found."""

import django.db.models.deletion
from django.db import migrations, models


# Rows are seen by their team only, as those of market; see decision 41.
GUARD = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON {table}
    USING ((SELECT quantsite_is_lab()) OR team_id = (SELECT quantsite_team()))
    WITH CHECK ((SELECT quantsite_is_lab()) OR team_id = (SELECT quantsite_team()));
"""
OPEN = "DROP POLICY own ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
TABLES = ("strategies_scan", "strategies_signal")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("market", "0006_row_security"),
        ("strategies", "0002_versions_never_change"),
    ]

    operations = [
        migrations.CreateModel(
            name="Scan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("universe", models.CharField(max_length=120)),
                ("timeframe", models.CharField(max_length=8)),
                ("symbols", models.JSONField(default=list)),
                ("strategies", models.JSONField(default=list)),
                ("batches", models.PositiveIntegerField(default=0)),
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
        ),
        migrations.CreateModel(
            name="Signal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("strategy", models.CharField(max_length=80)),
                ("symbol", models.CharField(max_length=80)),
                ("side", models.SmallIntegerField(default=0)),
                ("signal_at", models.DateTimeField(null=True)),
                ("bar_at", models.DateTimeField(null=True)),
                ("bars_since", models.PositiveIntegerField(default=0)),
                ("price", models.FloatField(null=True)),
                ("score", models.FloatField(null=True)),
                ("components", models.JSONField(default=dict)),
                ("missing", models.JSONField(default=list)),
                ("state", models.CharField(blank=True, default="", max_length=40)),
                ("refusal", models.CharField(blank=True, default="", max_length=80)),
                ("reason", models.CharField(blank=True, default="", max_length=400)),
                (
                    "scan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signals",
                        to="strategies.scan",
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
        ),
        migrations.AddIndex(
            model_name="scan",
            index=models.Index(fields=["team", "-created_at", "-id"], name="scan_team_recent"),
        ),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(fields=["team", "-signal_at", "-id"], name="signal_team_recent"),
        ),
        migrations.AddConstraint(
            model_name="signal",
            constraint=models.UniqueConstraint(
                fields=("scan", "strategy", "symbol"), name="one_signal_per_strategy_and_symbol"
            ),
        ),
        *(migrations.RunSQL(GUARD.format(table=t), OPEN.format(table=t)) for t in TABLES),
    ]
