"""The databases tests run on: the embedded PostgreSQL, or TimescaleDB; and a Redis."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.servers import template, timescale

ROOT = Path(__file__).parents[2]
# Shared reference rows: those of no team stay when a test's leftovers are removed.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SHARED_PREFIX = "market_"
# What belongs to a removed dataset or run, from the top down.
CHILDREN = (
    ("market_instrument", "dataset_id", "market_dataset"),
    ("market_series", "instrument_id", "market_instrument"),
    ("market_action", "instrument_id", "market_instrument"),
    ("market_batch", "dataset_id", "market_dataset"),
    ("market_membership", "dataset_id", "market_dataset"),
    ("market_rename", "dataset_id", "market_dataset"),
    ("market_quarantined", "dataset_id", "market_dataset"),
    ("market_ingesttask", "run_id", "market_ingestrun"),
    ("market_revision", "instrument_id", "market_instrument"),
    ("market_acknowledged", "series_id", "market_series"),
    ("market_checkup", "universe_id", "market_universe"),
    ("market_feedsession", "universe_id", "market_universe"),
    ("market_metric", "instrument_id", "market_instrument"),
    ("market_metric_history", "instrument_id", "market_instrument"),
    ("market_actionhistory", "instrument_id", "market_instrument"),
    ("market_membershiphistory", "dataset_id", "market_dataset"),
    ("market_renamehistory", "dataset_id", "market_dataset"),
)

# Bars are many: going from series to series by the index costs less than a look at each.
BARS = ("market_bar", "market_bar_minute", "market_bar_history")
LOST = """
WITH RECURSIVE seen (id) AS (
    (SELECT series_id FROM {table} ORDER BY series_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.series_id FROM {table} b WHERE b.series_id > seen.id
            ORDER BY b.series_id LIMIT 1)
    FROM seen WHERE seen.id IS NOT NULL)
SELECT id FROM seen WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM market_series)
"""


class Embedded:
    """The servers of the embedded lab, without fsync."""

    def __init__(self, home):
        self.home = home
        self.stack = None
        self.made = template.find(type(self).__name__)

    def start(self):
        from apps.core.lab.servers import embedded_servers

        if self.made:
            for name in ("postgres", "secrets"):
                template.copy(self.made / name, self.home / name)
        self.stack = embedded_servers(self.home, fsync=False)
        self.servers = self.stack.__enter__()

    def dsn(self, role):
        return self.servers.postgres.dsn(role)

    @property
    def redis_url(self):
        return self.servers.redis.url

    def stop(self):
        if self.stack:
            self.stack.__exit__(None, None, None)

    def rest(self):
        """Stop the database, so that its files are whole."""
        self.stop()
        self.stack = None

    def keep(self, folder):
        """Leave in a folder what a copy needs; ours is there already."""

    def migrate(self):
        if self.made:
            return
        environment = {
            **os.environ,
            "QUANTSITE_ENV": "test",
            "LAB_HOME": str(self.home),
            "DB_ROLE": "migrate",
            "DATABASE_URL": self.dsn("app"),
            "MIGRATE_DATABASE_URL": self.dsn("migrate"),
            "REDIS_URL": self.redis_url,
        }
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    def use(self):
        """Make this process's Django and Celery use these servers."""
        from django.conf import settings
        from django.db import connections

        from celery_worker.app import app
        from quantsite.settings.celery import broker_url
        from quantsite.settings.database import database_from

        entry = connections["default"].settings_dict
        entry.update(database_from(self.dsn("app")))
        connections["default"].close()
        settings.REDIS_URL = self.redis_url
        settings.CACHES["default"]["LOCATION"] = self.redis_url
        app.conf.broker_url = broker_url(self.redis_url)

    def clean(self):
        """Remove what committed tests left; the shared sample and the ledger stay."""
        with psycopg.connect(self.dsn("admin"), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(";\n".join(_removals(connection)))  # one trip instead of a hundred
            for table in BARS:
                lost = [row[0] for row in connection.execute(LOST.format(table=table))]
                if lost:
                    connection.execute(f"DELETE FROM {table} WHERE series_id = ANY(%s)", [lost])


class Timescale(Embedded):
    """TimescaleDB in its root folder, beside the embedded Redis."""

    def start(self):
        from apps.core.lab.redis import RedisServer
        from apps.core.lab.roles import prepare_database

        self.server = timescale.TimescaleServer()
        self.server.start(self.made / "data" if self.made else None)
        self.redis = RedisServer(self.home)
        self.redis.prepare()
        self.redis.start()
        self.redis.wait_ready(60.0)
        passwords = {role: f"{role}-for-tests" for role in ("migrate", "app", "sequencer")}
        prepare_database(self.server.admin_dsn, passwords)

    def dsn(self, role):
        password = "" if role == "admin" else f" password={role}-for-tests"
        return f"host={self.server.outside} dbname=quantsite user={role}{password}"

    @property
    def redis_url(self):
        return self.redis.url

    def rest(self):
        self.server.rest()

    def keep(self, folder):
        template.copy(self.server.data, folder / "data")

    def stop(self):
        self.redis.stop()
        self.server.stop()


def _removals(connection):
    """Return the statements that remove what belongs to a team, and then what belonged to that."""
    found = []
    for table, has_team in _tables(connection):
        if table in KEPT:
            continue
        if not table.startswith(SHARED_PREFIX):
            found.append(f'DELETE FROM public."{table}"')
        elif has_team:
            found.append(f'DELETE FROM public."{table}" WHERE team_id IS NOT NULL')
    for child, column, parent in CHILDREN:
        found.append(f"DELETE FROM {child} WHERE {column} NOT IN (SELECT id FROM {parent})")
    return found


def _tables(connection):
    query = """
        SELECT t.tablename, EXISTS (
            SELECT 1 FROM information_schema.columns c
            WHERE c.table_schema = 'public' AND c.table_name = t.tablename
              AND c.column_name = 'team_id')
        FROM pg_tables t WHERE t.schemaname = 'public'
    """
    return connection.execute(query).fetchall()


def close_connections():
    """Let go of this thread's connections."""
    from django.db import connections

    connections.close_all()
