"""Curves made ready for eyes: thinned, by month, rolling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST_POINTS = 1200
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of one run: arrays by bar, and the words beside them."""

    title: str
    subtitle: str
    ts: Ints
    equity: Floats
    benchmark: Floats
    benchmark_label: str
    start_cash: float
    periods: float
    timeframe: str
    exposure: Floats
    net_exposure: Floats


def kept(values: Floats, most: int = MOST_POINTS) -> Ints:
    """Return the indices to draw: all of a short curve, else lows and highs of equal stretches."""
    n = len(values)
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, most // 2 + 1).astype(np.int64)
    known = np.where(np.isfinite(values), values, 0.0)
    picks = [0, n - 1]
    for first, last in pairwise(edges):
        part = known[first:last]
        picks += [int(first + np.argmin(part)), int(first + np.argmax(part))]
    return np.unique(np.array(picks, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Year:
    """Returns of one year: by month (None where there was no bar) and in all."""

    year: int
    months: list[float | None]
    total: float


def monthly(ts: Ints, equity: Floats, start: float) -> list[Year]:
    """Return returns by calendar month (UTC) from equity at each close, newest year first."""
    if not len(ts):
        return []
    month = ts.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero(np.concatenate((month[1:] != month[:-1], [True])))
    ends = equity[last]
    before = np.concatenate(([start], ends[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(before > 0.0, ends / before - 1.0, np.nan)
    years: dict[int, list[float | None]] = {}
    for number, gain in zip(month[last], gains, strict=True):
        row = years.setdefault(1970 + int(number) // MONTHS, [None] * MONTHS)
        row[int(number) % MONTHS] = float(gain) if np.isfinite(gain) else None
    return [Year(year, row, _compounded(row)) for year, row in sorted(years.items(), reverse=True)]


def _compounded(gains: list[float | None]) -> float:
    return float(np.prod([1.0 + gain for gain in gains if gain is not None]) - 1.0)


def rolling_sharpe(returns: Floats, window: int, periods: float) -> Floats:
    """Return mean over sample deviation of the last ``window`` returns, per year; NaN before."""
    out = np.full(len(returns), np.nan)
    if window < 2 or len(returns) < window:
        return out
    rows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(returns), window)
    mean, spread = rows.mean(axis=1), rows.std(axis=1, ddof=1)
    usable = spread > 1e-13 * np.abs(rows).max(axis=1)
    np.divide(mean * periods**0.5, spread, out=out[window - 1 :], where=usable)
    return out


def returns_of(equity: Floats, start: float) -> Floats:
    """Return simple returns per bar after the first, the first counted from ``start``."""
    if len(equity) < 2:
        return np.empty(0)
    before = equity[:-1].copy()
    before[0] = start
    out = np.full(len(before), np.nan)
    np.divide(equity[1:], before, out=out, where=before > 0.0)
    return out - 1.0


def drawdown_of(value: Floats) -> Floats:
    """Return the loss from the highest value so far, positive; NaN where nothing is known."""
    known = np.where(np.isfinite(value), value, -np.inf)
    top = np.maximum.accumulate(known)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(value) & (top > 0), 1.0 - value / top, np.nan)
