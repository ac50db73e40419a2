"""Shapes of the REST operations of risk."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from apps.core.rest import Paging


class ReportIn(Schema):
    """Return columns by name (null is missing), and how to measure them; losses are positive."""

    returns: dict[str, list[float | None]]
    weights: dict[str, float] = Field(default_factory=dict)
    levels: list[float] = Field([0.95, 0.99], min_length=1, max_length=10)
    methods: list[str] = Field(["historical", "gaussian"], min_length=1, max_length=10)
    horizon: int = Field(1, ge=1, le=250)
    title: str = Field("Returns sent by a client", max_length=200)


class MeasureOut(Schema):
    """VaR and ES by one method at one level, as fractions; losses are positive."""

    var: float
    es: float
    method: str
    level: float
    horizon: int
    observations: int


class ColumnOut(Schema):
    """A column's moments (population) and measures."""

    observations: int
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
    weights: dict[str, float] = Field(default_factory=dict)
    columns: dict[str, ColumnOut]
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
