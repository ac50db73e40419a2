"""Many parameters on one asset: nothing is kept of a run but its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.plain import size_of
from apps.backtests.kernel.loops.steps import after_fill

LANES, BITS = 8, 64
# Times this, the lowest bits of eight bytes stand in the highest byte.
BYTES_TO_BITS = np.uint64(0x0102040810204080)
trailing_zeros: Any = numbers.trailing_zeros
# Columns of the figures: final equity, fills, mean and deviation of returns, largest drawdown.
N_FIGURES = 5


@compiled(nogil=True)
def sums_2d(close: Any, windows: Any) -> Any:
    """Return the moving sums of every window, one row each, joined as ``rolling_sum`` joins them.

    The first ``window - 1`` values of a row mean nothing.
    """
    size, longest = close.shape[0], windows.max()
    depth = 1
    while 2**depth <= longest:
        depth += 1
    levels = np.zeros((depth, size))
    levels[0] = close
    for d in range(1, depth):
        back = 2 ** (d - 1)
        if back < size:
            _add(levels[d - 1, back:], levels[d - 1, : size - back], levels[d, back:])
    out = np.zeros((windows.shape[0], size))
    for w in range(windows.shape[0]):
        done = 0
        for d in range(depth):
            if windows[w] & (2**d):
                if done == 0:
                    out[w] = levels[d]
                elif done < size:
                    _add(out[w, done:], levels[d, : size - done], out[w, done:])
                done += 2**d
    return out


@compiled
def _add(one: Any, two: Any, out: Any) -> None:
    for j in range(out.shape[0]):
        out[j] = one[j] + two[j]


@compiled
def _above(quick: Any, calm: Any, left: float, right: float, tie: float, out: Any) -> None:
    """Write 1 where the fast average is above the slow one by more than a tie, else 0."""
    for j in range(out.shape[0]):
        one, two = quick[j] * left, calm[j] * right
        out[j] = np.uint8(one - two > tie * (abs(one) + abs(two)))


@compiled
def _changes(words: Any, first: int, at: Any) -> int:
    """Write the bars at which the state differs from the bar before; return how many there are.

    ``words`` hold the state of eight bars each, one byte a bar, 0 or 1; before ``first`` all is 0.
    """
    count, before = 0, np.uint64(0)
    for w in range(first // BITS * LANES, words.shape[0], LANES):
        bits = np.uint64(0)
        for k in range(LANES):
            byte = (words[w + k] * BYTES_TO_BITS) >> np.uint64(BITS - LANES)
            bits |= byte << np.uint64(LANES * k)
        found = bits ^ ((bits << np.uint64(1)) | before)
        before = bits >> np.uint64(BITS - 1)
        while found != np.uint64(0):
            at[count] = LANES * w + trailing_zeros(found)
            count += 1
            found &= found - np.uint64(1)
    return count


@compiled
def _traded(
    quoted: float, weight: float, held: float, money: float, fee: float, slip: float, lot: float
) -> Any:
    """Return cash and units after trading to ``weight``, and 1 for a fill."""
    size = size_of(quoted, weight, held, money, fee, slip, lot)
    if size == 0.0:
        return money, held, 0
    price = quoted * (1.0 + slip if size > 0.0 else 1.0 - slip)
    money -= size * price + abs(size) * price * fee
    return money, after_fill(held, size), 1


@compiled
def _played(
    at: Any,
    count: int,
    prices: Any,
    close: Any,
    delay: int,
    money: float,
    fee: float,
    slip: float,
    lot: float,
    equity: Any,
) -> Any:
    """Return cash and units at the end, and the fills, of going in and out at each of ``at``.

    In and out are spelled out: with the weight a constant, most of its sizing falls away.
    """
    n_bars, with_curve = close.shape[0], equity.shape[0] > 0
    held, fills, done, k = 0.0, 0, 0, 0
    while count > 0 and at[count - 1] + delay >= n_bars:
        count -= 1
    while k < count:
        bar = at[k] + delay
        if with_curve:
            _worth(close, done, bar, money, held, equity)
            done = bar
        money, held, filled = _traded(prices[bar], 1.0, held, money, fee, slip, lot)
        fills += filled
        if k + 1 < count:
            bar = at[k + 1] + delay
            if with_curve:
                _worth(close, done, bar, money, held, equity)
                done = bar
            money, held, filled = _traded(prices[bar], 0.0, held, money, fee, slip, lot)
            fills += filled
        k += 2
    if with_curve:
        _worth(close, done, n_bars, money, held, equity)
    return money, held, fills


@compiled(nogil=True)
def crossovers_1d(
    prices: Any,
    close: Any,
    sums: Any,
    pairs: Any,
    spans: Any,
    tie: float,
    delay: int,
    cash: float,
    fee: float,
    slip: float,
    lot: float,
    with_figures: bool,
    out: Any,
) -> None:
    """Play long-or-flat crossovers, one row of ``out`` each.

    ``pairs`` are rows of ``sums`` (fast, slow) and ``spans`` their windows; all prices are there
    and positive. Fills are those of ``play_1d``, from the same function.
    """
    n_bars = close.shape[0]
    state = np.zeros((n_bars + BITS - 1) // BITS * BITS, np.uint8)
    words = state.view(np.uint64)
    at = np.empty(n_bars, np.int64)
    equity = np.empty(n_bars if with_figures else 0)
    is_free = fee == 0.0 and slip == 0.0 and lot == 0.0
    for p in range(pairs.shape[0]):
        fast, slow = spans[p, 0], spans[p, 1]
        first = min(slow - 1, n_bars)
        state[:first] = 0
        _above(
            sums[pairs[p, 0], first:],
            sums[pairs[p, 1], first:],
            float(slow),
            float(fast),
            tie,
            state[first:n_bars],
        )
        count = _changes(words, first, at)
        if is_free:
            end = _played(at, count, prices, close, delay, cash, 0.0, 0.0, 0.0, equity)
        else:
            end = _played(at, count, prices, close, delay, cash, fee, slip, lot, equity)
        money, held, fills = end
        out[p, 0] = money
        if held != 0.0:
            out[p, 0] = money + held * close[n_bars - 1]
        out[p, 1] = fills
        if with_figures:
            _figures(equity, cash, out[p])


@compiled
def _worth(close: Any, start: int, stop: int, money: float, held: float, equity: Any) -> None:
    span, values = close[start:stop], equity[start:stop]
    if held == 0.0:
        values[:] = money
        return
    for j in range(values.shape[0]):
        values[j] = money + held * span[j]


@compiled
def _figures(equity: Any, cash: float, out: Any) -> None:
    """Write mean and sample deviation of returns and the largest drawdown, all from ``cash``.

    Sums run in eight lanes, always the same ones, and join at the end.
    """
    size = equity.shape[0] - 1
    found = np.empty(size)
    later, before = equity[1:], equity[:size]
    for j in range(size):
        found[j] = later[j] / before[j] - 1.0
    if size > 0:
        found[0] = equity[1] / cash - 1.0
    mean = _sum(found, 0.0, False) / size
    out[2], out[3] = mean, np.sqrt(_sum(found, mean, True) / (size - 1)) if size > 1 else np.nan
    peak, floor, worst = cash, cash, 0.0
    for j in range(size):
        value = later[j]
        if value < floor:
            worst = 1.0 - value / peak
            floor = value
        elif value > peak:
            peak = value
            floor = peak * (1.0 - worst)
    out[4] = worst


@compiled
def _sum(values: Any, mean: float, squared: bool) -> float:
    lanes = np.zeros(LANES)
    full = values.shape[0] // LANES * LANES
    for j in range(0, full, LANES):
        for k in range(LANES):
            apart = values[j + k] - mean
            lanes[k] += apart * apart if squared else values[j + k]
    total = 0.0
    for k in range(LANES):
        total += lanes[k]
    for j in range(full, values.shape[0]):
        apart = values[j] - mean
        total += apart * apart if squared else values[j]
    return total
