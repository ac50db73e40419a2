"""Bars out of the database as arrays: the current ones, or those known at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.market.kernel.columns import Columns
from apps.market.kernel.periods import moment_of
from apps.market.store.access import check_readable
from apps.market.store.copying import bars_from, copy_out

# One row per series: the bytes of its times, of open, high, low and close by turns, and of its
# volumes. A pair of points is how the server sends four floats at once, which spares it a fifth
# of the work. They come as the server finds them: mostly in order, and the reader sorts others.
ROWS = """
    SELECT int8send(series_id), string_agg(timestamptz_send(ts), ''),
        string_agg(lseg_send(lseg(point(open, high), point(low, close))), ''),
        string_agg(float8send(volume), '')
    FROM ({bars}) bars GROUP BY series_id
"""
PACKED = f"COPY ({ROWS}) TO STDOUT (FORMAT BINARY)"
# Many series are asked for in parts that workers of the server can take on side by side, within
# the same statement: one snapshot, and what the transaction itself wrote.
PARTS = 4
FEW_SERIES = 16
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
        rows = ROWS.format(bars=(CURRENT if as_of is None else AS_OF).format(table=table))
        parts = _parts(ids)
        asked: list[object] = []
        for part in parts:
            within = [part, moment_of(start), moment_of(end)]
            asked += within if as_of is None else [*within, *within, as_of, as_of]
        query = " UNION ALL ".join([f"({rows})"] * len(parts))
        found |= bars_from(copy_out(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", asked))
    return found


def _parts(ids: Sequence[int]) -> list[list[int]]:
    """Return ids in parts of neighbours; few stay together."""
    ids = sorted(ids)
    if len(ids) < FEW_SERIES:
        return [ids]
    size = -(-len(ids) // PARTS)
    return [ids[at : at + size] for at in range(0, len(ids), size)]


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
