"""Compiled loops of positions. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def hold_1d(
    close: Any,
    enter: Any,
    leave_long: Any,
    leave_short: Any,
    stop: Any,
    target: Any,
    most_bars: int,
) -> Any:
    """Return the position held at each close; see ``positions.hold_with_stops``."""
    size = len(close)
    out = np.zeros(size)
    side, floor, goal, age = 0.0, np.nan, np.nan, 0
    for i in range(size):
        left = 0.0
        if side != 0.0:
            age += 1
            done = leave_long[i] if side > 0.0 else leave_short[i]
            # A comparison with NaN is false: no stop, no target.
            done = done or (close[i] - floor) * side <= 0.0 or (close[i] - goal) * side >= 0.0
            if done or (most_bars > 0 and age >= most_bars):
                left, side = side, 0.0
        if enter[i] != 0.0 and enter[i] != side and enter[i] != left:
            side, floor, goal, age = enter[i], stop[i], target[i], 0
        out[i] = side
    return out


@njit(cache=True)
def hold_touch_1d(
    high: Any,
    low: Any,
    enter: Any,
    leave_long: Any,
    leave_short: Any,
    stop: Any,
    target: Any,
    most_bars: int,
) -> Any:
    """Return side, stop and target held at each close; see ``positions.hold_protected``."""
    size = len(high)
    out = np.full((3, size), np.nan)
    side, floor, goal, age = 0.0, np.nan, np.nan, 0
    for i in range(size):
        left = 0.0
        if side != 0.0:
            age += 1
            done = leave_long[i] if side > 0.0 else leave_short[i]
            worst, best = (low[i], high[i]) if side > 0.0 else (high[i], low[i])
            done = done or (worst - floor) * side <= 0.0 or (best - goal) * side >= 0.0
            if done or (most_bars > 0 and age >= most_bars):
                left, side, floor, goal = side, 0.0, np.nan, np.nan
        if enter[i] != 0.0 and enter[i] != side and enter[i] != left:
            side, floor, goal, age = enter[i], stop[i], target[i], 0
        out[0, i], out[1, i], out[2, i] = side, floor, goal
    return out
