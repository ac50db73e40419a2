"""Schedules of scans; targets, rules and messages of alerts about signals; signals over scans."""

import django.db.models.deletion
from django.db import migrations, models


# Rows are seen by their team only; see decision 41.
GUARD = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON {table}
    USING ((SELECT quantsite_is_lab()) OR team_id = (SELECT quantsite_team()))
    WITH CHECK ((SELECT quantsite_is_lab()) OR team_id = (SELECT quantsite_team()));
"""
OPEN = "DROP POLICY own ON {table}; ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;"
TABLES = (
    "strategies_scanschedule",
    "strategies_alerttarget",
    "strategies_alertrule",
    "strategies_alertmark",
    "strategies_alertmessage",
)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("strategies", "0003_scans"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("universe", models.CharField(max_length=120)),
                ("strategy", models.CharField(max_length=80)),
                ("symbol", models.CharField(max_length=80)),
                ("side", models.SmallIntegerField()),
                ("seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="AlertMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target_name", models.CharField(max_length=80)),
                ("rule_name", models.CharField(max_length=80)),
                ("title", models.CharField(max_length=200)),
                ("body", models.TextField()),
                ("signals", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed")],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, default="", max_length=400)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("strategies", models.JSONField(default=list)),
                ("universe", models.CharField(blank=True, default="", max_length=120)),
                ("min_score", models.FloatField(null=True)),
                ("min_agree", models.PositiveSmallIntegerField(default=1)),
                ("is_on", models.BooleanField(default=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="AlertTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("scheme", models.CharField(max_length=16)),
                ("sealed", models.TextField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("untested", "Untested"),
                            ("works", "Works"),
                            ("refused", "Refused"),
                            ("unreachable", "Unreachable"),
                        ],
                        default="untested",
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=400)),
                ("checked_at", models.DateTimeField(null=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ScanSchedule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("universe", models.CharField(max_length=120)),
                ("strategies", models.JSONField(default=list)),
                (
                    "every",
                    models.CharField(choices=[("hour", "Hour"), ("day", "Day")], max_length=8),
                ),
                ("at_utc", models.TimeField()),
                ("is_on", models.BooleanField(default=True)),
                ("next_at", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, default="", max_length=400)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="scan",
            name="finished_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="scan",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)),
                fields=["created_at"],
                name="scan_open",
            ),
        ),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(
                fields=["team", "symbol", "strategy", "-id"], name="signal_history"
            ),
        ),
        migrations.AddField(
            model_name="alertmark",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.team"
            ),
        ),
        migrations.AddField(
            model_name="alertmessage",
            name="scan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="strategies.scan",
            ),
        ),
        migrations.AddField(
            model_name="alertmessage",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.team"
            ),
        ),
        migrations.AddField(
            model_name="alertrule",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.team"
            ),
        ),
        migrations.AddField(
            model_name="alertmessage",
            name="rule",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="strategies.alertrule",
            ),
        ),
        migrations.AddField(
            model_name="alertmark",
            name="rule",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="marks",
                to="strategies.alertrule",
            ),
        ),
        migrations.AddField(
            model_name="alerttarget",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.team"
            ),
        ),
        migrations.AddField(
            model_name="alertrule",
            name="target",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="rules",
                to="strategies.alerttarget",
            ),
        ),
        migrations.AddField(
            model_name="alertmessage",
            name="target",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="messages",
                to="strategies.alerttarget",
            ),
        ),
        migrations.AddField(
            model_name="scanschedule",
            name="last_scan",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="strategies.scan",
            ),
        ),
        migrations.AddField(
            model_name="scanschedule",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.team"
            ),
        ),
        migrations.AddConstraint(
            model_name="alertmark",
            constraint=models.UniqueConstraint(
                fields=("rule", "universe", "strategy", "symbol"), name="one_mark_per_signal"
            ),
        ),
        migrations.AddConstraint(
            model_name="alerttarget",
            constraint=models.UniqueConstraint(
                fields=("team", "name"), name="one_alert_target_per_name"
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.UniqueConstraint(
                fields=("team", "name"), name="one_alert_rule_per_name"
            ),
        ),
        migrations.AddIndex(
            model_name="alertmessage",
            index=models.Index(fields=["team", "-created_at", "-id"], name="alert_message_recent"),
        ),
        migrations.AddIndex(
            model_name="scanschedule",
            index=models.Index(
                condition=models.Q(("is_on", True)), fields=["next_at"], name="scan_schedule_due"
            ),
        ),
        *(migrations.RunSQL(GUARD.format(table=t), OPEN.format(table=t)) for t in TABLES),
    ]
