"""Rows of market are seen by their team only: one forgotten filter in code leaks nothing.

Time-series tables are left out, since TimescaleDB refuses row security with compression; the
store asks for their series or instrument first, which are guarded here.
"""

from django.db import migrations

FUNCTIONS = """
-- The team whose rows are seen; null for the lab itself, which sees all, and for nobody.
CREATE OR REPLACE FUNCTION quantsite_team() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(nullif(current_setting('quantsite.scope', true), 'lab'), '')::int
$$;
CREATE OR REPLACE FUNCTION quantsite_is_lab() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(current_setting('quantsite.scope', true), '') = 'lab'
$$;
"""
GUARD = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON {table} FOR SELECT USING ({seen});
CREATE POLICY added ON {table} FOR INSERT WITH CHECK ({own});
CREATE POLICY changed ON {table} FOR UPDATE USING ({own}) WITH CHECK ({own});
CREATE POLICY removed ON {table} FOR DELETE USING ({own});
"""
OPEN = """
DROP POLICY seen ON {table};
DROP POLICY added ON {table};
DROP POLICY changed ON {table};
DROP POLICY removed ON {table};
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
"""
LAB = "(SELECT quantsite_is_lab())"
TEAM = "(SELECT quantsite_team())"
OWN = f"{LAB} OR team_id = {TEAM}"
SHARED = f"{OWN} OR (team_id IS NULL AND {TEAM} IS NOT NULL)"
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


def policies():
    for table in WITH_SHARED:
        yield table, SHARED, OWN
    for table in OWNED:
        yield table, OWN, OWN
    for table, column, parent in CHILDREN:
        found = f"EXISTS (SELECT 1 FROM {parent} up WHERE up.id = {table}.{column})"
        yield table, f"{LAB} OR {found}", f"{LAB} OR {owned_by(table, column, parent)}"


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
        # Left there when going back: the policies of other apps call them.
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                GUARD.format(table=table, seen=seen, own=own), OPEN.format(table=table)
            )
            for table, seen, own in policies()
        ),
    ]
