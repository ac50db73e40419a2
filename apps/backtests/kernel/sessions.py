"""The full engine: one account on a panel, played at once or bar by bar by the same step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.costs import BPS, Costs, FeeTier
from apps.backtests.kernel.execution import Execution
from apps.backtests.kernel.fills import FillRule, check_units
from apps.backtests.kernel.limits import WeightLimits, limited
from apps.backtests.kernel.results import Fills, Played, Result
from apps.backtests.kernel.session_views import SessionView
from apps.core.errors import Invalid
from apps.market.kernel.bars import Panel
from apps.strategies.kernel.decisions import Decisions
from apps.strategies.kernel.interface import Features, View
from apps.strategies.kernel.orders import (
    ALL,
    KINDS,
    STATES,
    Intents,
    Order,
    OrderStatus,
    as_intents,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Decide = Callable[[View], Floats | Intents | None]
N_TERMS, N_SCALARS, N_STATE, N_ACCOUNT, N_COLUMNS = 7, 10, 10, 11, 17
ORDER_STATES = STATES
FLOW_KINDS = ("", "split", "dividend", "funding", "borrowing", "interest", "margin_call")
CASH, EQUITY, GROSS, NET, CALL, FIRST, UPTO, ORDERS, FILLS, FLOWS, FAULT = range(11)
# Places of the table of addresses: see ``loops.walking``.
ORDERS_THERE, ORDERS_AT, ROW_AT = 6, 24, 28
ROOM = 1024
MAX_WEIGHT = 100.0


class Session:
    """An account that plays a panel's bars in order.

    Parameters
    ----------
    panel
        The bars; ``extras`` may hold ``funding``, ``split``, ``dividend`` and ``fx``.
    cash, costs, execution, limits, units
        The terms.
    rule
        When targets and market orders fill: at the next open or the next close.

    Raises
    ------
    Invalid
        ``fill.comparison_only``, ``funding.missing``, ``fx.missing``, ``panel.mixed_price_modes``.
    """

    panel: Panel
    bar: int

    def __init__(
        self,
        panel: Panel,
        *,
        cash: float,
        costs: Costs,
        execution: Execution,
        rule: FillRule,
        units: str,
        limits: WeightLimits | None = None,
    ) -> None:
        from apps.backtests.kernel import loops

        if not rule.delay:
            message = (
                f"fill = {rule.name!r} serves comparisons with plain costs only; with orders, "
                "protection or accruals choose next_open or next_close."
            )
            raise Invalid(message, code="fill.comparison_only", details={"field": "fill"})
        self._loops: Any = loops
        self.panel, self.cash, self.rule, self.units = panel, cash, rule, check_units(units)
        self.limits = _with_leverage(limits, execution)
        n_bars, n_assets = panel.close.shape
        self._schedule, self._terms = _terms(panel, costs, execution, units)
        self._scalars = _scalars(costs, execution, self.limits, rule)
        self._bars = _bars_of(panel, costs)
        self._state = np.zeros((N_STATE, n_assets))
        self._state[[1, 2, 6, 7]] = np.nan
        self._account = np.zeros(N_ACCOUNT)
        self._account[[CASH, EQUITY]] = cash
        self._table = np.zeros((0, N_COLUMNS))
        self._orders = self._table[:0]
        self._key, self._value = np.empty((ROOM, 4), np.int64), np.empty((ROOM, 4))
        self._flows = np.empty((ROOM, 4))
        self._curve, self._positions = np.empty((n_bars, 4)), np.empty((n_bars, n_assets))
        self._row = np.full(n_assets, np.nan)
        # Orders keep their numbers when old ones are put away: see ``kept``.
        self._numbers: list[int] = []
        self._next = 1
        self._tags: dict[int, str] = {}
        self.told = self.bar = -1

    @property
    def positions(self) -> Floats:
        """Units held now, ``(n_assets,)``."""
        held: Floats = self._state[0]
        return held

    @property
    def last_prices(self) -> Floats:
        """Last closes in the base currency, ``(n_assets,)``; NaN before the first."""
        found: Floats = self._state[1]
        return found

    @property
    def equity(self) -> float:
        """Equity at the last close."""
        return float(self._account[EQUITY])

    @property
    def weights(self) -> Floats:
        """Shares of equity held at the last close."""
        held = np.where(self._state[0] == 0.0, 0.0, self._state[0] * self._state[1])
        return held / self.equity if self.equity > 0.0 else np.zeros_like(held)

    def state_of(self, number: int) -> str:
        """Return the state of an order. Raises ``Invalid`` for a number that is none."""
        return ORDER_STATES[int(self._orders[self._row_of(number), 6])]

    def _row_of(self, number: int) -> int:
        row = bisect_left(self._numbers, number)
        if row == len(self._numbers) or self._numbers[row] != number:
            message = f"There is no order {number}; {len(self._numbers)} are known."
            raise Invalid(message, code="order.unknown", details={"field": "cancel"})
        return row

    def list_orders(self) -> tuple[OrderStatus, ...]:
        """Return the orders that work, and those that ended since ``told``, the last bar asked."""
        rows = self._orders
        if not len(rows):
            return ()
        shown = (rows[:, 6] <= 1.0) | (rows[:, 11] > self.told)
        return tuple(self._status(row) for row in np.flatnonzero(shown).tolist())

    def _status(self, row: int) -> OrderStatus:
        order = self._orders[row]
        kind, size, filled = KINDS[int(order[1])], float(order[2]), float(order[12])
        level, number = float(order[4]), self._numbers[row]
        if kind == "trailing":
            level = float(order[15] * (1.0 - np.copysign(order[5], size)))
        parent = int(order[7])
        return OrderStatus(
            number,
            int(order[0]),
            kind,
            float(np.copysign(np.inf, size)) if abs(size) >= ALL / 2 else size,
            filled,
            ORDER_STATES[int(order[6])],
            level,
            float(order[13]) / filled if filled else float("nan"),
            self._numbers[parent - 1] if parent > 0 else 0,
            self._tags.get(number, ""),
        )

    def view(self, features: Features, memory: dict[str, Any], at: int | None = None) -> View:
        """Return what a strategy may see at this close; ``at`` is the row of its features."""
        return SessionView(self, features, memory, at)

    def follow(self, intents: Intents) -> list[int]:
        """Take what was decided at this close: cancels, orders, targets; return the numbers."""
        for number in intents.cancel:
            self.cancel(number)
        numbers = [self.place(order) for order in intents.orders]
        if intents.weights is not None:
            self.set_targets(intents.weights)
        self.told = self.bar
        return numbers

    def set_targets(self, weights: Floats) -> None:
        """Want these weights from the next bar on; NaN leaves an asset be."""
        row = np.asarray(weights, dtype=np.float64)
        if row.shape != self._row.shape or (np.abs(row) > MAX_WEIGHT).any():
            message = (
                f"Targets are shaped {row.shape} or not finite; {self._row.shape} is expected, "
                "NaN for 'as is'."
            )
            raise Invalid(message, code="targets.shape")
        # The row is written to when it is filled; the strategy's own array stays as it is.
        self._row = np.array(limited(row, self.limits))

    def place(self, order: Order, bar: int | None = None) -> int:
        """Take an order at the last close (or at ``bar``) and return its number."""
        self._check_asset(order)
        number, before = self._next, len(self._orders)
        rows = _rows(order, self.bar if bar is None else bar, before, self._terms[0])
        rows[1:, 8] = number
        self._append(rows)
        self._next += len(rows)
        self._numbers.extend(range(number, self._next))
        if order.tag:
            self._tags |= dict.fromkeys(range(number, self._next), order.tag)
        return number

    def _append(self, rows: Floats) -> None:
        """Write rows after the orders there are; the table behind them doubles when it is full."""
        count, more = len(self._orders), len(self._orders) + len(rows)
        if self._orders.base is not self._table or more > len(self._table):
            self._table = np.zeros((2 * more, N_COLUMNS))
            self._table[:count] = self._orders
        self._table[count:more] = rows
        self._orders = self._table[:more]
        self._account[ORDERS] = more

    def _check_asset(self, order: Order) -> None:
        if not 0 <= order.asset < self.panel.n_assets:
            message = f"order.asset = {order.asset}; there are {self.panel.n_assets} instruments."
            raise Invalid(message, code="order.invalid", details={"field": "asset"})

    def place_many(self, orders: Sequence[tuple[int, Order]]) -> None:
        """Take orders with the bar at whose close each was made, ascending."""
        tables, count = [self._orders], len(self._orders)
        for bar, order in orders:
            rows = _rows(order, bar, count, self._terms[0])
            tables.append(rows)
            count += len(rows)
        self._orders = np.vstack(tables)
        self._account[ORDERS] = count

    def cancel(self, number: int) -> None:
        """Take an order back, and what hangs on it; nothing happens to one that has ended."""
        rows, row = self._orders, self._row_of(number)
        children = (rows[:, 7] == row + 1) & (rows[:, 12] == 0.0)
        children[row] = True
        rows[children & (rows[:, 6] <= 1.0), 11] = self.bar
        rows[children & (rows[:, 6] <= 1.0), 6] = ORDER_STATES.index("cancelled")

    def advance(self) -> None:
        """Play the next bar."""
        self.bar += 1
        self._make_room()
        row, self._row = self._row, np.full(len(self._row), np.nan)
        tables = (self._state, self._account, self._orders, self._key, self._value, self._flows)
        self._loops.step_bar(
            self.bar, row, *self._bars, self._schedule, self._terms, self._scalars, *tables
        )
        self._check_fault(self.bar)
        self._curve[self.bar] = self._account[[EQUITY, CASH, GROSS, NET]]
        self._positions[self.bar] = self._state[0]

    def walk(self, decide: Decide, features: Features) -> None:
        """Ask ``decide`` at every close that is left, and do what it answers."""
        memory: dict[str, Any] = {}
        at = self._addresses()
        step, no_room = self._loops.step_at, self._loops.NO_ROOM
        for i in range(self.bar + 1, self.panel.n_bars):
            found = step(i, at)
            while found == no_room:
                self._make_room()
                at = self._addresses()
                found = step(i, at)
            self.bar = i
            if found:
                self._check_fault(i)
            intents = decide(SessionView(self, features, memory))
            if intents is None:
                self.told = i
            else:
                self.follow(as_intents(intents))
                # Orders and the row of targets are what following puts elsewhere.
                at[ORDERS_THERE] = len(self._orders)
                at[ORDERS_AT] = self._orders.ctypes.data
                at[ROW_AT] = self._row.ctypes.data

    def _addresses(self) -> Ints:
        """Return the sizes and addresses of all that a bar reads and writes; see ``step_at``."""
        shape, bars = self.panel.close.shape, self._bars
        sizes = (*shape, len(bars[7]), len(bars[8]), len(bars[9]), len(self._terms))
        rooms = (len(self._orders), len(self._key), len(self._flows))
        arrays = (*bars, self._schedule, self._terms, self._scalars, self._state, self._account)
        tables = (self._orders, self._key, self._value, self._flows, self._row)
        logs = (self._curve, self._positions)
        found = [array.ctypes.data for array in (*arrays, *tables, *logs)]
        return np.array((*sizes, *rooms, *found), np.int64)

    def play(self, decided: Decisions) -> None:
        """Play every bar that is left with what was decided before; orders were placed before."""
        weights = np.ascontiguousarray(limited(decided.weights, self.limits))
        bars = np.ascontiguousarray(decided.bars)
        while self.bar < self.panel.n_bars - 1:
            tables = (self._state, self._account, self._orders, self._key, self._value)
            stopped = self._loops.play_full(
                self.bar + 1,
                bars,
                weights,
                *self._bars,
                self._schedule,
                self._terms,
                self._scalars,
                *tables,
                self._flows,
                self._curve,
                self._positions,
            )
            self._check_fault(-1 - stopped)
            self.bar = stopped - 1
            self._make_room()

    def _make_room(self) -> None:
        width = self.panel.n_assets
        working = int(self._account[ORDERS] - self._account[FIRST])
        if self._account[FILLS] + 4 * width + 2 * working + 4 > len(self._key):
            more = len(self._key) + 8 * width + 4 * working + ROOM
            self._key = np.concatenate((self._key, np.empty((more, 4), np.int64)))
            self._value = np.concatenate((self._value, np.empty((more, 4))))
        if self._account[FLOWS] + 4 * width + 4 > len(self._flows):
            more = len(self._flows) + 8 * width + ROOM
            self._flows = np.concatenate((self._flows, np.empty((more, 4))))

    def _check_fault(self, bar: int) -> None:
        if self._account[FAULT] > 0.0:
            held = np.flatnonzero((self._state[0] != 0.0) & np.isnan(self._bars[7][bar]))
            when = str(self.panel.ts[bar].astype("datetime64[us]"))[:16]
            message = (
                f"{self.panel.symbols[held[0]]} is held at {when} and its funding is not known; "
                "load the rates, choose other dates, or leave costs.funding out."
            )
            raise Invalid(message, code="funding.missing", details={"field": "costs.funding"})

    def result(self) -> Result:
        """Return what came out so far."""
        fills, flows, upto = int(self._account[FILLS]), int(self._account[FLOWS]), self.bar + 1
        splits = self._bars[8]
        played = Played(
            self._curve[:upto],
            self._positions[:upto],
            self._orders,
            self._flows[:flows].copy(),
            np.where(splits[:upto] > 0.0, splits[:upto], 1.0) if len(splits) else None,
        )
        panel = self.panel
        last = np.maximum.accumulate(
            np.where(np.isfinite(panel.close[:upto]), np.arange(upto)[:, None], 0), axis=0
        )
        return Result(
            self.cash,
            self.rule.name,
            self.units,
            self._curve[:upto, 0].copy(),
            Fills(self._key[:fills].copy(), self._value[:fills].copy()),
            panel.close[:upto],
            panel.high[:upto],
            panel.low[:upto],
            played=played,
            fx=self._bars[6][last[-1], np.arange(panel.n_assets)] if upto else None,
        )


def _with_leverage(limits: WeightLimits | None, execution: Execution) -> WeightLimits | None:
    """Return the limits of target weights with the leverage allowed at a fill among them."""
    if execution.leverage is None:
        return limits
    given = limits or WeightLimits()
    tops = [top for top in (given.max_leverage, execution.leverage) if top is not None]
    return WeightLimits(given.max_position_share, given.max_exposure, min(tops))


def _scalars(
    costs: Costs, execution: Execution, limits: WeightLimits | None, rule: FillRule
) -> Floats:
    tops = [execution.leverage]
    if limits is not None:
        tops += [limits.max_exposure, limits.max_leverage]
    known = [top for top in tops if top is not None]
    # Without leverage asked for, orders stay within the equity; a limit may only lower that.
    top = min(known) if known else 0.0
    if execution.leverage is None and top > 1.0:
        top = 1.0
    return np.array(
        [
            float(rule.price == "close"),
            execution.participation or 0.0,
            top,
            execution.maintenance or 0.0,
            costs.borrow_bps * BPS,
            costs.interest_bps * BPS,
            execution.stop_loss or 0.0,
            execution.take_profit or 0.0,
            execution.trailing_stop or 0.0,
            (limits.max_position_share or 0.0) if limits else 0.0,
        ]
    )


def _by_symbol(panel: Panel, given: Any) -> Floats:
    if isinstance(given, float | int):
        return np.full(panel.n_assets, float(given))
    return np.array([float(given.get(symbol, 0.0)) for symbol in panel.symbols])


def _terms(panel: Panel, costs: Costs, execution: Execution, units: str) -> tuple[Ints, Floats]:
    """Return which terms hold at each bar, and the terms: ``(n_terms, 7, n_assets)``."""
    base = np.zeros((N_TERMS, panel.n_assets))
    base[0], base[1], base[2] = costs.fee, costs.maker, costs.slippage
    base[3], base[4] = costs.per_unit, costs.impact_bps * BPS
    base[5] = _by_symbol(panel, execution.lot)
    if units == "whole":
        base[5] = np.maximum(base[5], 1.0)
    base[6] = _by_symbol(panel, execution.tick)
    tiers = sorted(costs.schedule, key=lambda tier: tier.start)
    starts = [np.datetime64(tier.start, "us").astype(np.int64) for tier in tiers]
    all_terms = [base]
    for tier in tiers:
        all_terms.append(_after(all_terms[-1], tier, panel, execution))
    schedule = np.searchsorted(np.array(starts, np.int64), panel.ts, side="right")
    return schedule.astype(np.int64), np.array(all_terms)


def _after(terms: Floats, tier: FeeTier, panel: Panel, execution: Execution) -> Floats:
    there = [tier.venue in {"", execution.venues.get(symbol, "")} for symbol in panel.symbols]
    out = terms.copy()
    fees = np.array([[tier.fee_bps * BPS], [tier.maker_bps * BPS], [tier.per_unit]])
    out[np.ix_(np.array((0, 1, 3)), np.flatnonzero(there))] = fees
    return out


def _bars_of(panel: Panel, costs: Costs) -> tuple[Any, ...]:
    """Return times, prices, volume, rates to the base currency, and what accrues, by bar."""
    prices = tuple(
        np.ascontiguousarray(getattr(panel, name))
        for name in ("open", "high", "low", "close", "volume")
    )
    none = np.empty((0, panel.n_assets))
    extras = {name: np.ascontiguousarray(array) for name, array in panel.extras.items()}
    rates = extras.get("fx")
    if rates is None:
        rates = np.ones(panel.close.shape)
    elif (np.isfinite(panel.close) & ~(rates > 0.0)).any():
        row, column = np.argwhere(np.isfinite(panel.close) & ~(rates > 0.0))[0]
        when = str(panel.ts[row].astype("datetime64[us]"))[:16]
        message = f"The rate of {panel.symbols[column]}'s currency is not known at {when}."
        raise Invalid(message, code="fx.missing", details={"field": panel.symbols[column]})
    if costs.funding and "funding" not in extras:
        message = (
            "costs.funding is asked for and nothing is known of funding for these instruments; "
            "choose perpetuals whose rates are loaded."
        )
        raise Invalid(message, code="funding.missing", details={"field": "costs.funding"})
    funding = extras["funding"] if costs.funding else none
    splits, dividends = extras.get("split", none), extras.get("dividend", none)
    _check_mode(panel, splits, dividends)
    return (np.ascontiguousarray(panel.ts), *prices, rates, funding, splits, dividends)


def _check_mode(panel: Panel, splits: Floats, dividends: Floats) -> None:
    """Refuse actions that the prices hold already. Raises ``Invalid``."""
    twice = {"raw": (), "split": ("splits",), "total_return": ("splits", "dividends")}
    there = {"splits": (splits > 0.0).any(), "dividends": (dividends > 0.0).any()}
    wrong = [name for name in twice[panel.price_mode] if there[name]]
    if wrong:
        message = (
            f"The prices are {panel.price_mode} and hold {' and '.join(wrong)} already; given "
            "again they would count twice. Use raw prices, or leave them out."
        )
        raise Invalid(message, code="panel.mixed_price_modes", details={"field": "price_mode"})


def _on_tick(price: float, tick: float, *, up: bool) -> float:
    if not tick or price != price:
        return price
    steps = price / tick
    return float((np.ceil(steps - 1e-9) if up else np.floor(steps + 1e-9)) * tick)


def _rows(order: Order, bar: int, before: int, terms: Floats) -> Floats:
    """Return an order and its bracket as rows of the table; prices are brought to the tick."""
    tick, lot, buys = float(terms[6, order.asset]), float(terms[5, order.asset]), order.size > 0.0
    kind = KINDS.index(order.kind)
    size = float(np.copysign(ALL, order.size)) if order.is_all else order.size
    if lot:
        size = float(np.trunc(size / lot * (1.0 + 1e-12)) * lot)
        if size == 0.0:
            message = f"order.size = {order.size!r} is less than one lot of {lot:g}."
            raise Invalid(message, code="order.below_lot", details={"field": "size"})
    stops = order.kind in {"stop", "stop_limit"}
    level = _on_tick(order.price, tick, up=buys == stops)
    # A stop-limit keeps its limit where a trailing stop keeps its distance.
    limit = _on_tick(order.limit, tick, up=not buys)
    found = [_row(order, bar, kind, size, level, limit if limit == limit else order.trail)]
    found[0][[9, 14]] = order.bars, order.reduce_only
    profit = _on_tick(order.take_profit, tick, up=buys)
    for child, price, trail in (
        ("limit", profit, np.nan),
        ("stop", _on_tick(order.stop_loss, tick, up=not buys), np.nan),
        ("trailing", np.nan, order.trailing_stop),
    ):
        if price == price or trail == trail:
            row = _row(order, bar, KINDS.index(child), 0.0, price, trail)
            row[[7, 8, 14]] = before + 1, before + 1, 1.0
            found.append(row)
    return np.array(found)


def _row(order: Order, bar: int, kind: int, size: float, level: float, trail: float) -> Floats:
    row = np.zeros(N_COLUMNS)
    row[[0, 1, 2, 3, 4, 5]] = order.asset, kind, size, size, level, trail
    row[[10, 11, 15, 16]] = bar, -1, np.nan, -1
    return row


def place_all(session: Session, orders: Sequence[tuple[int, Order]]) -> None:
    """Place orders by the bar at whose close each was made, the earliest first."""
    session.place_many(sorted(orders, key=lambda pair: pair[0]))
