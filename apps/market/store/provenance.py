"""Which batch each stretch of bars came from, and what a batch changed of all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from apps.market.store.access import check_instruments_readable, check_readable

STRETCHES = """
SELECT batch_id, min(ts), max(ts), count(*) FROM (
    SELECT ts, batch_id, row_number() OVER (ORDER BY ts)
        - row_number() OVER (PARTITION BY batch_id ORDER BY ts) AS island
    FROM {table} WHERE series_id = %s
) bars GROUP BY batch_id, island ORDER BY min(ts) DESC LIMIT %s
"""
ROWS = "SELECT batch_id, count(*) FROM {table} WHERE series_id = ANY(%s) GROUP BY 1"
# A bar after the change is the current one, or a later one's history.
CHANGES = """
SELECT h.series_id, h.ts, h.open, h.high, h.low, h.close, h.volume,
    coalesce(b.open, n.open), coalesce(b.high, n.high), coalesce(b.low, n.low),
    coalesce(b.close, n.close), coalesce(b.volume, n.volume)
FROM market_bar_history h
LEFT JOIN LATERAL (
    SELECT * FROM market_bar l
    WHERE l.series_id = h.series_id AND l.ts = h.ts AND l.batch_id = h.superseded_by
    UNION ALL
    SELECT * FROM market_bar_minute m
    WHERE m.series_id = h.series_id AND m.ts = h.ts AND m.batch_id = h.superseded_by
) b ON true
LEFT JOIN market_bar_history n
    ON n.series_id = h.series_id AND n.ts = h.ts AND n.batch_id = h.superseded_by
WHERE h.superseded_by = %s AND h.series_id = ANY(%s)
ORDER BY h.series_id, h.ts LIMIT %s OFFSET %s
"""

# After the change an action is the current one, or a later one's history; one that came late has
# nothing before, one that was withdrawn nothing after.
ACTIONS_CHANGED = """
SELECT instrument_id, kind, "on", value_before, factor_before, value_after, factor_after FROM (
    SELECT h.instrument_id, h.kind, h."on", h.value AS value_before, h.factor AS factor_before,
        coalesce(a.value, n.value) AS value_after, coalesce(a.factor, n.factor) AS factor_after
    FROM market_actionhistory h
    LEFT JOIN market_action a ON a.instrument_id = h.instrument_id AND a.kind = h.kind
        AND a."on" = h."on" AND a.batch_id = h.superseded_by_id
    LEFT JOIN market_actionhistory n ON n.instrument_id = h.instrument_id AND n.kind = h.kind
        AND n."on" = h."on" AND n.batch_id = h.superseded_by_id
    WHERE h.superseded_by_id = %(batch)s AND h.instrument_id = ANY(%(ids)s)
    UNION ALL
    SELECT v.instrument_id, v.kind, v."on", NULL, NULL, v.value, v.factor FROM (
        SELECT instrument_id, kind, "on", value, factor FROM market_action
        WHERE batch_id = %(batch)s AND instrument_id = ANY(%(ids)s)
        UNION ALL
        SELECT instrument_id, kind, "on", value, factor FROM market_actionhistory
        WHERE batch_id = %(batch)s AND instrument_id = ANY(%(ids)s)
    ) v
    WHERE NOT EXISTS (
        SELECT 1 FROM market_actionhistory h WHERE h.instrument_id = v.instrument_id
        AND h.kind = v.kind AND h."on" = v."on" AND h.superseded_by_id = %(batch)s)
      AND EXISTS (
        SELECT 1 FROM market_revision r WHERE r.batch_id = %(batch)s AND r.kind = v.kind
        AND r.instrument_id = v.instrument_id)
) changes ORDER BY instrument_id, "on", kind LIMIT %(limit)s OFFSET %(offset)s
"""
FIGURES_CHANGED = """
SELECT h.instrument_id, h.kind, h.ts, h.value, coalesce(m.value, n.value)
FROM market_metric_history h
LEFT JOIN market_metric m ON m.instrument_id = h.instrument_id AND m.kind = h.kind
    AND m.ts = h.ts AND m.batch_id = h.superseded_by
LEFT JOIN market_metric_history n ON n.instrument_id = h.instrument_id AND n.kind = h.kind
    AND n.ts = h.ts AND n.batch_id = h.superseded_by
WHERE h.superseded_by = %(batch)s AND h.instrument_id = ANY(%(ids)s)
ORDER BY h.instrument_id, h.kind, h.ts LIMIT %(limit)s OFFSET %(offset)s
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


@dataclass(frozen=True, slots=True)
class ActionChange:
    """A split or dividend before and after a batch."""

    instrument_id: int
    kind: str
    on: date
    value_before: float | None
    factor_before: float | None
    value_after: float | None
    factor_after: float | None


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure before and after a batch."""

    instrument_id: int
    kind: str
    ts: datetime
    before: float
    after: float | None


def stretches_of(series_id: int, limit: int = 100) -> list[Stretch]:
    """Return the newest stretches of a series by batch. Raises ``Denied`` for a foreign one."""
    (table,) = check_readable([series_id])
    with connection.cursor() as cursor:
        cursor.execute(STRETCHES.format(table=table), [series_id, limit])
        return [Stretch(*row) for row in cursor.fetchall()]


def rows_by_batch(series_ids: Sequence[int]) -> dict[int, int]:
    """Return how many current bars of the series came with each batch.

    Raises ``Denied`` for a foreign series.
    """
    found: dict[int, int] = {}
    for table, ids in check_readable(series_ids).items():
        with connection.cursor() as cursor:
            cursor.execute(ROWS.format(table=table), [ids])
            for batch_id, rows in cursor.fetchall():
                found[batch_id] = found.get(batch_id, 0) + rows
    return found


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


def actions_changed(
    batch_id: int, instrument_ids: Sequence[int], *, limit: int = 100, offset: int = 0
) -> list[ActionChange]:
    """Return the actions that a batch changed. Raises ``Denied`` for a foreign instrument."""
    rows = _changed(ACTIONS_CHANGED, batch_id, instrument_ids, limit, offset)
    return [ActionChange(*row) for row in rows]


def figures_changed(
    batch_id: int, instrument_ids: Sequence[int], *, limit: int = 100, offset: int = 0
) -> list[FigureChange]:
    """Return the figures that a batch changed. Raises ``Denied`` for a foreign instrument."""
    rows = _changed(FIGURES_CHANGED, batch_id, instrument_ids, limit, offset)
    return [FigureChange(*row) for row in rows]


def _changed(
    statement: str, batch_id: int, instrument_ids: Sequence[int], limit: int, offset: int
) -> list[tuple[Any, ...]]:
    if not instrument_ids:
        return []
    check_instruments_readable(instrument_ids)
    asked: dict[str, Any] = {
        "batch": batch_id,
        "ids": list(instrument_ids),
        "limit": limit,
        "offset": offset,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
