"""The engine: target weights in, fills and equity out; one array gear, one event gear.

Both gears run the same compiled step, so the same decisions give the same fills to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.costs import Costs
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.fills import check_units, get_fill_rule
from apps.backtests.kernel.limits import WeightLimits, limited
from apps.backtests.kernel.results import NO_FILLS, Fills, Result, Trades, join
from apps.backtests.kernel.sessions import MAX_WEIGHT, Decide, Session, place_all
from apps.core.errors import Invalid
from apps.market.kernel.bars import FIELDS, Panel
from apps.strategies.kernel.decisions import ByBar, Decided, Decisions
from apps.strategies.kernel.interface import View
from apps.strategies.kernel.orders import Intents, Order

__all__ = ["Book", "Fills", "Result", "Trades", "run", "run_events"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENGINE_VERSION = "1"


def run(
    panel: Panel,
    targets: Decided,
    *,
    cash: float,
    fee_bps: float = 0.0,
    slippage_bps: float = 0.0,
    fill: str = "next_open",
    units: str = "fractional",
    limits: WeightLimits | None = None,
    finalize: bool = False,
    costs: Costs | None = None,
    execution: Execution | None = None,
    orders: Sequence[tuple[int, Order]] = (),
    full: bool = False,
) -> Result:
    """Play target weights, and orders, over a panel.

    Parameters
    ----------
    panel
        The bars; an asset without a bar can't trade and is valued at its last close.
    targets
        ``(n_bars, n_assets)`` weights of equity wanted at each close, negative for short. A NaN
        cell leaves that asset be, a row of NaN all. A wish that meets no bar waits for the next
        bar of its asset, unless a later row replaces it. ``Decisions`` say the same in the rows
        that hold something, and may hold orders; what has to be asked bar by bar (``ByBar``) is
        played by the event gear.
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
    costs, execution
        All costs in place of the two, and the terms of execution.
    orders
        Pairs of the bar at whose close an order was made, and the order.
    full
        Take the loop that visits every bar where the plain one would do.

    Returns
    -------
    Result
        Equity, cash, exposure by bar; fills; round trips.

    Raises
    ------
    Invalid
        For shapes that don't match, infinite weights, cash that is not positive; and what
        ``Session`` refuses.

    Notes
    -----
    Weights are shares of the equity that is left after the costs of the same rebalance, so a
    weight of 1 spends all cash including the fee. Without leverage asked for, buys never borrow.
    """
    from apps.backtests.kernel import loops

    rule = get_fill_rule(fill)
    costs, execution = costs or Costs(fee_bps, slippage_bps), execution or Execution()
    start = check_cash(cash)
    if isinstance(targets, Decisions):
        orders = (*orders, *targets.orders)
    if full or orders or isinstance(targets, ByBar) or needs_session(panel, costs, execution):
        _check_finalize(finalize=finalize)
        session = Session(
            panel,
            cash=start,
            costs=costs,
            execution=execution,
            rule=rule,
            units=units,
            limits=limits,
        )
        return _play_all(session, targets, orders)
    fee_bps, slippage_bps = costs.fee_bps, costs.slippage_bps
    if finalize and panel.n_bars:
        dense = targets.targets(panel.n_bars) if isinstance(targets, Decisions) else targets
        return _finalized(panel, limited(dense, limits), cash, fee_bps, slippage_bps, fill, units)
    terms = terms_of(costs, units, panel.n_assets)
    decided, cells = check_decisions(panel, targets)
    prices, close = (np.ascontiguousarray(getattr(panel, n)) for n in (rule.price, "close"))
    # A wish fills at most once; ruin may add one closing fill per asset.
    room = cells + 2 * panel.n_assets
    equity = np.empty(panel.n_bars)
    key, value = np.empty((room, 2), np.int64), np.empty((room, 3))
    weights = np.ascontiguousarray(limited(decided.weights, limits))
    played = (equity, key, value)
    if panel.n_assets == 1:
        one = (x.reshape(-1) for x in (prices, close))
        plain = (costs.fee, costs.slippage, terms[5, 0])
        row = weights.reshape(-1)
        count = loops.play_1d(*one, decided.bars, row, rule.delay, start, *plain, *played)
    else:
        count = loops.play_2d(
            prices, close, decided.bars, weights, rule.delay, start, terms, *played
        )
    fills = Fills(key[:count], value[:count])
    return Result(start, fill, units, equity, fills, close, panel.high, panel.low)


def _play_all(session: Session, targets: Decided, orders: Sequence[tuple[int, Order]]) -> Result:
    place_all(session, orders)
    if isinstance(targets, ByBar):
        session.walk(targets.decide, targets.features)
        return session.result()
    session.play(check_decisions(session.panel, targets)[0])
    return session.result()


def needs_session(panel: Panel, costs: Costs, execution: Execution) -> bool:
    """Tell whether something is asked for, or known of the bars, that needs the full loop."""
    known = {"split", "dividend", "fx"} & panel.extras.keys()
    return bool(known) or not (costs.is_plain and execution.is_plain)


def _check_finalize(*, finalize: bool) -> None:
    if finalize:
        message = "finalize serves comparisons with plain costs only; leave it out here."
        raise Invalid(message, code="finalize.comparison_only", details={"field": "finalize"})


def terms_of(costs: Costs, units: str, n_assets: int) -> Floats:
    """Return the terms of the compiled step for plain costs, one column per asset."""
    terms = np.zeros((7, n_assets))
    terms[0], terms[2] = costs.fee, costs.slippage
    terms[5] = 1.0 if check_units(units) == "whole" else 0.0
    return terms


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
    key = found.fills.key.copy()
    key[:, 0] = np.minimum(key[:, 0], panel.n_bars - 1)
    return Result(
        found.start_cash,
        fill,
        units,
        np.ascontiguousarray(curve[:, 0]),
        Fills(key, found.fills.value),
        panel.close,
        panel.high,
        panel.low,
        known_curve=curve,
    )


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
        self._terms = terms_of(self.costs, units, n_assets)
        self._ones = np.ones(n_assets)
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
            self._ones,
            self._ones,
            self.marks,
            self.wanted,
            self.positions,
            self.cash,
            self._terms,
            0.0,
            self._quantity,
            self._paid,
            self._fees,
        )
        self._waiting = bool(np.isfinite(self.wanted).any())
        asset = np.flatnonzero(self._quantity)
        key = np.column_stack((np.zeros(len(asset), np.int64), asset))
        return Fills(
            key, np.column_stack((self._quantity[asset], self._paid[asset], self._fees[asset]))
        )

    def mark(self, prices: Floats) -> float:
        """Value all at the closes (NaN: the last one stands) and return the equity."""
        self.equity, self.gross, self.net = self._loops.mark_1d(
            prices, self._ones, self.marks, self.positions, self.wanted, self.cash
        )
        self._waiting = self._waiting or (self.equity <= 0.0 and self.gross > 0.0)
        return float(self.equity)


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
    costs: Costs | None = None,
    execution: Execution | None = None,
    full: bool = False,
) -> Result:
    """Play ``decide`` bar by bar: the event gear's twin of ``run``.

    Plain terms go through a ``Book``, as paper trading does; the others through a ``Session``.
    ``decide`` may answer with ``Intents`` where a session plays (``full`` asks for one).
    """
    rule = get_fill_rule(fill)
    costs, execution = costs or Costs(fee_bps, slippage_bps), execution or Execution()
    if full or needs_session(panel, costs, execution):
        session = Session(
            panel,
            cash=check_cash(cash),
            costs=costs,
            execution=execution,
            rule=rule,
            units=units,
            limits=limits,
        )
        session.walk(decide, features)
        return session.result()
    fee_bps, slippage_bps = costs.fee_bps, costs.slippage_bps
    book = Book(panel.n_assets, cash, fee_bps, slippage_bps, units, limits)
    close, prices = panel.close, getattr(panel, rule.price)
    memory: dict[str, Any] = {}
    curve, found = np.empty((panel.n_bars, 4)), []
    for i in range(panel.n_bars):
        if rule.delay:
            found.append(_at(book.on_open(prices[i]), i))
            book.mark(close[i])
        tradable = np.isfinite(close[i])
        view = View(
            i,
            int(panel.ts[i]),
            features,
            book.weights,
            tradable,
            memory,
            book.positions.copy(),
            book.marks.copy(),
            book.equity,
        )
        weights = decide(view)
        if isinstance(weights, Intents):
            weights = _weights_alone(weights)
        if weights is not None:
            book.set_targets(weights)
        if not rule.delay:
            found.append(_at(book.on_open(prices[i]), i))
            book.mark(close[i])
        curve[i] = book.equity, book.cash, book.gross, book.net
    return Result(
        float(cash),
        fill,
        units,
        curve[:, 0].copy(),
        join(found),
        close,
        panel.high,
        panel.low,
        known_curve=curve,
    )


def _weights_alone(intents: Intents) -> Floats | None:
    if intents.has_orders:
        message = "Orders need a session; run the event gear with full=True."
        raise Invalid(message, code="order.no_session")
    return intents.weights


def check_decisions(panel: Panel, targets: Floats | Decisions) -> tuple[Decisions, int]:
    """Return targets as sparse decisions, and how many weights they hold.

    Raises ``Invalid`` for a wrong shape, or a weight that is infinite or beyond all reason.
    """
    from apps.backtests.kernel import loops

    if isinstance(targets, Decisions):
        found = targets.weights.shape
        if len(found) != 2 or found != (len(targets.bars), panel.n_assets):
            raise _bad_shape(found, (len(targets.bars), panel.n_assets))
        bars = targets.bars
        if len(bars) and (bars[0] < 0 or bars[-1] >= panel.n_bars or (np.diff(bars) <= 0).any()):
            message = "The bars of decisions must ascend and lie within the panel."
            raise Invalid(message, code="targets.bars")
        wanted = np.ascontiguousarray(targets.weights, dtype=np.float64)
        _, count, cells = loops.sparse_2d(wanted, MAX_WEIGHT)
        decided = Decisions(np.ascontiguousarray(bars), wanted)
    else:
        wanted = np.ascontiguousarray(targets, dtype=np.float64)
        if wanted.shape != panel.close.shape:
            raise _bad_shape(wanted.shape, panel.close.shape)
        rows, count, cells = loops.sparse_2d(wanted, MAX_WEIGHT)
        decided = Decisions(rows, wanted[rows])
    if count < 0:
        message = f"A target weight is beyond ±{MAX_WEIGHT:g} times the equity or infinite."
        raise Invalid(message, code="targets.range")
    return decided, int(cells)


def check_cash(cash: float) -> float:
    """Return the starting cash. Raises ``Invalid`` unless it is positive and finite."""
    if not (np.isfinite(cash) and cash > 0):
        message = f"cash = {cash!r}; a run starts with a positive amount."
        raise Invalid(message, code="cash.range", details={"field": "cash"})
    return float(cash)


def _bad_shape(found: tuple[int, ...], expected: tuple[int, ...]) -> Invalid:
    message = f"Targets are shaped {found} or not finite; {expected} is expected, NaN for 'as is'."
    return Invalid(message, code="targets.shape")


def _at(fills: Fills, bar: int) -> Fills:
    if not len(fills):
        return fills
    key = fills.key.copy()
    key[:, 0] = bar
    return Fills(key, fills.value)
