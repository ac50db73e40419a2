"""Instruments, their bars and datasets."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

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
