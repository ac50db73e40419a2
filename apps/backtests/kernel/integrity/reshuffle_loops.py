"""Compiled loops of Monte Carlo over trades: a key each, figures out. Import inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from apps.backtests.kernel.integrity.world_loops import STEP, _unit, blocks_2d

# Columns of a path's figures.
N_FIGURES = 6
DRAWDOWN, UNDER_WATER, FINAL, LOWEST, MEAN, SPREAD = range(N_FIGURES)
SHUFFLE, DRAW, BLOCKS = range(3)


@njit(cache=True, nogil=True)
def order_1d(source: Any, key: Any, out: Any) -> None:
    """Write all steps in random order (Fisher and Yates)."""
    state = key
    n = len(source)
    for i in range(n):
        out[i] = source[i]
    for i in range(n - 1, 0, -1):
        state += STEP
        other = int(_unit(state) * (i + 1))
        out[i], out[other] = out[other], out[i]


@njit(cache=True, nogil=True)
def draws_1d(source: Any, key: Any, out: Any) -> None:
    """Write as many steps, each drawn from all."""
    state = key
    n = len(source)
    for i in range(n):
        state += STEP
        out[i] = source[int(_unit(state) * n)]


@njit(cache=True, nogil=True)
def walk_1d(steps: Any, marks: Any, figures: Any, values: Any) -> None:
    """Write a path's figures, and its value of 1 after each of the steps ``marks`` (ascending).

    A value that reaches 0 stays there.
    """
    n = len(steps)
    value, top, worst, lowest = 1.0, 1.0, 0.0, 1.0
    peak, longest, mark, under = 0, 0, 0, False
    # Sums about the first step lose no digits when all are alike.
    origin = steps[0]
    ones, squares = 0.0, 0.0
    for i in range(n):
        gap = steps[i] - origin
        ones += gap
        squares += gap * gap
        value *= 1.0 + steps[i]
        if value < 0.0 or steps[i] <= -1.0:
            value = 0.0
        lowest = min(lowest, value)
        if value >= top:
            if under:
                longest = max(longest, i + 1 - peak)
            top, peak, under = value, i + 1, False
        else:
            under = True
            longest = max(longest, i + 1 - peak)
            worst = max(worst, 1.0 - value / top)
        while mark < len(marks) and marks[mark] == i + 1:
            values[mark] = value
            mark += 1
    mean = ones / n
    figures[DRAWDOWN], figures[UNDER_WATER] = worst, longest
    figures[FINAL], figures[LOWEST] = value, lowest
    figures[MEAN] = origin + mean
    figures[SPREAD] = np.sqrt(max(squares - n * mean * mean, 0.0) / (n - 1)) if n > 1 else np.nan


@njit(cache=True, nogil=True)
def paths_2d(
    source: Any, kind: int, block: float, keys: Any, marks: Any, figures: Any, values: Any
) -> None:
    """Write the figures and the values at ``marks`` of a path for each key."""
    n = len(source)
    wide = source.reshape(n, 1)
    drawn = np.empty((n, 1))
    steps = drawn[:, 0]
    for k in range(len(keys)):
        if kind == SHUFFLE:
            order_1d(source, keys[k], steps)
        elif kind == DRAW:
            draws_1d(source, keys[k], steps)
        else:
            blocks_2d(wide, block, keys[k], drawn)
        walk_1d(steps, marks, figures[k], values[k])
