"""Return samples made fit for risk measures, and their moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.core.errors import Invalid

Floats = NDArray[np.float64]
MIN_OBSERVATIONS = 2
# A return beyond a hundred million per cent is a fault of the data.
LARGEST = 1e6


@dataclass(frozen=True, slots=True)
class Moments:
    """Population moments of a sample: mean, sd, skewness and excess kurtosis."""

    mean: float
    sd: float
    skewness: float
    excess_kurtosis: float


def clean_returns(returns: ArrayLike) -> Floats:
    """Return the observations as float64, without the missing ones.

    Parameters
    ----------
    returns
        ``(n,)`` simple returns as fractions.

    Raises
    ------
    Invalid
        ``risk.shape`` unless one-dimensional, ``risk.not_finite`` with an infinite return,
        ``risk.empty`` without any, ``risk.too_few`` with a single observation, ``risk.absurd``
        with a return over a million.

    Notes
    -----
    NaN means missing and is left out; infinity is a fault of the data and refused.
    """
    try:
        sample = np.asarray(returns, dtype=np.float64)
    except (TypeError, ValueError):
        message = "The returns hold something that is no number; send fractions such as -0.012."
        raise Invalid(message, code="risk.not_a_number") from None
    if sample.ndim != 1:
        message = f"The returns have {sample.ndim} dimensions; pass one series at a time."
        raise Invalid(message, code="risk.shape")
    if sample.size >= MIN_OBSERVATIONS and sample.max() <= LARGEST and sample.min() >= -LARGEST:
        return sample
    infinite = int(np.isinf(sample).sum())
    if infinite:
        message = f"The returns hold {infinite} infinite value(s); repair the data they come from."
        raise Invalid(message, code="risk.not_finite")
    found = sample[~np.isnan(sample)]
    if found.size and np.abs(found).max() > LARGEST:
        message = (
            f"A return is {np.abs(found).max():.3g}; give fractions, such as 0.012 for 1.2 %."
        )
        raise Invalid(message, code="risk.absurd")
    if found.size == 0:
        message = "There are no returns; at least two observations are needed."
        raise Invalid(message, code="risk.empty")
    if found.size < MIN_OBSERVATIONS:
        message = "There is one return; at least two observations are needed."
        raise Invalid(message, code="risk.too_few")
    return found


def tail_of(level: float) -> float:
    """Return the tail probability of a confidence ``level``: 0.05 for 0.95.

    Raises ``Invalid`` (``risk.level``) unless 0 < level < 1. Rounded at the 12th decimal, so that
    0.9 gives 0.1 and not a shade less, which would move an order statistic out of the tail.
    """
    if isinstance(level, bool) or not 0.0 < level < 1.0:
        message = f"The level is {level}; give a probability between 0 and 1, such as 0.95."
        raise Invalid(message, code="risk.level", details={"field": "level"})
    tail = round(1.0 - level, 12)
    if tail <= 0.0:
        message = f"The level {level} is too near 1 to be told apart from it."
        raise Invalid(message, code="risk.level", details={"field": "level"})
    return tail


def moments(sample: Floats, *, ddof: int = 0) -> Moments:
    """Return the moments of a clean sample; skewness and kurtosis are 0 where nothing varies.

    ``ddof`` 1 takes the sample standard deviation, as some peers do; the others stay population
    moments.
    """
    mean = float(sample.mean())
    gaps = sample - mean
    variance = float(np.mean(gaps**2))
    sd = float(np.std(sample, ddof=ddof))
    # Rounding leaves a shade of variance in a constant sample; it says nothing about the shape.
    if variance <= (1e-15 * max(abs(mean), 1e-12)) ** 2 or variance == 0.0:
        return Moments(mean, 0.0, 0.0, 0.0)
    return Moments(
        mean,
        sd,
        float(np.mean(gaps**3)) / variance**1.5,
        float(np.mean(gaps**4)) / variance**2 - 3.0,
    )


def over_horizon(sample: Floats, horizon: int) -> Floats:
    """Return the compounded returns over every stretch of ``horizon`` observations.

    Raises ``Invalid`` (``risk.horizon``) unless at least two stretches fit.
    """
    check_horizon(horizon)
    if horizon == 1:
        return sample
    if sample.size < horizon + 1:
        message = (
            f"{sample.size} returns hold no two stretches of {horizon}; shorten the horizon or "
            "take a parametric method."
        )
        raise Invalid(message, code="risk.horizon", details={"field": "horizon"})
    windows = np.lib.stride_tricks.sliding_window_view(1.0 + sample, horizon)
    return np.asarray(windows.prod(axis=1) - 1.0, dtype=np.float64)


def moments_over(found: Moments, horizon: int) -> Moments:
    """Return the moments of a sum of ``horizon`` independent returns."""
    check_horizon(horizon)
    root = float(np.sqrt(horizon))
    return Moments(
        found.mean * horizon,
        found.sd * root,
        found.skewness / root,
        found.excess_kurtosis / horizon,
    )


def check_horizon(horizon: int) -> None:
    """Raise ``Invalid`` (``risk.horizon``) unless ``horizon`` is at least 1."""
    if horizon < 1:
        message = f"The horizon is {horizon}; it counts periods, 1 or more."
        raise Invalid(message, code="risk.horizon", details={"field": "horizon"})


def combine(columns: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> Floats:
    """Return the returns of a portfolio held at fixed weights, rebalanced every period.

    Parameters
    ----------
    columns
        Name to ``(n,)`` simple returns, all of one length.
    weights
        Name to share of equity; what the weights leave below 1 is cash and earns nothing.

    Raises
    ------
    Invalid
        ``risk.weights`` for an unknown name, a weight that is not finite, or no common row.

    Notes
    -----
    A row in which a weighted column is missing is left out.
    """
    rows = common_rows(columns, weights)
    return np.asarray(rows.values @ np.array([float(weights[name]) for name in rows.names]))


@dataclass(frozen=True, slots=True)
class Rows:
    """Returns of several positions in the periods in which all have one; how many were not so."""

    names: tuple[str, ...]
    values: Floats
    missing: int


def common_rows(columns: Mapping[str, ArrayLike], weights: Mapping[str, float]) -> Rows:
    """Return the rows of the weighted columns that have no hole, and how many have.

    Raises ``Invalid`` as ``combine``; ``risk.not_finite`` with an infinite return.
    """
    unknown = sorted(set(weights) - set(columns))
    if unknown:
        message = f"No column {', '.join(unknown)}; there are {', '.join(columns)}."
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    if not weights or not all(np.isfinite(share) for share in weights.values()):
        message = "The weights are empty or not finite; give name=share, such as A=0.6,B=0.4."
        raise Invalid(message, code="risk.weights", details={"field": "weights"})
    if len({len(np.atleast_1d(columns[name])) for name in weights}) > 1:
        message = "The weighted columns differ in length; send one row per period."
        raise Invalid(message, code="risk.weights", details={"field": "returns"})
    block = np.stack([np.asarray(columns[name], dtype=np.float64) for name in weights], axis=1)
    if np.isinf(block).any():
        message = "The returns hold infinite values; repair the data they come from."
        raise Invalid(message, code="risk.not_finite")
    whole = ~np.isnan(block).any(axis=1)
    return Rows(tuple(weights), block[whole], int((~whole).sum()))
