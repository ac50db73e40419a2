"""What a run gave: fills and equity kept, everything else replayed from them when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.kernel.hashing import digest_arrays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# When in its bar a fill happened.
AT_OPEN, WITHIN, AT_CLOSE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Fills:
    """Fills in the order they happened, one row each.

    ``key`` columns: bar and asset, and where orders were played the order's number (0: a target)
    and the moment (0 at the open, 1 within the bar, 2 at the close). ``value`` columns: quantity
    (negative for sells), price, fee, and where currencies were the rate to the base.
    """

    key: Ints
    value: Floats

    def __len__(self) -> int:
        return len(self.key)

    @property
    def bar(self) -> Ints:
        """The bar of each fill."""
        return self.key[:, 0]

    @property
    def asset(self) -> Ints:
        """The column of the asset."""
        return self.key[:, 1]

    @property
    def quantity(self) -> Floats:
        """Units bought, negative for sold."""
        return self.value[:, 0]

    @property
    def price(self) -> Floats:
        """The price got, in the asset's currency."""
        return self.value[:, 1]

    @property
    def fee(self) -> Floats:
        """The fee, in the base currency."""
        return self.value[:, 2]

    @property
    def fx(self) -> Floats:
        """Base currency per unit of the asset's."""
        return self.value[:, 3] if self.value.shape[1] > 3 else np.ones(len(self))

    @property
    def order(self) -> Ints:
        """The number of the order, 0 for a target."""
        return self.key[:, 2] if self.key.shape[1] > 2 else np.zeros(len(self), np.int64)

    @property
    def side(self) -> Ints:
        """1 for a buy, -1 for a sell."""
        return np.sign(self.quantity).astype(np.int64)

    @property
    def traded(self) -> float:
        """The value of all fills in the base currency."""
        return float(np.abs(self.quantity * self.price * self.fx).sum())


NO_FILLS = Fills(np.empty((0, 2), np.int64), np.empty((0, 3)))


def join(parts: list[Fills]) -> Fills:
    """Return fills of several bars as one."""
    if not parts:
        return NO_FILLS
    return Fills(np.concatenate([p.key for p in parts]), np.concatenate([p.value for p in parts]))


@dataclass(frozen=True, slots=True)
class Trades:
    """Round trips, first in first out; an open one is marked at the last close.

    ``size`` is negative for shorts; ``pnl`` is after fees, in the base currency.
    """

    key: Ints
    value: Floats
    fx: Floats

    def __len__(self) -> int:
        return len(self.key)

    @property
    def asset(self) -> Ints:
        """The column of the asset."""
        return self.key[:, 0]

    @property
    def entry_bar(self) -> Ints:
        """The bar of the entry."""
        return self.key[:, 1]

    @property
    def exit_bar(self) -> Ints:
        """The bar of the exit; the last one of an open trade."""
        return self.key[:, 2]

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """Whether it was still held at the end."""
        return self.key[:, 4] < 0

    @property
    def size(self) -> Floats:
        """Units, negative for shorts."""
        return self.value[:, 0]

    @property
    def entry_price(self) -> Floats:
        """The price got at the entry."""
        return self.value[:, 1]

    @property
    def exit_price(self) -> Floats:
        """The price got at the exit, or the last close."""
        return self.value[:, 2]

    @property
    def fees(self) -> Floats:
        """Fees of entry and exit."""
        return self.value[:, 3]

    @property
    def pnl(self) -> Floats:
        """Profit after fees."""
        return self.value[:, 4]

    @property
    def returns(self) -> Floats:
        """Profit over the value at entry, a fraction."""
        value: Floats = self.pnl / np.abs(self.size * self.entry_price * self.fx)
        return value


@dataclass(frozen=True, slots=True)
class Played:
    """What only the full loop knows, by bar and by event.

    Parameters
    ----------
    curve
        Equity, cash, gross value, net value by bar.
    positions
        ``(n_bars, n_assets)`` held at each close.
    orders
        One row per order; the columns are named in ``loops.orders``.
    flows
        Money that moved without a trade: bar, asset, kind (``FLOW_KINDS``), amount.
    splits
        ``(n_bars, n_assets)`` new shares per old, None when there were none.
    """

    curve: Floats
    positions: Floats
    orders: Floats
    flows: Floats
    splits: Floats | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of a run.

    Parameters
    ----------
    start_cash, fill, units
        As asked for.
    equity
        At each close, ``(n_bars,)``.
    fills
        Every fill.
    close, high, low
        The bars it was played on.
    played
        What the full loop recorded; None after the plain one.
    moment
        When in its bar a fill of the plain loop happened.
    fx
        Base currency per unit of each asset's at the end, None without currencies.
    """

    start_cash: float
    fill: str
    units: str
    equity: Floats
    fills: Fills
    close: Floats
    high: Floats
    low: Floats
    played: Played | None = None
    known_curve: Floats | None = None
    fx: Floats | None = None

    @cached_property
    def curve(self) -> Floats:
        """Equity, cash, gross value, net value by bar, ``(n_bars, 4)``."""
        if self.played is not None:
            return self.played.curve
        if self.known_curve is not None:
            return self.known_curve
        from apps.backtests.kernel import loops

        close = np.ascontiguousarray(self.close)
        found: Floats = loops.curve_2d(close, self.fills.key, self.fills.value, self.start_cash)
        return found

    @property
    def cash(self) -> Floats:
        """Cash at each close, ``(n_bars,)``."""
        return self.curve[:, 1]

    @property
    def exposure(self) -> Floats:
        """Gross value over equity at each close; NaN where equity is not positive."""
        return _share(self.curve[:, 2], self.equity)

    @property
    def net_exposure(self) -> Floats:
        """Net value over equity at each close; NaN where equity is not positive."""
        return _share(self.curve[:, 3], self.equity)

    @property
    def returns(self) -> Floats:
        """Simple returns per bar, ``(n_bars - 1,)``; the first counts from the starting cash."""
        before = self.equity[:-1].copy()
        before[:1] = self.start_cash
        return _share(self.equity[1:], before) - 1.0

    @cached_property
    def last_close(self) -> Floats:
        """Each asset's last finite close; NaN when it never had one."""
        return last_of(self.close)

    @cached_property
    def positions(self) -> Floats:
        """Quantity held at each close, ``(n_bars, n_assets)``."""
        if self.played is not None:
            return self.played.positions
        from apps.backtests.kernel import loops

        shape = self.close.shape
        held: Floats = loops.positions_2d(self.fills.key, self.fills.value, *shape)
        return held

    @cached_property
    def trades(self) -> Trades:
        """Round trips, first in first out, in the order of their exits.

        Quantities and prices across a split are those after it.
        """
        from apps.backtests.kernel import loops

        fills, last = self.fills, self.last_close
        value = np.ascontiguousarray(self._after_splits(fills)[:, :3])
        end = np.ones(len(last)) if self.fx is None else self.fx
        fx = np.concatenate((fills.fx, end))
        key, trips = loops.round_trips_1d(fills.key, value, fx, last, len(self.equity))
        return Trades(key, trips, fx[key[:, 3]])

    @cached_property
    def excursions(self) -> Floats:
        """Of each round trip the largest loss and gain on the way (MAE, MFE), ``(n_trades, 2)``.

        Positive fractions of the entry price. The range of the entry's bar counts unless it was
        entered at the close, that of the exit's bar only when it was left there.
        """
        from apps.backtests.kernel import loops

        trades, moment = self.trades, self.moments
        entered = moment[trades.key[:, 3]] == AT_CLOSE
        left = np.where(trades.is_open, AT_CLOSE, moment[trades.key[:, 4]]) == AT_CLOSE
        first = trades.entry_bar + entered
        last = trades.exit_bar - ~left
        ratio = self._ratios
        high, low = (np.ascontiguousarray(x / ratio) for x in (self.high, self.low))
        found: Floats = loops.excursions_1d(trades.key, trades.value, first, last, high, low)
        return found

    @property
    def moments(self) -> Ints:
        """When in its bar each fill happened; one entry when there is no fill."""
        if self.fills.key.shape[1] > 3:
            return self.fills.key[:, 3]
        at = AT_OPEN if self.fill == "next_open" else AT_CLOSE
        return np.full(len(self.fills) or 1, at)

    @property
    def _ratios(self) -> Floats:
        """New shares at the end per share then, by bar."""
        splits = None if self.played is None else self.played.splits
        if splits is None:
            return np.ones((1, 1))
        later = np.vstack((splits[1:], np.ones((1, splits.shape[1]))))
        return np.asarray(np.cumprod(later[::-1], axis=0)[::-1])

    def _after_splits(self, fills: Fills) -> Floats:
        if self.played is None or self.played.splits is None:
            return fills.value
        ratio = self._ratios[fills.bar, fills.asset]
        value = fills.value.copy()
        value[:, 0] *= ratio
        value[:, 1] /= ratio
        return value

    @cached_property
    def digest(self) -> str:
        """The sha-256 of everything that came out: the same inputs give the same digest."""
        more: dict[str, Any] = {}
        if self.played is not None:
            more = {"orders": self.played.orders, "flows": self.played.flows}
        return digest_arrays(
            curve=self.curve, fill_key=self.fills.key, fill_value=self.fills.value, **more
        )


def last_of(close: Floats) -> Floats:
    """Return each asset's last finite close; NaN when it never had one."""
    if len(close) and np.isfinite(close[-1]).all():
        return np.asarray(close[-1].copy())
    there = np.isfinite(close)
    at = close.shape[0] - 1 - np.argmax(there[::-1], axis=0) if len(close) else np.zeros(0, int)
    last = close[at, np.arange(close.shape[1])] if len(close) else np.full(close.shape[1], np.nan)
    return np.asarray(np.where(there.any(axis=0), last, np.nan))


def _share(part: Floats, whole: Floats) -> Floats:
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out
