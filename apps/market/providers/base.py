"""What a provider of market data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.limits import Limit
from apps.market.kernel.columns import Actions, Columns, no_actions
from apps.market.providers.pacing import Timing

__all__ = [
    "Capabilities",
    "Fetched",
    "Figures",
    "Indexed",
    "Keyed",
    "Limit",
    "Listing",
    "Member",
    "Provider",
    "Remote",
    "Request",
    "Section",
    "Streamed",
    "Task",
]

Figures = dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do, and what it needs.

    Parameters
    ----------
    bars
        Whether it has bars; else figures only.
    key_fields
        Names of the parts of a key (``api_key``, ``secret``); empty when none is needed.
    timeframes
        What it serves by itself; empty when each section has one of its own.
    window
        How many bars one task may ask for at most; 0 when a task may ask for any number.
    history
        How far back it goes, in words.
    units
        What its volume and figures count, by name.
    price_mode
        How its prices are adjusted: ``raw``, ``split`` or ``total_return``.
    """

    name: str
    title: str
    sections: tuple[str, ...] = ()
    needs_key: bool = False
    live: bool = False
    bars: bool = True
    actions: bool = False
    figures: tuple[str, ...] = ()
    key_fields: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = ()
    window: int = 0
    history: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    price_mode: str = "raw"
    limits: tuple[Limit, ...] = ()


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
class Member:
    """A symbol in an index from one day until before another; None: not known, or still in."""

    symbol: str
    joined_on: str | None
    left_on: str | None


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
        """The name under which progress is told."""
        return f"{self.symbol}@{self.timeframe}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back for a task: bars in time order, closed by ``until``."""

    listing: Listing
    bars: Columns
    actions: Actions = field(default_factory=no_actions)
    figures: Figures = field(default_factory=dict)


class Provider(Protocol):
    """A source of bars.

    Errors are typed: ``Unavailable`` (with ``retry_after``) for what may pass, ``Invalid`` and
    ``NotFound`` for what won't, ``Denied`` with the code ``provider.auth`` for a key that is not
    taken.
    """

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


class Remote(Provider, Protocol):
    """A provider that asks somebody over the network, within limits."""

    def with_timing(self, timing: Timing) -> Remote:
        """Return the provider with another gate for its limits, or another clock."""
        ...


class Keyed(Remote, Protocol):
    """A provider that takes a team's key."""

    def with_key(self, key: Mapping[str, str]) -> Keyed:
        """Return the provider with a key: ``key_fields`` to their values."""
        ...

    def check_key(self) -> str:
        """Ask the vendor whether the key is taken; return what it said. Raises ``Denied``."""
        ...


class Indexed(Provider, Protocol):
    """A provider that knows who belonged to an index."""

    def memberships(self, index: str) -> list[Member]:
        """Return the memberships of an index. Raises ``NotFound`` for an unknown one."""
        ...


class Streamed(Protocol):
    """A provider that tells bars as they close."""

    def stream(
        self,
        symbols: Sequence[str],
        on_bar: Callable[[str, Columns, bool], None],
        stopped: Callable[[], bool],
        on_link: Callable[[bool], None] = ...,
    ) -> None:
        """Tell bars of a minute until ``stopped`` says so; connect again, with patience, if cut.

        ``on_bar`` gets symbol, bar, and whether it corrects one told before; ``on_link`` whether
        the bars of all symbols flow from now on, or no longer do. Raises ``Denied`` for a key
        that is not taken.
        """
        ...
