"""REST shapes of dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema


class FrameOut(Schema):
    """What the bars around every page count."""

    waiting: int
    alerts: int
    halted: int
    feed: str
    feed_at: datetime | None


class FeedLineOut(Schema):
    """A replay feed and its clock."""

    name: str
    universe: str
    timeframe: str
    status: str
    is_stale: bool
    position_at: datetime | None
    bars_done: int
    bars_total: int
    progress: float
    seconds_per_bar: float


class UniverseLineOut(Schema):
    """A universe and the health of its data."""

    name: str
    title: str
    timeframe: str
    count: int
    survivorship: str
    score: float | None
    coverage: float
    missing: int
    suspicions: int
    rows: int
    first: datetime | None
    last: datetime | None


class WaitingOut(Schema):
    """A proposal that waits for the caller's decision."""

    id: UUID
    kind: str
    title: str
    created_at: datetime
    expires_at: datetime


class AccountLineOut(Schema):
    """A paper account at its last mark."""

    id: int
    name: str
    currency: str
    feed: str
    equity: float
    day_pnl: float
    total_return: float
    exposure: float | None
    drawdown: float | None
    positions: int
    last_bar_at: datetime | None


class TotalsOut(Schema):
    """The paper accounts added up; ``exposure`` in percent of equity.

    ``left_out`` names currencies for which no rate is known.
    """

    currency: str
    equity: float | None
    day_pnl: float | None
    total_return: float | None
    exposure: float | None
    left_out: list[str]
    data_score: float | None


class RunLineOut(Schema):
    """A backtest in one line."""

    id: UUID
    title: str
    strategy: str
    universe: str
    status: str
    total_return: float | None
    sharpe: float | None
    max_drawdown: float | None
    created_at: datetime


class OverviewOut(Schema):
    """The lab at a glance."""

    now: datetime
    accounts: list[AccountLineOut]
    totals: TotalsOut
    deployments: dict[str, int]
    feeds: list[FeedLineOut]
    universes: list[UniverseLineOut]
    runs: list[RunLineOut]
    waiting: list[WaitingOut]
    jobs: list[dict[str, Any]]
    health: dict[str, Any]


class RevisedBatchOut(Schema):
    """What a batch changed; ``changed`` counts by kind: bars, split, dividend, figures."""

    batch_id: int
    dataset: str
    source: str
    provider: str
    created_by: str
    created_at: datetime
    symbols: list[str]
    bars: int
    changed: dict[str, int]
    first_at: datetime
    last_at: datetime


class TouchedRunOut(Schema):
    """A run that had read the bars: its figures before, on the revised bars, and the change."""

    id: UUID
    title: str
    strategy: str
    created_at: datetime
    rerun: str
    error: str
    before: dict[str, float | None]
    after: dict[str, float | None]
    change: dict[str, float | None]
    data_digest_before: str
    data_digest_after: str


class TouchedProposalOut(Schema):
    """A proposal whose evidence is such a run."""

    id: UUID
    title: str
    status: str
    target_stage: str
    run: UUID
    decided_at: datetime | None
    rerun: str
    change: dict[str, float | None]


class TouchedDeploymentOut(Schema):
    """A deployment under such an approval, or one that read the bars itself."""

    id: int
    account_id: int
    account: str
    version: str
    status: str
    approval: UUID
    read_itself: bool
    rerun: str
    change: dict[str, float | None]


class ReaderOut(Schema):
    """Somebody else who had read the bars, such as a search."""

    kind: str
    key: str
    digest: str
    read_at: datetime


class BlastRadiusOut(Schema):
    """Whom a revision of bars touches."""

    revision: RevisedBatchOut
    runs: list[TouchedRunOut]
    proposals: list[TouchedProposalOut]
    deployments: list[TouchedDeploymentOut]
    others: list[ReaderOut]
    waiting: int


class RerunOut(Schema):
    """The job that computes runs once more."""

    job: dict[str, Any]
