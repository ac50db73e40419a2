"""What a provider of market data is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.market.kernel.columns import Actions, Columns, no_actions

Figures = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, and what it needs."""

    name: str
    title: str
    sections: tuple[str, ...] = ()
    needs_key: bool = False
    live: bool = False
    actions: bool = False
    figures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A body of data of a provider: becomes a dataset, and a universe of all its symbols."""

    name: str
    title: str
    timeframe: str
    calendar: str
    source: str
    licence: str
    universe: str
    survivorship: str
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a provider knows of an instrument."""

    symbol: str
    name: str = ""
    kind: str = "equity"
    sector: str = ""
    venue: str = ""
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants: empty symbols mean all; ``until`` in microseconds since 1970."""

    section: str
    symbols: tuple[str, ...] = ()
    timeframe: str = "1d"
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One fetch, small enough to be repeated: a symbol at a timeframe over a stretch of time."""

    section: str
    symbol: str
    timeframe: str
    since: int | None = None
    until: int | None = None

    @property
    def key(self) -> str:
        """The name under which progress is kept."""
        return f"{self.symbol}@{self.timeframe}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back for a task: bars in time order, closed by ``until``."""

    listing: Listing
    bars: Columns
    actions: Actions = field(default_factory=no_actions)
    figures: Figures = field(default_factory=dict)


class Provider(Protocol):
    """A source of bars. Raises ``Unavailable`` for what may pass, ``Invalid`` for what won't."""

    capabilities: Capabilities

    def section(self, name: str) -> Section:
        """Describe a section. Raises ``NotFound`` when there is none of the name."""
        ...

    def listings(self, section: str) -> Sequence[Listing]:
        """List the instruments of a section."""
        ...

    def plan(self, request: Request) -> list[Task]:
        """Split a request into tasks. Raises ``NotFound`` for an unknown symbol."""
        ...

    def fetch(self, task: Task) -> Fetched:
        """Fetch the bars of a task."""
        ...
