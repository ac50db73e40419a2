"""Compiled loops of risk measures: arrays and scalars only. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


# Sums may be taken in any order, so that they run side by side; NaN stays NaN.
@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def weighted_2d(returns: Any, weights: Any, out: Any) -> None:
    """Write the weighted sum of each row; on a busy machine no slower than on an idle one."""
    for i in range(returns.shape[0]):
        total = 0.0
        for j in range(returns.shape[1]):
            total += returns[i, j] * weights[j]
        out[i] = total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def valued_2d(returns: Any, weights: Any, out: Any) -> None:
    """Write the weighted sum of each row, eight stretches of rows at a time.

    Eight streams keep the memory busy where one waits for it: 1.5 times as fast on a block that
    is not in the cache.
    """
    n, m = returns.shape
    q = n // 8
    for i in range(q):
        a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(m):
            x = weights[j]
            a += returns[i, j] * x
            b += returns[q + i, j] * x
            c += returns[2 * q + i, j] * x
            d += returns[3 * q + i, j] * x
            e += returns[4 * q + i, j] * x
            f += returns[5 * q + i, j] * x
            g += returns[6 * q + i, j] * x
            h += returns[7 * q + i, j] * x
        out[i], out[q + i], out[2 * q + i], out[3 * q + i] = a, b, c, d
        out[4 * q + i], out[5 * q + i], out[6 * q + i], out[7 * q + i] = e, f, g, h
    for i in range(8 * q, n):
        total = 0.0
        for j in range(m):
            total += returns[i, j] * weights[j]
        out[i] = total


@njit(cache=True, nogil=True)
def pack_1d(sample: Any, at: float, out: Any) -> Any:
    """Write what is at most ``at`` to the front of ``out``, one longer; return how many.

    Every number is written and the place moves on only past those that stay: no branch to guess.
    """
    count = np.uint64(0)
    for i in range(len(sample)):
        out[count] = sample[i]
        count += np.uint64(sample[i] <= at)
    return count


@njit(cache=True, nogil=True)
def lowest_1d(values: Any, count: int) -> Any:
    """Return the places of the ``count`` lowest and of what ties with them, lowest first."""
    at = np.partition(values, count - 1)[count - 1]
    found = 0
    for value in values:
        found += value <= at
    places, low, found = np.empty(found, np.int64), np.empty(found), 0
    for i in range(len(values)):
        if values[i] <= at:
            places[found], low[found] = i, values[i]
            found += 1
    return places[np.argsort(low, kind="mergesort")]


@njit(cache=True, nogil=True)
def tail_by_position_2d(
    returns: Any, weights: Any, k: int, share: float, count: int, mass: float
) -> Any:
    """Return VaR, ES and both by position, all losses positive.

    The VaR lies ``share`` of the way from the ``k``-th lowest scenario to the next. The ES is the
    mean of ``mass`` scenarios, the lowest ``count`` of which are read, the last one in part; of
    those at or below the VaR where ``count`` is 0.
    """
    n, m = returns.shape
    book = np.empty(n)
    valued_2d(returns, weights, book)
    order = lowest_1d(book, min(k + 2, n))
    first, next_ = order[k], order[min(k + 1, n - 1)]
    at = book[first] * (1.0 - share) + book[next_] * share
    if count == 0:
        for place in order:
            count += book[place] <= at
        count = max(count, 1)
        mass = float(count)
    by_var, by_es, total = np.empty(m), np.zeros(m), 0.0
    for j in range(m):
        by_var[j] = -(returns[first, j] * (1.0 - share) + returns[next_, j] * share)
    for i in range(count):
        part = min(1.0, mass - i)
        total += part * book[order[i]]
        for j in range(m):
            by_es[j] -= part * returns[order[i], j]
    for j in range(m):
        by_es[j] /= mass
    return -at, -total / mass, by_var, by_es


@njit(cache=True)
def variances_1d(squares: Any, omega: float, alpha: float, beta: float, start: float) -> Any:
    """Return ``(n + 1,)`` variances of GARCH(1,1); the last is of the period to come."""
    n = len(squares)
    out = np.empty(n + 1)
    out[0] = start
    for i in range(n):
        out[i + 1] = omega + alpha * squares[i] + beta * out[i]
    return out


@njit(cache=True)
def garch_loss_1d(
    sample: Any, mean: float, omega: float, alpha: float, beta: float, floor: float
) -> Any:
    """Return the negative normal log likelihood; the mean square stands before the first."""
    n = len(sample)
    total = 0.0
    for i in range(n):
        total += (sample[i] - mean) ** 2
    variance = omega + (alpha + beta) * total / n
    loss = 0.0
    for i in range(n):
        square = (sample[i] - mean) ** 2
        variance = max(variance, floor)
        loss += np.log(variance) + square / variance
        variance = omega + alpha * square + beta * variance
    return 0.5 * (loss + n * np.log(2.0 * np.pi))


@njit(cache=True)
def filtered_paths_1d(
    picks: Any,
    shocks: Any,
    mean: float,
    omega: float,
    alpha: float,
    beta: float,
    variance: float,
) -> Any:
    """Return ``(paths,)`` compounded returns of paths of drawn shocks; variance follows them.

    ``picks`` is ``(paths, horizon)``, which shock comes when.
    """
    paths, horizon = picks.shape
    out = np.empty(paths)
    for p in range(paths):
        now, value = variance, 1.0
        for t in range(horizon):
            gap = np.sqrt(now) * shocks[picks[p, t]]
            value *= max(1.0 + mean + gap, 0.0)
            now = omega + alpha * gap * gap + beta * now
        out[p] = value - 1.0
    return out


@njit(cache=True)
def deepest_2d(returns: Any, picks: Any) -> Any:
    """Return the max drawdown, positive, of each path ``picks[p]`` through ``returns``."""
    paths, horizon = picks.shape
    out = np.empty(paths)
    for p in range(paths):
        value, peak, worst = 1.0, 1.0, 0.0
        for t in range(horizon):
            value *= 1.0 + returns[picks[p, t]]
            peak = max(peak, value)
            worst = max(worst, 1.0 - value / peak)
        out[p] = worst
    return out
