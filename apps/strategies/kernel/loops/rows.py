"""Functions across instruments: one row at a time, missing values left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Values closer than this share of their size are equal: a difference of prices keeps some nine
# good digits, and rounding noise must not order instruments that moved by the same tick.
TIE = 1e-9
# A row whose deviation is below this share of its size is a constant: what is left is rounding.
FLAT = 1e-12
# Stands behind every value when a row is sorted.
LAST = 1.7e308
# Far above what a column in the last bits adds to a zero.
LEAST = 1e-290


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
            last, first = at, x[i, order[i, at]]
            while last + 1 < count:
                other = x[i, order[i, last + 1]]
                if abs(other - first) > TIE * (abs(other) + abs(first)):
                    break
                last += 1
            shared = (at + last + 2) / 2.0 / count
            for place in range(at, last + 1):
                out[i, order[i, place]] = shared
            at = last + 1
    return out


@njit(cache=True, nogil=True)
def keys_2d(x: Any, low: int, bits: int, keys: Any) -> None:
    """Fill ``keys`` with the rows of ``x`` from ``low`` on, each value's column in its last bits.

    What is cut off is far below ``TIE``, so the order of unequal values stays; sorting the keys
    then sorts values and columns in one, several times as fast as an indirect sort.
    """
    rows, columns = keys.shape
    mask = np.int64(-1) << np.int64(bits)
    for i in range(rows):
        source, target = x[low + i], keys[i]
        for a in range(columns):
            # Adding 0 makes one zero of the two there are.
            target[a] = source[a] + 0.0 if source[a] == source[a] else LAST
        whole = target.view(np.int64)
        for a in range(columns):
            whole[a] = (whole[a] & mask) | a


@njit(cache=True, nogil=True)
def apart(keys: Any, count: int, reach: float) -> bool:
    """Tell whether the first ``count`` sorted keys surely hold no two values that are equal."""
    near = 0
    for place in range(count - 1):
        one, other = keys[place], keys[place + 1]
        near += other - one <= reach * (abs(one) + abs(other)) + LEAST
    return near == 0


@njit(cache=True, nogil=True)
def ranks_2d(x: Any, low: int, bits: int, keys: Any, out: Any) -> None:
    """Fill the rows of ``out`` from ``low`` on with ranks, read off sorted ``keys``."""
    rows, columns = keys.shape
    # What the columns in the last bits may have moved two keys by, and some more.
    reach = TIE + 2.0 ** (bits - 50)
    shares, shared_by = np.empty(columns), -1
    for i in range(rows):
        source, target, order = x[low + i], out[low + i], keys[i].view(np.uint64)
        count = 0
        for a in range(columns):
            count += source[a] == source[a]
        if not apart(keys[i], count, reach):
            _ranks_1d(source, bits, order, count, target)
            continue
        if count != shared_by:
            shared_by = count
            for place in range(count):
                shares[place] = (2 * place + 2) / 2.0 / count
        mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
        for place in range(count):
            target[order[place] & mask] = shares[place]
        for place in range(count, columns):
            target[order[place] & mask] = np.nan


@njit(cache=True, nogil=True)
def _ranks_1d(source: Any, bits: int, order: Any, count: int, target: Any) -> None:
    """Fill a row with ranks where equals share theirs."""
    columns = len(order)
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    values = np.empty(columns)
    for place in range(columns):
        values[place] = source[order[place] & mask]
    at = 0
    while at < count:
        last, first = at, values[at]
        while last + 1 < count:
            other = values[last + 1]
            if abs(other - first) > TIE * (abs(other) + abs(first)):
                break
            last += 1
        shared = (at + last + 2) / 2.0 / count
        for place in range(at, last + 1):
            target[order[place] & mask] = shared
        at = last + 1
    for place in range(count, columns):
        target[order[place] & mask] = np.nan


@njit(cache=True, nogil=True)
def _mean(row: Any) -> tuple[float, int]:
    total, count = 0.0, 0
    for value in row:
        if value == value:
            total += value
            count += 1
    return (total / count if count else np.nan), count


@njit(cache=True, nogil=True)
def demean_2d(x: Any, out: Any, low: int, high: int) -> None:
    """Fill each row with its distances from its mean."""
    for i in range(low, high):
        mean, _ = _mean(x[i])
        for a in range(x.shape[1]):
            out[i, a] = x[i, a] - mean


@njit(cache=True, nogil=True)
def zscore_2d(x: Any, out: Any, low: int, high: int) -> None:
    """Fill each row with distances from its mean in sample deviations; NaN for a constant row."""
    for i in range(low, high):
        mean, count = _mean(x[i])
        squares, size = 0.0, 0.0
        for value in x[i]:
            if value == value:
                squares += (value - mean) * (value - mean)
                size = max(size, abs(value))
        spread = np.sqrt(squares / (count - 1)) if count > 1 else 0.0
        for a in range(x.shape[1]):
            out[i, a] = (x[i, a] - mean) / spread if spread > FLAT * size else np.nan


@njit(cache=True, nogil=True)
def scale_2d(x: Any, total: float, out: Any, low: int, high: int) -> None:
    """Fill each row with its values scaled so that their sizes sum to ``total``."""
    for i in range(low, high):
        size = 0.0
        for value in x[i]:
            if value == value:
                size += abs(value)
        for a in range(x.shape[1]):
            out[i, a] = total * x[i, a] / size if size > 0.0 else np.nan


@njit(cache=True, nogil=True)
def truncate_2d(x: Any, share: float, out: Any, low: int, high: int) -> None:
    """Fill each row with its values, none larger in size than ``share`` of all sizes together."""
    for i in range(low, high):
        size = 0.0
        for value in x[i]:
            if value == value:
                size += abs(value)
        most = share * size
        for a in range(x.shape[1]):
            value = x[i, a]
            out[i, a] = value if value != value else min(max(value, -most), most)


@njit(cache=True, nogil=True)
def group_mean_2d(x: Any, groups: Any, out: Any, low: int, high: int) -> None:
    """Fill each row with the mean of each value's group; values without a group are missing."""
    for i in range(low, high):
        order = np.argsort(groups[i])
        at = 0
        while at < len(order):
            last, group = at, groups[i, order[at]]
            while last < len(order) and groups[i, order[last]] == group:
                last += 1
            last = max(last, at + 1)
            total, count = 0.0, 0
            for place in range(at, last):
                value = x[i, order[place]]
                if value == value:
                    total += value
                    count += 1
            for place in range(at, last):
                there = x[i, order[place]] == x[i, order[place]] and group == group
                out[i, order[place]] = total / count if there else np.nan
            at = last


@njit(cache=True, nogil=True)
def group_rank_2d(x: Any, groups: Any, out: Any, low: int, high: int) -> None:
    """Fill each row with ranks within groups as shares of the group's count."""
    columns = x.shape[1]
    for i in range(low, high):
        for a in range(columns):
            value, group = x[i, a], groups[i, a]
            score, count = 0.5, 0
            for b in range(columns):
                other = x[i, b]
                if groups[i, b] == group and other == other:
                    count += 1
                    if abs(other - value) <= TIE * (abs(other) + abs(value)):
                        score += 0.5
                    elif other < value:
                        score += 1.0
            out[i, a] = score / count if count and value == value else np.nan
