"""Shapes of the REST operations of trading."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict

from apps.core.rest import Paging


class AccountIn(Schema):
    """A new account; amounts in its currency, costs in basis points.

    ``costs`` and ``execution`` are further terms as a backtest has them: ``borrow_bps``,
    ``funding``, ``participation``, …
    """

    name: str = Field(min_length=1, max_length=80)
    cash: Decimal = Field(gt=0)
    feed: str = Field(max_length=64)
    broker: str = "paper"
    currency: str = "USD"
    fee_bps: float = Field(1.0, ge=0, le=1000)
    slippage_bps: float = Field(1.0, ge=0, le=1000)
    units: str = "fractional"
    costs: dict[str, Any] = Field(default_factory=dict)
    execution: dict[str, Any] = Field(default_factory=dict)


class AccountOut(Schema):
    """An account as it stands; ``cash`` is what no deployment holds."""

    id: int
    name: str
    broker: str
    is_paper: bool
    currency: str
    feed: str
    epoch: int
    initial_cash: Decimal
    cash: Decimal
    costs: dict[str, Any]
    execution: dict[str, Any]
    units: str
    equity: float
    day_pnl: float
    day_return: float | None
    total_return: float
    gross: float
    exposure: float | None
    drawdown: float | None
    last_bar_at: datetime | None
    created_at: datetime


class PositionOut(Schema):
    """What is held; ``weight`` is the share of the account's equity, negative for short."""

    id: int
    account_id: int
    deployment_id: int | None
    symbol: str
    quantity: Decimal
    average_price: Decimal
    last_price: Decimal
    last_price_at: datetime
    value: float
    weight: float | None
    pnl: float
    pnl_share: float | None
    spark: list[float] = Field(default_factory=list)


class OrderQuery(Paging):
    """Which orders; ``state`` may be ``working`` or ``final``."""

    account_id: int | None = None
    deployment_id: int | None = None
    state: str = ""


class OrderIn(Schema):
    """A market order; it fills at the next bar's open."""

    account_id: int
    symbol: str = Field(min_length=1, max_length=40)
    side: str
    quantity: Decimal
    kind: str = "market"
    client_id: str = Field("", max_length=80)


class OrderProposalIn(OrderIn):
    """A market order that somebody else is to agree to, within ``minutes``."""

    rationale: str = Field(max_length=4000)
    minutes: int | None = None


class OrderOut(Schema):
    """An order; ``reasons`` tell why it was refused, rejected, cancelled or expired."""

    id: UUID
    client_id: str
    account_id: int
    deployment_id: int | None
    symbol: str
    kind: str
    side: str
    quantity: Decimal
    target_weight: float | None
    terms: dict[str, Any]
    reference_price: Decimal
    state: str
    reasons: list[dict[str, str]]
    venue_id: str
    filled_quantity: Decimal
    average_price: Decimal | None
    fees: Decimal
    bar_at: datetime | None
    created_by: str
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None


class FillOut(Schema):
    """A trade that happened; ``quantity`` is negative for sells."""

    id: int
    order_id: UUID
    account_id: int
    deployment_id: int | None
    symbol: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    bar_at: datetime
    created_at: datetime


class AccountQuery(Paging):
    """Of which account."""

    account_id: int | None = None


class DeploymentQuery(AccountQuery):
    """Of which account, in which status."""

    status: str = ""


class DeploymentIn(Schema):
    """An approved version, an account, and how much of its money the version manages."""

    version_id: int
    account_id: int
    allocation: Decimal = Field(gt=0)
    symbols: list[str] = Field(default_factory=list)


class StopIn(Schema):
    """Why a deployment is stopped."""

    reason: str = Field("", max_length=500)


class DeploymentOut(Schema):
    """A version at work."""

    id: int
    account_id: int
    version_id: int
    version: str
    digest: str
    approval_id: UUID
    strategy: str
    params: dict[str, Any]
    feed: str
    epoch: int
    symbols: list[str]
    allocation: Decimal
    status: str
    note: str
    equity: float
    total_return: float
    bars_done: int
    last_bar_at: datetime | None
    created_by: str
    created_at: datetime
    ended_at: datetime | None


class DeployableOut(Schema):
    """A version that may be deployed."""

    id: int
    strategy: str
    title: str
    number: int
    digest: str
    params: dict[str, Any]
    stage: str


class HaltIn(Schema):
    """What to halt or resume: deployment:<id>, account:<id> or team; and why."""

    scope: str = Field(max_length=40)
    reason: str = Field(max_length=500)


class HaltOut(Schema):
    """A halt; ``open_after`` is the number of orders still open when read back."""

    id: int
    scope: str
    is_halted: bool
    fence: int
    reason: str
    halted_by: str
    halted_at: datetime
    cancelled_orders: int
    open_after: int | None
    resume_reason: str
    resumed_by: str
    resumed_at: datetime | None


class ResumeOut(HaltOut):
    """A halt with the proposal that would end it."""

    proposal_id: UUID


class ProposedOrder(Schema):
    """A trade that waits for a decision, and until when."""

    proposal_id: UUID
    expires_at: datetime


class Snapshot(Schema):
    """All that the live page shows of an account."""

    account: AccountOut
    feed: dict[str, Any] | None
    positions: list[PositionOut]
    orders: list[OrderOut]
    deployments: list[DeploymentOut]
    halts: list[HaltOut]


class EquityOut(Schema):
    """Equity at each bar's close, in time order."""

    ts: list[datetime]
    equity: list[float]
    cash: list[float]
    gross: list[float]
    net: list[float]
    drawdown: list[float]


class RiskTermsIn(Schema):
    """The rest of how to measure; what is not given is the lab's default (docs/RISK.md)."""

    quantile: str | None = None
    shortfall: str | None = None
    scaling: str | None = None
    ddof: int | None = None
    decay: float | None = None
    ageing: float | None = None
    outside: str | None = None
    threshold: float | None = None
    draws: int | None = None
    seed: int | None = None


class RiskLiquidityIn(Schema):
    """Where positions are sold, by name: spreads as fractions, volumes as values a period.

    What is not given is read from the book's bars (volumes, equity), or named as unknown.
    """

    spreads: dict[str, float] | None = None
    spread_deviations: dict[str, float] | None = None
    volumes: dict[str, float] | None = None
    equity: float | None = None
    participation: float | None = None
    spread_multiple: float | None = None


class RiskIn(Schema):
    """How to measure: levels of confidence, methods, periods ahead, and the rest."""

    levels: list[float] = Field([0.95, 0.99], min_length=1, max_length=10)
    methods: list[str] = Field(["historical", "gaussian"], min_length=1, max_length=20)
    horizon: int = Field(1, ge=1, le=250)
    terms: RiskTermsIn = RiskTermsIn()
    liquidity: RiskLiquidityIn | None = None


class BalancerPolicy(Schema):
    """What a balancer keeps to; what is not given stays as it is (docs/RISK.md)."""

    model_config = ConfigDict(extra="forbid")

    method: str | None = Field(None, max_length=40)
    universe: str | None = Field(None, max_length=64)
    budget: float | None = None
    min_weight: float | None = None
    max_weight: float | None = None
    max_correlation: float | None = None
    max_turnover: float | None = None
    cost: float | None = None
    patience: float | None = None
    risk_aversion: float | None = None
    tail: float | None = None
    window: int | None = None
    min_trade: float | None = None
    every_seconds: int | None = None
    daily_at: str | None = Field(None, max_length=5)
    output: str | None = Field(None, max_length=20)
    minutes: int | None = None
    is_on: bool | None = None


class BalancerIn(Schema):
    """Settings of a balancer and why they change."""

    policy: BalancerPolicy
    reason: str = Field(max_length=500)


class BalancerOut(Schema):
    """A balancer as it stands; ``obstacle`` is why it may not act now."""

    account_id: int
    version: int
    policy: dict[str, Any]
    next_due_at: datetime | None
    note: str
    noted_at: datetime | None
    agreed_by: UUID | None
    updated_by: str
    updated_at: datetime | None
    obstacle: dict[str, str] | None
    proposal_id: UUID | None
    change_id: UUID | None


class BalancerChanged(Schema):
    """A balancer after a change, and the proposal of one that waits for a decision."""

    balancer: BalancerOut
    proposal_id: UUID | None


class BalanceIn(Schema):
    """Whether a run is only looked at: nothing is proposed or sent then."""

    is_trial: bool = False


class BalanceStarted(Schema):
    """The job of a run."""

    job: dict[str, Any]


class BalanceOut(Schema):
    """A run of a balancer."""

    id: UUID
    account_id: int
    job_id: UUID
    version: int
    policy: dict[str, Any]
    status: str
    code: str
    message: str
    inputs_digest: str
    bar_at: datetime | None
    base: float
    figures: dict[str, float]
    instruments: list[dict[str, Any]]
    left_out: list[dict[str, str]]
    conflicts: list[str]
    trades: list[dict[str, Any]]
    proposal_id: UUID | None
    created_by: str
    created_at: datetime
