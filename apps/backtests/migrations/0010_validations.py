"""Validations and their folds; the database counts what a fold fits when it is begun."""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.row_security import guard, guard_children

# One entry for each combination of a fold, as a sweep has: each keeps its own returns. Work done
# again after a crash makes no other row of the fold, and counts nothing twice.
COUNT = """
CREATE OR REPLACE FUNCTION backtests_count_fold() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.backtests_trialentry (team_id, family_id, door, subject, trials, created_at)
    SELECT s.team_id, s.family, s.door, 'validation:' || s.id || '/' || NEW.number || '/' || k, 1,
        NEW.created_at
    FROM (
        SELECT w.id, w.team_id, CASE w.kind WHEN 'naive' THEN 'walk_forward' ELSE w.kind END AS door,
            public.backtests_family_of(w.team_id::int, v.strategy_id) AS family
        FROM public.backtests_validation w
        JOIN public.strategies_strategyversion v ON v.id = w.version_id
        WHERE w.id = NEW.validation_id
        OFFSET 0
    ) s CROSS JOIN generate_series(1, NEW.trials) k
    ON CONFLICT (subject) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER count_fold AFTER INSERT ON backtests_validationfold
    FOR EACH ROW EXECUTE FUNCTION backtests_count_fold();
"""
UNCOUNT = """
DROP TRIGGER count_fold ON backtests_validationfold;
DROP FUNCTION backtests_count_fold();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0009_trials_are_counted"),
        ("core", "0003_row_security"),
        ("strategies", "0007_probes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Validation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("title", models.CharField(max_length=200)),
                ("strategy", models.CharField(max_length=80)),
                ("request", models.JSONField(default=dict)),
                ("space", models.JSONField(default=dict)),
                ("plan", models.JSONField(default=dict)),
                ("objective", models.CharField(max_length=20)),
                ("folds", models.IntegerField(default=0)),
                ("trials", models.IntegerField(default=0)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("result", models.JSONField(default=dict)),
                ("sharpe", models.FloatField(null=True)),
                ("efficiency", models.FloatField(null=True)),
                ("data_digest", models.CharField(blank=True, default="", max_length=64)),
                ("engine_version", models.CharField(blank=True, default="", max_length=20)),
                ("digest", models.CharField(blank=True, default="", max_length=64)),
                ("sandbox", models.JSONField(null=True)),
                ("error", models.JSONField(null=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("archived_at", models.DateTimeField(null=True)),
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
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="strategies.strategyversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ValidationFold",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.IntegerField()),
                ("trials", models.PositiveIntegerField()),
                ("window", models.JSONField(default=dict)),
                ("result", models.JSONField(null=True)),
                ("arrays", models.BinaryField(default=bytes)),
                ("is_done", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField()),
                (
                    "validation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rows",
                        to="backtests.validation",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="validation",
            index=models.Index(fields=["team", "-created_at", "-id"], name="validation_recent"),
        ),
        migrations.AddIndex(
            model_name="validation",
            index=models.Index(fields=["version", "kind"], name="validation_of_version"),
        ),
        migrations.AddConstraint(
            model_name="validationfold",
            constraint=models.UniqueConstraint(fields=("validation", "number"), name="fold_once"),
        ),
        migrations.RunSQL(COUNT, UNCOUNT),
        *guard("backtests_validation"),
        *guard_children(("backtests_validationfold", "validation_id", "backtests_validation")),
    ]
