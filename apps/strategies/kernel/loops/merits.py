"""Rank correlation of each row of values with the returns that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# As in ``rows``: values closer than this share of their size are equal.
TIE = 1e-9


@njit(cache=True, nogil=True)
def _middled(values: Any, order: Any, count: int, out: Any) -> float:
    """Fill ``out`` at ``order`` with ranks less their mean; return the sum of their squares."""
    middle, squares, at = (count + 1) / 2.0, 0.0, 0
    while at < count:
        last, first = at, values[order[at]]
        while last + 1 < count:
            other = values[order[last + 1]]
            if abs(other - first) > TIE * (abs(other) + abs(first)):
                break
            last += 1
        rank = (at + last + 2) / 2.0 - middle
        for place in range(at, last + 1):
            out[order[place]] = rank
            squares += rank * rank
        at = last + 1
    return squares


@njit(cache=True, nogil=True)
def rank_ic_2d(
    x: Any, y: Any, low: int, bits: int, x_keys: Any, y_keys: Any, fewest: int, out: Any
) -> None:
    """Fill ``out`` from ``low`` on with Spearman's correlations of the rows of ``x`` and ``y``.

    Parameters
    ----------
    x_keys, y_keys
        Sorted keys of ``rows.keys_2d``, of the rows from ``low`` on.
    fewest
        Columns with both values that a row must have.
    """
    rows, columns = x_keys.shape
    mask = (np.int64(1) << np.int64(bits)) - 1
    x_order, y_order = np.empty(columns, np.int64), np.empty(columns, np.int64)
    x_ranks, y_ranks = np.empty(columns), np.empty(columns)
    for i in range(rows):
        one, other = x[low + i], y[low + i]
        x_all, y_all = x_keys[i].view(np.int64), y_keys[i].view(np.int64)
        count, met = 0, 0
        for place in range(columns):
            column = x_all[place] & mask
            if one[column] == one[column] and other[column] == other[column]:
                x_order[count] = column
                count += 1
            column = y_all[place] & mask
            if one[column] == one[column] and other[column] == other[column]:
                y_order[met] = column
                met += 1
        if count < fewest:
            out[low + i] = np.nan
            continue
        xx = _middled(one, x_order, count, x_ranks)
        yy = _middled(other, y_order, count, y_ranks)
        both = 0.0
        for place in range(count):
            both += x_ranks[x_order[place]] * y_ranks[x_order[place]]
        value = both / np.sqrt(xx * yy) if xx > 0.0 and yy > 0.0 else np.nan
        out[low + i] = min(max(value, -1.0), 1.0) if value == value else np.nan
