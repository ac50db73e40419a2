"""What people said about findings, the health of universes by time, and who released a bar."""

import django.db.models.deletion
from django.db import migrations, models

GUARD = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON {table} FOR SELECT USING ({seen});
CREATE POLICY added ON {table} FOR INSERT WITH CHECK ({own});
CREATE POLICY changed ON {table} FOR UPDATE USING ({own}) WITH CHECK ({own});
CREATE POLICY removed ON {table} FOR DELETE USING ({own});
"""
OPEN = """
DROP POLICY seen ON {table};
DROP POLICY added ON {table};
DROP POLICY changed ON {table};
DROP POLICY removed ON {table};
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
"""
LAB = "(SELECT quantsite_is_lab())"
TEAM = "(SELECT quantsite_team())"
OWN = f"{LAB} OR team_id = {TEAM}"
UP = "EXISTS (SELECT 1 FROM market_universe up WHERE up.id = market_checkup.universe_id{more})"
POLICIES = (
    ("market_acknowledged", OWN, OWN),
    (
        "market_checkup",
        f"{LAB} OR {UP.format(more='')}",
        f"{LAB} OR {UP.format(more=f' AND up.team_id = {TEAM}')}",
    ),
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("market", "0006_row_security"),
    ]

    operations = [
        migrations.AddField(
            model_name="quarantined",
            name="batch",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="market.batch",
            ),
        ),
        migrations.CreateModel(
            name="Acknowledged",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("at", models.DateTimeField()),
                ("note", models.CharField(max_length=300)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=80)),
                (
                    "series",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="acknowledged",
                        to="market.series",
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
                "ordering": ("-created_at", "-id"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("team", "series", "kind", "at"), name="acknowledged_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Checkup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("score", models.FloatField()),
                ("coverage", models.FloatField()),
                ("findings", models.IntegerField()),
                ("stale", models.IntegerField(default=0)),
                (
                    "universe",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="checkups",
                        to="market.universe",
                    ),
                ),
            ],
            options={
                "ordering": ("-at", "-id"),
                "constraints": [
                    models.UniqueConstraint(fields=("universe", "at"), name="checkup_once")
                ],
            },
        ),
        *(
            migrations.RunSQL(
                GUARD.format(table=table, seen=seen, own=own), OPEN.format(table=table)
            )
            for table, seen, own in POLICIES
        ),
    ]
