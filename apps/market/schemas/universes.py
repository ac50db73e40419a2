"""Universes."""

from __future__ import annotations

from datetime import date
from typing import Any

from ninja import Field, Schema


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
