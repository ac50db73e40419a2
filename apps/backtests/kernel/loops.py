"""Compiled loops of backtests: arrays and scalars only. Import this inside functions.

Both gears of the engine run ``ask_1d``, ``trade_1d`` and ``mark_1d``; nothing else moves cash.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

DUST = 1e-12
WHOLE_SLACK = 1e-9
NEWTON_STEPS = 64


@njit(cache=True)
def ask_1d(row: Any, wanted: Any) -> bool:
    """Take over the finite weights of ``row``; tell whether there was any."""
    found = False
    for a in range(row.shape[0]):
        weight = row[a]
        if weight == weight:
            wanted[a] = weight
            found = True
    return found


@njit(cache=True)
def equity_after_costs(
    prices: Any, wanted: Any, positions: Any, equity: float, buy: float, sell: float
) -> float:
    """Return the equity x left when every wanted weight is a share of x and costs are paid.

    x + costs(x) = equity is piecewise linear and convex, so Newton's steps from ``equity`` end on
    the exact piece.
    """
    x = equity
    for _ in range(NEWTON_STEPS):
        gap, slope = x - equity, 1.0
        for a in range(wanted.shape[0]):
            weight, price = wanted[a], prices[a]
            if weight == weight and price == price:
                value = weight * x - positions[a] * price
                rate = buy if value > 0.0 else -sell
                gap += value * rate
                slope += weight * rate
        if slope <= 0.0:
            return x
        step = gap / slope
        x -= step
        if abs(step) <= 1e-16 * abs(equity):
            break
    return x


@njit(cache=True)
def whole_units(quantity: float) -> float:
    """Return the quantity cut to whole units toward zero; a hair below a unit counts as one."""
    size: float = np.floor(abs(quantity) * (1.0 + DUST) + WHOLE_SLACK)
    return size if quantity > 0.0 else -size


@njit(cache=True)
def _shrink(
    prices: Any,
    wanted: Any,
    positions: Any,
    quantity: Any,
    cash: float,
    fee: float,
    slippage: float,
    whole: bool,
) -> None:
    """Cut what longs add so that it never borrows, unless more than the equity was asked for.

    Buying back a short is never cut.
    """
    gross, spend = 0.0, 0.0
    buy, sell = (1.0 + slippage) * (1.0 + fee), (1.0 - slippage) * (1.0 - fee)
    for a in range(wanted.shape[0]):
        if wanted[a] == wanted[a]:
            gross += abs(wanted[a])
        if quantity[a] > 0.0:
            back = min(max(-positions[a], 0.0), quantity[a])
            cash -= back * prices[a] * buy
            spend += (quantity[a] - back) * prices[a] * buy
        elif quantity[a] < 0.0:
            cash -= quantity[a] * prices[a] * sell
    if gross > 1.0 + WHOLE_SLACK or spend <= cash * (1.0 + DUST) or spend <= 0.0:
        return
    share = max(cash, 0.0) / spend
    for a in range(wanted.shape[0]):
        if quantity[a] > 0.0:
            back = min(max(-positions[a], 0.0), quantity[a])
            more = (quantity[a] - back) * share
            quantity[a] = back + (whole_units(more) if whole else more)


@njit(cache=True)
def _sizes(
    prices: Any,
    wanted: Any,
    positions: Any,
    equity: float,
    cash: float,
    fee: float,
    slippage: float,
    whole: bool,
    quantity: Any,
) -> None:
    """Write the signed quantity of every trade that is due and possible now."""
    x = equity
    if equity > 0.0 and (fee > 0.0 or slippage > 0.0):
        buy, sell = slippage + fee * (1.0 + slippage), slippage + fee * (1.0 - slippage)
        x = equity_after_costs(prices, wanted, positions, equity, buy, sell)
    has_buys = False
    for a in range(wanted.shape[0]):
        quantity[a] = 0.0
        weight, price = wanted[a], prices[a]
        if weight != weight or price != price:
            continue
        goal = weight * x / price if equity > 0.0 else 0.0
        if whole:
            goal = whole_units(goal)
        change = goal - positions[a]
        if abs(change) > DUST * max(abs(goal), abs(positions[a])):
            quantity[a] = change
            has_buys = has_buys or change > 0.0
    if has_buys:
        _shrink(prices, wanted, positions, quantity, cash, fee, slippage, whole)


@njit(cache=True)
def trade_1d(
    prices: Any,
    marks: Any,
    wanted: Any,
    positions: Any,
    cash: float,
    fee: float,
    slippage: float,
    whole: bool,
    quantity: Any,
    paid: Any,
    fees: Any,
) -> float:
    """Fill what is wanted at ``prices`` and return the cash left.

    An asset without a price keeps its wish for a later bar and is valued at its last mark.
    ``quantity`` (signed), ``paid`` (price got) and ``fees`` are written for every asset;
    ``positions`` and ``wanted`` change in place. Equity at or below zero closes all it can.
    """
    equity = cash
    for a in range(positions.shape[0]):
        if positions[a] != 0.0:
            equity += positions[a] * (prices[a] if prices[a] == prices[a] else marks[a])
    _sizes(prices, wanted, positions, equity, cash, fee, slippage, whole, quantity)
    for a in range(positions.shape[0]):
        if prices[a] == prices[a]:
            wanted[a] = np.nan
        size = quantity[a]
        if size != 0.0:
            price = prices[a] * (1.0 + slippage if size > 0.0 else 1.0 - slippage)
            paid[a] = price
            fees[a] = abs(size) * price * fee
            cash -= size * price + fees[a]
            held = positions[a] + size
            # What is left of an emptied position is rounding.
            positions[a] = 0.0 if abs(held) <= DUST * abs(size) else held
    return cash


@njit(cache=True)
def mark_1d(close: Any, marks: Any, positions: Any, wanted: Any, cash: float) -> Any:
    """Return equity, gross and net value at the closes; ruin asks for an end of all positions."""
    gross, net = 0.0, 0.0
    for a in range(close.shape[0]):
        price = close[a]
        if price == price:
            marks[a] = price
        held = positions[a]
        if held != 0.0:
            value = held * marks[a]
            net += value
            gross += abs(value)
    equity = cash + net
    if equity <= 0.0 and gross > 0.0:
        wanted[:] = 0.0
    return equity, gross, net


@njit(cache=True)
def run_2d(
    prices: Any,
    close: Any,
    targets: Any,
    delay: int,
    cash: float,
    fee: float,
    slippage: float,
    whole: bool,
    curve: Any,
    fill_key: Any,
    fill_value: Any,
) -> int:
    """Play every bar, write what happened and return how many fills there were.

    ``curve`` rows are equity, cash, gross and net value; ``fill_key`` rows bar and asset;
    ``fill_value`` rows signed quantity, price and fee.
    """
    n_bars, n_assets = close.shape
    wanted = np.full(n_assets, np.nan)
    marks = np.full(n_assets, np.nan)
    positions = np.zeros(n_assets)
    quantity, paid, fees = np.zeros(n_assets), np.zeros(n_assets), np.zeros(n_assets)
    count, waiting = 0, False
    for i in range(n_bars):
        if i >= delay and ask_1d(targets[i - delay], wanted):
            waiting = True
        if waiting:
            cash = trade_1d(
                prices[i],
                marks,
                wanted,
                positions,
                cash,
                fee,
                slippage,
                whole,
                quantity,
                paid,
                fees,
            )
            waiting = False
            for a in range(n_assets):
                waiting = waiting or wanted[a] == wanted[a]
                if quantity[a] != 0.0:
                    fill_key[count, 0], fill_key[count, 1] = i, a
                    fill_value[count, 0] = quantity[a]
                    fill_value[count, 1] = paid[a]
                    fill_value[count, 2] = fees[a]
                    count += 1
        equity, gross, net = mark_1d(close[i], marks, positions, wanted, cash)
        waiting = waiting or (equity <= 0.0 and gross > 0.0)
        curve[i, 0], curve[i, 1], curve[i, 2], curve[i, 3] = equity, cash, gross, net
    return count


@njit(cache=True)
def positions_2d(fill_key: Any, fill_value: Any, n_bars: int, n_assets: int) -> Any:
    """Return the quantity held at each close, from the fills."""
    out = np.zeros((n_bars, n_assets))
    at = 0
    for i in range(n_bars):
        if i > 0:
            out[i] = out[i - 1]
        while at < fill_key.shape[0] and fill_key[at, 0] == i:
            a, size = fill_key[at, 1], fill_value[at, 0]
            held = out[i, a] + size
            out[i, a] = 0.0 if abs(held) <= DUST * abs(size) else held
            at += 1
    return out


@njit(cache=True)
def round_trips_1d(fill_key: Any, fill_value: Any, last: Any, n_bars: int) -> Any:
    """Match fills first in, first out; what is open at the end is marked at ``last``.

    Returns keys (asset, entry bar, exit bar, open?) and values (signed size, entry price, exit
    price, fees, profit), one row per round trip.
    """
    n_fills, n_assets = fill_key.shape[0], last.shape[0]
    key, value = np.zeros((2 * n_fills, 4), np.int64), np.zeros((2 * n_fills, 5))
    left, after = np.zeros(n_fills), np.full(n_fills, -1)
    ends, held = np.full((n_assets, 2), -1), np.zeros(n_assets)
    count = 0
    for f in range(n_fills):
        a, size = fill_key[f, 1], fill_value[f, 0]
        count, rest = _match(key, value, count, fill_key, fill_value, f, left, after, ends)
        held[a] += size
        if abs(held[a]) <= DUST * abs(size):
            held[a], ends[a, 0], rest = 0.0, -1, 0.0
        if abs(rest) > DUST * abs(size):
            left[f] = rest
            if ends[a, 0] < 0:
                ends[a, 0] = f
            else:
                after[ends[a, 1]] = f
            ends[a, 1] = f
    for a in range(n_assets):
        lot = ends[a, 0]
        while lot >= 0:
            _open_trip(key, value, count, fill_key, fill_value, lot, left[lot], last[a], n_bars)
            count += 1
            lot = after[lot]
    return key[:count], value[:count]


@njit(cache=True)
def _match(
    key: Any,
    value: Any,
    count: int,
    fill_key: Any,
    fill_value: Any,
    f: int,
    left: Any,
    after: Any,
    ends: Any,
) -> Any:
    """Close the oldest opposite lots with fill ``f``; return trips so far and what is left."""
    a, rest = fill_key[f, 1], fill_value[f, 0]
    while ends[a, 0] >= 0 and rest * left[ends[a, 0]] < 0.0:
        lot = ends[a, 0]
        part = min(abs(rest), abs(left[lot]))
        signed = part if left[lot] > 0.0 else -part
        _trip(key, value, count, fill_key, fill_value, lot, f, signed)
        count += 1
        left[lot] -= signed
        rest += signed
        if abs(left[lot]) <= DUST * abs(fill_value[lot, 0]):
            ends[a, 0] = after[lot]
    return count, rest


@njit(cache=True)
def _trip(
    key: Any,
    value: Any,
    row: int,
    fill_key: Any,
    fill_value: Any,
    entry: int,
    leave: int,
    size: float,
) -> None:
    paid_in = fill_value[entry, 2] * abs(size / fill_value[entry, 0])
    paid_out = fill_value[leave, 2] * abs(size / fill_value[leave, 0])
    key[row, 0], key[row, 1], key[row, 2] = (
        fill_key[entry, 1],
        fill_key[entry, 0],
        fill_key[leave, 0],
    )
    value[row, 0] = size
    value[row, 1] = fill_value[entry, 1]
    value[row, 2] = fill_value[leave, 1]
    value[row, 3] = paid_in + paid_out
    value[row, 4] = size * (fill_value[leave, 1] - fill_value[entry, 1]) - paid_in - paid_out


@njit(cache=True)
def _open_trip(
    key: Any,
    value: Any,
    row: int,
    fill_key: Any,
    fill_value: Any,
    entry: int,
    size: float,
    last: float,
    n_bars: int,
) -> None:
    paid = fill_value[entry, 2] * abs(size / fill_value[entry, 0])
    key[row, 0], key[row, 1], key[row, 2] = fill_key[entry, 1], fill_key[entry, 0], n_bars - 1
    key[row, 3] = 1
    value[row, 0], value[row, 1], value[row, 2] = size, fill_value[entry, 1], last
    value[row, 3], value[row, 4] = paid, size * (last - fill_value[entry, 1]) - paid
