"""Chunk lengths of the tables of bars, measured on the TimescaleDB server of the tests.

    python -m tests.speed.chunks [--rows 2000000] [--rounds 3] [--table minutes]

Days: 400 series over 20 years. Minutes: 10 series, one after another as a back-fill writes them.
Each length has a table of its own with the key and the checks of the lab's; rounds go through
the lengths in turn, every other one backwards, so that a busy moment burdens none alone.
"""

import argparse
import json
import os
import sys
import time
from statistics import median

import numpy as np
import psycopg

DAY, MINUTE = 86_400_000_000, 60_000_000
TABLES = {
    "days": (DAY, 400, ("1 year", "5 years", "20 years")),
    "minutes": (MINUTE, 10, ("1 day", "7 days", "1 month", "6 months")),
}
PLAIN = "plain"
START = 1_104_537_600_000_000  # 2005-01-01
MAKE = """
CREATE TABLE {name} (
    series_id int4 NOT NULL, ts timestamptz NOT NULL,
    open float8 NOT NULL, high float8 NOT NULL, low float8 NOT NULL, close float8 NOT NULL,
    volume float8 NOT NULL, batch_id int4 NOT NULL, PRIMARY KEY (series_id, ts),
    CHECK (low > 0 AND high < 'Infinity' AND open > 0 AND close > 0),
    CHECK (high >= open AND high >= close AND high >= low),
    CHECK (low <= open AND low <= close),
    CHECK (volume >= 0 AND volume < 'Infinity'))
"""
CHUNKED = """
SELECT create_hypertable('{name}', by_range('ts', INTERVAL '{length}'),
    create_default_indexes => false)
"""
PACKED = """
COPY (SELECT int8send(series_id), string_agg(timestamptz_send(ts), ''),
    string_agg(float8send(close), ''), string_agg(float8send(volume), '')
    FROM {name} WHERE series_id = ANY(%s) AND ts >= %s GROUP BY series_id)
TO STDOUT (FORMAT BINARY)
"""


def stream(step, series, rows):
    """The rows of a binary COPY, series after series."""
    from apps.market.kernel import copy_format

    each = rows // series
    rng = np.random.default_rng(7)
    ids = np.repeat(np.arange(1, series + 1, dtype=np.int32), each)
    # Five days of seven, so that twenty years of days are about 5,200 bars.
    gap = step * 7 // 5 if step == DAY else step
    ts = copy_format.to_server(START + gap * np.tile(np.arange(each, dtype=np.int64), series))
    close = 50 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ids))))
    columns = [close, close * 1.001, close / 1.001, close, rng.uniform(0, 100, len(ids))]
    return copy_format.pack([ids, ts, *columns, np.ones(len(ids), np.int32)])


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write(connection, name, length, data):
    connection.execute(f"DROP TABLE IF EXISTS {name}")
    connection.execute(MAKE.format(name=name))
    if length != PLAIN:
        connection.execute(CHUNKED.format(name=name, length=length))

    def copy():
        with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT BINARY)") as target:
            target.write(data)

    spent = timed(copy)
    connection.execute(f"VACUUM ANALYZE {name}")
    return spent


def read(connection, name, ids, since):
    def copy():
        with connection.cursor().copy(PACKED.format(name=name), [ids, since]) as source:
            for _ in source:
                pass

    return timed(copy)


def one_round(connection, kind, lengths, data, series, found):
    for length in lengths:
        name = f"{kind}_{length.replace(' ', '_')}"
        every, long_ago = list(range(1, series + 1)), "2000-01-01"
        last = connection.execute
        spent = {
            "write": write(connection, name, length, data),
            "read_all": read(connection, name, every, long_ago),
            "read_one": median(read(connection, name, [at], long_ago) for at in every[:5]),
        }
        newest = last(f"SELECT max(ts) FROM {name} WHERE series_id = 1").fetchone()[0]
        since = newest.replace(hour=0)
        spent["read_last_day"] = median(read(connection, name, [1], since) for _ in range(5))
        for what, seconds in spent.items():
            found.setdefault(length, {}).setdefault(what, []).append(seconds)
        connection.execute(f"DROP TABLE {name}")


def measure(connection, kind, rows, rounds):
    step, series, lengths = TABLES[kind]
    data, found = stream(step, series, rows), {}
    order = [PLAIN, *lengths]
    for at in range(rounds):
        one_round(connection, kind, order[:: 1 if at % 2 == 0 else -1], data, series, found)
    for length in order:
        spent = {what: median(times) for what, times in found[length].items()}
        yield {
            "table": kind,
            "chunks": length,
            "rows": rows,
            "write_rows_per_s": round(rows / spent["write"]),
            "read_rows_per_s": round(rows / spent["read_all"]),
            "one_series_ms": round(spent["read_one"] * 1000, 1),
            "last_day_ms": round(spent["read_last_day"] * 1000, 2),
        }


def main():
    """Print one JSON line for each table and length."""
    from tests.servers.timescale import TimescaleServer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", choices=tuple(TABLES), action="append")
    asked = parser.parse_args()
    os.environ.setdefault("QUANTSITE_ENV", "test")
    server = TimescaleServer()
    server.start()
    try:
        with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
            for kind in asked.table or TABLES:
                for row in measure(connection, kind, asked.rows, asked.rounds):
                    sys.stdout.write(f"{json.dumps(row)}\n")
                    sys.stdout.flush()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
