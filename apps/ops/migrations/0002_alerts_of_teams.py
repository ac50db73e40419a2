"""Alerts of teams: kind, subject, how often and when last; rows are seen by their team only."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F

LAB = "(SELECT quantsite_is_lab())"
TEAM = "(SELECT quantsite_team())"
OWN = f"{LAB} OR team_id = {TEAM}"
# What concerns the whole lab is seen by every team; its admins say that they have seen it.
SEEN = f"{OWN} OR (team_id IS NULL AND {TEAM} IS NOT NULL)"
GUARD = f"""
ALTER TABLE ops_alert ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON ops_alert FOR SELECT USING ({SEEN});
CREATE POLICY added ON ops_alert FOR INSERT WITH CHECK ({OWN});
CREATE POLICY changed ON ops_alert FOR UPDATE USING ({SEEN}) WITH CHECK ({SEEN});
CREATE POLICY removed ON ops_alert FOR DELETE USING ({OWN});
"""
OPEN = """
DROP POLICY seen ON ops_alert;
DROP POLICY added ON ops_alert;
DROP POLICY changed ON ops_alert;
DROP POLICY removed ON ops_alert;
ALTER TABLE ops_alert DISABLE ROW LEVEL SECURITY;
"""


def fill_last(apps, schema_editor):
    apps.get_model("ops", "Alert").objects.update(last_at=F("raised_at"))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("market", "0006_row_security"),
        ("ops", "0001_initial"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="alert", name="one_open_alert_per_key"),
        migrations.AddField(
            model_name="alert",
            name="team",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.team",
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="kind",
            field=models.CharField(default="health", max_length=40),
        ),
        migrations.AddField(
            model_name="alert",
            name="subject",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
        migrations.AlterField(
            model_name="alert", name="key", field=models.CharField(max_length=170)
        ),
        migrations.AddField(
            model_name="alert", name="count", field=models.PositiveIntegerField(default=1)
        ),
        migrations.AddField(
            model_name="alert", name="last_at", field=models.DateTimeField(null=True)
        ),
        migrations.RunPython(fill_last, migrations.RunPython.noop),
        migrations.AlterField(model_name="alert", name="last_at", field=models.DateTimeField()),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("team", "key"),
                name="one_open_alert_per_key",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(GUARD, OPEN),
    ]
