"""Covariance and correlation over moving windows, of values and of ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

STRIP = 64
# A window whose spread is below this share of its size is a constant: what is left is rounding.
FLAT = 1e-24
# As in ``rows``: values closer than this share of their size are equal.
TIE = 1e-9


@njit(cache=True, nogil=True)
def _joint_2d(
    x: Any, y: Any, window: int, out: Any, low: int, high: int, with_spread: bool
) -> None:
    """Fill with covariances, or with correlations. Distances are from the newest pair."""
    columns = x.shape[1]
    sx, sy, sxx, syy, sxy = (
        np.empty(STRIP),
        np.empty(STRIP),
        np.empty(STRIP),
        np.empty(STRIP),
        np.empty(STRIP),
    )
    for left in range(0, columns, STRIP):
        width = min(STRIP, columns - left)
        for i in range(low, high):
            target = out[i, left : left + width]
            if i < window - 1 or window < 2:
                target[:] = np.nan
                continue
            x0, y0 = x[i, left : left + width], y[i, left : left + width]
            for sums in (sx, sy, sxx, syy, sxy):
                sums[:] = 0.0
            # Two bars at a time, and few arrays in each loop: with more the compiler gives up on
            # vectors. An odd one out is taken against the newest, from which it is no distance.
            for k in range(1, window, 2):
                m = k + 1 if k + 1 < window else 0
                xk, yk = x[i - k, left : left + width], y[i - k, left : left + width]
                xl, yl = x[i - m, left : left + width], y[i - m, left : left + width]
                for a in range(width):
                    d1, d2 = xk[a] - x0[a], xl[a] - x0[a]
                    sx[a] += d1 + d2
                    sxx[a] += d1 * d1 + d2 * d2
                for a in range(width):
                    d1, d2 = yk[a] - y0[a], yl[a] - y0[a]
                    sy[a] += d1 + d2
                    syy[a] += d1 * d1 + d2 * d2
                for a in range(width):
                    one = (xk[a] - x0[a]) * (yk[a] - y0[a])
                    sxy[a] += one + (xl[a] - x0[a]) * (yl[a] - y0[a])
            for a in range(width):
                mx, my = sx[a] / window, sy[a] / window
                vx, vy = sxx[a] - sx[a] * mx, syy[a] - sy[a] * my
                both = sxy[a] - sx[a] * my
                mx, my = mx + x0[a], my + y0[a]
                # Rounding noise of a constant, or of a product that cancels, is no information.
                flat = vx <= FLAT * (vx + window * mx * mx) or vy <= FLAT * (vy + window * my * my)
                both = 0.0 if both * both <= FLAT * vx * vy else both
                if with_spread:
                    value = both / np.sqrt(vx * vy) if not flat else np.nan
                    # Two points lie on a line: what rounding leaves would order sums of them.
                    value = np.sign(value) if window == 2 else value
                    target[a] = min(max(value, -1.0), 1.0) if value == value else np.nan
                else:
                    target[a] = 0.0 if flat else both / (window - 1)


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
