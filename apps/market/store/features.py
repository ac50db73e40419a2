"""What a server is asked to do for the bars beyond keeping them, as plain statements.

Each step says how to see that it is done already, so that all of them may be run at every start,
by the role that owns the tables. The Community statements keep to the names of TimescaleDB 2.17,
which its later versions understand too.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.market.kernel.resample import LADDER
from apps.market.store.edition import Edition
from apps.market.store.longer import LENGTHS, step_sql, view_of
from apps.market.store.tables import LONGER, MINUTES

# Measured by tests/speed/chunks.py; decision 0053.
CHUNKS = {
    LONGER: "5 years",
    MINUTES: "1 month",
    "market_bar_history": "5 years",
    "market_metric": "5 years",
}
# Bars are corrected while they are new; a write into a compressed chunk unpacks some of it.
COMPRESSED_AFTER = {LONGER: "2 years", MINUTES: "30 days"}
# How often an aggregate is brought up to date. Bars of its present length stay out.
REFRESHED_EVERY = {
    "5m": "5 minutes",
    "15m": "10 minutes",
    "1h": "15 minutes",
    "4h": "30 minutes",
    "1d": "1 hour",
}
HAS_CHUNKS = """SELECT time_interval = INTERVAL '{length}' FROM timescaledb_information.dimensions
WHERE hypertable_name = '{table}' AND column_name = 'ts'"""
IS_COMPRESSED = """SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_name = '{table}'"""
HAS_POLICY = """SELECT (config ->> '{key}')::interval = INTERVAL '{length}'
FROM timescaledb_information.jobs
WHERE proc_name = '{policy}' AND hypertable_name = '{table}'"""
HAS_NO_POLICY = """SELECT count(*) = 0 FROM timescaledb_information.jobs
WHERE proc_name = '{policy}' AND hypertable_name = '{table}'"""
HAS_VIEW = "SELECT to_regclass('{view}') IS NOT NULL"
IS_REFRESHED = """SELECT j.schedule_interval = INTERVAL '{every}'
FROM timescaledb_information.jobs j JOIN timescaledb_information.continuous_aggregates a
    ON j.hypertable_name IN (a.materialization_hypertable_name, a.view_name)
WHERE j.proc_name = 'policy_refresh_continuous_aggregate' AND a.view_name = '{view}'"""
COMPRESS = """ALTER TABLE {table} SET (timescaledb.compress,
    timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'ts')"""
COMPRESS_LATER = """SELECT remove_compression_policy('{table}', if_exists => true);
SELECT add_compression_policy('{table}', compress_after => INTERVAL '{length}')"""
AGGREGATE = """CREATE MATERIALIZED VIEW IF NOT EXISTS {view}
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
{step}
WITH NO DATA"""
# From the beginning, so that bars of long ago that change are made anew: what the aggregate holds
# must be all there is.
REFRESH = """SELECT remove_continuous_aggregate_policy('{view}', if_exists => true);
SELECT add_continuous_aggregate_policy('{view}', start_offset => NULL,
    end_offset => INTERVAL '{length}', schedule_interval => INTERVAL '{every}')"""
RETAIN = """SELECT remove_retention_policy('{table}', if_exists => true);
SELECT add_retention_policy('{table}', drop_after => INTERVAL '{length}')"""
RETAIN_ALL = "SELECT remove_retention_policy('{table}', if_exists => true)"
# Errors of jobs are shown to their owner alone.
ERRORS = """CREATE OR REPLACE FUNCTION market_policy_errors()
RETURNS TABLE (job_id int, policy text, at timestamptz, message text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.job_id, e.proc_name::text, e.finish_time, e.err_message::text
    FROM timescaledb_information.job_errors e
    ORDER BY e.finish_time DESC LIMIT 10
$$"""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to set up: its name, a query that answers whether it is done, what does it."""

    name: str
    done: str
    statement: str


def steps_for(edition: Edition, *, minutes_kept_days: int) -> list[Step]:
    """Return what an edition is asked to do, in order; nothing of a plain server."""
    if not edition.has_hypertables:
        return []
    chunks = [_chunks(table, length) for table, length in CHUNKS.items()]
    if not edition.is_community:
        return chunks
    compression = [step for table in COMPRESSED_AFTER for step in _compression(table)]
    aggregates = [step for timeframe in LADDER for step in _aggregate(timeframe)]
    errors = Step("errors of policies", "SELECT false", ERRORS)
    return [*chunks, *compression, *aggregates, _retention(minutes_kept_days), errors]


def _chunks(table: str, length: str) -> Step:
    return Step(
        f"chunks of {table}",
        HAS_CHUNKS.format(table=table, length=length),
        f"SELECT set_chunk_time_interval('{table}', INTERVAL '{length}')",
    )


def _compression(table: str) -> list[Step]:
    length = COMPRESSED_AFTER[table]
    policy = {"policy": "policy_compression", "key": "compress_after"}
    return [
        Step(
            f"compression of {table}",
            IS_COMPRESSED.format(table=table),
            COMPRESS.format(table=table),
        ),
        Step(
            f"compression policy of {table}",
            HAS_POLICY.format(table=table, length=length, **policy),
            COMPRESS_LATER.format(table=table, length=length),
        ),
    ]


def _aggregate(timeframe: str) -> list[Step]:
    view, at = view_of(timeframe), LADDER.index(timeframe)
    source = view_of(LADDER[at - 1]) if at else MINUTES
    step = step_sql(timeframe, source, timescale=True, from_minutes=at == 0)
    every, length = REFRESHED_EVERY[timeframe], LENGTHS[timeframe]
    return [
        Step(
            f"aggregate {timeframe}",
            HAS_VIEW.format(view=view),
            AGGREGATE.format(view=view, step=step),
        ),
        Step(f"rights on {timeframe}", "SELECT false", f"GRANT SELECT ON {view} TO app"),
        Step(
            f"refresh policy of {timeframe}",
            IS_REFRESHED.format(view=view, every=every),
            REFRESH.format(view=view, length=length, every=every),
        ),
    ]


def _retention(days: int) -> Step:
    name, policy = f"retention of {MINUTES}", "policy_retention"
    if days <= 0:
        return Step(
            name,
            HAS_NO_POLICY.format(policy=policy, table=MINUTES),
            RETAIN_ALL.format(table=MINUTES),
        )
    length = f"{days} days"
    done = HAS_POLICY.format(policy=policy, table=MINUTES, key="drop_after", length=length)
    return Step(name, done, RETAIN.format(table=MINUTES, length=length))
