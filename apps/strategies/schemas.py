"""REST shapes of strategies."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema

from apps.strategies.selectors.probes import said


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


class ComponentOut(Schema):
    """A part of a score, from 0 to ``most`` points."""

    name: str
    title: str
    most: float


class LibraryMemberOut(Schema):
    """A member of the library, with its source in the literature.

    ``inputs`` are price fields and further series it reads, ``optional`` those it can do without.
    ``components`` are the parts of its score, none when it has no score. ``gaps`` is ``own_bars``
    when each instrument counts the bars it has, ``refuse`` when a missing bar is refused;
    ``across`` tells that it compares instruments, ``passive`` that it follows no signal.
    """

    name: str
    title: str
    about: str
    source: str
    parameters: list[ParameterOut]
    inputs: list[str]
    optional: list[str]
    components: list[ComponentOut]
    gaps: str
    across: bool
    passive: bool
    single_asset: bool


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


class ProbeStarted(Schema):
    """A probe that was queued, or one that waits or runs already."""

    id: int
    job: dict[str, Any]


class ProbeOut(Schema):
    """A look-ahead probe: its verdict, the first finding, and the digests of report and bars."""

    id: int
    version_id: int
    verdict: str
    said: str
    report: dict[str, Any]
    digest: str
    data: str
    data_digest: str
    seconds: float | None
    sandbox: dict[str, Any] | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def resolve_said(row: Any) -> str:
        """Return what it came to as a sentence."""
        return said(row) if row.finished_at else ""


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
    base: int | None = Field(
        None, description="the version it was begun from; refused when a newer one is there"
    )


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


class PartOut(Schema):
    """A stretch of a line; ``changed`` when the other side lacks it."""

    text: str
    changed: bool


class RowOut(Schema):
    """A line of two texts: same, changed, removed, added, or ``hidden`` ones left out.

    ``old`` and ``new`` are the line's numbers, null on a side that lacks it.
    """

    kind: str
    old: int | None
    new: int | None
    before: list[PartOut]
    after: list[PartOut]
    hidden: int


class DiffOut(Schema):
    """How two versions differ; ``lines`` are one below the other, ``rows`` side by side."""

    before: VersionOut
    after: VersionOut
    params: list[ParamChangeOut]
    lines: list[LineOut]
    rows: list[RowOut]
    added: int
    removed: int


class UnsavedIn(Schema):
    """A text and parameters that were not saved yet."""

    source: str = Field("", max_length=200_000)
    params: dict[str, Any] | None = None


class UnsavedDiffOut(Schema):
    """How what was not saved differs from a version."""

    before: VersionOut
    params: list[ParamChangeOut]
    rows: list[RowOut]
    added: int
    removed: int


class ExpressionIn(Schema):
    """A formula to look at."""

    expression: str = Field(max_length=4000)


class ExpressionOut(Schema):
    """What a formula is: its one spelling, plain words, bars it looks back, unit, remarks.

    ``fields`` are all it reads, ``needs`` those beyond the bars. ``tree`` has for each part
    ``kind`` (call, field, number), ``name``, ``text``, ``words``, ``column``, ``unit``,
    ``lookback``, ``args``.
    """

    expression: str
    words: str
    lookback: int
    unit: str
    remarks: list[str]
    fields: list[str]
    needs: list[str]
    tree: dict[str, Any]


class PreviewIn(Schema):
    """A formula to look at on the bars of a universe; the last ones unless dates are given."""

    expression: str = Field(max_length=4000)
    universe: str = Field(max_length=120)
    start: str | None = Field(None, max_length=40)
    end: str | None = Field(None, max_length=40)
    horizon: int = Field(1, description="bars the returns ahead run over, 1 to 60")
    buckets: int = Field(5, description="parts the values are cut into, 2 to 20")


class ValueOut(Schema):
    """The value of an instrument."""

    symbol: str
    value: float


class PreviewOut(Schema):
    """What a formula says of the last ``bars`` of a universe; null where nothing is known.

    Per bar: ``ts`` its open, ``coverage`` the share of instruments with a bar that have a value,
    ``quantiles`` of the values (``p05 p25 p50 p75 p95``), ``ic`` the rank correlation with returns
    from the next open to the one ``horizon`` bars later, ``turnover`` the share of the
    rank-weighted book that changes. ``figures``: ``coverage ic ic_std ic_t ic_positive ic_bars
    turnover``; ``ic_t`` leaves out bars that overlap. ``buckets`` are mean returns ahead over the
    mean of their bar, lowest values first, of ``counts`` each. ``is_cut``: earlier bars that were
    asked for are left out.
    """

    expression: str
    lookback: int
    universe: str
    timeframe: str
    symbols: int
    bars: int
    is_cut: bool
    horizon: int
    survivorship: str
    ts: list[datetime]
    coverage: list[float]
    quantiles: dict[str, list[float | None]]
    ic: list[float | None]
    turnover: list[float | None]
    figures: dict[str, float | None]
    buckets: list[float | None]
    counts: list[int]
    highest: list[ValueOut]
    lowest: list[ValueOut]


class ArgumentOut(Schema):
    """An argument: an expression, bars, a number, or a grouping."""

    name: str
    kind: str
    optional: bool


class OperatorOut(Schema):
    """A name of the language. ``family``: element, across, time, group, symbol, field.

    ``needs`` names what the data must have beyond the bars; ``unit`` is that of a field.
    """

    name: str
    family: str
    usage: str
    words: str
    arguments: list[ArgumentOut]
    aliases: list[str]
    needs: list[str]
    unit: str


class ScanIn(Schema):
    """A universe to scan; without names by the library and the team's approved texts."""

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


class HistoryOut(SignalOut):
    """What a strategy wanted of a symbol at one scan."""

    universe: str
    scanned_at: datetime


class ScheduleIn(Schema):
    """A scan that starts by itself: every ``hour`` at the minute, every ``day`` at the hour."""

    universe: str = Field(max_length=120)
    strategies: list[str] = Field(default_factory=list, max_length=100)
    every: str = "day"
    at_utc: str = Field("02:00", max_length=8)


class SwitchIn(Schema):
    """Whether it starts by itself."""

    is_on: bool


class ScheduleOut(Schema):
    """A scan that starts by itself; ``error`` tells why it last did not."""

    id: int
    universe: str
    strategies: list[str]
    every: str
    at_utc: str
    is_on: bool
    next_at: datetime | None
    last_scan_id: int | None
    error: str
    created_by: str
    created_at: datetime


class AlertTargetIn(Schema):
    """An address as apprise spells it, such as ``tgram://token/chat``; it is never read back."""

    address: str = Field(max_length=1000)


class AlertTargetOut(Schema):
    """Where messages go, without the address; ``status`` is what the last one came to."""

    name: str
    service: str
    status: str
    note: str
    checked_at: datetime | None
    created_by: str
    created_at: datetime


class AlertRuleIn(Schema):
    """Which signals are told: of these strategies and this universe (any without), at a score.

    ``min_agree`` is how many strategies must want the symbol on the signal's side, itself one.
    """

    target: str = Field(max_length=80)
    strategies: list[str] = Field(default_factory=list, max_length=100)
    universe: str = Field("", max_length=120)
    min_score: float | None = None
    min_agree: int = 1
    is_on: bool = True


class AlertRuleOut(AlertRuleIn):
    """A rule with who made it."""

    name: str
    created_by: str
    created_at: datetime


class AlertMessageOut(Schema):
    """A message about signals: ``queued``, ``sent`` or ``failed`` with the reason."""

    id: int
    target: str
    rule: str
    scan_id: int
    title: str
    body: str
    signals: int
    status: str
    attempts: int
    reason: str
    created_at: datetime
    sent_at: datetime | None


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


class CodeIn(Schema):
    """A strategy's text in Python."""

    text: str = Field(max_length=200_000)


class CodeSaveIn(CodeIn):
    """A text to store as the newest version of the team's Python strategy ``name``."""

    name: str = Field(max_length=80)
    note: str = Field("", max_length=400)
    base: int | None = Field(
        None, description="the version it was begun from; refused when a newer one is there"
    )


class CodeFindingOut(Schema):
    """Something about a line: an ``error`` is refused, a ``warning`` is worth a look."""

    line: int
    column: int
    code: str
    message: str
    level: str


class DeclaredOut(Schema):
    """What a text says of itself."""

    title: str
    about: str
    inputs: list[str]
    warmup: str
    entries: list[str]
    parameters: list[ParameterOut]


class CodeOut(Schema):
    """What was found in a text; ``declared`` is null while an error keeps it from being read."""

    findings: list[CodeFindingOut]
    declared: DeclaredOut | None
    digest: str


class TemplateOut(Schema):
    """The text a new Python strategy begins with."""

    text: str


class CodeStateOut(Schema):
    """Whether people let exactly a version's text run; ``none`` while nobody was asked."""

    version_id: int
    digest: str
    state: str
    proposal_id: str | None
    sandbox_holds: bool
    sandbox_why: str


class CodeProposeIn(Schema):
    """Why a text should be allowed to run."""

    rationale: str = Field(max_length=4000)


class CodeProposedOut(Schema):
    """The proposal made."""

    proposal_id: str
    status: str
