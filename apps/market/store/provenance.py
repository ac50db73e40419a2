"""Which batch each stretch of bars came from, and what a batch changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from apps.market.store.access import check_readable

STRETCHES = """
SELECT batch_id, min(ts), max(ts), count(*) FROM (
    SELECT ts, batch_id, row_number() OVER (ORDER BY ts)
        - row_number() OVER (PARTITION BY batch_id ORDER BY ts) AS island
    FROM market_bar WHERE series_id = %s
) bars GROUP BY batch_id, island ORDER BY min(ts) DESC LIMIT %s
"""
# A bar after the change is the current one, or a later one's history.
CHANGES = """
SELECT h.series_id, h.ts, h.open, h.high, h.low, h.close, h.volume,
    coalesce(b.open, n.open), coalesce(b.high, n.high), coalesce(b.low, n.low),
    coalesce(b.close, n.close), coalesce(b.volume, n.volume)
FROM market_bar_history h
LEFT JOIN market_bar b
    ON b.series_id = h.series_id AND b.ts = h.ts AND b.batch_id = h.superseded_by
LEFT JOIN market_bar_history n
    ON n.series_id = h.series_id AND n.ts = h.ts AND n.batch_id = h.superseded_by
WHERE h.superseded_by = %s AND h.series_id = ANY(%s)
ORDER BY h.series_id, h.ts LIMIT %s OFFSET %s
"""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bars one after another that one batch brought."""

    batch_id: int
    first_at: datetime
    last_at: datetime
    bars: int


@dataclass(frozen=True, slots=True)
class Change:
    """A bar before and after a batch: open, high, low, close, volume; withdrawn without after."""

    series_id: int
    at: datetime
    before: tuple[float, ...]
    after: tuple[float, ...] | None


def stretches_of(series_id: int, limit: int = 100) -> list[Stretch]:
    """Return the newest stretches of a series by batch. Raises ``Denied`` for a foreign one."""
    check_readable([series_id])
    with connection.cursor() as cursor:
        cursor.execute(STRETCHES, [series_id, limit])
        return [Stretch(*row) for row in cursor.fetchall()]


def changes_of(
    batch_id: int, series_ids: Sequence[int], *, limit: int = 100, offset: int = 0
) -> list[Change]:
    """Return what a batch changed in some series. Raises ``Denied`` for a foreign one."""
    if not series_ids:
        return []
    check_readable(series_ids)
    with connection.cursor() as cursor:
        cursor.execute(CHANGES, [batch_id, list(series_ids), limit, offset])
        rows = cursor.fetchall()
    return [
        Change(row[0], row[1], tuple(row[2:7]), None if row[7] is None else tuple(row[7:12]))
        for row in rows
    ]
