"""Ingestions, their tasks, flows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ninja import Field, Schema


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
