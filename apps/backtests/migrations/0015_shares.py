"""Links to the sheets of runs, for people outside, and their looks."""

import django.db.models.deletion
import uuid
from django.db import migrations, models

from apps.core.row_security import guard, guard_children


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_token_networks"),
        ("backtests", "0014_evidence_locks"),
        ("core", "0003_row_security"),
    ]

    operations = [
        migrations.CreateModel(
            name="ShareLink",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("note", models.CharField(blank=True, default="", max_length=120)),
                ("shows_strategy", models.BooleanField(default=False)),
                ("views", models.PositiveIntegerField(default=0)),
                ("created_by", models.CharField(max_length=80)),
                ("created_by_label", models.CharField(blank=True, default="", max_length=200)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("revoked_by", models.CharField(blank=True, default="", max_length=80)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shares",
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
        ),
        migrations.CreateModel(
            name="ShareView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("network", models.CharField(max_length=45)),
                (
                    "link",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="looks",
                        to="backtests.sharelink",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="sharelink",
            index=models.Index(fields=["run", "-created_at", "-id"], name="share_run_recent"),
        ),
        migrations.AddConstraint(
            model_name="sharelink",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="share_ends_later",
            ),
        ),
        migrations.AddIndex(
            model_name="shareview",
            index=models.Index(fields=["link", "-at"], name="share_look_recent"),
        ),
        *guard("backtests_sharelink"),
        *guard_children(("backtests_shareview", "link_id", "backtests_sharelink")),
    ]
