"""Replay feeds."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema


class FeedOut(Schema):
    """How a replay feed stands."""

    id: int
    name: str
    universe: str
    timeframe: str
    price_mode: str
    start_at: datetime
    position_at: datetime | None
    bars_done: int
    bars_total: int
    progress: float
    seconds_per_bar: float
    status: str
    epoch: int
    updated_at: datetime


class FeedRestart(Schema):
    """How fast the feed is to run from its start."""

    seconds_per_bar: float | None = None
