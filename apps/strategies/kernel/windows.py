"""Moving windows by doubling: the same order of additions in every window, so no drift.

A running sum carries the noise of everything before it, and a tie between two averages then falls
on a side by chance. Here a window of 30 is joined from windows of 16, 8, 4 and 2 alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Join = Callable[[Floats, Floats], Floats]
# Averages closer than this share of their size are called equal: far below any price step.
TIE = 1e-12


def shift(values: Floats, bars: int) -> Floats:
    """Return the values ``bars`` ago, ``(n_bars, …)``; NaN where there was no such bar."""
    out = np.empty(values.shape)
    out[:bars] = np.nan
    if bars < len(values):
        out[bars:] = values[: len(values) - bars]
    return out


def _plus_earlier(values: Floats, earlier: Floats, bars: int) -> Floats:
    """Return ``values + shift(earlier, bars)``, without the array between."""
    out = np.empty(values.shape)
    out[:bars] = np.nan
    if bars < len(values):
        np.add(values[bars:], earlier[: len(values) - bars], out=out[bars:])
    return out


def rolling_sum(values: Floats, window: int) -> Floats:
    """Return the sum of the last ``window`` values; NaN until there are so many, or over a NaN."""
    part, size = values, 1
    done: Floats | None = None
    length = 0
    while True:
        if window & size:
            done = part if done is None else _plus_earlier(done, part, length)
            length += size
        if 2 * size > window:
            break
        part, size = _plus_earlier(part, part, size), 2 * size
    return np.full(values.shape, np.nan) if done is None else np.array(done)


def rolling_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the last ``window`` values; NaN as in ``rolling_sum``."""
    return rolling_sum(values, window) / window


def _extreme(values: Floats, window: int, join: Join) -> Floats:
    part, size = values, 1
    while 2 * size <= window:
        part, size = join(part, shift(part, size)), 2 * size
    return join(part, shift(part, window - size))


def rolling_min(values: Floats, window: int) -> Floats:
    """Return the least of the last ``window`` values; NaN over a NaN."""
    return _extreme(values, window, np.minimum)


def rolling_max(values: Floats, window: int) -> Floats:
    """Return the greatest of the last ``window`` values; NaN over a NaN."""
    return _extreme(values, window, np.maximum)


def of_own_bars(values: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """Return ``function`` of each column's finite values alone, put back where they stood.

    An instrument that misses a session then keeps its average, counted in bars of its own.
    """
    if np.isfinite(values).all():
        return function(values)
    out = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        there = np.isfinite(values[:, column])
        out[there, column] = function(values[there, column])
    return out


def last_seen(values: Floats) -> Floats:
    """Return each column with gaps filled by the last finite value before them."""
    rows = np.where(np.isfinite(values), np.arange(len(values))[:, None], -1)
    np.maximum.accumulate(rows, axis=0, out=rows)
    filled = np.take_along_axis(values, np.maximum(rows, 0), axis=0)
    return np.where(rows >= 0, filled, np.nan)
