"""Which bars there are by their open, without the bars themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from apps.market.store.access import check_readable

NEXT = """
SELECT min(b.ts) FROM unnest(%s::int4[]) AS s (id), LATERAL (
    SELECT ts FROM {table}
    WHERE series_id = s.id AND ts >= %s AND (%s::timestamptz IS NULL OR ts > %s)
    ORDER BY ts LIMIT 1
) b
"""
OPENS = """
SELECT min(ts), count(DISTINCT ts) FROM ({bars}) bars
"""
OF_TABLE = """
SELECT ts FROM {table} WHERE series_id = ANY(%s) AND (%s::timestamptz IS NULL OR ts >= %s)
"""


def next_open(
    series_ids: Sequence[int], start: datetime, after: datetime | None
) -> datetime | None:
    """Return the first open of any of the series from ``start`` on and after ``after``.

    Raises ``Denied`` for a foreign series.
    """
    found: list[datetime] = []
    for table, ids in check_readable(series_ids).items():
        with connection.cursor() as cursor:
            cursor.execute(NEXT.format(table=table), [ids, start, after, after])
            found += [row[0] for row in cursor.fetchall() if row[0] is not None]
    return min(found, default=None)


def count_opens(series_ids: Sequence[int], start: datetime | None) -> tuple[datetime | None, int]:
    """Return the first open of the series from ``start`` on, and how many different ones.

    Raises ``Denied`` for a foreign series.
    """
    parts: list[str] = []
    asked: list[Any] = []
    for table, ids in check_readable(series_ids).items():
        parts.append(OF_TABLE.format(table=table))
        asked += [ids, start, start]
    if not parts:
        return None, 0
    with connection.cursor() as cursor:
        cursor.execute(OPENS.format(bars=" UNION ALL ".join(parts)), asked)
        first, total = cursor.fetchone()
    return first, total
