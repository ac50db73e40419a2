"""Schema and code compared, dumps made and brought back."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from apps.core.errors import Conflict, Invalid, Unavailable
from apps.core.lab.home import Home, write_private
from apps.core.lab.postgres import client_program

KEPT_BACKUPS = 20
TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname IN ('public', 'audit') ORDER BY 1, 2
"""
ASIDE = "{database}_before_{stamp}"


@dataclass(frozen=True, slots=True)
class Schema:
    """What the code has and the database lacks, and the other way round."""

    pending: tuple[str, ...]
    unknown: tuple[str, ...]
    fresh: bool


def compare(disk: Iterable[tuple[str, str]], applied: Iterable[tuple[str, str]]) -> Schema:
    """Compare migrations on disk with those applied, as (app, name) pairs."""
    have, done = set(disk), set(applied)
    known = {app for app, _ in have}
    gone = {pair for pair in done - have if pair[0] in known}
    return Schema(
        tuple(f"{app}.{name}" for app, name in sorted(have - done)),
        tuple(f"{app}.{name}" for app, name in sorted(gone)),
        fresh=not done,
    )


def count_applied(dsn: str) -> int:
    """Return how many migrations the database has; 0 when it is new."""
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        table = connection.execute("SELECT to_regclass('public.django_migrations')").fetchone()
        if table is None or table[0] is None:
            return 0
        row = connection.execute("SELECT count(*) FROM public.django_migrations").fetchone()
        return int(row[0]) if row else 0


def dump(admin_dsn: str, home: Home, *, now: datetime, label: str = "backup") -> Path:
    """Write a compressed dump of the database into ``LAB_HOME/backups``; return its path.

    A note beside it says, as of the same moment, how many rows each table had.
    """
    name = f"{conninfo_to_dict(admin_dsn)['dbname']}-{now:%Y%m%dT%H%M%SZ}-{label}.dump"
    new, path = home.backups / f".{name}", home.backups / name
    with psycopg.connect(admin_dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        shot = connection.execute("SELECT pg_export_snapshot()").fetchone()
        counts = count_rows(connection)
        asked = ["--snapshot", str(shot[0])] if shot else []
        _run([client_program("pg_dump", admin_dsn), "-Fc", *asked, "-f", str(new)], admin_dsn)
    new.chmod(0o600)
    write_private(note_of(path), json.dumps({"at": now.isoformat(), "rows": counts}, indent=1))
    new.replace(path)
    for old in list_backups(home)[:-KEPT_BACKUPS]:
        old.unlink()
        note_of(old).unlink(missing_ok=True)
    return path


def list_backups(home: Home) -> list[Path]:
    """Return the dumps, the oldest first."""
    return sorted(home.backups.glob("*.dump"), key=lambda path: (path.stat().st_mtime, path.name))


def note_of(dump_file: Path) -> Path:
    """Return where the note of a dump is."""
    return dump_file.with_name(f"{dump_file.name}.json")


def count_rows(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Return how many rows each table has; what TimescaleDB keeps for itself is left out."""
    tables = connection.execute(TABLES).fetchall()
    return {f"{schema}.{table}": _count(connection, schema, table) for schema, table in tables}


def _count(connection: psycopg.Connection[Any], schema: str, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


@contextlib.contextmanager
def restored_aside(admin_dsn: str, file: Path, name: str) -> Iterator[str]:
    """Restore a dump into a database of its own for a while; give its address.

    Raises ``Invalid`` for a file that is no dump and ``Unavailable`` for one that can't be read
    back.
    """
    _check_dump(file)
    server = make_conninfo(admin_dsn, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        _execute(connection, "CREATE DATABASE {} TEMPLATE template0", name)
        try:
            _execute(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
            dsn = make_conninfo(admin_dsn, dbname=name)
            _fill(dsn, file)
            yield dsn
        finally:
            _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def restore(admin_dsn: str, file: Path, *, now: datetime) -> str:
    """Put a dump in place of the database; return the name the old one now has.

    The dump is restored beside the old database and takes its name only when all of it is in, so a
    failure leaves everything as it was. Raises ``Invalid`` for a file that is no dump and
    ``Conflict`` while something is connected.
    """
    _check_dump(file)
    database = str(conninfo_to_dict(admin_dsn)["dbname"])
    new = f"{database}_restore"
    server = make_conninfo(admin_dsn, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", new)
        _execute(connection, "CREATE DATABASE {} TEMPLATE template0", new)
        try:
            _fill(make_conninfo(admin_dsn, dbname=new), file)
        except BaseException:
            _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", new)
            raise
        return _swap(connection, database, new, now)


def _swap(connection: psycopg.Connection[Any], database: str, new: str, now: datetime) -> str:
    aside = ASIDE.format(database=database, stamp=f"{now:%Y%m%d_%H%M%S}")
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    try:
        with connection.transaction():
            if exists.fetchone():
                _execute(connection, "ALTER DATABASE {} RENAME TO {}", database, aside)
            _execute(connection, "ALTER DATABASE {} RENAME TO {}", new, database)
    except psycopg.errors.ObjectInUse as error:
        _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", new)
        message = f"Something is connected to {database}; stop the lab first, then restore."
        raise Conflict(message, code="restore.in_use") from error
    return aside


def _fill(dsn: str, file: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        timescale = _offers_timescale(connection)
        if timescale:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            connection.execute("SELECT timescaledb_pre_restore()")
    program = client_program("pg_restore", dsn)
    _run([program, "--exit-on-error", "-d", _database(dsn), str(file)], dsn)
    if timescale:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SELECT timescaledb_post_restore()")


def _offers_timescale(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
    ).fetchone()
    return bool(row and row[0])


def _check_dump(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            head = opened.read(5)
    except OSError as error:
        message = f"{file} can't be read: {error.strerror}. Name a file of make backup."
        raise Invalid(message, code="restore.no_file") from error
    if head != b"PGDMP":
        message = f"{file} is no dump of make backup (it begins with {head!r})."
        raise Invalid(message, code="restore.no_dump")


def _execute(connection: psycopg.Connection[Any], text: str, *names: str) -> None:
    connection.execute(sql.SQL(text).format(*map(sql.Identifier, names)))


def _database(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


def _run(command: list[str | Path], dsn: str) -> None:
    """Run a PostgreSQL client program; the address goes by environment, not by command line."""
    names = {
        "host": "PGHOST",
        "hostaddr": "PGHOSTADDR",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
    }
    parts = conninfo_to_dict(dsn)
    given = {names[k]: str(v) for k, v in parts.items() if k in names and v is not None}
    done = subprocess.run(  # noqa: S603 our own command
        [str(part) for part in command],
        env={**given, "PGDATABASE": _database(dsn), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        message = f"{Path(command[0]).name} failed: {done.stderr.strip()[-800:]}"
        raise Unavailable(message, code="lab.dump_failed")


def code_version(folder: Path) -> str:
    """Return the commit the code is at; empty outside git."""
    with contextlib.suppress(OSError):
        done = subprocess.run(  # noqa: S603 fixed words
            ["git", "-C", str(folder), "rev-parse", "--short=12", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()
    return ""
