"""Compiled loops of strategies: arrays and scalars only. Import this inside functions.

Each works along whole rows, so that the innermost loop runs over neighbours in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# A window whose spread is below this share of its size is a constant: what is left is rounding.
FLAT = 1e-24
# Values closer than this share of their size are equal: a difference of prices keeps some nine
# good digits, and rounding noise must not order instruments that moved by the same tick.
TIE = 1e-9


@njit(cache=True)
def _tied(a: float, b: float) -> bool:
    return abs(a - b) <= TIE * (abs(a) + abs(b))


@njit(cache=True)
def rank_rows_2d(x: Any, order: Any) -> Any:
    """Return each row's ranks as shares of its finite count; equals share their mean rank."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    for i in range(rows):
        count = 0
        for a in range(columns):
            count += not np.isnan(x[i, a])
        at = 0
        while at < count:
            last = at
            while last + 1 < count and _tied(x[i, order[i, last + 1]], x[i, order[i, at]]):
                last += 1
            shared = (at + last + 2) / 2.0 / count
            for place in range(at, last + 1):
                out[i, order[i, place]] = shared
            at = last + 1
    return out


@njit(cache=True)
def rank_2d(x: Any, window: int) -> Any:
    """Return the rank of the newest value within its window as a share; NaN over a NaN."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    score = np.empty(columns)
    for i in range(window - 1, rows):
        for a in range(columns):
            score[a] = 1.0 + (x[i, a] - x[i, a])
        for k in range(1, window):
            for a in range(columns):
                old, new = x[i - k, a], x[i, a]
                # A value less itself is 0, or missing when it is: that carries NaN along.
                score[a] += (0.5 if _tied(old, new) else 1.0 * (old < new)) + (old - old)
        for a in range(columns):
            out[i, a] = score[a] / window
    return out


@njit(cache=True)
def _extreme_2d(x: Any, window: int, sign: float) -> Any:
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    for i in range(window - 1, rows):
        for a in range(columns):
            best, place = -np.inf, 0
            for k in range(window):
                value = x[i - window + 1 + k, a] * sign
                if np.isnan(value):
                    place = -1
                    break
                if value > best or place == 0:
                    best, place = value, k + 1
            if place > 0:
                out[i, a] = place
    return out


@njit(cache=True)
def argmax_2d(x: Any, window: int) -> Any:
    """Return where in the window the highest value stands: 1 oldest; of equals the oldest."""
    return _extreme_2d(x, window, 1.0)


@njit(cache=True)
def argmin_2d(x: Any, window: int) -> Any:
    """Return where in the window the lowest value stands: 1 oldest; of equals the oldest."""
    return _extreme_2d(x, window, -1.0)


@njit(cache=True)
def product_2d(x: Any, window: int) -> Any:
    """Return the product over each window."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    for i in range(window - 1, rows):
        for a in range(columns):
            out[i, a] = x[i, a]
        for k in range(1, window):
            for a in range(columns):
                out[i, a] *= x[i - k, a]
    return out


@njit(cache=True)
def decay_linear_2d(x: Any, window: int) -> Any:
    """Return the mean weighted ``window`` for the newest value down to 1 for the oldest."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    total = window * (window + 1) / 2.0
    for i in range(window - 1, rows):
        for a in range(columns):
            out[i, a] = 0.0
        for k in range(window):
            for a in range(columns):
                out[i, a] += x[i - k, a] * (window - k)
        for a in range(columns):
            out[i, a] /= total
    return out


@njit(cache=True)
def _means(x: Any, i: int, window: int, out: Any) -> None:
    out[:] = 0.0
    for k in range(window):
        for a in range(x.shape[1]):
            out[a] += x[i - k, a]
    for a in range(x.shape[1]):
        out[a] /= window


@njit(cache=True)
def std_2d(x: Any, window: int) -> Any:
    """Return the sample deviation over each window; 0 for a constant, NaN for a window of 1."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    mean = np.empty(columns)
    squares, size = np.empty(columns), np.empty(columns)
    for i in range(max(window, 2) - 1, rows if window > 1 else 0):
        _means(x, i, window, mean)
        squares[:] = 0.0
        size[:] = 0.0
        for k in range(window):
            for a in range(columns):
                apart = x[i - k, a] - mean[a]
                squares[a] += apart * apart
                size[a] += x[i - k, a] * x[i - k, a]
        for a in range(columns):
            flat = squares[a] <= FLAT * size[a]
            out[i, a] = 0.0 if flat else np.sqrt(squares[a] / (window - 1))
    return out


@njit(cache=True)
def _comoments(x: Any, y: Any, i: int, window: int, means: Any, sums: Any) -> None:
    """Fill ``sums`` with the squares of x and of y about their means, and the cross product."""
    _means(x, i, window, means[0])
    _means(y, i, window, means[1])
    sums[:] = 0.0
    for k in range(window):
        for a in range(x.shape[1]):
            one, other = x[i - k, a], y[i - k, a]
            dx, dy = one - means[0, a], other - means[1, a]
            sums[0, a] += dx * dx
            sums[1, a] += dy * dy
            sums[2, a] += dx * dy
            sums[3, a] += one * one
            sums[4, a] += other * other
    for a in range(x.shape[1]):
        # Rounding noise of a constant, or of a cross product that cancels, is no information.
        sums[0, a] = 0.0 if sums[0, a] <= FLAT * sums[3, a] else sums[0, a]
        sums[1, a] = 0.0 if sums[1, a] <= FLAT * sums[4, a] else sums[1, a]
        if sums[2, a] * sums[2, a] <= FLAT * sums[0, a] * sums[1, a]:
            sums[2, a] = 0.0


@njit(cache=True)
def covariance_2d(x: Any, y: Any, window: int) -> Any:
    """Return the sample covariance over each window; 0 with a constant."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    means, sums = np.empty((2, columns)), np.empty((5, columns))
    for i in range(max(window, 2) - 1, rows if window > 1 else 0):
        _comoments(x, y, i, window, means, sums)
        for a in range(columns):
            constant = sums[0, a] == 0.0 or sums[1, a] == 0.0
            out[i, a] = 0.0 if constant else sums[2, a] / (window - 1)
    return out


@njit(cache=True)
def correlation_2d(x: Any, y: Any, window: int) -> Any:
    """Return Pearson's correlation over each window; NaN when either is constant in it."""
    rows, columns = x.shape
    out = np.full((rows, columns), np.nan)
    means, sums = np.empty((2, columns)), np.empty((5, columns))
    for i in range(max(window, 2) - 1, rows if window > 1 else 0):
        _comoments(x, y, i, window, means, sums)
        for a in range(columns):
            if sums[0, a] > 0.0 and sums[1, a] > 0.0:
                value = sums[2, a] / np.sqrt(sums[0, a] * sums[1, a])
                out[i, a] = min(max(value, -1.0), 1.0)
    return out
