"""REST shapes of strategies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema


class ParameterOut(Schema):
    """A parameter a strategy declares."""

    name: str
    kind: str
    default: Any
    low: float | None
    high: float | None
    unit: str
    about: str
    choices: list[str]


class MemberOut(Schema):
    """A member of the library, with its source in the literature."""

    name: str
    title: str
    about: str
    source: str
    parameters: list[ParameterOut]


class VersionOut(Schema):
    """A version: exactly what would run."""

    id: int
    strategy_id: int
    strategy: str
    title: str
    kind: str
    number: int
    digest: str
    name: str
    params: dict[str, Any]
    stage: str
    tier: int
    note: str
    created_by: str
    created_by_label: str
    created_at: datetime
    is_current: bool


class VersionDetail(VersionOut):
    """A version with the source text it was made from."""

    source: str


class StrategyOut(Schema):
    """A strategy with its newest version."""

    id: int
    name: str
    title: str
    kind: str
    plug: str
    about: str
    created_by: str
    created_by_label: str
    created_at: datetime
    versions: int
    latest: VersionOut | None


class StrategyIn(Schema):
    """A strategy of the team's own: an expression, or a library member under another name."""

    name: str = Field(max_length=80)
    title: str = Field(max_length=160)
    kind: str = "expression"
    plug: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    about: str = Field("", max_length=4000)
    note: str = Field("", max_length=400)


class VersionIn(Schema):
    """A new version of a strategy: all its parameters."""

    params: dict[str, Any]
    note: str = Field("", max_length=400)


class EnsureIn(Schema):
    """A strategy by name or a version by id, with the parameters wanted."""

    strategy: str | int
    params: dict[str, Any] = Field(default_factory=dict)
    note: str = Field("", max_length=400)


class ParamChangeOut(Schema):
    """A parameter that differs."""

    name: str
    before: Any
    after: Any


class LineOut(Schema):
    """A line of a text comparison: ``+``, ``-``, ``@`` or a blank in front."""

    sign: str
    text: str


class DiffOut(Schema):
    """How two versions differ."""

    before: VersionOut
    after: VersionOut
    params: list[ParamChangeOut]
    lines: list[LineOut]


class ExpressionIn(Schema):
    """A formula to look at."""

    expression: str = Field(max_length=4000)


class ExpressionOut(Schema):
    """What a formula is: its one spelling, plain words, bars it looks back, unit, remarks."""

    expression: str
    words: str
    lookback: int
    unit: str
    remarks: list[str]


class ScanIn(Schema):
    """A universe to scan; all strategies of the library without names."""

    universe: str = Field(max_length=120)
    strategies: list[str] = Field(default_factory=list, max_length=100)


class ScanOut(Schema):
    """A scan and how far it is."""

    id: int
    universe: str
    timeframe: str
    strategies: list[str]
    symbols: int
    created_by: str
    created_by_label: str
    created_at: datetime
    status: str
    progress: float
    done: int
    batches: int
    errors: list[dict[str, Any]]


class ScanStarted(Schema):
    """A scan that was queued."""

    id: int
    job: dict[str, Any]


class SignalOut(Schema):
    """What a strategy wants of a symbol: 1 long, -1 short, with the parts of its score."""

    id: int
    scan_id: int
    strategy: str
    symbol: str
    side: int
    signal_at: datetime | None
    bar_at: datetime | None
    bars_since: int
    price: float | None
    score: float | None
    components: dict[str, float]
    missing: list[str]
    state: str
    refusal: str
    reason: str


class ConsensusOut(Schema):
    """How many strategies want a symbol, of those that could be computed."""

    symbol: str
    long: int
    short: int
    asked: int
    lean: float


class PublishedOut(Schema):
    """A published formula in the lab's language; ``needs`` are inputs beyond the bars."""

    number: int
    name: str
    expression: str
    words: str
    lookback: int
    unit: str
    needs: list[str]
    notes: list[str]
    source: str
