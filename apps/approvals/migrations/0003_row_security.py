"""Proposals, decisions and settings are seen by their team only."""

from django.db import migrations

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_append_only"), ("core", "0003_row_security")]
    operations = guard("approvals_proposal", "approvals_decision", "approvals_setting")
