"""What the lab does about how bars are kept: the server's features, aggregates, old minutes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from apps.audit import services as audit
from apps.core.actors import system
from apps.market import store

# Bounds of one call of the periodic job, and of one transaction; the next call goes on.
MOST_SERIES = 2000
SERIES_PER_ROUND = 20
ROUNDS = 400


def set_up_storage(*, now: datetime) -> dict[str, Any]:
    """Ask the server for what its edition offers; run by the role that owns the tables."""
    return asdict(store.set_up(minutes_kept_days=settings.MINUTES_KEPT_DAYS, now=now))


def keep_storage(*, now: datetime) -> dict[str, int]:
    """Note how far the server's aggregates are, and let minutes go that are too old."""
    return {"rollups": store.note_rollups(now=now), "dropped": drop_old_minutes(now=now)}


def drop_old_minutes(*, now: datetime) -> int:
    """Let minutes go that are older than ``MINUTES_KEPT_DAYS`` whole days; return how many went.

    The trail of each dataset says what went. Nothing goes while the setting is 0.
    """
    if settings.MINUTES_KEPT_DAYS <= 0:
        return 0
    # Whole days, so that no longer bar is made of a part of its minutes.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    before = today - timedelta(days=settings.MINUTES_KEPT_DAYS)
    deletes = not store.find_edition().is_community
    gone, left = 0, ROUNDS
    for (dataset_id, team_id), series_ids in store.list_outlived(before, MOST_SERIES).items():
        for part in _batched(series_ids, SERIES_PER_ROUND):
            rows = -1
            while left and rows:
                rows = _drop_once(dataset_id, team_id, part, before, deletes=deletes, now=now)
                gone, left = gone + rows, left - 1
    return gone


def _batched(items: list[int], size: int) -> list[list[int]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


@transaction.atomic
def _drop_once(
    dataset_id: int,
    team_id: int | None,
    series_ids: list[int],
    before: datetime,
    *,
    deletes: bool,
    now: datetime,
) -> int:
    """Drop a stretch of some series and tell the trail of their team."""
    parts = store.drop_minutes(dataset_id, series_ids, before, deletes=deletes)
    rows = sum(part.rows for part in parts)
    if parts:
        body = {
            "before": before.isoformat(),
            "kept_days": settings.MINUTES_KEPT_DAYS,
            "bars": rows,
            "series": [part.series_id for part in parts],
        }
        audit.record(
            actor=system("retention", team_id),
            action="bars.dropped",
            subject=f"dataset:{dataset_id}",
            body=body,
            now=now,
        )
    return rows
