"""The engine: target weights in, fills and equity out; one array gear, one event gear.

Both gears run the same compiled step, so the same decisions give the same fills to the cent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.fills import check_units, get_fill_rule
from apps.backtests.kernel.limits import WeightLimits, limited
from apps.core.errors import Invalid
from apps.core.kernel.hashing import digest_arrays
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.interface import View

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENGINE_VERSION = "1"
MAX_WEIGHT = 100.0


@dataclass(frozen=True, slots=True)
class Fills:
    """Fills in the order they happened, one row each; ``quantity`` is negative for sells."""

    bar: Ints
    asset: Ints
    quantity: Floats
    price: Floats
    fee: Floats

    def __len__(self) -> int:
        return len(self.bar)

    @property
    def side(self) -> Ints:
        """1 for a buy, -1 for a sell."""
        return np.sign(self.quantity).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Trades:
    """Round trips, first in first out; an open one is marked at the last close.

    ``size`` is negative for shorts; ``pnl`` is after fees; ``returns`` is ``pnl`` over the value
    at entry; ``is_open`` tells which were still held at the end.
    """

    asset: Ints
    entry_bar: Ints
    exit_bar: Ints
    size: Floats
    entry_price: Floats
    exit_price: Floats
    fees: Floats
    pnl: Floats
    is_open: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.asset)

    @property
    def returns(self) -> Floats:
        """Profit over the value at entry, a fraction."""
        value: Floats = self.pnl / np.abs(self.size * self.entry_price)
        return value


@dataclass(frozen=True)
class Result:
    """What a run gave. ``curve`` columns: equity, cash, gross value, net value; by bar."""

    start_cash: float
    fill: str
    units: str
    curve: Floats
    fills: Fills
    last_close: Floats

    @property
    def equity(self) -> Floats:
        """Equity at each close, ``(n_bars,)``."""
        return self.curve[:, 0]

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
    def positions(self) -> Floats:
        """Quantity held at each close, ``(n_bars, n_assets)``."""
        from apps.backtests.kernel import loops

        key, value = _tables(self.fills)
        held: Floats = loops.positions_2d(key, value, len(self.curve), len(self.last_close))
        return held

    @cached_property
    def trades(self) -> Trades:
        """Round trips, first in first out, in the order of their exits."""
        from apps.backtests.kernel import loops

        key, value = _tables(self.fills)
        key, value = loops.round_trips_1d(key, value, self.last_close, len(self.curve))
        return Trades(
            asset=key[:, 0],
            entry_bar=key[:, 1],
            exit_bar=key[:, 2],
            is_open=key[:, 3] == 1,
            size=value[:, 0],
            entry_price=value[:, 1],
            exit_price=value[:, 2],
            fees=value[:, 3],
            pnl=value[:, 4],
        )

    @cached_property
    def digest(self) -> str:
        """The sha-256 of everything that came out: the same inputs give the same digest."""
        key, value = _tables(self.fills)
        return digest_arrays(curve=self.curve, fill_key=key, fill_value=value)


def run(
    panel: Panel,
    targets: Floats,
    *,
    cash: float,
    fee_bps: float = 0.0,
    slippage_bps: float = 0.0,
    fill: str = "next_open",
    units: str = "fractional",
    limits: WeightLimits | None = None,
    finalize: bool = False,
) -> Result:
    """Play target weights over a panel.

    Parameters
    ----------
    panel
        The bars; an asset without a bar can't trade and is valued at its last close.
    targets
        ``(n_bars, n_assets)`` weights of equity wanted at each close, negative for short. A NaN
        cell leaves that asset be, a row of NaN all. A wish that meets no bar waits for the next
        bar of its asset, unless a later row replaces it.
    cash
        What the account starts with.
    fee_bps, slippage_bps
        Costs in basis points of the value traded.
    fill
        ``next_open``, ``next_close`` or ``close`` (for comparison only).
    units
        ``fractional`` or ``whole`` (cut toward zero).
    limits
        Brought to bear on every row of targets, as the event gear does.
    finalize
        Close what is held at the end at the price the last bar filled at, as backtesting.py's
        ``finalize_trades`` does; for comparison only. Otherwise the last closes value it.

    Returns
    -------
    Result
        Equity, cash, exposure by bar; fills; round trips.

    Raises
    ------
    Invalid
        For shapes that don't match, infinite weights, cash that is not positive.

    Notes
    -----
    Weights are shares of the equity that is left after the costs of the same rebalance, so a
    weight of 1 spends all cash including the fee. Without leverage asked for, buys never borrow.
    """
    from apps.backtests.kernel import loops

    targets = limited(targets, limits)
    if finalize and panel.n_bars:
        return _finalized(panel, targets, cash, fee_bps, slippage_bps, fill, units)
    rule, costs = get_fill_rule(fill), Costs(fee_bps, slippage_bps)
    wanted = check_targets(panel, targets)
    start = check_cash(cash)
    close = np.ascontiguousarray(panel.close)
    prices = np.ascontiguousarray(getattr(panel, rule.price))
    # A wish fills at most once; ruin may add one closing fill per asset.
    room = int(np.count_nonzero(wanted == wanted)) + 2 * panel.n_assets
    curve = np.empty((panel.n_bars, 4))
    key, value = np.empty((room, 2), np.int64), np.empty((room, 3))
    count = loops.run_2d(
        prices,
        close,
        wanted,
        rule.delay,
        start,
        costs.fee,
        costs.slippage,
        check_units(units) == "whole",
        curve,
        key,
        value,
    )
    return Result(start, fill, units, curve, _fills(key[:count], value[:count]), _last(close))


def _finalized(
    panel: Panel,
    targets: Floats,
    cash: float,
    fee_bps: float,
    slippage_bps: float,
    fill: str,
    units: str,
) -> Result:
    """Play one more copy of the last bar in which everything is closed, and fold it back."""
    again = np.r_[np.arange(panel.n_bars), panel.n_bars - 1]
    longer = replace(
        panel,
        ts=panel.ts[again],
        **{name: getattr(panel, name)[again] for name in FIELDS},
    )
    wanted = np.vstack([targets, np.zeros((1, panel.n_assets))])
    delay = get_fill_rule(fill).delay
    wanted[len(wanted) - 1 - delay] = 0.0
    found = run(
        longer,
        wanted,
        cash=cash,
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
        fill=fill,
        units=units,
    )
    curve = np.delete(found.curve, -2, axis=0)
    parts = found.fills
    bar = np.minimum(parts.bar, panel.n_bars - 1)
    fills = Fills(bar, parts.asset, parts.quantity, parts.price, parts.fee)
    return Result(found.start_cash, fill, units, curve, fills, found.last_close)


class Book:
    """The event gear: cash and positions that live from bar to bar.

    Parameters
    ----------
    n_assets
        How many assets there are, in a fixed order.
    cash, fee_bps, slippage_bps, units, limits
        As for ``run``.
    """

    def __init__(
        self,
        n_assets: int,
        cash: float,
        fee_bps: float = 0.0,
        slippage_bps: float = 0.0,
        units: str = "fractional",
        limits: WeightLimits | None = None,
    ) -> None:
        from apps.backtests.kernel import loops

        self._loops: Any = loops
        self.costs = Costs(fee_bps, slippage_bps)
        self.units, self.limits = check_units(units), limits
        self._terms = (self.costs.fee, self.costs.slippage, units == "whole")
        self.cash = check_cash(cash)
        self.positions = np.zeros(n_assets)
        self.marks = np.full(n_assets, np.nan)
        self.wanted = np.full(n_assets, np.nan)
        self.equity, self.gross, self.net = self.cash, 0.0, 0.0
        self._quantity, self._paid, self._fees = np.zeros((3, n_assets))
        self._waiting = False

    @property
    def weights(self) -> Floats:
        """Shares of equity held at the last mark, ``(n_assets,)``."""
        held = np.where(self.positions == 0.0, 0.0, self.positions * self.marks)
        return held / self.equity if self.equity > 0.0 else np.zeros_like(held)

    def set_targets(self, weights: Floats) -> None:
        """Take over the finite weights as wishes for the next fill."""
        row = limited(np.asarray(weights, dtype=np.float64), self.limits)
        if row.shape != self.positions.shape or np.isinf(row).any():
            raise _bad_shape(row.shape, self.positions.shape)
        self._waiting = bool(self._loops.ask_1d(row, self.wanted)) or self._waiting

    def on_open(self, prices: Floats) -> Fills:
        """Fill what waits at ``prices`` (NaN: no bar) and return the fills, ``bar`` being 0."""
        if not self._waiting:
            return NO_FILLS
        self.cash = self._loops.trade_1d(
            prices,
            self.marks,
            self.wanted,
            self.positions,
            self.cash,
            *self._terms,
            self._quantity,
            self._paid,
            self._fees,
        )
        self._waiting = bool(np.isfinite(self.wanted).any())
        asset = np.flatnonzero(self._quantity)
        parts = (self._quantity[asset], self._paid[asset], self._fees[asset])
        return Fills(np.zeros(len(asset), np.int64), asset, *parts)

    def mark(self, prices: Floats) -> float:
        """Value all at the closes (NaN: the last one stands) and return the equity."""
        self.equity, self.gross, self.net = self._loops.mark_1d(
            prices, self.marks, self.positions, self.wanted, self.cash
        )
        self._waiting = self._waiting or (self.equity <= 0.0 and self.gross > 0.0)
        return float(self.equity)


NO_FILLS = Fills(
    np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0)
)
Decide = Callable[[View], Floats | None]


def run_events(
    panel: Panel,
    features: dict[str, Floats],
    decide: Decide,
    *,
    cash: float,
    fee_bps: float = 0.0,
    slippage_bps: float = 0.0,
    fill: str = "next_open",
    units: str = "fractional",
    limits: WeightLimits | None = None,
) -> Result:
    """Play ``decide`` bar by bar through a ``Book``: the event gear's twin of ``run``."""
    rule = get_fill_rule(fill)
    book = Book(panel.n_assets, cash, fee_bps, slippage_bps, units, limits)
    close, prices = panel.close, getattr(panel, rule.price)
    memory: dict[str, Any] = {}
    curve, found = np.empty((panel.n_bars, 4)), []
    for i in range(panel.n_bars):
        if rule.delay:
            found.append(_at(book.on_open(prices[i]), i))
            book.mark(close[i])
        tradable = np.isfinite(close[i])
        view = View(i, int(panel.ts[i]), features, book.weights, tradable, memory)
        weights = decide(view)
        if weights is not None:
            book.set_targets(weights)
        if not rule.delay:
            found.append(_at(book.on_open(prices[i]), i))
            book.mark(close[i])
        curve[i] = book.equity, book.cash, book.gross, book.net
    return Result(float(cash), fill, units, curve, _join(found), _last(close))


def check_targets(panel: Panel, targets: Floats) -> Floats:
    """Return targets as a contiguous array. Raises ``Invalid`` for a wrong shape or size."""
    wanted = np.ascontiguousarray(targets, dtype=np.float64)
    if wanted.shape != panel.close.shape:
        raise _bad_shape(wanted.shape, panel.close.shape)
    if panel.n_bars and (np.abs(wanted) > MAX_WEIGHT).any():
        message = f"A target weight is beyond ±{MAX_WEIGHT:g} times the equity or infinite."
        raise Invalid(message, code="targets.range")
    return wanted


def check_cash(cash: float) -> float:
    """Return the starting cash. Raises ``Invalid`` unless it is positive and finite."""
    if not (np.isfinite(cash) and cash > 0):
        message = f"cash = {cash!r}; a run starts with a positive amount."
        raise Invalid(message, code="cash.range", details={"field": "cash"})
    return float(cash)


def _bad_shape(found: tuple[int, ...], expected: tuple[int, ...]) -> Invalid:
    message = f"Targets are shaped {found} or not finite; {expected} is expected, NaN for 'as is'."
    return Invalid(message, code="targets.shape")


def _share(part: Floats, whole: Floats) -> Floats:
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out


def _fills(key: Ints, value: Floats) -> Fills:
    return Fills(
        key[:, 0].copy(),
        key[:, 1].copy(),
        value[:, 0].copy(),
        value[:, 1].copy(),
        value[:, 2].copy(),
    )


def _tables(fills: Fills) -> tuple[Ints, Floats]:
    key = np.column_stack((fills.bar, fills.asset)).astype(np.int64)
    return key, np.column_stack((fills.quantity, fills.price, fills.fee))


def _at(fills: Fills, bar: int) -> Fills:
    if not len(fills):
        return fills
    return Fills(
        np.full(len(fills), bar, np.int64), fills.asset, fills.quantity, fills.price, fills.fee
    )


def _join(parts: list[Fills]) -> Fills:
    names = ("bar", "asset", "quantity", "price", "fee")
    if not parts:
        return NO_FILLS
    return Fills(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _last(close: Floats) -> Floats:
    """Return each asset's last finite close; NaN when it never had one."""
    there = np.isfinite(close)
    at = close.shape[0] - 1 - np.argmax(there[::-1], axis=0) if len(close) else np.zeros(0, int)
    last = close[at, np.arange(close.shape[1])] if len(close) else np.full(close.shape[1], np.nan)
    return np.where(there.any(axis=0), last, np.nan)
