"""What keeps accounts near the weights of an optimiser, and what its runs came to."""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("trading", "0004_row_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="Balance",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("job_id", models.UUIDField(unique=True)),
                ("version", models.PositiveIntegerField()),
                ("policy", models.JSONField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("tried", "Tried"),
                            ("nothing_to_do", "Nothing"),
                            ("proposed", "Proposed"),
                            ("ordered", "Ordered"),
                            ("infeasible", "Infeasible"),
                            ("failed", "Failed"),
                            ("skipped", "Skipped"),
                        ],
                        max_length=14,
                    ),
                ),
                ("code", models.CharField(blank=True, default="", max_length=60)),
                ("words", models.TextField(blank=True, default="")),
                ("inputs_digest", models.CharField(blank=True, default="", max_length=64)),
                ("state_digest", models.CharField(blank=True, default="", max_length=64)),
                ("epoch", models.PositiveIntegerField()),
                ("bar_at", models.DateTimeField(null=True)),
                ("base", models.FloatField(default=0.0)),
                ("body", models.JSONField(default=dict)),
                ("trades", models.JSONField(default=list)),
                ("proposal_id", models.UUIDField(null=True)),
                ("created_by", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="balances",
                        to="trading.account",
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
                        fields=["team", "-created_at", "-id"], name="balance_team_recent"
                    ),
                    models.Index(
                        fields=["account", "-created_at", "-id"], name="balance_account_recent"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Balancer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("policy", models.JSONField()),
                ("is_on", models.BooleanField()),
                ("next_due_at", models.DateTimeField(null=True)),
                ("note", models.CharField(blank=True, default="", max_length=500)),
                ("noted_at", models.DateTimeField(null=True)),
                ("agreed_by", models.UUIDField(null=True)),
                ("updated_by", models.CharField(max_length=80)),
                ("updated_by_label", models.CharField(blank=True, default="", max_length=160)),
                ("updated_at", models.DateTimeField()),
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="balancer",
                        to="trading.account",
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
                        condition=models.Q(("is_on", True)),
                        fields=["next_due_at"],
                        name="balancer_due",
                    )
                ],
            },
        ),
        *guard("trading_balancer", "trading_balance"),
    ]
