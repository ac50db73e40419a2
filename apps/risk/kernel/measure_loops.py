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
