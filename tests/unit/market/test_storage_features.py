"""What each edition is asked to do, as plain text: nobody here has the Community edition."""

import re

from apps.market.kernel.resample import LADDER
from apps.market.store.edition import Edition
from apps.market.store.features import CHUNKS, steps_for
from apps.market.store.longer import LENGTHS

PLAIN = Edition("18.1", "", "")
APACHE = Edition("17.6", "2.19.3", "apache")
COMMUNITY = Edition("17.6", "2.30.1", "timescale")
MINUTES_TO_FIVE = """
CREATE MATERIALIZED VIEW IF NOT EXISTS market_bar_5m
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT series_id, time_bucket(INTERVAL '5 minutes', ts) AS ts, first(open, ts) AS open,
    max(high) AS high, min(low) AS low, last(close, ts) AS close,
    sum(volume ORDER BY ts) AS volume, max(ts) AS last_at
FROM market_bar_minute
GROUP BY series_id, time_bucket(INTERVAL '5 minutes', ts)
WITH NO DATA
"""
HOURS_TO_FOUR = """
CREATE MATERIALIZED VIEW IF NOT EXISTS market_bar_4h
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT series_id, time_bucket(INTERVAL '4 hours', ts) AS ts, first(open, ts) AS open,
    max(high) AS high, min(low) AS low, last(close, ts) AS close,
    sum(volume ORDER BY ts) AS volume, max(last_at) AS last_at
FROM market_bar_1h
GROUP BY series_id, time_bucket(INTERVAL '4 hours', ts)
WITH NO DATA
"""


def asked(edition, days=0):
    return {
        step.name: one_line(step.statement) for step in steps_for(edition, minutes_kept_days=days)
    }


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


def test_a_plain_server_is_asked_for_nothing():
    assert asked(PLAIN) == {}
    assert asked(PLAIN, days=30) == {}


def test_the_apache_edition_is_asked_for_chunks_alone():
    assert asked(APACHE, days=30) == {
        f"chunks of {table}": f"SELECT set_chunk_time_interval('{table}', INTERVAL '{length}')"
        for table, length in CHUNKS.items()
    }


def test_each_aggregate_is_made_of_the_one_before():
    found = asked(COMMUNITY)
    assert found["aggregate 5m"] == one_line(MINUTES_TO_FIVE)
    assert found["aggregate 4h"] == one_line(HOURS_TO_FOUR)
    sources = [re.search(r"FROM (\w+)", found[f"aggregate {name}"])[1] for name in LADDER]
    assert sources == ["market_bar_minute", *(f"market_bar_{name}" for name in LADDER[:-1])]
    order = [name for name in found if name.startswith("aggregate")]
    assert order == [f"aggregate {name}" for name in LADDER]


def test_aggregates_are_refreshed_from_the_beginning_to_the_present_bar():
    found = asked(COMMUNITY)
    assert found["refresh policy of 15m"] == (
        "SELECT remove_continuous_aggregate_policy('market_bar_15m', if_exists => true); "
        "SELECT add_continuous_aggregate_policy('market_bar_15m', start_offset => NULL, "
        "end_offset => INTERVAL '15 minutes', schedule_interval => INTERVAL '10 minutes')"
    )
    for name, length in LENGTHS.items():
        assert f"end_offset => INTERVAL '{length}'" in found[f"refresh policy of {name}"]
        assert found[f"rights on {name}"] == f"GRANT SELECT ON market_bar_{name} TO app"


def test_bars_are_compressed_by_series_in_order_of_time():
    found = asked(COMMUNITY)
    assert found["compression of market_bar_minute"] == (
        "ALTER TABLE market_bar_minute SET (timescaledb.compress, "
        "timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'ts')"
    )
    assert found["compression policy of market_bar_minute"] == (
        "SELECT remove_compression_policy('market_bar_minute', if_exists => true); "
        "SELECT add_compression_policy('market_bar_minute', compress_after => INTERVAL '30 days')"
    )
    assert "compression of market_bar" in found
    assert not any("history" in name for name in found if name.startswith("compression"))


def test_retention_is_off_until_it_is_set():
    name = "retention of market_bar_minute"
    off = "SELECT remove_retention_policy('market_bar_minute', if_exists => true)"
    assert asked(COMMUNITY)[name] == off
    assert asked(COMMUNITY, days=400)[name] == (
        f"{off}; SELECT add_retention_policy('market_bar_minute', "
        "drop_after => INTERVAL '400 days')"
    )


def test_daily_bars_have_no_retention():
    assert [name for name in asked(COMMUNITY, days=9) if "retention" in name] == [
        "retention of market_bar_minute"
    ]
