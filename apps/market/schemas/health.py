"""Health of data."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema

from apps.core.reading import Moment


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

    at: Moment


class FindingQuery(Schema):
    """Which findings: of one kind, ``open`` or ``acknowledged``."""

    kind: str = ""
    state: str = ""


class AcknowledgeIn(SeriesQuery):
    """Which finding is a real event, and why."""

    kind: str
    at: Moment
    note: str


class CheckupOut(Schema):
    """How healthy a universe was at a moment."""

    at: datetime
    score: float
    coverage: float
    findings: int
    stale: int
