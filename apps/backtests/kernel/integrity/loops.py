"""Compiled loops of overfitting and clusters: arrays and scalars only. Import inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Sums and largest values may be taken in any order, so that they run side by side.
FAST = {"reassoc", "contract", "nsz", "nnan"}


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _scores(
    ones: Any, ones_too: Any, squares: Any, squares_too: Any, n: float, flat: float, out: Any
) -> float:
    """Write the square of every trial's Sharpe ratio, its sign kept; return the largest.

    Over the blocks of two halves, times n² / (n - 1): the order is the same and no root is taken.
    """
    share, best = 1.0 / n, -np.inf
    for j in range(out.shape[0]):
        total = ones[j] + ones_too[j]
        square = squares[j] + squares_too[j]
        gap = square - total * total * share
        score = total * abs(total) / (max(gap, flat * square) + 1e-300)
        out[j] = score if gap > flat * square else 0.0
    # In a loop of its own, or neither of them runs side by side.
    for j in range(out.shape[0]):
        best = max(best, out[j])
    return best


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _rank(values: Any, level: float) -> float:
    """Return the rank of a level among values, from 1; ties share their middle."""
    below, equal = 0, 0
    for j in range(values.shape[0]):
        below += 1 if values[j] < level else 0
        equal += 1 if values[j] == level else 0
    return below + 0.5 * (equal + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(best: float, inside: Any, outside: Any, n: float, m: float, out: Any) -> None:
    """Write inside ratio, outside ratio and rank from 1 to N of the best inside."""
    where = 0
    while inside[where] != best:
        where += 1
    out[0], out[1] = _ratio(best, n), _ratio(outside[where], m)
    out[2] = _rank(outside, outside[where])


@njit(cache=True, nogil=True, error_model="numpy")
def _ratio(score: float, n: float) -> Any:
    root = np.sqrt(abs(score) * (n - 1.0)) / n
    return root if score >= 0.0 else -root


@njit(cache=True, nogil=True, error_model="numpy")
def splits_1d(
    ones: Any,
    squares: Any,
    counts: Any,
    masks: Any,
    every: int,
    flat: float,
    low: float,
    width: float,
    out: Any,
    bins: Any,
) -> None:
    """Judge each split and its mirror image: what is inside for one is outside for the other.

    Parameters
    ----------
    ones, squares
        ``(2 · 2^(blocks/2), n_trials)`` sums over every set of blocks of the first half of them,
        then of the second; ``counts`` their lengths.
    masks
        Which blocks are inside, by split; the mirror images are not among them.
    every
        All ratios outside of each so-many-th split go into ``bins`` of ``width`` from ``low`` on.
    out
        ``(n_masks, 2, 3)``: inside and outside ratio and rank of the best, both ways round.
    """
    half = ones.shape[0] // 2
    here, there = np.empty(ones.shape[1]), np.empty(ones.shape[1])
    for k in range(masks.shape[0]):
        a, b = masks[k] % half, half + masks[k] // half
        n = counts[a] + counts[b]
        first = _scores(ones[a], ones[b], squares[a], squares[b], n, flat, here)
        a, b = half - 1 - a, 3 * half - 1 - b
        m = counts[a] + counts[b]
        second = _scores(ones[a], ones[b], squares[a], squares[b], m, flat, there)
        _judge(first, here, there, n, m, out[k, 0])
        _judge(second, there, here, m, n, out[k, 1])
        if k % every == 0:
            _count(here, n, low, width, bins)
            _count(there, m, low, width, bins)


@njit(cache=True, nogil=True, error_model="numpy")
def _count(scores: Any, n: float, low: float, width: float, bins: Any) -> None:
    most = bins.shape[0] - 1
    for j in range(scores.shape[0]):
        place = int((_ratio(scores[j], n) - low) / width)
        bins[min(max(place, 0), most)] += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _smallest(sums: Any, shares: Any) -> float:
    best = np.inf
    for c in range(shares.shape[0]):
        best = min(best, sums[c] * shares[c])
    return best


@njit(cache=True, nogil=True, error_model="numpy")
def silhouettes_2d(distances: Any, pairs: Any, most: int, out: Any) -> None:
    """Write mean and spread of the silhouettes of each cut of a tree.

    Parameters
    ----------
    distances
        ``(n, n)``.
    pairs
        ``(n - 1, 2)``: which two groups each step joins, counted on from ``n`` as they come.
    most
        Cuts into more groups than that are passed over.
    out
        ``(n + 1, 2)`` by number of groups.
    """
    n = distances.shape[0]
    sums = distances.copy()
    counts, label = np.ones(n), np.arange(n)
    # Groups stand in the first columns without gaps: which column a group of the tree is in,
    # and which group a column holds.
    place, held = np.arange(2 * n), np.arange(n)
    values = np.empty(n)
    for step in range(n - 2):
        groups = n - step - 1
        a, b = place[pairs[step, 0]], place[pairs[step, 1]]
        a, b = min(a, b), max(a, b)
        for i in range(n):
            sums[i, a] += sums[i, b]
            sums[i, b] = sums[i, groups]
            if label[i] == b:
                label[i] = a
            elif label[i] == groups:
                label[i] = b
        counts[a] += counts[b]
        counts[b] = counts[groups]
        held[b] = held[groups]
        place[held[b]] = b
        held[a] = n + step
        place[n + step] = a
        if groups > most:
            continue
        _silhouettes(sums, counts[:groups], label, values)
        out[groups, 0], out[groups, 1] = values.mean(), values.std()


@njit(cache=True, nogil=True, error_model="numpy")
def _silhouettes(sums: Any, counts: Any, label: Any, values: Any) -> None:
    groups = counts.shape[0]
    shares = 1.0 / counts
    for i in range(label.shape[0]):
        own = label[i]
        if counts[own] == 1.0:
            values[i] = 0.0
            continue
        near = sums[i, own] / (counts[own] - 1.0)
        other = min(
            _smallest(sums[i, :own], shares[:own]),
            _smallest(sums[i, own + 1 : groups], shares[own + 1 :]),
        )
        largest = max(near, other)
        values[i] = (other - near) / largest if largest > 0.0 else 0.0
