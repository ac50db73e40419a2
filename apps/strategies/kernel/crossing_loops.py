"""Compiled moving averages and where they cross. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

BLOCK = 4096


@njit(cache=True)
def sides_1d(close: Any, fast: int, slow: int, tie: float) -> Any:
    """Return the sign of fast minus slow average by bar, 0 for a tie and before there are both.

    Windows are joined from windows of powers of two, by the additions of ``windows.rolling_sum``
    in the same order, block by block so that they stay in the fastest memory. ``fast < slow``.
    """
    size = close.shape[0]
    out = np.zeros(size, np.int8)
    before = slow - 1
    part, other = np.empty(BLOCK + before), np.empty(BLOCK + before)
    quick, calm = np.empty(BLOCK + before), np.empty(BLOCK + before)
    for start in range(before, size, BLOCK):
        width = min(BLOCK, size - start) + before
        part[:width] = close[start - before : start - before + width]
        step, done_fast, done_slow = 1, 0, 0
        while True:
            if fast & step:
                _join(quick, part, done_fast, width)
                done_fast += step
            if slow & step:
                _join(calm, part, done_slow, width)
                done_slow += step
            if 2 * step > slow:
                break
            _add(part[step:width], part[: width - step], other[step:width])
            part, other, step = other, part, 2 * step
        stop = start + width - before
        _compare(quick[before:width], calm[before:width], fast, slow, tie, out[start:stop])
    return out


@njit(cache=True)
def _join(whole: Any, part: Any, done: int, width: int) -> None:
    """Put ``part`` before the window of ``done`` values that ``whole`` sums already."""
    if done == 0:
        whole[:width] = part[:width]
    else:
        _add(whole[done:width], part[: width - done], whole[done:width])


@njit(cache=True)
def _add(one: Any, two: Any, out: Any) -> None:
    # No index is ever less than the loop's own: one that could be negative stops SIMD.
    for j in range(out.shape[0]):
        out[j] = one[j] + two[j]


@njit(cache=True)
def _compare(quick: Any, calm: Any, fast: int, slow: int, tie: float, out: Any) -> None:
    left, right = float(slow), float(fast)
    for j in range(out.shape[0]):
        one, two = quick[j] * left, calm[j] * right
        gap, near = one - two, tie * (abs(one) + abs(two))
        out[j] = np.int8(gap > near) - np.int8(gap < -near)


@njit(cache=True)
def changes_1d(side: Any, mode: int) -> Any:
    """Return the bars at which the position changes, and the position taken.

    ``mode`` 0 is long or flat; 1 is long or short, flat until the first crossing.
    """
    bars, taken = np.empty(side.shape[0], np.int64), np.empty(side.shape[0])
    count, held = 0, 0
    above, below = False, False
    for i in range(side.shape[0]):
        now = side[i]
        if mode == 0:
            now = max(now, 0)
        elif not (above and below):
            above, below = above or now > 0, below or now < 0
            if not (above and below):
                now = 0
        if now != held:
            bars[count], taken[count], held = i, now, now
            count += 1
    return bars[:count], taken[:count]
