"""Strategies and their versions are seen by their team only, like scans before them."""

from django.db import migrations

from apps.core.row_security import guard


class Migration(migrations.Migration):
    dependencies = [("strategies", "0005_scans_ended"), ("core", "0003_row_security")]
    operations = guard("strategies_strategy", "strategies_strategyversion")
