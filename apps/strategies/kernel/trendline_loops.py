"""Compiled loops of trendlines. Import this inside functions; the plain twin is ``trendlines``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def _unbroken(y: Any, a: int, value: float, slope: float, now: int, tolerance: float) -> bool:
    for k in range(a, now + 1):  # noqa: SIM110 numba compiles no generator
        if not y[k] <= value + slope * (k - a) + tolerance:
            return False
    return True


@njit(cache=True)
def _touches(
    y: Any, found: Any, first: int, count: int, value: float, slope: float, tolerance: float
) -> Any:
    """Return how many pivots from ``first`` on the line through it touches, and the last."""
    a, touches, last = found[first], 0, found[first]
    for k in range(first, count):
        if abs(y[found[k]] - (value + slope * (found[k] - a))) <= tolerance:
            touches += 1
            last = found[k]
    return touches, last


@njit(cache=True)
def consensus_1d(  # noqa: C901 one pass over all pairs
    y: Any,
    found: Any,
    count: int,
    now: int,
    window: int,
    tolerance: float,
    least_touches: int,
    steepest: float,
    flattest: float,
    least_anchor: float,
) -> Any:
    """Return anchor (-1 for none), height, slope, touches, last touch of the best line."""
    start = count
    while start > 0 and found[start - 1] > now - window:
        start -= 1
    anchor, height, best_slope, best_touches, best_last = -1, 0.0, 0.0, 0, -1
    for i in range(start, count):
        a = found[i]
        if y[a] <= least_anchor:
            continue
        for j in range(i + 1, count):
            slope = (y[found[j]] - y[a]) / (found[j] - a)
            if not (-steepest <= slope <= -flattest):
                continue
            touches, last = _touches(y, found, i, count, y[a], slope, tolerance)
            if touches < least_touches or touches < best_touches:
                continue
            if touches == best_touches:
                shorter = last - a < best_last - anchor
                same = last - a == best_last - anchor
                if shorter or (same and abs(slope) > abs(best_slope)):
                    continue
            if _unbroken(y, a, y[a], slope, now, tolerance):
                anchor, height, best_slope = a, y[a], slope
                best_touches, best_last = touches, last
    return anchor, height, best_slope, best_touches, best_last


@njit(cache=True)
def follow_1d(  # noqa: C901, PLR0915 one state walks over the bars
    y: Any,
    known: Any,
    window: int,
    tolerance: float,
    least_touches: int,
    steepest: float,
    flattest: float,
    least_anchor: float,
    memory: int,
) -> Any:
    """Return lines, breaks and retests by bar; see ``trendlines.follow_lines``."""
    size = len(y)
    out = np.zeros((size, 9))
    out[:, 0] = np.nan
    out[:, 2:6] = np.nan
    found = np.empty(size, np.int64)
    count, broken_at, retests, away = 0, -1, 0, False
    anchor, height, slope, touches, last = -1, 0.0, 0.0, 0, -1
    b_anchor, b_height, b_slope, b_touches, b_last = -1, 0.0, 0.0, 0, -1
    for i in range(size):
        if anchor >= 0 and y[i] > height + slope * (i - anchor) + tolerance:
            b_anchor, b_height, b_slope, b_touches, b_last = anchor, height, slope, touches, last
            broken_at, retests, away = i, 0, True
        elif broken_at >= 0:
            gap = y[i] - (b_height + b_slope * (i - b_anchor))
            if gap < -tolerance or i - broken_at > memory:
                out[i, 8] = 1.0 if gap < -tolerance else 0.0
                broken_at = -1
            elif gap <= tolerance and away:
                retests += 1
                out[i, 7] = 1.0
                away = False
            elif gap > tolerance:
                away = True
        if known[i] >= 0:
            found[count] = known[i]
            count += 1
        anchor, height, slope, touches, last = consensus_1d(
            y, found, count, i, window, tolerance, least_touches, steepest, flattest, least_anchor
        )
        if broken_at >= 0:
            out[i, 0] = b_height + b_slope * (i - b_anchor)
            out[i, 1], out[i, 2], out[i, 3] = b_touches, b_last - b_anchor, b_slope
            out[i, 4], out[i, 5], out[i, 6] = b_height, i - broken_at, retests
        elif anchor >= 0:
            out[i, 0] = height + slope * (i - anchor)
            out[i, 1], out[i, 2], out[i, 3], out[i, 4] = touches, last - anchor, slope, height
    return out
