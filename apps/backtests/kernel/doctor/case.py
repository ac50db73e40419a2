"""A finished run as the doctor sees it: arrays and figures, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.curves import returns_of
from apps.backtests.kernel.doctor.seen import Held, Seen, held_of, seen_of
from apps.backtests.kernel.integrity.sharpe import Moments, moments
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.interface import Parameter

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep of the run's strategy: its trials' parameters and their Sharpe ratios."""

    id: str
    title: str
    params: tuple[Mapping[str, Any], ...]
    sharpe: Floats


@dataclass(frozen=True)
class Case:
    """Everything the doctor looks at; nothing of it is written to.

    Parameters
    ----------
    request, params, result
        As the run keeps them.
    ts, equity, cash, exposure, net_exposure, benchmark
        By bar.
    trades, fills, orders, positions
        The tables of the run, columns by name.
    panel
        The bars of the instruments traded; None when there are none, and ``no_panel`` says why.
    data_changed
        Whether the same request reads other bars today; None when that is not known.
    declared, passive
        What the strategy says of itself.
    worth, looks, alpha_left
        Significance, looks at holdouts, the least alpha left of one.
    probe
        The verdict of the version's look-ahead probe; empty while there is none.
    varied
        Parameters that took more than one value among all trials of the family known here.
    twins
        Other runs with the same result: id and title.
    moved
        By how much a later computation on revised bars moved the total return.
    break_even_bps
        What a cost per side would have to rise by, computed and not estimated, where it was.
    """

    request: Mapping[str, Any]
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    ts: Ints
    equity: Floats
    cash: Floats
    exposure: Floats
    net_exposure: Floats
    benchmark: Floats
    trades: Table
    fills: Table
    orders: Table
    positions: Table
    panel: Panel | None = None
    no_panel: str = "The bars could not be read."
    data_changed: bool | None = None
    declared: tuple[Parameter, ...] = ()
    passive: bool = False
    version: int = 0
    worth: Mapping[str, Any] = field(default_factory=dict)
    looks: Sequence[Mapping[str, Any]] = ()
    alpha_left: float | None = None
    probe: str = ""
    sweeps: tuple[Swept, ...] = ()
    varied: frozenset[str] = frozenset()
    twins: tuple[tuple[str, str], ...] = ()
    moved: float | None = None
    engine_version: str = ""
    engine_now: str = ""
    break_even_bps: float | None = None

    @cached_property
    def start_cash(self) -> float:
        """What the run began with."""
        return float(self.request.get("cash", 0.0))

    @cached_property
    def profit(self) -> float:
        """What it made in all."""
        return float(self.equity[-1]) - self.start_cash if len(self.equity) else 0.0

    @cached_property
    def periods(self) -> float:
        """Bars in a year."""
        return float(self.result.get("periods_per_year") or 252.0)

    @cached_property
    def years(self) -> float:
        """How long it ran."""
        return max(len(self.equity) - 1, 0) / self.periods

    @cached_property
    def returns(self) -> Floats:
        """Simple returns by bar after the first."""
        return returns_of(self.equity, self.start_cash)

    @cached_property
    def market(self) -> Floats:
        """The benchmark's simple returns by bar after the first; NaN without one."""
        out = np.full(max(len(self.benchmark) - 1, 0), np.nan)
        before, after = self.benchmark[:-1], self.benchmark[1:]
        np.divide(after, before, out=out, where=before > 0.0)
        return out - 1.0

    @cached_property
    def growth(self) -> Floats:
        """Logarithmic growth by bar after the first; NaN where it was ruined."""
        known = np.where(self.returns > -1.0, self.returns, np.nan)
        return np.log1p(known)

    @cached_property
    def moments(self) -> Moments | None:
        """The moments of its returns."""
        return moments(self.returns)

    @cached_property
    def sharpe(self) -> float:
        """Its Sharpe ratio per year; NaN when there is none."""
        return self.moments.sharpe * self.periods**0.5 if self.moments else float("nan")

    @cached_property
    def drawdown(self) -> Floats:
        """The loss from the highest equity so far, positive; the starting cash is one."""
        top = np.maximum.accumulate(np.r_[self.start_cash, np.nan_to_num(self.equity)])[1:]
        out = np.zeros(len(self.equity))
        np.divide(top - self.equity, top, out=out, where=top > 0.0)
        return np.nan_to_num(out)

    @cached_property
    def pnl(self) -> Floats:
        """The profit of each trade."""
        return column(self.trades, "pnl")

    @cached_property
    def made(self) -> float:
        """The profit of all trades."""
        return float(np.nansum(self.pnl))

    @cached_property
    def is_open(self) -> NDArray[np.bool_]:
        """Which trades were still held at the end."""
        return column(self.trades, "is_open").astype(np.bool_)

    @cached_property
    def closed(self) -> int:
        """How many trades were closed."""
        return int((~self.is_open).sum())

    @cached_property
    def traded(self) -> float:
        """The value of all fills."""
        return float(np.nansum(column(self.fills, "value")))

    @cached_property
    def turnover(self) -> float:
        """Value traded over 2, over mean equity, a year."""
        mean = float(np.nanmean(self.equity)) if len(self.equity) else 0.0
        return self.traded / 2.0 / mean / self.years if mean > 0.0 and self.years > 0.0 else 0.0

    @cached_property
    def costs(self) -> Mapping[str, Any]:
        """The costs that were asked for."""
        return self.request.get("costs") or {}

    @cached_property
    def execution(self) -> Mapping[str, Any]:
        """The terms of execution that were asked for."""
        return self.request.get("execution") or {}

    @cached_property
    def seen(self) -> Seen | None:
        """Each fill beside the bar it happened in; None without bars."""
        return None if self.panel is None else seen_of(self.panel, self.fills)

    @cached_property
    def held(self) -> Held | None:
        """What was held of each instrument by bar, and what that made; None without bars."""
        if self.panel is None or "split" in (self.result.get("flows") or {}):
            return None
        return held_of(self.panel, self.positions)

    @property
    def why_not_held(self) -> str:
        """Why there is no ``held``."""
        if self.panel is None:
            return self.no_panel
        return "Splits changed what was held: prices as traded don't tell a jump from a split."

    def trade_words(self, n: int) -> str:
        """Return a trade as links name it."""
        return f"trade {n + 1}, {self.trades['symbol'][n]}"


def column(table: Table, name: str) -> NDArray[Any]:
    """Return a column; an empty one when the table has none."""
    found = table.get(name)
    return np.empty(0) if found is None else np.asarray(found)
