"""Instruments, their bars and datasets."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from ninja import Field, Schema

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
    """A dividend or split; ``known_at`` is when this version of it came in."""

    kind: str
    on: date
    value: float
    factor: float
    known_at: datetime


class ActionQuery(Schema):
    """Whose dividends and splits."""

    symbol: str
    dataset: str = ""
    as_of: str | None = Field(None, description="those known then; now by default")


class MetricQuery(Paging):
    """Which figures of which instrument."""

    symbol: str
    kind: str
    dataset: str = ""
    start: str | None = None
    end: str | None = None
    as_of: str | None = Field(None, description="figures as known then; now by default")


class MetricOut(Schema):
    """A figure at a time."""

    ts: datetime
    value: float


class WithdrawActionsIn(Schema):
    """Which dividends or splits to take out, by their days, and why."""

    kind: Literal["dividend", "split"]
    on: list[date] = Field(min_length=1)
    note: str
    dataset: str = ""


class WithdrawnOut(Schema):
    """The batch under which actions were taken out, and which bars read differently since."""

    batch_id: int
    withdrawn: int


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


class MetricFigureQuery(Schema):
    """Which figures a chart shows."""

    kind: str
    dataset: str = ""
    as_of: str = ""


class FigureQuery(Schema):
    """What a chart of an instrument shows: the last ``bars`` bars."""

    dataset: str = ""
    timeframe: str = "1d"
    price_mode: str = "split"
    bars: str = "250"
    as_of: str = ""


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
