"""REST shapes of market."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Literal

from ninja import Field, Schema

from apps.core.errors import Invalid
from apps.core.rest import Paging


class InstrumentQuery(Paging):
    """Which instruments."""

    dataset: str = ""
    kind: str = ""
    search: str = Field("", max_length=60)


class SeriesOut(Schema):
    """Bars of an instrument at one timeframe."""

    timeframe: str
    rows: int
    first: datetime | None
    last: datetime | None
    health: float | None = None


class InstrumentOut(Schema):
    """An instrument in a list."""

    id: int
    symbol: str
    name: str
    kind: str
    sector: str
    venue: str
    currency: str
    dataset: str
    shared: bool
    series: list[SeriesOut]


class SeriesDetail(Schema):
    """A series with its health."""

    id: int
    timeframe: str
    rows: int
    first: datetime | None
    last: datetime | None
    health: dict[str, Any]
    checked_at: datetime | None


class ActionOut(Schema):
    """A dividend or split."""

    kind: str
    on: date
    value: float
    factor: float


class BatchOut(Schema):
    """Where bars came from."""

    id: int
    provider: str
    source: str
    sha256: str
    created_at: datetime
    created_by: str
    rows: int


class InstrumentDetail(Schema):
    """An instrument with actions, provenance and health."""

    id: int
    symbol: str
    name: str
    kind: str
    sector: str
    venue: str
    currency: str
    dataset: str
    dataset_title: str
    source: str
    licence: str
    note: str
    calendar: str
    shared: bool
    series: list[SeriesDetail]
    actions: list[ActionOut]
    batches: list[BatchOut]


class BarsQuery(Paging):
    """Which bars; ``format=arrays`` answers all of them at once, one array per field."""

    symbol: str = ""
    timeframe: str = "1d"
    start: str | None = None
    end: str | None = None
    price_mode: str = "raw"
    dataset: str = ""
    as_of: str | None = Field(None, description="bars as they were known then; now by default")
    format: str = Field("rows", pattern="^(rows|arrays)$")


class FigureQuery(Schema):
    """What a chart of an instrument shows: the last ``bars`` bars."""

    dataset: str = ""
    timeframe: str = "1d"
    price_mode: str = "split"
    bars: str = "250"


class UniverseOut(Schema):
    """A universe; survivorship is printed on every result that used it."""

    id: int
    name: str
    version: int
    title: str
    symbols: list[str]
    timeframe: str
    dataset: str
    calendar: str
    survivorship: str
    shared: bool


class UniverseDetail(UniverseOut):
    """A universe with its health."""

    health: dict[str, Any]


class RuleIn(Schema):
    """How a universe is picked: members of an index on a day, or the most traded before it."""

    on: date
    dataset: str = ""
    index: str = ""
    by: str = "turnover"
    top: int = Field(0, ge=0, le=5000)
    days: int = Field(30, ge=1, le=366)


class UniverseIn(Schema):
    """A universe to be made, from symbols or by a rule."""

    name: str = Field(max_length=64)
    symbols: list[str] = Field([], max_length=5000)
    timeframe: str = "1d"
    survivorship: str = Field("", max_length=1000)
    title: str = Field("", max_length=200)
    dataset: str = ""
    rule: RuleIn | None = None


class DatasetOut(Schema):
    """A body of bars from one source."""

    id: int
    name: str
    title: str
    source: str
    licence: str
    calendar: str
    note: str
    shared: bool
    series: int
    rows: int
    first: datetime | None
    last: datetime | None


class IngestIn(Schema):
    """What to ingest; no symbols means all of the section."""

    provider: str = "sample"
    section: str
    symbols: list[str] = Field(default_factory=list, max_length=5000)
    timeframe: str = ""
    start: str | None = None
    end: str | None = None
    dataset: str = Field("", max_length=64)
    mode: Literal["missing", "full", "repair"] = "missing"


class IngestOut(Schema):
    """How an ingestion stands."""

    id: str
    provider: str
    dataset: str
    request: dict[str, Any]
    flow: str
    job_id: str | None
    status: str
    error: dict[str, Any] | None
    done: int
    failed: dict[str, str]
    tasks: dict[str, int]
    eta_seconds: float | None
    rows_per_second: float | None
    rows_received: int
    rows_added: int
    rows_changed: int
    created_at: datetime
    created_by: str
    finished_at: datetime | None


class IngestTaskQuery(Schema):
    """Which fetches of an ingestion."""

    status: Literal["", "open", "done", "failed"] = ""
    symbol: str = Field("", max_length=40)
    limit: int = Field(50, ge=1, le=200)
    cursor: str = ""


class IngestTaskOut(Schema):
    """One fetch of an ingestion."""

    seq: int
    symbol: str
    timeframe: str
    since: str | None
    until: str | None
    status: str
    attempts: int
    rows: int
    error: dict[str, Any] | None


class RepairGapsIn(Schema):
    """Whose gaps to fetch again: a dataset's or a universe's, or those of some symbols of it."""

    dataset: str = Field("", max_length=64)
    universe: str = Field("", max_length=64)
    symbols: list[str] = Field(default_factory=list, max_length=5000)
    timeframe: str = ""


class FlowIn(Schema):
    """A flow: what to ingest, at which hour (UTC), on which weekdays (0 Monday; none: all)."""

    name: str = Field(max_length=64)
    provider: str
    section: str
    symbols: list[str] = Field(default_factory=list, max_length=5000)
    timeframe: str = ""
    start: str | None = None
    dataset: str = Field("", max_length=64)
    at_utc: str = "02:00"
    weekdays: list[int] = Field(default_factory=list, max_length=7)


class FlowSwitch(Schema):
    """Whether a flow starts by itself."""

    is_on: bool


class FlowOut(Schema):
    """A flow and how its last run went."""

    id: int
    name: str
    provider: str
    request: dict[str, Any]
    at_utc: str
    weekdays: list[int]
    is_on: bool
    next_at: datetime | None
    last_at: datetime | None
    report: dict[str, Any]
    created_at: datetime
    created_by: str


class Started(Schema):
    """Long work that has begun: follow the job."""

    id: str
    job: dict[str, Any]


class UploadIn(Schema):
    """How to read an uploaded file; what is left out is found out from the file.

    ``columns`` is JSON: name of a column in the file to its role (ts, symbol, open, …, figure,
    omit). ``upload`` names a file that was sent for a preview, in place of sending it again.
    """

    dataset: str = Field(max_length=64)
    upload: str = Field("", max_length=64)
    kind: str = ""
    timeframe: str = ""
    calendar: str = ""
    price_mode: str = ""
    stamp: str = ""
    defects: str = ""
    symbol: str = Field("", max_length=40)
    metric: str = Field("", max_length=60)
    index: str = Field("", max_length=40)
    delimiter: str = ""
    decimal: str = ""
    columns: str = ""
    ts_column: str = ""
    symbol_column: str = ""
    open_column: str = ""
    high_column: str = ""
    low_column: str = ""
    close_column: str = ""
    volume_column: str = ""

    @property
    def wanted(self) -> dict[str, Any]:
        """The arguments of an upload but for the file."""
        names = ("ts", "symbol", "open", "high", "low", "close", "volume")
        fields = self.dict(exclude={"upload", *(f"{name}_column" for name in names)})
        mapping = {name: getattr(self, f"{name}_column") for name in names}
        fields |= {"columns": _roles(self.columns), "mapping": mapping}
        return {**fields, "file_id": self.upload}


def _roles(text: str) -> dict[str, str]:
    """Return the roles of columns from JSON. Raises ``Invalid``."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if isinstance(found, dict) and all(isinstance(role, str) for role in found.values()):
        return found
    message = 'columns is no JSON such as {"Close/Last": "close", "note": "omit"}.'
    raise Invalid(message, code="upload.columns", details={"field": "columns"})


class UploadOut(Schema):
    """What an upload stored."""

    dataset: str
    file: str
    batch: int
    sha256: str
    symbols: list[str]
    symbol_count: int
    rows_received: int
    rows_added: int
    rows_changed: int
    figures: int
    actions: int
    reference: int
    quarantined: int
    timeframes: list[str]
    tables: list[dict[str, Any]]


class UploadPreview(Schema):
    """What a file holds, table by table, and where it would go; nothing is stored."""

    upload: str
    file: str
    bytes: int
    seconds: float
    peak_mb: float
    rows: int
    tables: list[dict[str, Any]]


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


class IndexOut(Schema):
    """An index, the dataset that knows its members, and how many spells of membership it has."""

    name: str
    dataset: str
    spells: int


class MembersOut(Schema):
    """Who was in an index on a day."""

    index: str
    on: date
    symbols: list[str]


class RenameOut(Schema):
    """A ticker that became another one; ``on`` is the first day of the new one."""

    before: str
    after: str
    on: date
    place: str


class RateQuery(Schema):
    """Which rate, and when; ``at`` is now when it is left out."""

    base: str
    quote: str
    at: datetime | None = None


class RateOut(Schema):
    """What one unit of ``base`` was worth in ``quote``."""

    base: str
    quote: str
    at: datetime
    rate: float


class MembersIn(Schema):
    """Who is to be asked for the members of an index, and where they go."""

    provider: str
    dataset: str = Field("", max_length=64)


class ProviderKeyIn(Schema):
    """A key by its parts, as ``key_fields`` of the provider names them; it is never read back."""

    key: dict[str, str]


class ProviderKeyOut(Schema):
    """What may be known of a stored key: its last characters, and what the vendor said."""

    hint: str
    status: str
    note: str
    checked_at: datetime | None
    created_at: datetime
    created_by: str


class LimitOut(Schema):
    """At most ``requests`` in ``seconds``, and what is left now."""

    requests: int
    seconds: float
    remaining: int
    reset_seconds: float


class VendorOut(Schema):
    """A provider that asks a vendor, the team's key of it, and what is left of its limits."""

    provider: str
    title: str
    needs_key: bool
    key_fields: list[str]
    ready: bool
    key: ProviderKeyOut | None
    timeframes: list[str]
    history: str
    units: dict[str, str]
    price_mode: str
    limits: list[LimitOut]


class FindingOut(Schema):
    """Something that looks wrong: opens of its first and last bar, how many, what was seen."""

    kind: str
    title: str
    at: datetime
    until: datetime
    bars: int
    size: float
    note: str
    weight: float
    state: str
    said: str
    said_by: str


class UniverseFindingOut(FindingOut):
    """A finding and whose bars it is in."""

    symbol: str
    dataset: str
    timeframe: str


class HoleOut(Schema):
    """A run of missing bars."""

    first: datetime
    last: datetime
    bars: int


class SeriesHealthOut(Schema):
    """How whole the bars of one series are."""

    symbol: str
    dataset: str
    timeframe: str
    shared: bool
    score: float | None
    coverage: float | None
    rows: int
    missing: int
    first: datetime | None
    last: datetime | None
    checked_at: datetime | None
    counts: dict[str, int]
    gaps: list[HoleOut]
    findings: list[FindingOut]


class SeriesQuery(Schema):
    """Which bars of an instrument; the team's own dataset comes first."""

    dataset: str = ""
    timeframe: str = ""


class AroundQuery(SeriesQuery):
    """Around which moment."""

    at: datetime


class FindingQuery(Schema):
    """Which findings: of one kind, ``open`` or ``acknowledged``."""

    kind: str = ""
    state: str = ""


class AcknowledgeIn(SeriesQuery):
    """Which finding is a real event, and why."""

    kind: str
    at: datetime
    note: str


class WithdrawIn(SeriesQuery):
    """Which stored bars to take out, by their opens, and why."""

    symbol: str
    at: list[datetime] = Field(min_length=1)
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
    """What one batch changed: how many bars of how many series, over which stretch of time."""

    batch_id: int
    dataset: str
    provider: str
    source: str
    created_at: datetime
    created_by: str
    series: int
    bars: int
    first_at: datetime
    last_at: datetime


class ChangedBar(Schema):
    """A bar before and after; ``after`` is null when it was withdrawn."""

    symbol: str
    ts: datetime
    before: dict[str, float]
    after: dict[str, float] | None


class RevisionBars(Schema):
    """The bars that a batch changed."""

    batch_id: int
    dataset: str
    source: str
    created_at: datetime
    created_by: str
    bars_changed: int
    symbols: list[str]
    bars: list[ChangedBar]


class ChangesQuery(Schema):
    """Which changed bars."""

    symbol: str = ""
    limit: int = Field(200, ge=1, le=1000)
    offset: int = Field(0, ge=0)


class CheckupOut(Schema):
    """How healthy a universe was at a moment."""

    at: datetime
    score: float
    coverage: float
    findings: int
    stale: int
