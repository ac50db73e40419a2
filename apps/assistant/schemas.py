"""REST shapes of the assistant."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ninja import Field, Schema

from apps.core.reading import Day


class SearchIn(Schema):
    """A search for hypotheses; what is left out takes the lab's default."""

    universe: str = Field(max_length=120)
    timeframe: str | None = None
    start: Day | None = None
    end: Day | None = None
    split: float | None = None
    objective: str | None = None
    share: float | None = None
    rebalance_days: int | None = None
    long_short: bool | None = None
    fee_bps: float | None = None
    slippage_bps: float | None = None
    population: int | None = None
    generations: int | None = None
    candidates: int | None = None
    seed: int | None = None
    use_model: bool | None = None
    idea: str | None = None
    ideas: int | None = None
    max_depth: int | None = None
    max_lookback: int | None = None
    criteria: dict[str, float] | None = None


class SearchOut(Schema):
    """A search, and what it came to once it is over."""

    id: int
    universe: str
    timeframe: str
    start_on: date | None
    end_on: date | None
    plan: dict[str, Any]
    job_id: str
    model: str
    trials: int
    summary: dict[str, Any]
    data_digest: str
    created_by: str
    created_by_label: str
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def resolve_job_id(row: Any) -> str:
        """Return the job's id as text."""
        return str(row.job_id or "")


class SearchStarted(Schema):
    """A search under way: ask for the job, then for the hypotheses of the search."""

    id: int
    job: dict[str, Any]


class HypothesisOut(Schema):
    """A hypothesis with figures in and out of sample, and in how many trials it was found."""

    id: int
    search_id: int
    place: int
    statement: str
    economic_reason: str
    origin: str
    expression: str
    words: str
    lookback: int
    universe: str
    criteria: dict[str, Any]
    in_sample: dict[str, Any]
    out_of_sample: dict[str, Any]
    meets_criteria: bool
    trials: int
    status: str
    note: str
    version_id: int | None
    judged_by: str
    judged_at: datetime | None
    created_at: datetime

    @staticmethod
    def resolve_universe(row: Any) -> str:
        """Return the universe the search read."""
        return str(row.search.universe)


class VerdictIn(Schema):
    """Accept, or kill with a note that says why."""

    verdict: str
    note: str = ""


class PromotedOut(Schema):
    """The strategy version made of a hypothesis."""

    hypothesis_id: int
    version_id: int
    strategy_id: int
    digest: str


class DraftIn(Schema):
    """A strategy's text that a model wrote, which one, and what it was asked."""

    name: str = Field(max_length=80)
    text: str = Field(max_length=200_000)
    model: str = Field(max_length=80)
    task: str = Field(max_length=2000)


class DraftedOut(Schema):
    """The version the text became, and the proposal that waits for a decision."""

    version_id: int
    digest: str
    proposal_id: str
    status: str


class WishIn(Schema):
    """What a strategy is to do, for a language model to write."""

    name: str = Field(max_length=80)
    task: str = Field(max_length=2000)


class DraftStarted(Schema):
    """A text being written: the job's result names the proposal, its error what went wrong."""

    job: dict[str, Any]


class ModelOut(Schema):
    """A language model, and what it needs when it can't be asked."""

    name: str
    title: str
    model: str
    is_configured: bool
    needs: str


class UsageOut(Schema):
    """One question to a language model."""

    id: int
    search_id: int | None
    provider: str
    model: str
    outcome: str
    message: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    latency_ms: int
    created_at: datetime
