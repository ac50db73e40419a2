"""Functions of moving windows, of each column alone.

Work goes strip by strip of columns, so that a window stays in the nearest cache, and the innermost
loop runs over neighbours in memory. A window's value depends on its own bars alone, to the bit:
nothing is carried from one window to the next, so no noise of what came before is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Columns worked on together, and rows of a window joined from halves.
STRIP = 64
ROWS = 128
# The same unsigned: a place that could be negative stops vectors.
WIDE = np.uint64(STRIP)
# As in ``rows``: a cached function does not notice a change in another file.
TIE = 1e-9
# A window whose spread is below this share of its size is a constant: what is left is rounding.
FLAT = 1e-24


@njit(cache=True, nogil=True)
def _gather(x: Any, first: int, left: int, part: Any) -> None:
    """Copy a strip into ``part``; rows before the first bar are missing."""
    count, width = part.shape
    for r in range(count):
        target = part[r]
        if first + r < 0:
            target[:] = np.nan
        else:
            target[:] = x[first + r, left : left + width]


@njit(cache=True, nogil=True)
def sum_2d(x: Any, window: int, divisor: float, out: Any, low: int, high: int) -> None:
    """Fill with sums over each window over ``divisor``, joined from windows of powers of two."""
    columns = x.shape[1]
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        part = np.empty((ROWS + window, width))
        done = np.empty((ROWS, width))
        for top in range(low, high, ROWS):
            stop = min(top + ROWS, high)
            first = top - window + 1
            count = stop - first
            _gather(x, first, left, part[:count])
            length, size = 0, 1
            while True:
                if window & size:
                    for r in range(stop - top):
                        target, source = done[r], part[r + window - 1 - length]
                        if length == 0:
                            target[:] = source
                        else:
                            for a in range(width):
                                target[a] += source[a]
                    length += size
                if 2 * size > window:
                    break
                for r in range(count - 1, size - 1, -1):
                    target, source = part[r], part[r - size]
                    for a in range(width):
                        target[a] += source[a]
                size *= 2
            for r in range(stop - top):
                target, source = out[top + r, left : left + width], done[r]
                for a in range(width):
                    target[a] = source[a] / divisor


@njit(cache=True, nogil=True)
def _least(x: Any, window: int, sign: float, out: Any, low: int, high: int) -> None:
    columns = x.shape[1]
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        part = np.empty((ROWS + window, width))
        for top in range(low, high, ROWS):
            stop = min(top + ROWS, high)
            first = top - window + 1
            count = stop - first
            _gather(x, first, left, part[:count])
            for r in range(count):
                target = part[r]
                for a in range(width):
                    target[a] *= sign
            size = 1
            while 2 * size <= window:
                for r in range(count - 1, size - 1, -1):
                    target, source = part[r], part[r - size]
                    for a in range(width):
                        one, other = target[a], source[a]
                        target[a] = one if one < other or one != one else other
                size *= 2
            for r in range(stop - top):
                target = out[top + r, left : left + width]
                one_row, other_row = part[r + window - 1], part[r + size - 1]
                for a in range(width):
                    one, other = one_row[a], other_row[a]
                    target[a] = sign * (one if one < other or one != one else other)


@njit(cache=True, nogil=True)
def min_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with the least value of each window."""
    _least(x, window, 1.0, out, low, high)


@njit(cache=True, nogil=True)
def max_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with the greatest value of each window."""
    _least(x, window, -1.0, out, low, high)


@njit(cache=True, nogil=True)
def _lay(x: Any, first: int, count: int, left: int, width: int, part: Any) -> None:
    """Lay the rows of a strip one after the other, so that a row is a fixed way from the next."""
    for r in range(count):
        part[r * STRIP : r * STRIP + width] = x[first + r, left : left + width]


@njit(cache=True, nogil=True, inline="always")
def _share(apart: float, tie: float) -> float:
    """Return 1 for a value below, a half for an equal one, 0 for one above."""
    return 1.0 if apart > tie else (0.5 if apart >= -tie else 0.0)


@njit(cache=True, nogil=True)
def _rank_four(part: Any, newest: Any, near: Any, at: Any, score: Any) -> None:
    """Count four rows, the newest at ``at``; a value less itself carries NaN along."""
    for a in range(WIDE):
        p = at + a
        q = p - WIDE
        r = q - WIDE
        s = r - WIDE
        new, tie = newest[a], near[a]
        v1, v2, v3, v4 = part[p], part[q], part[r], part[s]
        one = _share(new - v1, tie + TIE * abs(v1)) + (v1 - v1)
        two = _share(new - v2, tie + TIE * abs(v2)) + (v2 - v2)
        three = _share(new - v3, tie + TIE * abs(v3)) + (v3 - v3)
        four = _share(new - v4, tie + TIE * abs(v4)) + (v4 - v4)
        score[a] += (one + two) + (three + four)


@njit(cache=True, nogil=True)
def _rank_one(part: Any, newest: Any, near: Any, at: Any, score: Any) -> None:
    """Count one row."""
    for a in range(WIDE):
        old = part[at + a]
        score[a] += _share(newest[a] - old, near[a] + TIE * abs(old)) + (old - old)


@njit(cache=True, nogil=True)
def rank_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with the rank of the newest value within its window as a share; NaN over a NaN.

    Counts are of halves, so their order can't change them.
    """
    columns = x.shape[1]
    score, near = np.empty(STRIP), np.empty(STRIP)
    part = np.zeros((ROWS + window) * STRIP)
    begin = min(max(low, window - 1), high)
    out[low:begin] = np.nan
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for top in range(begin, high, ROWS):
            stop = min(top + ROWS, high)
            first = top - window + 1
            _lay(x, first, stop - first, left, width, part)
            for i in range(top, stop):
                at = (i - first) * STRIP
                newest = part[at : at + STRIP]
                for a in range(STRIP):
                    score[a] = 1.0 + (newest[a] - newest[a])
                    near[a] = TIE * abs(newest[a])
                k = 1
                while k + 3 < window:
                    _rank_four(part, newest, near, np.uint64(at - k * STRIP), score)
                    k += 4
                while k < window:
                    _rank_one(part, newest, near, np.uint64(at - k * STRIP), score)
                    k += 1
                target = out[i, left : left + width]
                for a in range(width):
                    target[a] = score[a] / window


@njit(cache=True, nogil=True)
def _place(x: Any, window: int, sign: float, out: Any, low: int, high: int) -> None:
    columns = x.shape[1]
    best, place, missing = np.empty(STRIP), np.empty(STRIP), np.empty(STRIP)
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(low, high):
            target = out[i, left : left + width]
            if i < window - 1:
                target[:] = np.nan
                continue
            oldest = x[i - window + 1, left : left + width]
            for a in range(width):
                best[a], place[a] = oldest[a] * sign, 1.0
                missing[a] = oldest[a] - oldest[a]
            for k in range(1, window):
                row = x[i - window + 1 + k, left : left + width]
                for a in range(width):
                    value = row[a] * sign
                    over = value - best[a] > TIE * (abs(value) + abs(best[a]))
                    place[a] = k + 1.0 if over else place[a]
                    best[a] = value if over else best[a]
                    missing[a] += value - value
            for a in range(width):
                target[a] = place[a] + missing[a]


@njit(cache=True, nogil=True)
def argmax_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with where in the window the highest value stands: 1 oldest; of equals the oldest."""
    _place(x, window, 1.0, out, low, high)


@njit(cache=True, nogil=True)
def argmin_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with where in the window the lowest value stands: 1 oldest; of equals the oldest."""
    _place(x, window, -1.0, out, low, high)


@njit(cache=True, nogil=True)
def product_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with the product over each window."""
    columns = x.shape[1]
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(low, high):
            target = out[i, left : left + width]
            if i < window - 1:
                target[:] = np.nan
                continue
            target[:] = x[i, left : left + width]
            for k in range(1, window):
                row = x[i - k, left : left + width]
                for a in range(width):
                    target[a] *= row[a]


@njit(cache=True, nogil=True)
def decay_linear_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with means weighted ``window`` for the newest value down to 1 for the oldest."""
    columns = x.shape[1]
    total = window * (window + 1) / 2.0
    held = np.empty(STRIP)
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(low, high):
            target = out[i, left : left + width]
            if i < window - 1:
                target[:] = np.nan
                continue
            held[:] = 0.0
            for k in range(window):
                row, weight = x[i - k, left : left + width], float(window - k)
                for a in range(width):
                    held[a] += row[a] * weight
            for a in range(width):
                target[a] = held[a] / total


@njit(cache=True, nogil=True)
def std_2d(x: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with sample deviations; 0 for a constant, NaN for a window of 1.

    Sums run over distances from the newest value, a member of the window: the sum of their squares
    is at most ``2 window`` times that about the mean, so little is lost, however large the offset.
    """
    columns = x.shape[1]
    sums, squares = np.empty(STRIP), np.empty(STRIP)
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(low, high):
            target = out[i, left : left + width]
            if i < window - 1 or window < 2:
                target[:] = np.nan
                continue
            newest = x[i, left : left + width]
            sums[:] = 0.0
            squares[:] = 0.0
            for k in range(1, window):
                row = x[i - k, left : left + width]
                for a in range(width):
                    apart = row[a] - newest[a]
                    sums[a] += apart
                    squares[a] += apart * apart
            for a in range(width):
                about = squares[a] - sums[a] * sums[a] / window
                mean = newest[a] + sums[a] / window
                flat = about <= FLAT * (about + window * mean * mean)
                target[a] = 0.0 if flat else np.sqrt(about / (window - 1))
