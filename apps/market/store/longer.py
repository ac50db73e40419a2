"""Longer bars of minutes, made by the server itself, equal to the bit to ``kernel.resample``.

Each step of the ladder is made from the one before, so that sums of volume are of the same terms
in the same order as in the kernel, and as in continuous aggregates that are built on each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection

from apps.core.errors import Invalid
from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import EARLIEST, LATEST, moment_of
from apps.market.kernel.resample import LADDER, bucket_end, bucket_starts, rungs_between
from apps.market.store.access import check_readable
from apps.market.store.copying import bars_from, copy_out
from apps.market.store.edition import Edition, find_edition
from apps.market.store.reading import PACKED
from apps.market.store.tables import MINUTE, MINUTES

LENGTHS = {
    "5m": "5 minutes",
    "15m": "15 minutes",
    "1h": "1 hour",
    "4h": "4 hours",
    "1d": "1 day",
}
BUCKET = {
    True: "time_bucket(INTERVAL '{length}', ts)",
    False: "date_bin(INTERVAL '{length}', ts, timestamptz 'epoch')",
}
FIRST = {True: "first(open, ts)", False: "(array_agg(open ORDER BY ts))[1]"}
LAST = {True: "last(close, ts)", False: "(array_agg(close ORDER BY ts))[count(*)]"}
STEP = """SELECT series_id, {bucket} AS ts, {first} AS open, max(high) AS high, min(low) AS low,
    {last} AS close, sum(volume ORDER BY ts) AS volume, max({last_at}) AS last_at
FROM {source}
GROUP BY series_id, {bucket}"""
OF_MINUTES = f"""(
    SELECT series_id, ts, open, high, low, close, volume FROM {MINUTES}
    WHERE series_id = ANY(%s) AND ts >= %s AND ts <= %s
) minutes"""  # noqa: S608 the name is a constant
# An aggregate may keep bars of minutes that have gone from either end; the series tells its ends.
OF_AGGREGATE = """
    SELECT a.series_id, a.ts, a.open, a.high, a.low, a.close, a.volume, a.last_at
    FROM {view} a JOIN market_series s ON s.id = a.series_id
    WHERE a.series_id = ANY(%s) AND a.ts >= %s AND a.ts <= %s
      AND a.last_at >= s.first_at AND a.ts <= s.last_at
"""
# The newest bar stays out until its last minute is there.
CLOSED = """
    SELECT * FROM (
        SELECT *, max(ts) OVER (PARTITION BY series_id) AS newest FROM ({longer}) longer
    ) bars
    WHERE ts < newest OR last_at >= ts + INTERVAL '{length}' - INTERVAL '1 minute'
"""
# What the aggregate holds was committed before the series was last seen, and it stands since.
FRESH = """
SELECT s.id FROM market_series s
WHERE s.id = ANY(%s) AND to_regclass(%s) IS NOT NULL AND s.stamp = s.seen_stamp
  AND s.seen_at < (SELECT max(holds_before) FROM market_rollup WHERE timeframe = %s)
"""


def view_of(timeframe: str) -> str:
    """Return the name of the continuous aggregate of a timeframe."""
    return f"market_bar_{timeframe}"


def step_sql(timeframe: str, source: str, *, timescale: bool, from_minutes: bool) -> str:
    """Return the query that makes bars of a timeframe from a table, view or sub-query."""
    return STEP.format(
        bucket=BUCKET[timescale].format(length=LENGTHS[timeframe]),
        first=FIRST[timescale],
        last=LAST[timescale],
        last_at="ts" if from_minutes else "last_at",
        source=source,
    )


def read_longer_bars(
    series_ids: Sequence[int], timeframe: str, start: int, end: int
) -> dict[int, Columns]:
    """Return bars of 5m, 15m, 1h, 4h or 1d of series of minutes that trade around the clock.

    They are made of the minutes with ``start <= ts <= end`` (microseconds since 1970), as
    ``resample`` makes them with ``complete=True``. A continuous aggregate answers for the series
    that it provably holds as they are; the server computes the others.

    Raises
    ------
    Denied
        ``dataset.foreign_series`` for a series that may not be seen from here.
    Invalid
        ``bars.no_minutes`` for a series of another timeframe, ``timeframe.not_made`` for another
        length.
    """
    if timeframe not in LADDER:
        message = f"Bars of {timeframe} are not made here; there are {', '.join(LADDER)}."
        raise Invalid(message, code="timeframe.not_made", details={"field": "timeframe"})
    if not series_ids:
        return {}
    if set(check_readable(series_ids)) != {MINUTES}:
        message = "Some of the series are not of minutes; read their bars as they are stored."
        raise Invalid(message, code="bars.no_minutes")
    edition = find_edition()
    held = _fresh(edition, series_ids, timeframe, start, end)
    parts = (
        (held, _from_aggregate(timeframe)),
        (set(series_ids) - held, _made(edition, timeframe)),
    )
    found: dict[int, Columns] = {}
    for ids, longer in parts:
        if ids:
            bars = CLOSED.format(longer=longer, length=LENGTHS[timeframe])
            asked = [sorted(ids), moment_of(start), moment_of(end)]
            found |= bars_from(copy_out(PACKED.format(bars=bars), asked))
    return found


def _from_aggregate(timeframe: str) -> str:
    return OF_AGGREGATE.format(view=view_of(timeframe))


def _made(edition: Edition, timeframe: str) -> str:
    source, first = OF_MINUTES, True
    for rung in rungs_between(MINUTE, timeframe):
        timescale = edition.has_hypertables
        step = step_sql(rung, source, timescale=timescale, from_minutes=first)
        source, first = f"({step}) bars_{rung}", False
    return step


def _fresh(
    edition: Edition, series_ids: Sequence[int], timeframe: str, start: int, end: int
) -> set[int]:
    """Return the series that the aggregate holds as they are; none when a bar is cut."""
    if not edition.is_community or not _is_whole(timeframe, start, end):
        return set()
    with connection.cursor() as cursor:
        cursor.execute(FRESH, [list(series_ids), view_of(timeframe), timeframe])
        return {row[0] for row in cursor.fetchall()}


def _is_whole(timeframe: str, start: int, end: int) -> bool:
    """Whether no longer bar lies half inside of the range."""
    begins, ends = (int(at) for at in bucket_starts(np.array([start, end]), timeframe))
    return (start <= EARLIEST or begins == start) and (
        end >= LATEST or bucket_end(ends, timeframe) - 1 == end
    )
