"""Live feeds."""

from __future__ import annotations

from datetime import datetime

from ninja import Field, Schema


class LiveFeedIn(Schema):
    """A live feed to be made: streamed where the provider has a stream, polled elsewhere."""

    name: str = Field(max_length=64)
    provider: str = Field(max_length=40)
    section: str = Field(max_length=40)
    symbols: list[str]
    timeframe: str = "1m"
    dataset: str = Field("", max_length=64)


class LiveFeedOut(Schema):
    """How a live feed stands; ``may_be_trusted`` when its newest bars are those of now."""

    name: str
    provider: str
    section: str
    dataset: str
    timeframe: str
    symbols: list[str]
    is_on: bool
    state: str
    note: str
    stale_symbols: list[str]
    may_be_trusted: bool
    last_bar_at: datetime | None
    heard_at: datetime | None
    connects: int
    received: int
    added: int
    changed: int
    refused: int
    updated_at: datetime
