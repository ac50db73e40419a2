"""Legs between pivots and how far a price has come back along one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.strategies.kernel.indicators.own import pivots

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def bias(fast: Floats, slow: Floats) -> Floats:
    """Return 1 where the fast average is above the slow one, -1 below, 0 equal or unknown."""
    return np.nan_to_num(np.sign(fast - slow))


def last_pivot(values: Floats, left: int, right: int, *, highs: bool) -> Ints:
    """Return at each bar the index of the last pivot known then, -1 before there is one."""
    found: Ints = np.maximum.accumulate(pivots(values, left, right, highs=highs))
    return found


def legs(high: Floats, low: Floats, left: int, right: int) -> tuple[Floats, Floats, Floats]:
    """Return the last leg known at each bar: its side, where it began and where it ended.

    Side 1 is a rise from the last pivot low to the later last pivot high, -1 a fall; NaN prices
    and side 0 before there is one, and where the leg's end is not beyond its beginning.
    """
    if not len(high):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    top = last_pivot(high, left, right, highs=True)
    bottom = last_pivot(low, left, right, highs=False)
    known = (top >= 0) & (bottom >= 0) & (top != bottom)
    known &= high[top] > low[bottom]
    side = np.where(known, np.sign(top - bottom), 0).astype(np.float64)
    begin = np.where(side > 0, low[bottom], high[top])
    end = np.where(side > 0, high[top], low[bottom])
    nothing = side == 0
    return side, np.where(nothing, np.nan, begin), np.where(nothing, np.nan, end)


def retracement(begin: Floats, end: Floats, share: float) -> Floats:
    """Return the price at which ``share`` of the leg is taken back: 0 its end, 1 its beginning."""
    return end - share * (end - begin)


def pulled_back(
    high: Floats,
    low: Floats,
    close: Floats,
    *,
    side: Floats,
    level: Floats,
    begin: Floats,
    slack: Floats,
) -> NDArray[np.bool_]:
    """Tell where a bar has come back to ``level`` and closed no further than ``slack`` beyond it.

    For a rise: the low at or below the level plus ``slack``, the close at or above the level less
    ``slack`` and above the leg's beginning. The mirror image for a fall.
    """
    reached = np.where(side > 0, low - level, level - high) <= slack
    held = (close - level) * side >= -slack
    return reached & held & ((close - begin) * side > 0.0)
