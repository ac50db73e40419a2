"""Tags, notes, saved views, figures that lists search, and the locks on evidence."""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.row_security import guard

# A number of a document; null for everything else, so that 10 is never compared with "10".
NUMBER = """
CREATE FUNCTION backtests_number(doc jsonb, name text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(doc -> name) WHEN 'number' THEN (doc -> name)::float8 END
$$;
"""
KEEP_NOTES = """
CREATE FUNCTION backtests_keep_note() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (to_jsonb(OLD) - 'created_by_label') IS DISTINCT FROM (to_jsonb(NEW) - 'created_by_label')
    THEN
        RAISE EXCEPTION 'note % is never changed; an edit is another version', OLD.id
            USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_note BEFORE UPDATE ON backtests_note
    FOR EACH ROW EXECUTE FUNCTION backtests_keep_note();
"""
LET_NOTES = "DROP TRIGGER keep_note ON backtests_note; DROP FUNCTION backtests_keep_note();"
# Searched with every list: kept beside the row, not in a place of its own.
INLINE = "ALTER TABLE backtests_run ALTER COLUMN figures SET STORAGE MAIN"
FIGURES = """
UPDATE backtests_run SET figures = jsonb_strip_nulls(
    coalesce(result -> 'trade_figures', '{}') || coalesce(result -> 'metrics', '{}'))
WHERE finished_at IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0012_tracking"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="deflated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="deflated_sharpe",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="deflated_trials",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="figures",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="run",
            name="tags",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="study",
            name="closed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="objective",
            field=models.CharField(default="sharpe", max_length=40),
        ),
        migrations.AddField(
            model_name="study",
            name="tags",
            field=models.JSONField(default=dict),
        ),
        migrations.CreateModel(
            name="Deflation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trials", models.PositiveIntegerField()),
                ("finished", models.PositiveIntegerField()),
                ("runs", models.PositiveIntegerField()),
                ("taken_at", models.DateTimeField()),
                (
                    "family",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deflation",
                        to="backtests.family",
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
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="EvidenceLock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(max_length=80)),
                ("proposal_id", models.UUIDField()),
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
                "constraints": [
                    models.UniqueConstraint(fields=("subject", "proposal_id"), name="lock_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("thread", models.UUIDField(default=uuid.uuid4)),
                ("version", models.PositiveIntegerField(default=1)),
                ("text", models.TextField(blank=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="backtests.run",
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="backtests.study",
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("thread", "version"), name="note_version_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("run", None), ("study__isnull", False)),
                            models.Q(("run__isnull", False), ("study", None)),
                            _connector="OR",
                        ),
                        name="note_on_one_thing",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                ("query", models.CharField(blank=True, default="", max_length=2000)),
                ("sort", models.CharField(blank=True, default="", max_length=120)),
                ("columns", models.JSONField(default=list)),
                ("owner", models.CharField(max_length=80)),
                ("is_shared", models.BooleanField(default=False)),
                ("is_default", models.BooleanField(default=False)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_shared", False)),
                        fields=("team", "owner", "name"),
                        name="own_view_name",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_shared", True)),
                        fields=("team", "name"),
                        name="shared_view_name",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True), ("is_shared", False)),
                        fields=("team", "owner"),
                        name="own_view_default",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True), ("is_shared", True)),
                        fields=("team",),
                        name="shared_view_default",
                    ),
                ],
            },
        ),
        migrations.RunSQL(NUMBER, "DROP FUNCTION backtests_number(jsonb, text)"),
        migrations.RunSQL(KEEP_NOTES, LET_NOTES),
        *guard(
            "backtests_note",
            "backtests_savedview",
            "backtests_evidencelock",
            "backtests_deflation",
        ),
        migrations.RunSQL(INLINE, migrations.RunSQL.noop),
        migrations.RunSQL(FIGURES, migrations.RunSQL.noop),
    ]
