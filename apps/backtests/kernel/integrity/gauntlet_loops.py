"""Compiled loops of worlds of bars. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Rows of shapes: open, high and low over the close, volume. Rows of ``out``: the same with close.
OPEN, HIGH, LOW, VOLUME = range(4)
CLOSE_OUT, VOLUME_OUT = 3, 4


@njit(cache=True, nogil=True)
def drift_2d(grown: Any, begins: Any, there: Any, wanted: Any, out: Any) -> None:
    """Write what each bar must grow by, beside what it does, to end where the real bars ended."""
    n, m = there.shape
    for j in range(m):
        total, bars = 0.0, 0
        for i in range(1, n):
            if there[i, j] and i > begins[j]:
                total += grown[i - 1, j]
                bars += 1
        out[j] = np.exp((wanted[j] - total) / bars) if bars else 1.0


@njit(cache=True, nogil=True)
def gathered_2d(source: Any, rows: Any, signs: Any, out: Any) -> None:
    """Write ``signs * source[rows]``, a row a bar."""
    for k in range(len(rows)):
        for j in range(source.shape[1]):
            out[k, j] = signs[k] * source[rows[k], j]


@njit(cache=True, nogil=True)
def factors_2d(factors: Any, rows: Any, signs: Any, out: Any) -> None:
    """Write ``factors[rows]``, one over it where the sign is turned."""
    for k in range(len(rows)):
        for j in range(factors.shape[1]):
            factor = factors[rows[k], j]
            out[k, j] = factor if signs[k] > 0.0 else 1.0 / factor


@njit(cache=True, nogil=True)
def bars_2d(
    factors: Any, rows: Any, signs: Any, drift: Any, shapes: Any, begins: Any, there: Any, out: Any
) -> None:
    """Write a world's bars: closes by factors, the rest by the shape of the row drawn.

    ``rows`` and ``signs`` have one column for all assets, or one for each. Where the sign is
    turned the shape is mirrored about the close: what stood above it stands below. ``out`` holds
    each asset's first bar already; where none is there it is left as it is.
    """
    n, m = there.shape
    each = rows.shape[1] > 1
    for j in range(m):
        if begins[j] >= n:
            continue
        close = out[CLOSE_OUT, begins[j], j]
        c = j if each else 0
        for i in range(begins[j] + 1, n):
            if not there[i, j]:
                continue
            row = rows[i - 1, c]
            close *= factors[i - 1, j] * drift[j]
            out[CLOSE_OUT, i, j] = close
            out[VOLUME_OUT, i, j] = shapes[VOLUME, row, j]
            if signs[i - 1, c] > 0.0:
                out[OPEN, i, j] = close * shapes[OPEN, row, j]
                out[HIGH, i, j] = close * shapes[HIGH, row, j]
                out[LOW, i, j] = close * shapes[LOW, row, j]
            else:
                out[OPEN, i, j] = close / shapes[OPEN, row, j]
                out[HIGH, i, j] = close / shapes[LOW, row, j]
                out[LOW, i, j] = close / shapes[HIGH, row, j]


@njit(cache=True, nogil=True)
def sharpe_1d(equity: Any, start: float) -> tuple[float, float, float]:
    """Return mean and sample deviation of returns by bar, and the whole return; NaN after ruin."""
    n = len(equity) - 1
    before, total = start, 0.0
    for i in range(1, n + 1):
        if not before > 0.0:
            return np.nan, np.nan, equity[n] / start - 1.0
        total += equity[i] / before - 1.0
        before = equity[i]
    mean = total / n
    before, squares = start, 0.0
    for i in range(1, n + 1):
        gap = equity[i] / before - 1.0 - mean
        squares += gap * gap
        before = equity[i]
    return mean, np.sqrt(squares / (n - 1)), equity[n] / start - 1.0
