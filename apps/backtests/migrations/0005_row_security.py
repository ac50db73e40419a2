"""Runs, sweeps, studies and what belongs to them are seen by their team only."""

from django.db import migrations

from apps.core.row_security import guard, guard_children


class Migration(migrations.Migration):
    dependencies = [("backtests", "0004_sweeps"), ("core", "0003_row_security")]
    operations = [
        *guard("backtests_study", "backtests_run", "backtests_rerun", "backtests_sweep"),
        *guard_children(
            ("backtests_artifact", "run_id", "backtests_run"),
            ("backtests_sweepchunk", "sweep_id", "backtests_sweep"),
            ("backtests_trial", "sweep_id", "backtests_sweep"),
        ),
    ]
