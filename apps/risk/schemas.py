"""Shapes of the REST operations of risk."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Field, Schema

from apps.core.rest import Paging

# More in one period is an error, and the squares of far more have no number.
Return = Annotated[float, Field(ge=-1e6, le=1e6)]


class TermsIn(Schema):
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


class LiquidityIn(Schema):
    """Where positions are sold, by name: spreads as fractions, volumes as values a period.

    What is not given is read from the book's bars (volumes, equity), or named as unknown.
    """

    spreads: dict[str, float] | None = None
    spread_deviations: dict[str, float] | None = None
    volumes: dict[str, float] | None = None
    equity: float | None = None
    participation: float | None = None
    spread_multiple: float | None = None


class ReportIn(Schema):
    """Return columns by name (null is missing), and how to measure them; losses are positive."""

    returns: dict[str, list[Return | None]]
    weights: dict[str, float] = Field(default_factory=dict)
    levels: list[float] = Field([0.95, 0.99], min_length=1, max_length=10)
    methods: list[str] = Field(["historical", "gaussian"], min_length=1, max_length=20)
    horizon: int = Field(1, ge=1, le=250)
    terms: TermsIn = TermsIn()
    liquidity: LiquidityIn | None = None
    title: str = Field("Returns sent by a client", max_length=200)


class MeasureOut(Schema):
    """VaR and ES by one method at one level, as fractions; losses are positive."""

    var: float
    es: float
    method: str
    level: float
    horizon: int
    observations: int
    missing: int = 0
    quantile: str = ""
    shortfall: str = ""
    scaling: str = ""
    var_error: float | None = None
    es_error: float | None = None
    errors: str = ""
    notes: list[str] = Field(default_factory=list)
    figures: dict[str, float] = Field(default_factory=dict)


class ColumnOut(Schema):
    """A column's moments (population), measures and drawdowns; a book's also by position."""

    observations: int
    missing: int = 0
    drawdowns: dict[str, Any] = Field(default_factory=dict)
    drawdown_ahead: dict[str, Any] | None = None
    components: list[dict[str, Any]] = Field(default_factory=list)
    mean: float
    volatility: float
    skewness: float
    excess_kurtosis: float
    measures: list[MeasureOut]


class ReportOut(Schema):
    """A risk report; a book's also has its limits with what is used of them."""

    id: int
    subject: str
    title: str
    is_live: bool
    created_at: datetime
    created_by: str
    horizon: int = 1
    terms: dict[str, Any] = Field(default_factory=dict)
    weights: dict[str, float] = Field(default_factory=dict)
    columns: dict[str, ColumnOut]
    liquidity: dict[str, Any] | None = None
    utilisation: list[dict[str, Any]] = Field(default_factory=list)
    why_not: str = ""


class ReportQuery(Paging):
    """Of what: ``account:<id>``, ``backtest:<id>``."""

    subject: str = ""


class LimitsIn(Schema):
    """Limits that change (null switches one off), from a named set or from those in force."""

    values: dict[str, Any] = Field(default_factory=dict)
    reason: str = Field(max_length=500)
    subject: str = Field("", max_length=80)
    base: str = ""


class LimitsOut(Schema):
    """Limits in force; version 0 is the lab's default."""

    subject: str
    set_for: str
    version: int
    limits: dict[str, Any]
    reason: str
    created_by: str
    created_at: datetime | None
    proposal_id: UUID | None = None


class LimitVersionOut(Schema):
    """A version of a limit set."""

    id: int
    subject: str
    version: int
    values: dict[str, Any]
    reason: str
    created_by_label: str
    created_at: datetime


class BreachOut(Schema):
    """An order that was refused, or a limit run past."""

    id: int
    subject: str
    code: str
    message: str
    created_at: datetime


class SubjectIn(Schema):
    """A book or run: ``account:<id>``, ``backtest:<id>``."""

    subject: str = Field(max_length=120)


class GradingOut(Schema):
    """The job that grades."""

    job: dict[str, Any]


class GradeOut(Schema):
    """How every risk model did on a book; ``in_force`` is the one whose figures count.

    ``models``: by name the colour, the joint score of VaR and ES (smaller is better) and, by
    level, exceptions, zone and every test. ``power``: by level, test and case how often the test
    speaks, from a simulation of ``draws`` samples of ``days`` days.
    """

    id: int
    subject: str
    title: str
    until: datetime
    days: int
    window: int
    colour: str
    in_force: str
    before: str
    reason: str
    created_at: datetime
    models: dict[str, Any]
    power: dict[str, Any]


class GradeSeriesOut(Schema):
    """Days, returns, and by model and level the VaR and ES told for each day."""

    ts: list[datetime] = Field(default_factory=list)
    returns: list[float] = Field(default_factory=list)
    models: dict[str, dict[str, dict[str, list[float]]]] = Field(default_factory=dict)


class ScenarioIn(Schema):
    """A table of simple returns by instrument, sector and factor; ``version`` it was made from."""

    name: str = Field(max_length=80)
    title: str = Field(max_length=160)
    shocks: dict[str, dict[str, Any]]
    note: str = Field("", max_length=500)
    version: int | None = None


class ScenarioOut(Schema):
    """A version of a scenario."""

    id: int
    name: str
    version: int
    title: str
    note: str
    shocks: dict[str, dict[str, float]]
    is_archived: bool
    created_by_label: str
    created_at: datetime


class StressQuery(Schema):
    """Which book; the loss to reverse (share of equity), where correlations go, volatilities."""

    subject: str
    loss: float = 0.2
    correlation: float = 1.0
    volatility: float = 1.0


class ShocksIn(Schema):
    """A book and a table of shocks to try on it."""

    subject: str = Field(max_length=120)
    shocks: dict[str, dict[str, Any]]


class StopOut(Schema):
    """An emergency stop: its state, what it is held against, how near it is; losses positive."""

    scope: str
    state: str
    blocks: bool
    cause: str
    equity: float
    peak: float
    day_start: float
    drawdown: float
    daily_loss: float
    drawdown_limit: float | None
    daily_loss_limit: float | None
    used: float | None
    trips: int
    tripped_at: datetime | None
    cool_until: datetime | None
    updated_at: datetime


class StopResumeIn(Schema):
    """An active stop, and why it may end."""

    scope: str = Field(max_length=40)
    reason: str = Field(max_length=500)


class StopResumeOut(StopOut):
    """The stop as it stands until people have decided."""

    proposal_id: UUID


class LiveOut(Schema):
    """Risk as it stands, as ``risk.live.changed`` tells it; losses positive.

    ``books``: by account exposure, VaR and ES (shares of equity, and money) by the model in force,
    parts by position. ``groups``: accounts of one currency on one feed, net, with each strategy
    alone, what they sum to and what netting saves. ``apart`` says what is not added up. Equal
    ``digest``, equal figures.
    """

    books: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    apart: list[str]
    digest: str


class WantedOrder(Schema):
    """A market order that is asked about."""

    symbol: str = Field(max_length=40)
    side: str = Field(max_length=4)
    quantity: float


class WhatIfIn(Schema):
    """An account with orders, or the shares of equity some symbols are to have; or a proposal.

    Symbols that ``weights`` does not name are kept as they are.
    """

    subject: str = Field("", max_length=120)
    orders: list[WantedOrder] = Field(default_factory=list)
    weights: dict[str, float] = Field(default_factory=dict)
    proposal_id: UUID | None = None


class WhatIfOut(Schema):
    """An account ``before`` and ``after``; losses positive, ``cost`` in the account's currency.

    ``guard``: whether all passes, and every reason; ``orders``: each trade at its last price with
    its own reasons; ``stress``: what the newest scenarios would take, shares of equity.
    """

    subject: str
    title: str
    currency: str
    timeframe: str
    as_of: datetime | None
    of: str
    in_force: str
    colour: str
    orders: list[dict[str, Any]]
    left_out: list[dict[str, Any]]
    guard: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
    cost: float
    stress: list[dict[str, Any]]
    notes: list[str]


class BookReportLine(Schema):
    """A report of a book: ``digest`` of its figures, ``pdf`` where its PDF is."""

    id: int
    subject: str
    title: str
    as_of: datetime
    digest: str
    pdf: str
    pdf_digest: str
    pages: int
    created_by: str
    created_at: datetime


class BookReportOut(BookReportLine):
    """A report with every figure of its PDF (docs/RISK.md)."""

    body: dict[str, Any]


class ReportJobOut(Schema):
    """The work that writes a report."""

    job: dict[str, Any]
