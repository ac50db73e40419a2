"""A dump holds time series whole, on plain PostgreSQL and on TimescaleDB."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from apps.core.lab import upgrade
from apps.core.lab.home import Home
from apps.core.lab.roles import prepare_database

pytestmark = pytest.mark.store

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
ROWS = 1000


def test_a_dump_brings_a_series_back(servers, tmp_path):
    found = prepare_database(servers.dsn("admin"), {}, database="dumps")
    admin = make_conninfo(servers.dsn("admin"), dbname="dumps")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("SET ROLE owner")
        connection.execute("CREATE TABLE series (ts timestamptz NOT NULL, v float8)")
        if found["timescale"]:
            connection.execute("SELECT create_hypertable('series', by_range('ts'))")
        connection.execute(
            "INSERT INTO series SELECT '2026-01-01'::timestamptz + i * interval '1 hour', i"
            " FROM generate_series(1, %s) AS i",
            [ROWS],
        )
    home = Home(tmp_path)
    home.prepare()
    file = upgrade.dump(admin, home, now=NOW)
    aside = upgrade.restore(admin, file, now=NOW)
    with psycopg.connect(admin) as connection:
        total = "SELECT count(*), sum(v) FROM series"
        assert connection.execute(total).fetchone() == (ROWS, ROWS * (ROWS + 1) / 2)
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'series'"
        assert connection.execute(owner).fetchone() == ("owner",)
        if found["timescale"]:
            chunks = "SELECT count(*) FROM timescaledb_information.chunks"
            assert connection.execute(chunks).fetchone()[0] > 1
    with psycopg.connect(servers.dsn("admin"), autocommit=True) as connection:
        for name in ("dumps", aside):
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
