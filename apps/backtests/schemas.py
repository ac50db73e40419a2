"""REST shapes of backtests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema
from pydantic import ConfigDict

from apps.backtests.kernel.metrics import METRICS, Metric
from apps.backtests.kernel.reports import RUN_METRICS


class CostsIn(Schema):
    """Costs in basis points of the value traded, where the name does not say otherwise."""

    model_config = ConfigDict(extra="allow")

    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    maker_bps: float | None = Field(
        default=None, description="of limit orders; fee_bps by default"
    )
    per_unit: float = Field(default=0.0, description="on each unit, in the asset's currency")
    spread_bps: float = Field(default=0.0, description="the whole spread; half of it is paid")
    impact_bps: float = Field(
        default=0.0, description="times the root of the share of the bar's volume"
    )
    borrow_bps: float = Field(default=0.0, description="a year, on shorts")
    interest_bps: float = Field(default=0.0, description="a year, on cash owed")
    funding: bool = Field(default=False, description="settle perpetual funding at each close")
    schedule: list[dict[str, Any]] = Field(
        default_factory=list, description="start, venue, fee_bps, maker_bps, per_unit"
    )


class ExecutionIn(Schema):
    """Terms of execution; fractions."""

    model_config = ConfigDict(extra="allow")

    participation: float | None = Field(
        default=None, description="largest share of a bar's volume"
    )
    leverage: float | None = None
    maintenance: float | None = Field(
        default=None, description="equity / gross below which margin calls"
    )
    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    lot: float | dict[str, float] | None = None
    tick: float | dict[str, float] | None = None
    venues: dict[str, str] | None = None


class BacktestIn(Schema):
    """A backtest to run: a strategy on a universe or on instruments."""

    # Unknown fields reach the service, whose answer names those there are.
    model_config = ConfigDict(extra="allow")

    strategy: str | int | None = Field(
        None,
        description="name in the library or the team, or a version's id; none with given weights",
    )
    params: dict[str, Any] = Field(default_factory=dict)
    universe: str | None = None
    instruments: list[str] | None = None
    timeframe: str | None = Field(None, description="1m to 1mo; the universe's by default")
    start: str | None = Field(None, description="2015-01-02, inclusive")
    end: str | None = None
    as_of: str | None = Field(None, description="bars as they were known then; now by default")
    confirm_look: bool = Field(default=False, description="take the price of a look at a holdout")
    cash: float = 100_000.0
    costs: CostsIn = Field(default_factory=CostsIn)
    execution: ExecutionIn | None = None
    orders: list[dict[str, Any]] | str | None = Field(
        None,
        description="orders played beside the strategy: objects or CSV with the same columns (ts, "
        "symbol, size or side and quantity, kind, price, limit, trail, time_in_force, bars, "
        "expires, reduce_only, stop_loss, take_profit, trailing_stop)",
    )
    targets: list[dict[str, Any]] | dict[str, Any] | str | None = Field(
        None, description="target weights in place of a strategy: ts, symbol, weight"
    )
    signals: list[dict[str, Any]] | dict[str, Any] | str | None = Field(
        None, description="-1, 0 or 1 in place of a strategy: ts, symbol, signal"
    )
    signal_weight: float | None = Field(
        None, description="share of equity of a signal; an equal share by default"
    )
    fill: str = Field("next_open", description="next_open, next_close, or close (to compare)")
    units: str = Field("fractional", description="fractional or whole")
    seed: int = 0
    price_mode: str = "total_return"
    currency: str | None = Field(
        None, description="of the account; by default that of all instruments, else USD"
    )
    benchmark: str = Field("equal_weight", description="equal_weight, SPY or none")
    limits: dict[str, Any] | None = None
    finalize: bool = Field(
        default=False, description="close all at the last bar's open, to compare"
    )
    title: str = ""
    labels: list[str] = Field(default_factory=list)
    study: str = ""


class RunOut(Schema):
    """A run as lists show it."""

    id: str
    title: str
    strategy: str
    version_id: int
    params: dict[str, Any]
    universe: str
    fill: str
    labels: list[str]
    study: str
    status: str
    progress: float
    equity_final: float | None
    total_return: float | None
    cagr: float | None
    sharpe: float | None
    max_drawdown: float | None
    trades: int | None
    deflated_sharpe: float | None = Field(description="as last taken, see deflated_at")
    deflated_trials: int | None = Field(description="among how many trials of its family")
    deflated_at: datetime | None
    tags: dict[str, str]
    locked: bool = Field(description="evidence of a proposal that stands")
    digest: str
    data_digest: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    archived_at: datetime | None


class RunFilter(Schema):
    """Which runs to list; ``q`` is a search: ``sharpe > 1 and tag:candidate``."""

    q: str = ""
    strategy: str = ""
    status: str = ""
    text: str = ""
    study: str = ""
    universe: str = ""
    archived: bool = False


def run_filter(values: Mapping[str, Any]) -> RunFilter:
    """Return the filter of a page's address; what it does not know is left out."""
    names = set(RunFilter.model_fields) - {"archived"}
    known = {name: str(values[name]) for name in names if values.get(name)}
    return RunFilter(**known, archived=values.get("archived") == "true")


class BacktestQueued(Schema):
    """The job that computes a run."""

    job: dict[str, Any]
    id: str


class ProposeIn(Schema):
    """Why a run's version should go to a stage, and on which terms.

    ``study`` is a finished sweep of the same strategy. Going live takes ``account`` and
    ``capital_usd``; the days are at most those of the policy.
    """

    rationale: str
    target_stage: str = "paper"
    tier: int = 1
    title: str = ""
    study: str = ""
    account: int | None = None
    capital_usd: float | None = None
    valid_days: int | None = None
    review_days: int | None = None
    open_days: int | None = None


class ProposeOut(Schema):
    """The proposal made."""

    proposal_id: str
    status: str


class StudyIn(Schema):
    """A named set of runs."""

    name: str = Field(max_length=80)
    title: str = Field("", max_length=200)
    note: str = Field("", max_length=4000)


class FamilyOut(Schema):
    """How often a strategy was tried: ``trials`` are its runs and the combinations of sweeps."""

    strategy: str
    runs: int
    sweeps: int
    combinations: int
    trials: int
    best_sharpe: float | None
    last_at: datetime | None


class StudyOut(Schema):
    """A study with how many runs it has."""

    id: int
    name: str
    title: str
    note: str
    objective: str
    tags: dict[str, str]
    runs: int
    created_at: datetime
    closed_at: datetime | None


class StudyChange(Schema):
    """What to change of a study; what is left out stays."""

    name: str | None = Field(None, max_length=80)
    title: str | None = Field(None, max_length=200)
    note: str | None = Field(None, max_length=4000)
    objective: str | None = Field(None, max_length=40, description="a figure, such as sharpe")
    closed: bool | None = None


class TagsIn(Schema):
    """Tags to give, as ``key`` or ``key=value``, and keys to take."""

    tag: list[str] = Field(default_factory=list, max_length=40)
    untag: list[str] = Field(default_factory=list, max_length=40)


class MarkIn(TagsIn):
    """What to do with several runs; ``study`` empty takes them out of theirs."""

    runs: list[UUID] = Field(max_length=200)
    study: str | None = None
    archive: bool = False


class NoteIn(Schema):
    """Words on a run or a study."""

    text: str = Field(max_length=8000)


class NoteEdit(NoteIn):
    """New words for a note; ``version`` is the one that was read."""

    version: int


class ViewIn(Schema):
    """A search with its order and columns under a name, one's own or the team's."""

    name: str = Field(max_length=80)
    query: str = Field("", max_length=2000)
    sort: str = Field("-created_at", max_length=120)
    columns: list[str] = Field(default_factory=list, max_length=24)
    is_shared: bool = False
    is_default: bool = Field(default=False, description="opens with the list")


class ViewOut(ViewIn):
    """A saved view."""

    id: int
    by: str
    created_at: datetime
    updated_at: datetime


class StudyRunsIn(Schema):
    """Runs to put into a study."""

    runs: list[UUID] = Field(max_length=200)


class ArtifactIn(Schema):
    """A file to put beside a run: the name it gets, by default its own, and what it is."""

    name: str = Field("", max_length=120)
    note: str = Field("", max_length=400)


class GauntletIn(Schema):
    """Kinds of null worlds (all without any), and how many of each."""

    kinds: list[str] = Field(default_factory=list, max_length=10)
    worlds: int = 499


class CompareAsk(Schema):
    """Which runs to put beside each other, and from which of them changes are told."""

    ids: str = Field("", description="between commas, 2 to 50")
    study: str = Field("", description="in place of ids: its newest runs")
    parents: str = Field("", description="a run: the newest of each version up to its own")
    base: str = Field("", description="the run that changes are from; the first by default")


class OverlayAsk(Schema):
    """What to draw of runs over each other."""

    drawdown: bool = False
    log: bool = False
    common: bool = Field(default=False, description="over the days that all runs have")


class AttributeIn(Schema):
    """Two runs, the first one the base; ``confirm_look`` pays for looks at holdouts."""

    base_id: UUID
    other_id: UUID
    confirm_look: bool = False


class ExportAsk(Schema):
    """What to export, and as what."""

    format: str = "csv"
    what: str = "equity"


class MonteCarloAsk(Schema):
    """How a run's trades are reshuffled, and into how many paths."""

    method: str = Field("bars", description="shuffle, trades or bars")
    n: int | None = Field(None, description="100 to 20,000 paths; 2,000 by default")


def metric_row(name: str, metric: Metric) -> dict[str, Any]:
    """Return a metric as JSON, without its function."""
    return {
        "name": name,
        "title": metric.title,
        "formula": metric.formula,
        "unit": metric.unit,
        "annualised": metric.annualised,
    }


def metric_rows() -> list[dict[str, Any]]:
    """Return every metric with its formula."""
    return [metric_row(name, metric) for name, metric in {**METRICS, **RUN_METRICS}.items()]


class SweepIn(BacktestIn):
    """A sweep: a backtest whose ``space`` names the parameters to try."""

    space: dict[str, Any] = Field(
        description='per parameter a list of values or {"low", "high", "step"}'
    )
    method: str = Field("grid", description="grid, random or bayesian")
    objective: str = "sharpe"
    trials: int | None = Field(None, description="how many; a grid tries all there are")
    sweep_seed: int = 0
    lanes: int = Field(2, description="jobs that work on it side by side")


class SweepOut(Schema):
    """A sweep as lists show it."""

    id: str
    title: str
    strategy: str
    method: str
    objective: str
    status: str
    trials: int
    done: int
    refused: int
    failed: int
    progress: float
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class SweepQueued(Schema):
    """The first job of a sweep, and all of them."""

    job: dict[str, Any]
    jobs: list[dict[str, Any]]
    id: str


SWEEP_FIELDS = ("space", "method", "objective", "trials", "lanes")


def sweep_terms(body: SweepIn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request of every combination, and what is the sweep's own."""
    given = body.dict(exclude_unset=True)
    own = {name: given.pop(name) for name in SWEEP_FIELDS if name in given}
    if "sweep_seed" in given:
        own["seed"] = given.pop("sweep_seed")
    return given, own


class TrialEntryOut(Schema):
    """Something tried, and where it is; ``trials`` is more than 1 for a search of the forge."""

    id: int
    subject: str
    door: str
    trials: int
    family: dict[str, Any]
    link: str
    created_at: datetime


class JoinIn(Schema):
    """Which family to count with, and why the two are one idea."""

    other_id: int
    why: str


class HoldoutIn(Schema):
    """Days that a family is not to be tuned on; ``end`` open for all that come."""

    family_id: int
    start: date
    end: date | None = None
    alpha: float = 0.05
    note: str = ""


class HoldoutOut(Schema):
    """A holdout: looks taken, alpha left, and the price of the next look."""

    id: str
    family: dict[str, Any]
    start: date
    end: date | None
    alpha: float
    looks: int
    alpha_left: float
    next_price: float
    rule: str
    note: str
    created_by: str
    created_at: datetime


class ValidationIn(BacktestIn):
    """A validation: a backtest whose ``space`` names what each fold chooses from."""

    space: dict[str, Any] = Field(
        description='per parameter a list of values or {"low", "high", "step"}'
    )
    plan: dict[str, Any] = Field(
        description="walk_forward and naive: train and test in bars or as durations (2y, 6mo, 4w, "
        "90d), mode (rolling, anchored), step, purge, embargo and warmup in bars, demonstrate; "
        "purged: groups, test_groups, and purge, embargo and warmup in bars"
    )
    kind: str = Field("walk_forward", description="walk_forward, purged, or naive to demonstrate")
    objective: str = "sharpe"


class ValidationOut(Schema):
    """A validation as lists show it; ``sharpe`` is out of sample and per year."""

    id: str
    kind: str
    kind_title: str
    is_evidence: bool
    title: str
    strategy: str
    version_id: int
    objective: str
    status: str
    folds: int
    trials: int
    sharpe: float | None
    efficiency: float | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class ValidationFilter(Schema):
    """Which validations to list."""

    strategy: str = ""
    kind: str = ""
    status: str = ""
    archived: bool = False


VALIDATION_FIELDS = ("space", "plan", "kind", "objective")


def validation_terms(body: ValidationIn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request that every fold shares, and what is the validation's own."""
    given = body.dict(exclude_unset=True)
    own = {name: given.pop(name) for name in VALIDATION_FIELDS if name in given}
    return given, own


class ShareIn(Schema):
    """How long people outside may read a run's sheet, and whether it names the strategy."""

    hours: int = Field(168, description="from now; 1 to 2,160")
    shows_strategy: bool = False
    note: str = Field("", max_length=120, description="for whom; it heads the shared sheet")


class ShareOut(Schema):
    """A link to a run's sheet. What opens it is told once, when it is made."""

    id: str
    run_id: str
    state: str
    note: str
    shows_strategy: bool
    views: int
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class ShareMade(ShareOut):
    """A new link with its address, which is not told again."""

    path: str


class LookOut(Schema):
    """A look at a shared sheet."""

    at: datetime
    network: str
