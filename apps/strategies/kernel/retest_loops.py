"""The compiled walk of the retest machine over a history. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from apps.strategies.kernel.retests import step

_step = njit(cache=True)(step)


@njit(cache=True)
def walk_1d(
    ts: Any,
    rsi: Any,
    before: Any,
    long_broke: Any,
    short_broke: Any,
    long_passes: Any,
    short_passes: Any,
    levels: Any,
) -> Any:
    """Return state and side after each bar, from rest; a bar without an RSI changes nothing."""
    size = len(ts)
    states, sides = np.zeros(size), np.zeros(size)
    state, side, since, peak = 0, 0, 0.0, 0.0
    for i in range(size):
        if not np.isnan(rsi[i]):
            state, side, since, peak = _step(
                state,
                side,
                since,
                peak,
                float(ts[i]),
                rsi[i],
                before[i],
                long_broke[i] > 0.0,
                short_broke[i] > 0.0,
                long_passes[i] > 0.0,
                short_passes[i] > 0.0,
                *levels,
            )
        states[i], sides[i] = state, side
    return states, sides
