"""One look: what the dashboard and the frame of every page show, joined from the other apps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from apps.approvals import selectors as approvals
from apps.core import jobs
from apps.core.actors import Actor
from apps.market import selectors as market
from apps.ops import selectors as ops

RECENT = 8
STALE_AFTER = timedelta(seconds=30)


def overview(*, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return the blocks of the dashboard; each is empty when there is nothing to show."""
    feeds = list_feeds(now=now)
    return {
        "now": now,
        "feeds": feeds,
        "universes": list_universe_health(team_id=actor.team, feeds=feeds),
        "waiting": approvals.list_waiting(actor, now),
        "jobs": list_open_jobs(team_id=actor.team, now=now),
        "health": ops.as_dict(ops.get_health(now), now),
        "alerts": ops.list_alerts(limit=RECENT),
    }


def list_open_jobs(*, team_id: int, now: datetime) -> list[dict[str, Any]]:
    """Return the team's unfinished jobs as clients see them."""
    found = jobs.list_jobs(team_id=team_id, open_only=True, limit=RECENT)
    return [jobs.as_dict(job, now) for job in found]


def list_feeds(*, now: datetime) -> list[dict[str, Any]]:
    """Return the replay feeds with their clocks and whether they move."""
    return [
        {
            "name": feed.name,
            "universe": feed.universe,
            "timeframe": feed.timeframe,
            "status": feed.status,
            "is_stale": feed.status == "running" and now - feed.updated_at > STALE_AFTER,
            "position_at": feed.position_at,
            "bars_done": feed.bars_done,
            "bars_total": feed.bars_total,
            "progress": feed.progress,
            "seconds_per_bar": feed.seconds_per_bar,
            "symbols": list(feed.symbols[:6]),
        }
        for feed in market.list_feeds()
    ]


def list_universe_health(*, team_id: int, feeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the universes with the health of their data; those with a feed come first."""
    fed = {feed["universe"] for feed in feeds}
    found = sorted(market.list_universes(team_id=team_id), key=lambda row: row.name not in fed)
    return [
        {
            "name": universe.name,
            "title": universe.title,
            "timeframe": universe.timeframe,
            "count": len(universe.symbols),
            "survivorship": universe.survivorship,
            **market.data_health(team_id=team_id, universe=universe),
        }
        for universe in found[:4]
    ]


def frame(*, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return what the frame counts: decisions waiting, open alerts, the feed's clock."""
    feed = next(iter(market.list_feeds()), None)
    return {
        "waiting": len(approvals.list_waiting(actor, now)),
        "alerts": len(ops.list_alerts()),
        "feed": feed.name if feed else "",
        "feed_at": feed.position_at if feed else None,
    }
