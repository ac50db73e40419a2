"""Rank correlation of each row of values with the returns that follow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from apps.strategies.kernel.loops.rows import TIE, apart


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
def middled_2d(y: Any, low: int, bits: int, y_keys: Any, ranks: Any, squares: Any) -> None:
    """Fill ``ranks`` from ``low`` on with the ranks of each row less their mean; 0 when missing.

    ``squares`` are the sums of their squares, -1 for a row without values.
    """
    rows, columns = y_keys.shape
    mask = (np.int64(1) << np.int64(bits)) - 1
    order = np.empty(columns, np.int64)
    for i in range(rows):
        row, keys, count = y[low + i], y_keys[i].view(np.int64), 0
        for place in range(columns):
            order[place] = keys[place] & mask
            count += row[order[place]] == row[order[place]]
        ranks[low + i, :] = 0.0
        squares[low + i] = _middled(row, order, count, ranks[low + i]) if count else -1.0


@njit(cache=True, nogil=True)
def _counts(one: Any, other: Any) -> tuple[int, int, int]:
    """Return how many the first has, the second, and both at a time."""
    ones, others, both = 0, 0, 0
    for a in range(len(one)):
        here, there = one[a] == one[a], other[a] == other[a]
        ones += here
        others += there
        both += here & there
    return ones, others, both


# Sums are of quarters of whole numbers below 2^53, so their order can't change them.
@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _in_order(order: Any, bits: int, count: int, other: Any) -> tuple[float, float]:
    """Return products of the places in ``order``, less their mean, with ``other``; and squares."""
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    middle, both, squares = (count + 1) / 2.0, 0.0, 0.0
    for place in range(count):
        rank = (place + 1) - middle
        both += rank * other[order[place] & mask]
        squares += rank * rank
    return both, squares


@njit(cache=True, nogil=True)
def _tied(one: Any, order: Any, bits: int, count: int, other: Any) -> tuple[float, float]:
    """Return the same where equals share their place."""
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    values = np.empty(count)
    for place in range(count):
        values[place] = one[order[place] & mask]
    middle, both, squares, at = (count + 1) / 2.0, 0.0, 0.0, 0
    while at < count:
        last, first, near = at, values[at], other[order[at] & mask]
        while last + 1 < count:
            value = values[last + 1]
            if abs(value - first) > TIE * (abs(value) + abs(first)):
                break
            last += 1
            near += other[order[last] & mask]
        rank = (at + last + 2) / 2.0 - middle
        both += rank * near
        squares += (last + 1 - at) * (rank * rank)
        at = last + 1
    return both, squares


@njit(cache=True, nogil=True)
def rank_ic_2d(
    x: Any,
    y: Any,
    low: int,
    bits: int,
    x_keys: Any,
    y_keys: Any,
    y_ranks: Any,
    y_squares: Any,
    fewest: int,
    out: Any,
) -> None:
    """Fill ``out`` from ``low`` on with Spearman's correlations of the rows of ``x`` and ``y``.

    Parameters
    ----------
    x_keys, y_keys
        Sorted keys of ``rows.keys_2d``, of the rows from ``low`` on.
    y_ranks, y_squares
        What ``middled_2d`` made of all rows of ``y``.
    fewest
        Columns with both values that a row must have.
    """
    rows = len(x_keys)
    # What the columns in the last bits may have moved two keys by, and some more.
    reach = TIE + 2.0 ** (bits - 50)
    for i in range(rows):
        one, other = x[low + i], y[low + i]
        ones, others, count = _counts(one, other)
        if count < fewest:
            out[low + i] = np.nan
        elif ones == count and others == count:
            keys, ranks = x_keys[i], y_ranks[low + i]
            if apart(keys, count, reach):
                both, squares = _in_order(keys.view(np.uint64), bits, count, ranks)
            else:
                both, squares = _tied(one, keys.view(np.uint64), bits, count, ranks)
            out[low + i] = _likeness(both, squares, y_squares[low + i])
        else:
            out[low + i] = _rank_ic_1d(one, other, bits, x_keys[i], y_keys[i])


@njit(cache=True, nogil=True)
def _likeness(both: float, xx: float, yy: float) -> float:
    value = both / np.sqrt(xx * yy) if xx > 0.0 and yy > 0.0 else np.nan
    return min(max(value, -1.0), 1.0) if value == value else np.nan


@njit(cache=True, nogil=True)
def _rank_ic_1d(one: Any, other: Any, bits: int, x_keys: Any, y_keys: Any) -> float:
    """Return the correlation of a row with ties, or with values that only one has."""
    columns = len(one)
    mask = (np.int64(1) << np.int64(bits)) - 1
    x_order, y_order = np.empty(columns, np.int64), np.empty(columns, np.int64)
    x_ranks, y_ranks = np.empty(columns), np.empty(columns)
    x_all, y_all = x_keys.view(np.int64), y_keys.view(np.int64)
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
    xx = _middled(one, x_order, count, x_ranks)
    yy = _middled(other, y_order, count, y_ranks)
    both = 0.0
    for place in range(count):
        both += x_ranks[x_order[place]] * y_ranks[x_order[place]]
    return _likeness(both, xx, yy)
