"""Covariance and correlation over moving windows, of values and of ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Columns worked on together, and rows whose windows are laid together.
STRIP = 64
ROWS = 64
# Places of sums in a strip's table: unsigned, since a place that could be negative stops vectors.
FIRST = np.uint64(STRIP)
SECOND, THIRD, FOURTH = np.uint64(2 * STRIP), np.uint64(3 * STRIP), np.uint64(4 * STRIP)
# A window whose spread is below this share of its size is a constant: what is left is rounding.
FLAT = 1e-24
# As in ``rows``: values closer than this share of their size are equal.
TIE = 1e-9


@njit(cache=True, nogil=True)
def _gather(x: Any, first: int, count: int, left: int, width: int, part: Any) -> None:
    """Lay the rows of a strip one after the other, so that a row is a fixed way from the next."""
    for r in range(count):
        part[r * STRIP : r * STRIP + width] = x[first + r, left : left + width]


@njit(cache=True, nogil=True)
def _add_four(x: Any, y: Any, x0: Any, y0: Any, at: Any, sums: Any) -> None:
    """Add two pairs of bars, the newest at ``at``: one table of sums, so that vectors are used."""
    for a in range(FIRST):
        p = at + a
        q = p - FIRST
        r = q - FIRST
        s = r - FIRST
        u, v = x0[a], y0[a]
        d1, d2, d3, d4 = x[p] - u, x[q] - u, x[r] - u, x[s] - u
        e1, e2, e3, e4 = y[p] - v, y[q] - v, y[r] - v, y[s] - v
        sums[a] = (sums[a] + (d1 + d2)) + (d3 + d4)
        one = sums[a + FIRST] + (d1 * d1 + d2 * d2)
        sums[a + FIRST] = one + (d3 * d3 + d4 * d4)
        sums[a + SECOND] = (sums[a + SECOND] + (e1 + e2)) + (e3 + e4)
        one = sums[a + THIRD] + (e1 * e1 + e2 * e2)
        sums[a + THIRD] = one + (e3 * e3 + e4 * e4)
        one = sums[a + FOURTH] + (d1 * e1 + d2 * e2)
        sums[a + FOURTH] = one + (d3 * e3 + d4 * e4)


@njit(cache=True, nogil=True)
def _add_two(x: Any, y: Any, x0: Any, y0: Any, at: Any, sums: Any) -> None:
    """Add a pair of bars, the newer at ``at``."""
    for a in range(FIRST):
        p = at + a
        q = p - FIRST
        u, v = x0[a], y0[a]
        d1, d2 = x[p] - u, x[q] - u
        e1, e2 = y[p] - v, y[q] - v
        sums[a] += d1 + d2
        sums[a + FIRST] += d1 * d1 + d2 * d2
        sums[a + SECOND] += e1 + e2
        sums[a + THIRD] += e1 * e1 + e2 * e2
        sums[a + FOURTH] += d1 * e1 + d2 * e2


@njit(cache=True, nogil=True)
def _add_one(x: Any, y: Any, x0: Any, y0: Any, at: Any, sums: Any) -> None:
    """Add an odd bar out."""
    for a in range(FIRST):
        d, e = x[at + a] - x0[a], y[at + a] - y0[a]
        sums[a] += d
        sums[a + FIRST] += d * d
        sums[a + SECOND] += e
        sums[a + THIRD] += e * e
        sums[a + FOURTH] += d * e


@njit(cache=True, nogil=True, error_model="numpy")
def _finish(sums: Any, x0: Any, y0: Any, window: int, target: Any, with_spread: bool) -> None:
    """Turn the sums of a strip's windows into covariances, or into correlations."""
    size = float(window)
    for a in range(len(target)):
        sx, sy = sums[a], sums[a + SECOND]
        mx, my = sx / size, sy / size
        vx, vy = sums[a + FIRST] - sx * mx, sums[a + THIRD] - sy * my
        both = sums[a + FOURTH] - sx * my
        mx, my = mx + x0[a], my + y0[a]
        # Rounding noise of a constant, or of a product that cancels, is no information.
        flat = (vx <= FLAT * (vx + size * mx * mx)) | (vy <= FLAT * (vy + size * my * my))
        both = 0.0 if both * both <= FLAT * vx * vy else both
        if with_spread:
            value = np.nan if flat else both / np.sqrt(vx * vy)
            value = max(value, -1.0)
            value = min(value, 1.0)
            target[a] = value if value == value else np.nan
        else:
            target[a] = 0.0 if flat else both / (size - 1.0)
    if with_spread and window == 2:
        # Two points lie on a line: what rounding leaves would order sums of them.
        for a in range(len(target)):
            target[a] = np.sign(target[a])


@njit(cache=True, nogil=True)
def _joint_2d(
    x: Any, y: Any, window: int, out: Any, low: int, high: int, with_spread: bool
) -> None:
    """Fill with covariances, or with correlations. Distances are from the newest pair."""
    columns, sums = x.shape[1], np.zeros(5 * STRIP)
    size = (ROWS + window) * STRIP
    xs, ys = np.zeros(size), np.zeros(size)
    begin = min(max(low, window - 1), high) if window > 1 else high
    out[low:begin] = np.nan
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for top in range(begin, high, ROWS):
            stop = min(top + ROWS, high)
            first = top - window + 1
            _gather(x, first, stop - first, left, width, xs)
            _gather(y, first, stop - first, left, width, ys)
            for i in range(top, stop):
                at = (i - first) * STRIP
                x0, y0 = xs[at : at + STRIP], ys[at : at + STRIP]
                sums[:] = 0.0
                # Two bars are added up before they join the sums, as far back as there are two.
                k = 1
                while k + 3 < window:
                    _add_four(xs, ys, x0, y0, np.uint64(at - k * STRIP), sums)
                    k += 4
                if k + 1 < window:
                    _add_two(xs, ys, x0, y0, np.uint64(at - k * STRIP), sums)
                    k += 2
                if k < window:
                    _add_one(xs, ys, x0, y0, np.uint64(at - k * STRIP), sums)
                _finish(sums, x0, y0, window, out[i, left : left + width], with_spread)


@njit(cache=True, nogil=True)
def covariance_2d(x: Any, y: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with sample covariances; 0 with a constant."""
    _joint_2d(x, y, window, out, low, high, False)


@njit(cache=True, nogil=True)
def correlation_2d(x: Any, y: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with Pearson's correlations; NaN when either is constant in the window."""
    _joint_2d(x, y, window, out, low, high, True)


# All sums are of whole numbers below 2^53, so their order can't change them.
@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _replace(under: Any, over: Any, score: Any, place: int, value: float) -> None:
    """Put ``value`` in the ring and keep each one's count of those below less those above."""
    old_under, old_over = under[place], over[place]
    reach = TIE * abs(value)
    new_under, new_over = value - reach, value + reach
    total = 0.0
    for j in range(len(score)):
        lower, upper = under[j], over[j]
        before = (1.0 if lower > old_over else 0.0) - (1.0 if upper < old_under else 0.0)
        after = (1.0 if lower > new_over else 0.0) - (1.0 if upper < new_under else 0.0)
        score[j] += after - before
        total += after
    gone = (1.0 if old_under > new_over else 0.0) - (1.0 if old_over < new_under else 0.0)
    under[place], over[place], score[place] = new_under, new_over, gone - total


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _likeness(one: Any, other: Any) -> float:
    xy, xx, yy = 0.0, 0.0, 0.0
    for j in range(len(one)):
        xy += one[j] * other[j]
        xx += one[j] * one[j]
        yy += other[j] * other[j]
    if xx == 0.0 or yy == 0.0:
        return np.nan
    value: float = xy / np.sqrt(xx * yy)
    return min(max(value, -1.0), 1.0)


@njit(cache=True, nogil=True)
def rank_correlation_2d(x: Any, y: Any, window: int, out: Any, low: int, high: int) -> None:
    """Fill with Spearman's correlations: exact ranks, equals share theirs; NaN for a constant.

    The ring keeps, for each value in the window, how many lie below it less how many above: twice
    its rank about the middle. A step of the window changes each count by comparing with the value
    that leaves and the one that comes.
    """
    xu, xo, xs = np.empty(window), np.empty(window), np.empty(window)
    yu, yo, ys = np.empty(window), np.empty(window), np.empty(window)
    for a in range(x.shape[1]):
        for ring in (xu, xo, yu, yo):
            ring[:] = np.nan
        xs[:] = 0.0
        ys[:] = 0.0
        place, missing = 0, 0
        first = max(low - window + 1, 0)
        for i in range(first, high):
            missing -= i - first >= window and (xu[place] != xu[place] or yu[place] != yu[place])
            _replace(xu, xo, xs, place, x[i, a])
            _replace(yu, yo, ys, place, y[i, a])
            missing += x[i, a] != x[i, a] or y[i, a] != y[i, a]
            place = place + 1 if place + 1 < window else 0
            if i >= low:
                whole = i >= window - 1 and missing == 0
                out[i, a] = _likeness(xs, ys) if whole else np.nan
