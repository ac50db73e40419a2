"""The database's roles and rights, made by an administrator on any PostgreSQL, again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from apps.core.lab.home import DATABASE

GROUPS = ("owner", "audit_owner")
LOGINS = ("migrate", "app", "sequencer")
LEDGER_SQL = Path(__file__).resolve().parents[2] / "audit" / "sql"

RIGHTS = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO migrate, app, sequencer;
GRANT CREATE ON DATABASE {database} TO owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO owner;
GRANT USAGE ON SCHEMA public TO migrate, app, sequencer;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO app;
CREATE SCHEMA IF NOT EXISTS audit AUTHORIZATION audit_owner;
"""


def prepare_database(
    admin_dsn: str, passwords: dict[str, str], *, database: str = DATABASE
) -> dict[str, Any]:
    """Make roles, database, rights, the extension where offered, and the ledger's own SQL.

    Parameters
    ----------
    admin_dsn
        Address of a superuser; any database of the server will do.
    passwords
        Password by login role: migrate, app, sequencer. A role that is missing here keeps its own.

    Returns
    -------
    ``{"timescale": version or None, "ledger": [file, …]}``
    """
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        _make_roles(connection, passwords)
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    with psycopg.connect(make_conninfo(admin_dsn, dbname=database), autocommit=True) as connection:
        version = _make_extension(connection)
        connection.execute(sql.SQL(RIGHTS).format(database=sql.Identifier(database)))
        return {"timescale": version, "ledger": _run_ledger(connection)}


def _make_roles(connection: psycopg.Connection[Any], passwords: dict[str, str]) -> None:
    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for name in (*GROUPS, *LOGINS):
        if name not in known:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    for name in LOGINS:
        if name in passwords:
            change = sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER PASSWORD {}")
            connection.execute(change.format(sql.Identifier(name), sql.Literal(passwords[name])))
    connection.execute("GRANT owner TO migrate")


def _make_extension(connection: psycopg.Connection[Any]) -> str | None:
    offered = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    loaded = connection.execute("SHOW shared_preload_libraries").fetchone()
    if offered is None or loaded is None or "timescaledb" not in str(loaded[0]):
        return None
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    _let_policies_run(connection)
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    return str(row.fetchone()[0])  # type: ignore[index]


def _let_policies_run(connection: psycopg.Connection[Any]) -> None:
    """Let the owner of the tables log in, which its background jobs do, and nobody else as it.

    TimescaleDB refuses policies of an owner that may not. The limit holds for connections from
    outside only; the role has no password either.
    """
    licence = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    if licence is not None and licence[0] == "timescale":
        connection.execute("ALTER ROLE owner LOGIN PASSWORD NULL CONNECTION LIMIT 0")


def _run_ledger(connection: psycopg.Connection[Any]) -> list[str]:
    """Run the ledger's files in name order, each in a transaction of its own."""
    files = sorted(LEDGER_SQL.glob("*.sql"))
    for file in files:
        with connection.transaction():
            connection.execute(file.read_bytes())
    return [file.name for file in files]
