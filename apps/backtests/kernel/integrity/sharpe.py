"""Sharpe ratios as estimates: how likely one is above another, and above what luck brings.

Sharpe ratios here are per observation and not annualised, the mean over the sample standard
deviation; kurtosis is that of the fourth moment, 3 for a normal sample, not the excess over it.

References
----------
Bailey and López de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15 (2012).
Bailey and López de Prado, "The deflated Sharpe ratio", Journal of Portfolio Management 40 (2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NORMAL = NormalDist()
EULER = 0.5772156649015329
LEVEL = 0.95
# A stream whose variance is this small a part of its mean square does not vary but for rounding.
FLAT = 1e-14


@dataclass(frozen=True, slots=True)
class Moments:
    """What of a stream of returns speaks for its Sharpe ratio, per observation."""

    sharpe: float
    skewness: float
    kurtosis: float
    n: int


def moments(returns: Floats) -> Moments | None:
    """Return the moments of a stream; None for fewer than 3 observations or one that is flat.

    Missing observations are left out.
    """
    sample = np.asarray(returns, dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    n = len(sample)
    if n < 3:
        return None
    mean = float(sample.mean())
    gaps = sample - mean
    variance = float((gaps * gaps).mean())
    if variance <= FLAT * float((sample * sample).mean()):
        return None
    skewness = float((gaps**3).mean()) / variance**1.5
    kurtosis = float((gaps**4).mean()) / variance**2
    return Moments(mean / math.sqrt(variance * n / (n - 1)), skewness, kurtosis, n)


def sharpe_error(found: Moments, sharpe: float | None = None) -> float:
    """Return the standard error of a Sharpe ratio; ``sharpe`` in place of the one found.

    Notes
    -----
    √((1 - γ₃ SR + (γ₄ - 1)/4 SR²) / (n - 1)); for a sample with γ₄ ≥ 1 + γ₃², as all are, the
    inside is never negative.
    """
    ratio = found.sharpe if sharpe is None else sharpe
    return math.sqrt(_spread(found, ratio) / (found.n - 1))


def _spread(found: Moments, ratio: float) -> float:
    return max(1.0 - found.skewness * ratio + (found.kurtosis - 1.0) / 4.0 * ratio**2, 0.0)


def probabilistic_sharpe(found: Moments, benchmark: float = 0.0) -> float:
    """Return how likely the true Sharpe ratio is above ``benchmark`` (per observation)."""
    error = sharpe_error(found)
    gap = found.sharpe - benchmark
    if error == 0.0:
        return float(gap > 0.0)
    return NORMAL.cdf(gap / error)


def expected_max(n_trials: float) -> float:
    """Return the expected largest of so many independent standard normal draws; 0 for one.

    Notes
    -----
    (1 - c) Φ⁻¹(1 - 1/N) + c Φ⁻¹(1 - 1/(N e)), c = 0.5772… (Euler); N need not be whole.
    For N near 1 the formula falls below zero; 0 stands there.
    """
    if n_trials <= 1.0:
        return 0.0
    first = NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    second = NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return max((1.0 - EULER) * first + EULER * second, 0.0)


def expected_max_sharpe(n_trials: float, variance: float) -> float:
    """Return the Sharpe ratio that the best of so many trials without skill comes to.

    Parameters
    ----------
    n_trials
        How many independent ones.
    variance
        Of the Sharpe ratios over the trials, per observation.
    """
    return math.sqrt(max(variance, 0.0)) * expected_max(n_trials)


def deflated_sharpe(found: Moments, n_trials: float, variance: float) -> float:
    """Return how likely the true Sharpe ratio is above what luck gives the best of the trials."""
    return probabilistic_sharpe(found, expected_max_sharpe(n_trials, variance))


def min_track_record(found: Moments, benchmark: float = 0.0, level: float = LEVEL) -> float | None:
    """Return how many observations it takes to hold the ratio above ``benchmark`` at ``level``.

    None when the ratio is not above it: no number would do.
    """
    gap = found.sharpe - benchmark
    if gap <= 0.0:
        return None
    return 1.0 + _spread(found, found.sharpe) * (NORMAL.inv_cdf(level) / gap) ** 2


def months_needed(needed: float | None, n: int, periods: float) -> float | None:
    """Return how many more months a record of ``n`` observations wants; 0 when long enough.

    Parameters
    ----------
    needed
        Observations, of ``min_track_record``; None stays None.
    periods
        Observations in a year.
    """
    if needed is None:
        return None
    return max(needed - n, 0.0) / periods * 12.0
