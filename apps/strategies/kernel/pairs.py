"""Pairs of instruments: which went together, and when they are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pair_weights(
    close: Floats, *, formation: int, trading: int, count: int, open_at: float
) -> Floats:
    """Return target weights, ``(n_bars, n_assets)``: pairs found anew every ``trading`` bars."""
    out = np.zeros(close.shape)
    for start in range(formation, len(close), trading):
        stop = min(start + trading, len(close))
        # The last bar of a whole trading period closes every pair.
        ends = start + trading <= len(close)
        for a, b, deviation in closest(close[start - formation : start], count):
            base = close[start - formation]
            gap = close[start:stop, a] / base[a] - close[start:stop, b] / base[b]
            side = open_sides(gap, open_at * deviation)
            if ends:
                side[-1] = 0.0
            out[start:stop, a] += side * 0.5 / count
            out[start:stop, b] -= side * 0.5 / count
    return out


def closest(window: Floats, count: int) -> list[tuple[int, int, float]]:
    """Return the ``count`` pairs of columns with the least squared differences of prices.

    Each with the sample deviation of its difference. Prices are divided by the first row;
    columns with a gap and pairs that never differ are left out; equals come in column order.
    """
    there = np.flatnonzero(np.isfinite(window).all(axis=0))
    if len(there) < 2:
        return []
    prices = window[:, there] / window[0, there]
    squares = (prices**2).sum(axis=0)
    distance = squares[:, None] + squares[None, :] - 2.0 * (prices.T @ prices)
    first, second = np.triu_indices(len(there), 1)
    order = np.argsort(distance[first, second], kind="stable")
    found = []
    for place in order:
        a, b = int(first[place]), int(second[place])
        deviation = float(np.std(prices[:, a] - prices[:, b], ddof=1))
        if deviation > 0.0:
            found.append((int(there[a]), int(there[b]), deviation))
        if len(found) == count:
            break
    return found


def open_sides(gap: Floats, threshold: float) -> Floats:
    """Return -1 while the first of a pair is sold, 1 while it is bought, 0 else; by bar.

    Opened when the gap is wider than ``threshold``, closed when it crosses zero; a bar without a
    gap changes nothing.
    """
    out, side = np.zeros(len(gap)), 0.0
    for i, apart in enumerate(gap.tolist()):
        if side * apart >= 0.0 and side != 0.0:
            side = 0.0
        if side == 0.0 and abs(apart) > threshold:
            side = -1.0 if apart > 0.0 else 1.0
        out[i] = side
    return out
