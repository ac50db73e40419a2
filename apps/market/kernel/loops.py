"""Compiled loops of market data: arrays and scalars only. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def longer_bars(
    ts: Any, open_: Any, high: Any, low: Any, close: Any, volume: Any, length: int, offset: int
) -> Any:
    """Return the columns of bars of ``length`` as rows of times and of figures.

    One pass that keeps the running bar in registers; ``resample`` is its slow twin.
    """
    most = min(len(ts), (ts[-1] - offset) // length - (ts[0] - offset) // length + 1)
    times = np.empty(most, np.int64)
    figures = np.empty((5, most))
    at = -1
    ends = ts[0]
    first, top, bottom, last, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(ts)):
        if at < 0 or ts[i] >= ends:
            if at >= 0:
                figures[0, at], figures[1, at], figures[2, at] = first, top, bottom
                figures[3, at], figures[4, at] = last, total
            at += 1
            start = (ts[i] - offset) // length * length + offset
            times[at], ends = start, start + length
            first, top, bottom, total = open_[i], high[i], low[i], 0.0
        top = max(top, high[i])
        bottom = min(bottom, low[i])
        last = close[i]
        total += volume[i]
    figures[0, at], figures[1, at], figures[2, at] = first, top, bottom
    figures[3, at], figures[4, at] = last, total
    return times[: at + 1], figures[:, : at + 1]
