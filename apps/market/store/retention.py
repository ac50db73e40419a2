"""Minutes that are too old go, a quarter of a year of one series at a time.

TimescaleDB Community drops whole chunks by itself; what is left to do then is to bring the facts
of the series up to date. Everywhere else the minutes are deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from apps.market.models import Series
from apps.market.store.access import lock_dataset
from apps.market.store.tables import MINUTE

STRETCH = timedelta(days=90)
DELETE = "DELETE FROM market_bar_minute WHERE series_id = %s AND ts < %s"
DELETE_HISTORY = "DELETE FROM market_bar_history WHERE series_id = %s AND ts < %s"
ENDS = "SELECT min(ts), max(ts) FROM market_bar_minute WHERE series_id = %s"
FACTS = """
UPDATE market_series SET rows = %s, first_at = %s, last_at = %s, stamp = gen_random_uuid()
WHERE id = %s
"""
COUNT = "SELECT count(*) FROM market_bar_minute WHERE series_id = %s"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Minutes of one series that went: how many, and the first that is left."""

    series_id: int
    rows: int
    left_from: datetime | None


def list_outlived(before: datetime, limit: int) -> dict[tuple[int, int | None], list[int]]:
    """Return series of minutes that begin before a time, by dataset and its team."""
    rows = Series.objects.filter(timeframe=MINUTE, rows__gt=0, first_at__lt=before)
    values = rows.order_by("first_at", "pk").values_list(
        "instrument__dataset_id", "instrument__dataset__team_id", "pk"
    )
    found: dict[tuple[int, int | None], list[int]] = {}
    for dataset_id, team_id, series_id in values[:limit]:
        found.setdefault((dataset_id, team_id), []).append(series_id)
    return found


def drop_minutes(
    dataset_id: int, series_ids: Sequence[int], before: datetime, *, deletes: bool
) -> list[Dropped]:
    """Drop the oldest minutes of some series before a time: a quarter of a year at most of each.

    Must run inside a transaction; call it again until nothing goes. Without ``deletes`` it only
    finds out what the server has dropped by itself.
    """
    lock_dataset(dataset_id)
    rows = Series.objects.select_for_update(of=("self",)).filter(
        pk__in=series_ids, instrument__dataset_id=dataset_id, timeframe=MINUTE, first_at__lt=before
    )
    found = [_drop(row, before, deletes=deletes) for row in rows.order_by("pk")]
    return [dropped for dropped in found if dropped is not None]


def _drop(row: Series, before: datetime, *, deletes: bool) -> Dropped | None:
    gone, began = 0, row.first_at or before
    with connection.cursor() as cursor:
        if deletes:
            cursor.execute(DELETE, [row.pk, min(before, began + STRETCH)])
            gone = cursor.rowcount
        cursor.execute(ENDS, [row.pk])
        first, last = cursor.fetchone()
        if first == began:
            return None
        if not deletes:
            cursor.execute(COUNT, [row.pk])
            gone = row.rows - cursor.fetchone()[0]
        cursor.execute(DELETE_HISTORY, [row.pk, min(before, first) if first else before])
        cursor.execute(FACTS, [row.rows - gone, first, last, row.pk])
    return Dropped(row.pk, gone, first)
