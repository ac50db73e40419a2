"""Files, environments, mirrors and attributions of runs."""

import django.db.models.deletion
from django.db import migrations, models


from apps.core.row_security import guard

# What was given out under a digest stays what it was; whoever puts bytes under another is refused.
STEADY = """
ALTER TABLE backtests_content ADD CONSTRAINT content_is_its_digest
    CHECK (digest = encode(sha256(content), 'hex'));
CREATE FUNCTION backtests_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'what is kept of a run is not changed; keep another under another name';
END $$;
CREATE TRIGGER steady BEFORE UPDATE ON backtests_runfile
    FOR EACH ROW EXECUTE FUNCTION backtests_refuse_change();
CREATE TRIGGER steady BEFORE UPDATE OR DELETE ON backtests_content
    FOR EACH ROW EXECUTE FUNCTION backtests_refuse_change();
"""
UNSTEADY = """
DROP TRIGGER steady ON backtests_runfile;
DROP TRIGGER steady ON backtests_content;
DROP FUNCTION backtests_refuse_change();
ALTER TABLE backtests_content DROP CONSTRAINT content_is_its_digest;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0011_gauntlets"),
    ]

    operations = [
        migrations.CreateModel(
            name="Content",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("media_type", models.CharField(max_length=80)),
                ("content", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Attribution",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("corners", models.JSONField(default=dict)),
                ("created_by", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField()),
                (
                    "base",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="backtests.run",
                    ),
                ),
                (
                    "other",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
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
                "constraints": [
                    models.UniqueConstraint(fields=("base", "other"), name="attribution_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Mirror",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("target", models.CharField(max_length=300)),
                ("experiment", models.CharField(blank=True, default="", max_length=240)),
                ("remote_id", models.CharField(blank=True, default="", max_length=64)),
                ("link", models.CharField(blank=True, default="", max_length=500)),
                (
                    "status",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("done", "Done"), ("refused", "Refused")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("tries", models.IntegerField(default=0)),
                ("error", models.CharField(blank=True, default="", max_length=400)),
                ("next_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("mirrored_at", models.DateTimeField(null=True)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="mirrors",
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
                "indexes": [models.Index(fields=["status", "next_at"], name="mirror_due")],
                "constraints": [
                    models.UniqueConstraint(fields=("run", "target"), name="mirrored_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RunFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(choices=[("plot", "Plot"), ("file", "File")], max_length=8),
                ),
                ("name", models.CharField(max_length=120)),
                ("media_type", models.CharField(max_length=80)),
                ("digest", models.CharField(max_length=64)),
                ("size", models.BigIntegerField()),
                ("content", models.BinaryField()),
                ("note", models.CharField(blank=True, default="", max_length=400)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="backtests.run",
                    ),
                ),
                (
                    "shared",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="backtests.content",
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
                    models.UniqueConstraint(fields=("run", "name"), name="run_file_once")
                ],
            },
        ),
        migrations.RunSQL(STEADY, UNSTEADY),
        *guard("backtests_runfile", "backtests_mirror", "backtests_attribution"),
    ]
