"""Bars out of the database as arrays: the current ones, or those known at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import moment_of
from apps.market.store.access import check_readable
from apps.market.store.copying import bars_from, copy_out

# One row per series, each figure as the bytes of its values one after another. They come as the
# server finds them: mostly in order, and the reader sorts those that are not.
PACKED = """
COPY (
    SELECT int8send(series_id), string_agg(timestamptz_send(ts), ''),
        string_agg(float8send(open), ''), string_agg(float8send(high), ''),
        string_agg(float8send(low), ''), string_agg(float8send(close), ''),
        string_agg(float8send(volume), '')
    FROM ({bars}) bars GROUP BY series_id
) TO STDOUT (FORMAT BINARY)
"""
CURRENT = """
    SELECT * FROM {table}
    WHERE series_id = ANY(%s) AND ts >= %s AND ts <= %s
"""
IN_RANGES = """
    SELECT b.* FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS q (id, low, high)
    JOIN {table} b ON b.series_id = q.id AND b.ts >= q.low AND b.ts <= q.high
"""
# Of the versions of a bar the one that was superseded first after the time asked for held then,
# unless its batch came later still: then there was no bar.
AS_OF = """
    SELECT v.* FROM (
        SELECT DISTINCT ON (series_id, ts) * FROM (
            SELECT *, timestamptz 'infinity' AS until FROM {table}
            WHERE series_id = ANY(%s) AND ts >= %s AND ts <= %s
            UNION ALL
            SELECT series_id, ts, open, high, low, close, volume, batch_id, superseded_at
            FROM market_bar_history
            WHERE series_id = ANY(%s) AND ts >= %s AND ts <= %s AND superseded_at > %s
        ) versions ORDER BY series_id, ts, until
    ) v JOIN market_batch k ON k.id = v.batch_id AND k.created_at <= %s
"""


def read_bars(
    series_ids: Sequence[int], start: int, end: int, as_of: datetime | None = None
) -> dict[int, Columns]:
    """Return the bars of each series with ``start <= ts <= end`` (microseconds since 1970).

    Parameters
    ----------
    as_of
        The bars as they were known at this time: a bar is known from its batch's ``created_at``
        until it is superseded. None is what is known now.

    Raises
    ------
    Denied
        ``dataset.foreign_series`` for a series that may not be seen from here.
    """
    if not series_ids:
        return {}
    found: dict[int, Columns] = {}
    for table, ids in check_readable(series_ids).items():
        asked: list[object] = [ids, moment_of(start), moment_of(end)]
        bars = CURRENT if as_of is None else AS_OF
        if as_of is not None:
            asked += [*asked, as_of, as_of]
        found |= bars_from(copy_out(PACKED.format(bars=bars.format(table=table)), asked))
    return found


def read_ranges(table: str, ranges: Sequence[tuple[int, int, int]]) -> dict[int, Columns]:
    """Return the current bars of each series of a table in its own range: id, first, last open.

    For the store itself: whoever calls has made sure that the series may be read.
    """
    if not ranges:
        return {}
    ids = [series_id for series_id, *_ in ranges]
    lows, highs = (
        [moment_of(low) for _, low, _ in ranges],
        [moment_of(high) for *_, high in ranges],
    )
    bars = IN_RANGES.format(table=table)
    return bars_from(copy_out(PACKED.format(bars=bars), [ids, lows, highs]))
