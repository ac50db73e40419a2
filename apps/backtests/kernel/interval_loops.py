"""Compiled figures of one resampled world. Import this inside functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

DAY = 86_400_000_000.0
FLAT = 1e-13


@njit(inline="always")
def _quantile(ordered: Any, share: float) -> float:
    """Return a quantile of sorted values by linear interpolation (type 7)."""
    place = (len(ordered) - 1) * share
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


@njit(inline="always")
def _mean_to(ordered: Any, at: float) -> float:
    """Return the mean of the sorted values up to ``at``; at least of the lowest."""
    total, count = 0.0, 0
    for value in ordered:
        if value > at and count > 0:
            break
        total += value
        count += 1
    return total / count


@njit(cache=True, nogil=True, error_model="numpy")
def path_1d(world: Any, ts: Any, periods: float, out: Any) -> None:
    """Write growth, CAGR, drawdown, its longest days and the ulcer index: what order decides."""
    n = len(world)
    value, top, deepest, squares = 1.0, 1.0, 0.0, 0.0
    whole, peak, longest, was_under = True, 0, 0.0, False
    for i in range(n):
        growth = 1.0 + world[i, 0]
        whole = whole and growth >= 0.0
        value *= growth
        at_top = value >= top or i == 0
        top = max(top, value)
        loss = 1.0 - value / top
        deepest = max(deepest, loss)
        squares += loss * loss
        if not at_top or was_under:
            longest = max(longest, (ts[i] - ts[peak]) / DAY)
        if at_top:
            peak = i
        was_under = not at_top
    out[0] = value - 1.0
    out[1] = value ** (periods / n) - 1.0 if whole and value >= 0.0 else np.nan
    out[8], out[9], out[17] = deepest, longest, np.sqrt(squares / n)


@njit(cache=True, nogil=True, error_model="numpy")
def gains_1d(world: Any, periods: float, out: Any) -> None:
    """Write the figures of gains and losses."""
    n = len(world)
    gains, losses, up, down, below = 0.0, 0.0, 0, 0, 0.0
    for i in range(n):
        r = world[i, 0]
        if r > 0.0:
            gains += r
            up += 1
        elif r < 0.0:
            losses -= r
            down += 1
            below += r * r
    out[16] = np.sqrt(below / n * periods)
    out[7] = gains / losses if down else np.nan
    out[12] = up / (up + down) if up + down else np.nan
    out[13] = out[7]
    out[14] = (gains / up) / (losses / down) if up and down else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def spread_1d(world: Any, periods: float, out: Any) -> None:
    """Write the figures of moments; ``path_1d`` and ``gains_1d`` have written before."""
    n = len(world)
    total, largest = 0.0, 0.0
    for i in range(n):
        total += world[i, 0]
        largest = max(largest, abs(world[i, 0]))
    mean = total / n
    second, third, fourth = 0.0, 0.0, 0.0
    for i in range(n):
        apart = world[i, 0] - mean
        second += apart * apart
        third += apart * apart * apart
        fourth += apart * apart * apart * apart
    sd = np.sqrt(second / (n - 1))
    is_flat = sd <= FLAT * largest
    root = np.sqrt(periods)
    out[2] = 0.0 if is_flat else sd * root
    out[3] = np.nan if is_flat else mean / sd * root
    out[4] = np.nan if is_flat else out[1] / (sd * root)
    out[10] = np.nan if is_flat else (third / n) / (second / n) ** 1.5
    out[11] = np.nan if is_flat else (fourth / n) / (second / n) ** 2 - 3.0
    out[5] = mean * periods / out[16] if out[16] > 0.0 else np.nan
    out[6] = out[1] / out[8] if out[8] > 0.0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def market_1d(world: Any, periods: float, out: Any) -> None:
    """Write what compares with the benchmark, over rows in which it is known."""
    n, a, b, large_a, large_b, large_d = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(world)):
        if np.isfinite(world[i, 1]):
            n += 1
            a += world[i, 0]
            b += world[i, 1]
            large_a = max(large_a, abs(world[i, 0]))
            large_b = max(large_b, abs(world[i, 1]))
            large_d = max(large_d, abs(world[i, 0] - world[i, 1]))
    mean_a, mean_b = a / n, b / n
    aa, bb, ab, dd = 0.0, 0.0, 0.0, 0.0
    for i in range(len(world)):
        if np.isfinite(world[i, 1]):
            x, y = world[i, 0] - mean_a, world[i, 1] - mean_b
            aa += x * x
            bb += y * y
            ab += x * y
            dd += (x - y) * (x - y)
    flat_a = np.sqrt(aa / (n - 1)) <= FLAT * large_a
    flat_b = np.sqrt(bb / (n - 1)) <= FLAT * large_b
    beta = np.nan if flat_b else ab / bb
    alpha = mean_a - beta * mean_b
    error = np.sqrt(dd / (n - 1))
    error = 0.0 if error <= FLAT * large_d else error
    root = np.sqrt(periods)
    out[18], out[19], out[20] = alpha, alpha * periods, beta
    out[21] = np.nan if flat_a or flat_b else ab * ab / (aa * bb)
    out[22] = error * root
    out[23] = (mean_a - mean_b) / error * root if error > 0.0 else np.nan
    out[24] = mean_a * periods / beta


@njit(cache=True, nogil=True, error_model="numpy")
def tail_1d(ordered: Any, tails: Any, scores: Any, densities: Any, out: Any) -> None:
    """Write the tail ratio, then VaR and ES by history and by the normal law, tail by tail."""
    low = abs(_quantile(ordered, 0.05))
    out[15] = abs(_quantile(ordered, 0.95)) / low if low > 0.0 else np.nan
    mean, sd, k = ordered.mean(), ordered.std(), len(tails)
    for i in range(k):
        at = _quantile(ordered, tails[i])
        out[25 + 2 * i] = -at
        out[26 + 2 * i] = max(-_mean_to(ordered, at), -at)
        out[25 + 2 * (k + i)] = -(mean + scores[i] * sd)
        out[26 + 2 * (k + i)] = -mean + sd * densities[i] / tails[i]
