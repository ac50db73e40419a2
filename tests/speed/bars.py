"""Bars into the database and out of it again, longer ones from shorter, panels from files.

The rows are a seeded random walk, validated and stored as an ingestion does it: instruments,
batches with provenance, transactions of a few symbols. Peers work in the same server.
"""

import contextlib
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = 86_400_000_000
SYMBOLS, BARS = 500, 10_000
PER_CHUNK = 50
KEYED = "CREATE TABLE {name} (LIKE market_bar INCLUDING ALL)"
ROUNDS = 3
PEER_ROWS = 100_000
PANEL_SYMBOLS, PANEL_BARS = 500, 5_000
NAMES = ("open", "high", "low", "close", "volume")


@contextlib.contextmanager
def database():
    """A migrated database of this bench's own, with fsync, used by this process's Django."""
    import django
    from django.conf import settings

    from tests.servers.databases import Embedded, close_connections

    class Durable(Embedded):
        def start(self):
            from apps.core.lab.servers import embedded_servers

            self.stack = embedded_servers(self.home)
            self.servers = self.stack.__enter__()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")
    with tempfile.TemporaryDirectory(prefix="qs-bench-") as home:
        server = Durable(Path(home))
        server.start()
        try:
            server.migrate()
            django.setup()
            server.use()
            settings.PANEL_CACHE = Path(home) / "panels"
            settings.PANEL_CACHE_MB = 2048
            yield server
        finally:
            close_connections()
            server.stop()


def walks(symbols, bars, seed=7):
    """Columns of many symbols: daily bars on the same days."""
    from apps.market.kernel.columns import Columns

    rng = np.random.default_rng(seed)
    ts = DAY * np.arange(bars, dtype=np.int64)
    for number in range(symbols):
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, bars)))
        open_ = np.concatenate([close[:1], close[:-1]])
        spread = 1 + rng.uniform(0, 0.01, bars)
        high, low = np.maximum(open_, close) * spread, np.minimum(open_, close) / spread
        volume = rng.integers(1, 10**7, bars).astype(np.float64)
        yield f"S{number:04}", Columns(ts, open_, high, low, close, volume)


def listed(symbols, bars, seed=7):
    """The same as a provider would hand them on."""
    from apps.market.providers.base import Fetched, Listing

    return [Fetched(Listing(symbol), columns) for symbol, columns in walks(symbols, bars, seed)]


def make_dataset(name):
    from apps.market.models import Dataset

    return Dataset.objects.create(
        name=name, title=name, source="bench", calendar="24/7", created_at=NOW
    )


def absorb_all(dataset, fetched):
    """Store as an ingestion does: a batch and a transaction per chunk of symbols."""
    from django.db import transaction

    from apps.market.models import Batch
    from apps.market.services.absorb import absorb

    added = 0
    for at in range(0, len(fetched), PER_CHUNK):
        with transaction.atomic():
            batch = Batch.objects.create(
                dataset=dataset,
                provider="bench",
                source="bench",
                sha256="",
                created_at=NOW,
                created_by="bench",
            )
            written = absorb(
                dataset=dataset,
                batch=batch,
                timeframe="1d",
                fetched=fetched[at : at + PER_CHUNK],
                now=NOW,
                judged=False,
            )
            added += written.added + written.changed
    return added


def streams_of(fetched):
    """The bytes that ``COPY`` reads, one stream per chunk: made before the clock starts."""
    from apps.market.store.copying import stream_of

    numbered = [(number, item.bars) for number, item in enumerate(fetched)]
    chunks = [numbered[at : at + PER_CHUNK] for at in range(0, len(numbered), PER_CHUNK)]
    return [stream_of(chunk, 1) for chunk in chunks]


def bare_copy(server, table, streams):
    """Send the ready bytes and commit, as little else as there can be."""
    import psycopg

    from apps.market.store.bars import BAR_FIELDS

    with psycopg.connect(server.dsn("admin")) as connection:
        for stream in streams:
            with connection.cursor() as cursor:
                command = f"COPY {table} ({BAR_FIELDS}) FROM STDIN (FORMAT BINARY)"
                with cursor.copy(command) as copy:
                    copy.write(stream)
            connection.commit()


def admin(server, *statements):
    import psycopg

    with psycopg.connect(server.dsn("admin"), autocommit=True) as connection:
        return [connection.execute(statement) for statement in statements][-1]


def timed(work, *arguments):
    began = time.perf_counter()
    found = work(*arguments)
    return time.perf_counter() - began, found


def ingest_5m():
    with database() as server:
        fetched = listed(SYMBOLS, BARS)
        streams = streams_of(fetched)
        rows = SYMBOLS * BARS
        lab, peer = [], []
        for number in range(ROUNDS):
            table = f"bare_{number}"
            admin(server, KEYED.format(name=table), "CHECKPOINT")
            peer.append(timed(bare_copy, server, table, streams)[0])
            same = admin(server, f"SELECT count(*), sum(close), sum(volume) FROM {table}")
            expected = same.fetchone()
            admin(server, f"DROP TABLE {table}", "CHECKPOINT")
            seconds, added = timed(absorb_all, make_dataset(f"bench-{number}"), fetched)
            lab.append(seconds)
            assert added == rows
            stored = admin(server, "SELECT count(*), sum(close), sum(volume) FROM market_bar")
            found = stored.fetchone()
            assert found[0] == expected[0] == rows
            admin(server, "TRUNCATE market_bar")
        off = max(abs(a / b - 1) for a, b in zip(found[1:], expected[1:], strict=True))
        value, other = rows / median(lab), rows / median(peer)
        return {
            "name": "ingest_5m",
            "value": round(value),
            "unit": "rows/s",
            "peer": "bare binary COPY of ready bytes into a table with the same key and checks",
            "peer_value": round(other),
            "ratio": round(value / other, 2),
            "goal": 0.6,
            "checked": off,
        }


def filled(name, symbols, bars):
    """A shared dataset of random walks, stored; and the walks."""
    fetched = listed(symbols, bars)
    dataset = make_dataset(name)
    absorb_all(dataset, fetched)
    return dataset, fetched


def reingest_5m():
    """The peer upserts a sample of the rows, since all would take it many minutes."""
    with database() as server:
        dataset, fetched = filled("bench", SYMBOLS, BARS)
        admin(server, "VACUUM ANALYZE market_bar")
        rows = SYMBOLS * BARS
        lab = []
        for _ in range(ROUNDS):
            seconds, changed = timed(absorb_all, dataset, fetched)
            assert changed == 0
            lab.append(seconds)
        objects, write = upsert_of(fetched, PEER_ROWS)
        peer = [timed(write, objects)[0] for _ in range(ROUNDS)]
        query = "SELECT count(*) FROM market_bar"
        changed = admin(server, query).fetchone()[0] - rows
        value, other = rows / median(lab), PEER_ROWS / median(peer)
        return {
            "name": "reingest_5m",
            "value": round(value),
            "unit": "rows/s",
            "peer": f"Django bulk_create upsert, {PEER_ROWS:,} of the rows",
            "peer_value": round(other),
            "ratio": round(value / other, 2),
            "goal": 4.0,
            "checked": float(changed),
        }


def upsert_of(fetched, rows):
    """Objects of an unmanaged model of the same table, and what writes them."""
    from django.db import models

    from apps.market.models import Series

    class Bar(models.Model):
        pk = models.CompositePrimaryKey("series_id", "ts")
        series_id = models.IntegerField()
        ts = models.DateTimeField()
        open = models.FloatField()
        high = models.FloatField()
        low = models.FloatField()
        close = models.FloatField()
        volume = models.FloatField()
        batch_id = models.IntegerField()

        class Meta:
            app_label = "bench"
            db_table = "market_bar"
            managed = False

        def __str__(self):
            return f"{self.series_id} {self.ts}"

    ids = dict(Series.objects.values_list("instrument__symbol", "id"))
    names = ("open", "high", "low", "close", "volume")
    objects = []
    for item in fetched:
        bars = item.bars
        moments = bars.ts.astype("M8[us]").tolist()
        figures = zip(*(getattr(bars, name).tolist() for name in names), strict=True)
        for moment, values in zip(moments, figures, strict=True):
            given = dict(zip(names, values, strict=True))
            given |= {"series_id": ids[item.listing.symbol], "batch_id": 1}
            objects.append(Bar(ts=moment.replace(tzinfo=UTC), **given))
        if len(objects) >= rows:
            break

    def write(objects):
        Bar.objects.bulk_create(
            objects[:rows],
            batch_size=5000,
            update_conflicts=True,
            unique_fields=["series_id", "ts"],
            update_fields=[*names, "batch_id"],
        )

    return objects, write


def asked(cached):
    from apps.market.selectors import read_panel

    symbols = [f"S{number:04}" for number in range(PANEL_SYMBOLS)]
    return read_panel(team_id=None, instruments=symbols, price_mode="raw", cached=cached)


def read_panel_db():
    import adbc_driver_postgresql.dbapi as adbc

    with database() as server:
        filled("bench", PANEL_SYMBOLS, PANEL_BARS)
        admin(server, "VACUUM ANALYZE market_bar")
        address = uri_of(server)
        query = "SELECT ts, open, high, low, close, volume FROM market_bar ORDER BY series_id, ts"

        rows = PANEL_SYMBOLS * PANEL_BARS
        with adbc.connect(address) as connection:

            def peer():
                with connection.cursor() as cursor:
                    cursor.execute(query)
                    return arrays_of(cursor.fetch_arrow_table())

            (lab, panel), (other, arrays) = best(lambda: asked(cached=False), peer)
        return {
            "name": "read_panel_db",
            "value": round(rows / lab),
            "unit": "rows/s",
            "peer": "adbc_driver_postgresql, then numpy",
            "peer_value": round(rows / other),
            "ratio": round(other / lab, 2),
            "goal": 1.4,
            "checked": off(panel, arrays),
        }


def uri_of(server):
    from urllib.parse import quote

    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(server.dsn("admin"))
    login = given["user"] + (f":{quote(given['password'])}" if given.get("password") else "")
    port = given.get("port", 5432)
    return f"postgresql://{login}@/{given['dbname']}?host={quote(given['host'])}&port={port}"


def arrays_of(table):
    """Columns of a long table as arrays of bars by instruments."""
    shape = PANEL_SYMBOLS, PANEL_BARS
    return {name: np.ascontiguousarray(table[name].to_numpy().reshape(shape).T) for name in NAMES}


def off(panel, arrays):
    return max(float(np.abs(getattr(panel, name) / arrays[name] - 1).max()) for name in NAMES)


def best(lab, peer, rounds=7):
    """Median seconds of each, by turns, and what each returned."""
    lab(), peer()
    spent = {lab: [], peer: []}
    for _ in range(rounds):
        for work in (lab, peer):
            spent[work].append(timed(work))
    return [(median(s for s, _ in spent[work]), spent[work][-1][1]) for work in (lab, peer)]


def read_panel_cache():
    """The lab's arrays are mapped, so one figure of every page is looked at within the time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with database() as server, tempfile.TemporaryDirectory() as folder:
        filled("bench", PANEL_SYMBOLS, PANEL_BARS)
        admin(server, "VACUUM ANALYZE market_bar")
        asked(cached=True)
        first, panel = timed(lambda: asked(cached=True))
        path = Path(folder) / "panel.parquet"
        ids = np.repeat(np.arange(PANEL_SYMBOLS, dtype=np.int32), PANEL_BARS)
        long = {name: np.ascontiguousarray(getattr(panel, name).T).ravel() for name in NAMES}
        table = pa.table({"id": ids, "ts": np.tile(panel.ts, PANEL_SYMBOLS), **long})
        pq.write_table(table, path)

        def lab():
            found = asked(cached=True)
            return found, [getattr(found, name).ravel()[::512].sum() for name in NAMES]

        def peer():
            return arrays_of(pq.read_table(path))

        rows = PANEL_SYMBOLS * PANEL_BARS
        (spent, (panel, _)), (other, arrays) = best(lab, peer)
        return {
            "name": "read_panel_cache",
            "value": round(rows / spent),
            "unit": "rows/s",
            "peer": "pyarrow Parquet, then numpy",
            "peer_value": round(rows / other),
            "ratio": round(other / spent, 2),
            "goal": 2.0,
            "checked": off(panel, arrays),
            "first_ms": round(first * 1000, 1),
            "ms": round(spent * 1000, 1),
            "peer_ms": round(other * 1000, 1),
        }
