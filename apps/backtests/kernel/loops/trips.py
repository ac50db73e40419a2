"""Round trips out of fills, and how far each went for and against its holder."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.backtests.kernel.loops.compiled import compiled
from apps.backtests.kernel.loops.steps import DUST


@compiled
def round_trips_1d(fill_key: Any, fill_value: Any, fx: Any, last: Any, n_bars: int) -> Any:
    """Match fills first in, first out; what is open at the end is marked at ``last``.

    Returns keys (asset, entry bar, exit bar, entry fill, exit fill or -1) and values (signed size,
    entry price, exit price, fees, profit), one row per round trip. ``fx`` holds the rate of each
    fill and, after them, each asset's last one.
    """
    n_fills, n_assets = fill_key.shape[0], last.shape[0]
    key, value = np.empty((2 * n_fills, 5), np.int64), np.empty((2 * n_fills, 5))
    left, after = np.empty(n_fills), np.full(n_fills, -1)
    first, final = np.full(n_assets, -1), np.full(n_assets, -1)
    held = np.zeros(n_assets)
    count = 0
    for f in range(n_fills):
        a, size = fill_key[f, 1], fill_value[f, 0]
        rest = size
        while first[a] >= 0 and rest * left[first[a]] < 0.0:
            lot = first[a]
            part = min(abs(rest), abs(left[lot]))
            signed = part if left[lot] > 0.0 else -part
            _trip(key, value, count, fill_key, fill_value, fx, lot, f, signed)
            count += 1
            left[lot] -= signed
            rest += signed
            if abs(left[lot]) <= DUST * abs(fill_value[lot, 0]):
                first[a] = after[lot]
        held[a] += size
        if abs(held[a]) <= DUST * abs(size):
            held[a], first[a], rest = 0.0, -1, 0.0
        if abs(rest) > DUST * abs(size):
            left[f] = rest
            if first[a] < 0:
                first[a] = f
            else:
                after[final[a]] = f
            final[a] = f
    for a in range(n_assets):
        lot = first[a]
        while lot >= 0:
            size, price = left[lot], fill_value[lot, 1]
            paid = fill_value[lot, 2] * abs(size / fill_value[lot, 0])
            key[count, 0], key[count, 1], key[count, 2] = a, fill_key[lot, 0], n_bars - 1
            key[count, 3], key[count, 4] = lot, -1
            value[count, 0], value[count, 1], value[count, 2] = size, price, last[a]
            value[count, 3] = paid
            value[count, 4] = size * (last[a] * fx[n_fills + a] - price * fx[lot]) - paid
            count += 1
            lot = after[lot]
    return key[:count], value[:count]


@compiled
def _trip(
    key: Any,
    value: Any,
    row: int,
    fill_key: Any,
    fill_value: Any,
    fx: Any,
    entry: int,
    leave: int,
    size: float,
) -> None:
    paid_in = fill_value[entry, 2] * abs(size / fill_value[entry, 0])
    paid_out = fill_value[leave, 2] * abs(size / fill_value[leave, 0])
    key[row, 0], key[row, 1] = fill_key[entry, 1], fill_key[entry, 0]
    key[row, 2], key[row, 3], key[row, 4] = fill_key[leave, 0], entry, leave
    value[row, 0] = size
    value[row, 1] = fill_value[entry, 1]
    value[row, 2] = fill_value[leave, 1]
    value[row, 3] = paid_in + paid_out
    gain = size * (fill_value[leave, 1] * fx[leave] - fill_value[entry, 1] * fx[entry])
    value[row, 4] = gain - paid_in - paid_out


@compiled
def excursions_1d(key: Any, value: Any, first: Any, last: Any, high: Any, low: Any) -> Any:
    """Return the largest loss and gain of each round trip while it was open, fractions of entry.

    ``first`` and ``last`` are the bars whose whole range counts; the exit price always does.
    """
    out = np.zeros((key.shape[0], 2))
    for t in range(key.shape[0]):
        a, entry, leave = key[t, 0], value[t, 1], value[t, 2]
        best, worst = max(entry, leave), min(entry, leave)
        for i in range(first[t], last[t] + 1):
            if high[i, a] > best:
                best = high[i, a]
            if low[i, a] < worst:
                worst = low[i, a]
        up, down = (best - entry) / entry, (entry - worst) / entry
        out[t, 0] = down if value[t, 0] > 0.0 else up
        out[t, 1] = up if value[t, 0] > 0.0 else down
    return out
