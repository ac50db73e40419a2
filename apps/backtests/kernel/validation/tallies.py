"""Scores of many combinations over many sets of bars, from sums over the stretches between them.

Each combination's return of a bar does not depend on which bars train, so a split needs no run of
its own: what its objective is made of adds up over stretches of bars that no split tears. For the
Sharpe ratio these are the number of bars, Σ r and Σ r²; for the Sortino ratio Σ min(r, 0)²; for
growth Σ log(1 + r). That is exact, not an approximation. A drawdown does not add up; where the
objective has one in it, the returns themselves are read for each split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.backtests.kernel.trials import OBJECTIVES
from apps.backtests.kernel.validation.ground import score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
ADDITIVE = ("sharpe", "sortino", "volatility", "cagr", "total_return", "equity_final")
# A variance this small a part of the mean square is rounding.
FLAT = 1e-13
SPLITS_AT_ONCE = 64


GROWTH = ("cagr", "total_return", "equity_final")


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums by stretch, ``(stretches, n_combinations)`` each; ``counts`` is ``(stretches,)``.

    Those that the objective does not need are empty.
    """

    counts: Floats
    ones: Floats
    squares: Floats
    falls: Floats
    logs: Floats


def stretches(masks: Bools) -> NDArray[np.int64]:
    """Return where stretches begin that lie whole inside or outside of each of the masks."""
    torn = (masks[:, 1:] != masks[:, :-1]).any(axis=0)
    return np.concatenate(([0], np.flatnonzero(torn) + 1)).astype(np.int64)


def tally(returns: Floats, first: NDArray[np.int64], objective: str) -> Tally:
    """Return the sums of ``(n_bars, n_combinations)`` returns over stretches."""
    counts = np.diff(np.append(first, len(returns))).astype(np.float64)
    none = np.empty((0, 0))

    def added(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, first, axis=0))

    if objective in GROWTH:
        return Tally(counts, none, none, none, added(np.log1p(returns)))
    ones = added(returns)
    if objective == "sortino":
        return Tally(counts, ones, none, added(np.minimum(returns, 0.0) ** 2), none)
    return Tally(counts, ones, added(returns * returns), none, none)


def scores(
    returns: Floats, masks: Bools, ts: NDArray[np.int64], objective: str, periods: float
) -> Floats:
    """Return what every combination scores on every mask, ``(n_masks, n_combinations)``.

    Parameters
    ----------
    returns
        ``(n_bars, n_combinations)``; a column with NaN has no scores.
    masks
        ``(n_masks, n_bars)``, the bars that count.
    objective
        Higher is better, as ``ground.score`` turns it; NaN where there is none.
    """
    if objective not in ADDITIVE or (returns <= -1.0).any():
        return _read(returns, masks, ts, objective, periods)
    first = stretches(masks)
    sums = tally(returns, first, objective)
    parts = masks[:, first].astype(np.float64)
    out = np.empty((len(masks), returns.shape[1]))
    for low in range(0, len(masks), SPLITS_AT_ONCE):
        some = parts[low : low + SPLITS_AT_ONCE]
        out[low : low + SPLITS_AT_ONCE] = _added(some, sums, objective, periods)
    return out


def _added(parts: Floats, sums: Tally, objective: str, periods: float) -> Floats:
    n = (parts @ sums.counts)[:, None]
    with np.errstate(all="ignore"):
        if objective in GROWTH:
            logs = parts @ sums.logs
            if objective == "cagr":
                return np.asarray(np.expm1(logs * periods / n))
            return np.asarray(np.expm1(logs) if objective == "total_return" else np.exp(logs))
        ones = parts @ sums.ones
        if objective == "sortino":
            fall = np.sqrt(parts @ sums.falls / n * periods)
            return np.where(fall > 0.0, ones / n * periods / fall, np.nan)
        squares = parts @ sums.squares
        gaps = squares - ones * ones / n
        gaps = np.where(gaps <= FLAT * squares, 0.0, gaps)
        spread = np.sqrt(gaps / (n - 1.0))
        if objective == "volatility":
            turned = -spread * np.sqrt(periods)
            return np.where(np.isfinite(squares), turned, np.nan)
        return np.where(spread > 0.0, ones / n / spread * np.sqrt(periods), np.nan)


def _read(
    returns: Floats, masks: Bools, ts: NDArray[np.int64], objective: str, periods: float
) -> Floats:
    """Return the same from the returns themselves, combination by combination."""
    out = np.full((len(masks), returns.shape[1]), np.nan)
    for row, mask in enumerate(masks):
        inside, at = returns[mask], ts[mask]
        for column in range(returns.shape[1]):
            found = score(inside[:, column], at, objective, periods)
            out[row, column] = np.nan if found is None else found
    return out


assert set(ADDITIVE) <= set(OBJECTIVES)  # noqa: S101 a rename there must not pass unseen
