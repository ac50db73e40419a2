"""Live feeds of teams: bars as they close at the vendor."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


OWN = "(SELECT quantsite_is_lab()) OR team_id = (SELECT quantsite_team())"
GUARD = f"""
ALTER TABLE market_livefeed ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON market_livefeed FOR SELECT USING ({OWN});
CREATE POLICY added ON market_livefeed FOR INSERT WITH CHECK ({OWN});
CREATE POLICY changed ON market_livefeed FOR UPDATE USING ({OWN}) WITH CHECK ({OWN});
CREATE POLICY removed ON market_livefeed FOR DELETE USING ({OWN});
"""
OPEN = """
DROP POLICY seen ON market_livefeed;
DROP POLICY added ON market_livefeed;
DROP POLICY changed ON market_livefeed;
DROP POLICY removed ON market_livefeed;
ALTER TABLE market_livefeed DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("market", "0009_ingest_tasks"),
    ]

    operations = [
        migrations.CreateModel(
            name="LiveFeed",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(max_length=64)),
                ("provider", models.CharField(max_length=40)),
                ("section", models.CharField(max_length=40)),
                ("timeframe", models.CharField(max_length=4)),
                (
                    "symbols",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None
                    ),
                ),
                ("is_on", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("stopped", "Stopped"),
                            ("starting", "Starting"),
                            ("live", "Live"),
                            ("stale", "Stale"),
                            ("reconnecting", "Reconnecting"),
                            ("failed", "Failed"),
                        ],
                        default="stopped",
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=300)),
                (
                    "stale_symbols",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), default=list, size=None
                    ),
                ),
                ("holder", models.CharField(blank=True, default="", max_length=120)),
                ("token", models.BigIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("not_before", models.DateTimeField(null=True)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("last_bar_at", models.DateTimeField(null=True)),
                ("heard_at", models.DateTimeField(null=True)),
                ("connects", models.PositiveIntegerField(default=0)),
                ("received", models.BigIntegerField(default=0)),
                ("added", models.BigIntegerField(default=0)),
                ("changed", models.BigIntegerField(default=0)),
                ("refused", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(max_length=80)),
                ("updated_at", models.DateTimeField()),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="market.dataset",
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
                    models.Index(
                        condition=models.Q(("is_on", True)), fields=["id"], name="live_feed_on"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("team", "name"), name="live_feed_name")
                ],
            },
        ),
        migrations.RunSQL(GUARD, OPEN),
    ]
