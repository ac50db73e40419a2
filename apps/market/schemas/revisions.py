"""Quarantine and revisions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from ninja import Field, Schema

from apps.core.reading import Moment
from apps.core.rest import Paging
from apps.market.schemas.health import SeriesQuery


class WithdrawBarsIn(SeriesQuery):
    """Which stored bars to take out, by their opens, and why."""

    symbol: str
    at: list[Moment] = Field(min_length=1)
    note: str


class ReleaseIn(Schema):
    """Why a bar is stored after all; figures given replace those received."""

    note: str
    values: dict[Literal["open", "high", "low", "close", "volume"], float] | None = None


class DropIn(Schema):
    """Why a bar stays out."""

    note: str


class QuarantineQuery(Paging):
    """Which bars of the quarantine."""

    status: str = ""
    dataset: str = ""
    symbol: str = ""


class QuarantinedOut(Schema):
    """A bar kept out, as it was received, and what was decided."""

    id: int
    dataset: str
    symbol: str
    timeframe: str
    ts: datetime
    values: dict[str, str]
    reason: str
    message: str
    provider: str
    status: str
    created_at: datetime
    decided_at: datetime | None
    decided_by: str
    note: str
    batch_id: int | None


class RevisionOut(Schema):
    """What one batch changed: bars, splits, dividends, figures, over which stretch of bars."""

    batch_id: int
    dataset: str
    provider: str
    source: str
    created_at: datetime
    created_by: str
    series: int
    bars: int
    changed: dict[str, int] = Field(description="how many of each kind: bars, split, funding …")
    first_at: datetime
    last_at: datetime


class ChangedBar(Schema):
    """A bar before and after; ``after`` is null when it was withdrawn."""

    symbol: str
    ts: datetime
    before: dict[str, float]
    after: dict[str, float] | None


class ChangedAction(Schema):
    """A split or dividend before and after: late ones have no before, withdrawn ones no after."""

    symbol: str
    kind: str
    on: date
    value_before: float | None
    factor_before: float | None
    value_after: float | None
    factor_after: float | None


class ChangedFigure(Schema):
    """A figure before and after."""

    symbol: str
    kind: str
    ts: datetime
    before: float
    after: float | None


class RevisionBars(Schema):
    """The bars, actions and figures that a batch changed."""

    batch_id: int
    dataset: str
    source: str
    created_at: datetime
    created_by: str
    bars_changed: int
    changed: dict[str, int]
    symbols: list[str]
    bars: list[ChangedBar]
    actions: list[ChangedAction]
    figures: list[ChangedFigure]


class ChangesQuery(Schema):
    """Which changed bars."""

    symbol: str = ""
    limit: int = Field(200, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10**9)
