"""The plain loop: only bars at which something can happen are stepped through.

Between them positions stand still, and values follow the closes alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.steps import (
    DUST,
    NEWTON_STEPS,
    WHOLE_SLACK,
    after_fill,
    ask_1d,
    trade_1d,
    whole_lots,
)


@compiled
def sparse_2d(targets: Any, most: float) -> Any:
    """Return the rows of ``targets`` that hold a weight, and how many; -1 for one beyond ``most``.

    The third answer counts the weights.
    """
    n_bars, n_assets = targets.shape
    rows = np.empty(n_bars, np.int64)
    count, cells = 0, 0
    for i in range(n_bars):
        here = 0
        for a in range(n_assets):
            weight = targets[i, a]
            if weight == weight:
                here += 1
                if not abs(weight) <= most:
                    return rows[:0], -1, 0
        if here > 0:
            rows[count] = i
            count += 1
            cells += here
    return rows[:count], count, cells


@compiled
def _held(positions: Any, close: Any, i: int, marks: Any, held: Any) -> int:
    """List what is held; an asset without a close at ``i`` takes the last one before."""
    count = 0
    for a in range(positions.shape[0]):
        if positions[a] != 0.0:
            held[count] = a
            count += 1
            if close[i, a] != close[i, a]:
                j = i - 1
                while j >= 0 and close[j, a] != close[j, a]:
                    j -= 1
                marks[a] = close[j, a] if j >= 0 else np.nan
    return count


@compiled
def _value(
    close: Any,
    start: int,
    stop: int,
    marks: Any,
    positions: Any,
    held: Any,
    count: int,
    cash: float,
    equity: Any,
) -> int:
    """Write the equity of bars ``start:stop``; return the bar of ruin, or ``stop`` for none."""
    if count == 0:
        equity[start:stop] = cash + 0.0
        return stop
    if count == 1:
        a = held[0]
        size, mark = positions[a], marks[a]
        for j in range(start, stop):
            price = close[j, a]
            if price == price:
                mark = price
            worth = cash + size * mark
            equity[j] = worth
            if worth <= 0.0 and size * mark != 0.0:
                marks[a] = mark
                return j
        marks[a] = mark
        return stop
    for j in range(start, stop):
        net, gross = 0.0, 0.0
        for h in range(count):
            a = held[h]
            price = close[j, a]
            if price == price:
                marks[a] = price
            value = positions[a] * marks[a]
            net += value
            gross += abs(value)
        equity[j] = cash + net
        if equity[j] <= 0.0 and gross > 0.0:
            return j
    return stop


@compiled
def play_2d(
    prices: Any,
    close: Any,
    at: Any,
    weights: Any,
    delay: int,
    cash: float,
    terms: Any,
    equity: Any,
    fill_key: Any,
    fill_value: Any,
) -> int:
    """Play the decisions ``weights`` made at the bars ``at``; return how many fills there were.

    ``equity`` is written by bar; ``fill_key`` rows are bar and asset; ``fill_value`` rows signed
    quantity, price and fee.
    """
    n_bars, n_assets = close.shape
    ones = np.ones(n_assets)
    wanted, marks = np.full(n_assets, np.nan), np.full(n_assets, np.nan)
    positions, held = np.zeros(n_assets), np.zeros(n_assets, np.int64)
    quantity, paid, fees = np.zeros(n_assets), np.zeros(n_assets), np.zeros(n_assets)
    count, holds, row, i, done = 0, 0, 0, 0, 0
    waiting = False
    while True:
        if not waiting:
            i = at[row] + delay if row < at.shape[0] else n_bars
        i = min(i, n_bars)
        if i > done:
            ruin = _value(close, done, i, marks, positions, held, holds, cash, equity)
            if ruin < i:
                wanted[:] = 0.0
                waiting, i, done = True, ruin + 1, ruin + 1
                continue
            done = i
        if i >= n_bars:
            return count
        if row < at.shape[0] and at[row] + delay == i:
            waiting = ask_1d(weights[row], wanted) or waiting
            row += 1
        if waiting:
            cash = trade_1d(
                prices[i],
                ones,
                ones,
                marks,
                wanted,
                positions,
                cash,
                terms,
                0.0,
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
            holds = _held(positions, close, i, marks, held)
        # A wish that still waits, or one of ruin, is tried again at the next bar.
        ruin = _value(close, i, i + 1, marks, positions, held, holds, cash, equity)
        if ruin == i:
            wanted[:] = 0.0
            waiting = True
        done = i + 1
        i += 1


@compiled
def size_of(
    price: float, weight: float, held: float, cash: float, fee: float, slip: float, lot: float
) -> float:
    """Return the trade that brings one asset to ``weight``: ``steps`` for a single column."""
    equity = cash
    if held != 0.0:
        equity += held * price
    x = equity
    # Free of costs the first step of Newton's is exactly nothing.
    if equity > 0.0 and (fee > 0.0 or slip > 0.0):
        for _ in range(NEWTON_STEPS):
            value = weight * x - held * price
            rate = slip + fee * (1.0 + slip) if value > 0.0 else -(slip + fee * (1.0 - slip))
            gap, slope = x - equity + value * rate, 1.0 + weight * rate
            if slope <= 0.0:
                break
            step = gap / slope
            x -= step
            if abs(step) <= 1e-16 * abs(equity):
                break
    goal = 0.0
    if equity > 0.0 and weight != 0.0:
        goal = whole_lots(weight * x / price, lot)
    size = goal - held
    if not abs(size) > DUST * max(abs(goal), abs(held)):
        return 0.0
    if size > 0.0 and not abs(weight) > 1.0 + WHOLE_SLACK:
        buy = (1.0 + slip) * (1.0 + fee)
        back = min(max(-held, 0.0), size)
        left = cash - back * price * buy
        spend = (size - back) * price * buy
        if spend > left * (1.0 + DUST) and spend > 0.0:
            size = back + whole_lots((size - back) * (max(left, 0.0) / spend), lot)
    return size


@compiled
def play_1d(
    prices: Any,
    close: Any,
    at: Any,
    weights: Any,
    delay: int,
    cash: float,
    fee: float,
    slip: float,
    lot: float,
    equity: Any,
    fill_key: Any,
    fill_value: Any,
) -> int:
    """Play the decisions on one asset as ``play_2d`` does, with numbers in place of rows."""
    n_bars = close.shape[0]
    held, mark, wanted = 0.0, np.nan, np.nan
    count, row, i = 0, 0, 0
    while i < n_bars:
        due = at[row] + delay if row < at.shape[0] else n_bars
        if due == i:
            if weights[row] == weights[row]:
                wanted = weights[row]
            row += 1
        if wanted == wanted and prices[i] == prices[i]:
            size = size_of(prices[i], wanted, held, cash, fee, slip, lot)
            wanted = np.nan
            if size != 0.0:
                price = prices[i] * (1.0 + slip if size > 0.0 else 1.0 - slip)
                paid = abs(size) * price * fee
                cash -= size * price + paid
                held = after_fill(held, size)
                fill_key[count, 0], fill_key[count, 1] = i, 0
                fill_value[count, 0] = size
                fill_value[count, 1], fill_value[count, 2] = price, paid
                count += 1
        # Nothing can happen before the next decision, unless a wish waits.
        stop = i + 1
        if wanted != wanted:
            stop = min(at[row] + delay, n_bars) if row < at.shape[0] else n_bars
        while i < stop:
            if close[i] == close[i]:
                mark = close[i]
            worth = cash
            if held != 0.0:
                worth += held * mark
            equity[i] = worth
            i += 1
            if worth <= 0.0 and held * mark != 0.0:
                wanted = 0.0
                break
    return count


@compiled
def curve_2d(close: Any, fill_key: Any, fill_value: Any, cash: float) -> Any:
    """Return equity, cash, gross and net value by bar, replayed from the fills."""
    n_bars, n_assets = close.shape
    out = np.empty((n_bars, 4))
    marks, positions = np.full(n_assets, np.nan), np.zeros(n_assets)
    at = 0
    for i in range(n_bars):
        while at < fill_key.shape[0] and fill_key[at, 0] == i:
            a, size = fill_key[at, 1], fill_value[at, 0]
            cash -= size * fill_value[at, 1] + fill_value[at, 2]
            positions[a] = after_fill(positions[a], size)
            at += 1
        gross, net = 0.0, 0.0
        for a in range(n_assets):
            price = close[i, a]
            if price == price:
                marks[a] = price
            if positions[a] != 0.0:
                value = positions[a] * marks[a]
                net += value
                gross += abs(value)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = cash + net, cash, gross, net
    return out


@compiled
def positions_2d(fill_key: Any, fill_value: Any, n_bars: int, n_assets: int) -> Any:
    """Return the quantity held at each close, from the fills."""
    out = np.zeros((n_bars, n_assets))
    at = 0
    for i in range(n_bars):
        if i > 0:
            out[i] = out[i - 1]
        while at < fill_key.shape[0] and fill_key[at, 0] == i:
            a, size = fill_key[at, 1], fill_value[at, 0]
            out[i, a] = after_fill(out[i, a], size)
            at += 1
    return out
