"""Row-level security as migration operations: whose rows the application's role reaches.

The policies read what :mod:`apps.core.tenancy` tells the connection (decision 41). A row of no
team is the lab's own: seen by every team where the table is ``shared``, written by the lab alone.
"""

from __future__ import annotations

from django.db import migrations

FUNCTIONS = """
-- The team whose rows are seen; null for the lab itself, which sees all, and for nobody.
CREATE OR REPLACE FUNCTION quantsite_team() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(nullif(current_setting('quantsite.scope', true), 'lab'), '')::int
$$;
CREATE OR REPLACE FUNCTION quantsite_is_lab() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
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
OWN = LAB + " OR {column} = " + TEAM
SHARED = OWN + " OR ({column} IS NULL AND " + TEAM + " IS NOT NULL)"


def guard(*tables: str, shared: bool = False, column: str = "team_id") -> list[migrations.RunSQL]:
    """Return operations that show each table's rows to the team in ``column`` only.

    ``shared`` shows those of no team to every team as well.
    """
    seen, own = (rule.format(column=column) for rule in (SHARED if shared else OWN, OWN))
    return [guard_by(table, seen, own) for table in tables]


def guard_children(*links: tuple[str, str, str]) -> list[migrations.RunSQL]:
    """Return operations for rows that belong to whom the row above belongs.

    Each link is (table, its foreign key's column, the guarded table above). Rows above that a team
    sees without owning would let it write here: use it below tables that are not ``shared``.
    """
    made = []
    for table, column, parent in links:
        seen = f"EXISTS (SELECT 1 FROM {parent} up WHERE up.id = {table}.{column})"  # noqa: S608 names of our own
        made.append(guard_by(table, f"{LAB} OR {seen}", f"{LAB} OR {seen}"))
    return made


def functions() -> migrations.RunSQL:
    """Return the operation that makes the functions the policies call.

    They stay when it is undone: the policies of other apps call them too.
    """
    return migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop)


def guard_by(table: str, seen: str, own: str) -> migrations.RunSQL:
    """Return the operation that lets be seen, and be changed, what two conditions tell."""
    return migrations.RunSQL(
        GUARD.format(table=table, seen=seen, own=own), OPEN.format(table=table)
    )
