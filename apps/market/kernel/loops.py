"""Compiled loops of market data: arrays and scalars only. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def longer_bars(
    ts: Any, open_: Any, high: Any, low: Any, close: Any, volume: Any, lengths: Any, offset: int
) -> Any:
    """Return the columns of bars of the last of ``lengths`` as rows of times and of figures.

    One pass that keeps the running bar in registers. Volume is summed bar by bar up all
    ``lengths``, the shortest first; ``resample`` step by step is its slow twin. ``offset`` is
    where bars of the last length begin.
    """
    top_rung = len(lengths) - 1
    length = lengths[top_rung]
    most = min(len(ts), (ts[-1] - offset) // length - (ts[0] - offset) // length + 1)
    times, figures = np.empty(most, np.int64), np.empty((5, most))
    sums, ends = np.zeros(top_rung + 1), np.full(top_rung + 1, ts[0])
    at, soon = -1, ts[0]
    first, top, bottom, last, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(ts)):
        if ts[i] >= soon:
            carry, total = total, 0.0
            for rung in range(top_rung + 1):
                sums[rung] = carry if rung == 0 else sums[rung] + carry
                if ts[i] < ends[rung]:
                    break
                carry, sums[rung] = sums[rung], 0.0
                begins = offset if rung == top_rung else 0
                start = (ts[i] - begins) // lengths[rung] * lengths[rung] + begins
                ends[rung] = start + lengths[rung]
                if rung == top_rung:
                    if at >= 0:
                        figures[:, at] = first, top, bottom, last, carry
                    at += 1
                    times[at] = start
                    first, top, bottom = open_[i], high[i], low[i]
            soon = ends[0]
        top = max(top, high[i])
        bottom = min(bottom, low[i])
        last = close[i]
        total += volume[i]
    for rung in range(1, top_rung + 1):
        total = sums[rung] + total
    figures[:, at] = first, top, bottom, last, total
    return times[: at + 1], figures[:, : at + 1]
