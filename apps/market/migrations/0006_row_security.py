"""Rows of market are seen by their team only: one forgotten filter in code leaks nothing.

Time-series tables are left out, since TimescaleDB refuses row security with compression; the
store asks for their series or instrument first, which are guarded here.
"""

from django.db import migrations

from apps.core.row_security import LAB, TEAM, functions, guard, guard_by

# A row of these belongs to whom the row it refers to belongs.
CHILDREN = (
    ("market_instrument", "dataset_id", "market_dataset"),
    ("market_series", "instrument_id", "market_instrument"),
    ("market_action", "instrument_id", "market_instrument"),
    ("market_batch", "dataset_id", "market_dataset"),
    ("market_membership", "dataset_id", "market_dataset"),
    ("market_rename", "dataset_id", "market_dataset"),
    ("market_quarantined", "dataset_id", "market_dataset"),
    ("market_ingesttask", "run_id", "market_ingestrun"),
    ("market_revision", "series_id", "market_series"),
)
OWNED = ("market_ingestrun", "market_flow", "market_providerkey", "market_reader")
WITH_SHARED = ("market_dataset", "market_universe")


def guarded_children():
    for table, column, parent in CHILDREN:
        found = f"EXISTS (SELECT 1 FROM {parent} up WHERE up.id = {table}.{column})"
        yield guard_by(table, f"{LAB} OR {found}", f"{LAB} OR {owned_by(table, column, parent)}")


def owned_by(table, column, parent):
    """The rows above that are the team's own, and not shared ones it merely sees."""
    if parent in {"market_dataset", "market_ingestrun"}:
        return (
            f"EXISTS (SELECT 1 FROM {parent} up "
            f"WHERE up.id = {table}.{column} AND up.team_id = {TEAM})"
        )
    above = (
        "JOIN market_instrument i ON i.id = up.instrument_id JOIN market_dataset d"
        " ON d.id = i.dataset_id"
        if parent == "market_series"
        else "JOIN market_dataset d ON d.id = up.dataset_id"
    )
    return (
        f"EXISTS (SELECT 1 FROM {parent} up {above} "
        f"WHERE up.id = {table}.{column} AND d.team_id = {TEAM})"
    )


class Migration(migrations.Migration):
    dependencies = [("market", "0005_bar_history")]
    operations = [
        functions(),
        *guard(*WITH_SHARED, shared=True),
        *guard(*OWNED),
        *guarded_children(),
    ]
