"""Look-ahead probes: seen by their team only, and fixed once they are over."""

import django.db.models.deletion
from django.db import migrations, models

from apps.core.row_security import guard

FIX = """
CREATE FUNCTION strategies_probe_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The label is a person's address, which erasure may blank; jobs are forgotten after a while.
    IF OLD.finished_at IS NOT NULL AND (to_jsonb(NEW) - '{job_id,created_by_label}'::text[])
        IS DISTINCT FROM (to_jsonb(OLD) - '{job_id,created_by_label}'::text[]) THEN
        RAISE EXCEPTION 'probe % is over and never changes; ask for another', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER strategies_probe_is_fixed BEFORE UPDATE ON strategies_probe
    FOR EACH ROW EXECUTE FUNCTION strategies_probe_is_fixed();
"""
FREE = """
DROP TRIGGER strategies_probe_is_fixed ON strategies_probe;
DROP FUNCTION strategies_probe_is_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("core", "0003_row_security"),
        ("strategies", "0006_row_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="Probe",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("passed", "Passed"),
                            ("leaks", "Leaks"),
                            ("unsteady", "Unsteady"),
                            ("unable", "Unable"),
                        ],
                        default="pending",
                        max_length=12,
                    ),
                ),
                ("report", models.JSONField(default=dict)),
                ("digest", models.CharField(blank=True, default="", max_length=64)),
                ("data", models.CharField(blank=True, default="", max_length=400)),
                ("data_digest", models.CharField(blank=True, default="", max_length=64)),
                ("reason", models.CharField(blank=True, default="", max_length=400)),
                ("seconds", models.FloatField(null=True)),
                ("sandbox", models.JSONField(null=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
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
                    "team",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.team",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="probes",
                        to="strategies.strategyversion",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["version", "-id"], name="probe_of_version"),
                    models.Index(fields=["team", "-created_at", "-id"], name="probe_team_recent"),
                ],
            },
        ),
        migrations.RunSQL(FIX, FREE),
        *guard("strategies_probe"),
    ]
