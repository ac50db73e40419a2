"""Families of trials, an entry for each, what they returned, and holdouts."""

import django.db.models.deletion
import uuid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0006_sweep_sandbox"),
    ]

    operations = [
        migrations.CreateModel(
            name="Family",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=160)),
                ("strategy_id", models.BigIntegerField(null=True)),
                ("search_id", models.BigIntegerField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "root",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="joined",
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
                "verbose_name_plural": "families",
            },
        ),
        migrations.CreateModel(
            name="Holdout",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("start_on", models.DateField()),
                ("end_on", models.DateField(null=True)),
                ("alpha", models.FloatField(default=0.05)),
                ("note", models.CharField(blank=True, default="", max_length=400)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("created_at", models.DateTimeField()),
                (
                    "family",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="holdouts",
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
        ),
        migrations.CreateModel(
            name="HoldoutLook",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("subject", models.CharField(max_length=80)),
                ("looks", models.PositiveIntegerField()),
                ("price", models.FloatField()),
                ("alpha_left", models.FloatField()),
                ("created_at", models.DateTimeField()),
                (
                    "holdout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="looks",
                        to="backtests.holdout",
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
        migrations.CreateModel(
            name="TrialEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("door", models.CharField(max_length=16)),
                ("subject", models.CharField(max_length=80, unique=True)),
                ("trials", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField()),
                (
                    "family",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
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
                "verbose_name_plural": "trial entries",
            },
        ),
        migrations.CreateModel(
            name="TrialStream",
            fields=[
                ("subject", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("calendar", models.CharField(max_length=80)),
                ("observations", models.PositiveIntegerField()),
                ("sharpe", models.FloatField()),
                ("skewness", models.FloatField()),
                ("kurtosis", models.FloatField()),
                ("periods", models.FloatField()),
                ("digest", models.CharField(max_length=64)),
                ("blocks", models.BinaryField()),
                ("path", models.BinaryField()),
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
        migrations.AddConstraint(
            model_name="family",
            constraint=models.UniqueConstraint(
                fields=("team", "strategy_id"), name="family_of_strategy"
            ),
        ),
        migrations.AddConstraint(
            model_name="family",
            constraint=models.UniqueConstraint(
                fields=("team", "search_id"), name="family_of_search"
            ),
        ),
        migrations.AddIndex(
            model_name="holdout",
            index=models.Index(fields=["team", "-created_at", "-id"], name="holdout_recent"),
        ),
        migrations.AddConstraint(
            model_name="holdoutlook",
            constraint=models.UniqueConstraint(fields=("holdout", "subject"), name="look_once"),
        ),
        migrations.AddIndex(
            model_name="trialentry",
            index=models.Index(fields=["team", "-created_at", "-id"], name="entry_team_recent"),
        ),
        migrations.AddIndex(
            model_name="trialentry",
            index=models.Index(fields=["family", "-id"], name="entry_of_family"),
        ),
    ]
