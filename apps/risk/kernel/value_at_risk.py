"""Value at risk: the loss that is exceeded only with the tail probability."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.samples import (
    Floats,
    Moments,
    clean_returns,
    moments,
    moments_over,
    over_horizon,
    tail_of,
)

METHODS = ("historical", "gaussian", "cornish_fisher")
NORMAL = NormalDist()


def value_at_risk(
    returns: ArrayLike,
    level: float = 0.95,
    method: str = "historical",
    *,
    horizon: int = 1,
    ddof: int = 0,
) -> float:
    """Return the value at risk as a loss: positive when money is lost.

    Parameters
    ----------
    returns
        ``(n,)`` simple returns as fractions; NaN is missing and left out.
    level
        Confidence, 0 to 1; 0.95 looks at the worst 5 %.
    method
        One of ``METHODS``.
    horizon
        Periods ahead. Historical: compounded returns of all overlapping stretches. The others:
        mean and variance grow with the horizon as of independent returns.
    ddof
        0 for population moments (the house's), 1 for the sample standard deviation.

    Returns
    -------
    float
        Fraction of value. Negative when even the quantile is a gain.

    Raises
    ------
    Invalid
        ``risk.empty``, ``risk.too_few``, ``risk.not_finite``, ``risk.level``, ``risk.method``,
        ``risk.horizon``.

    Notes
    -----
    historical: minus the quantile of the returns by linear interpolation (type 7 of Hyndman and
    Fan). gaussian: -(m + z s). cornish_fisher: z is replaced by
    z + (z^2 - 1) S / 6 + (z^3 - 3z) K / 24 - (2z^3 - 5z) S^2 / 36.

    References
    ----------
    Hyndman and Fan (1996), The American Statistician 50(4). Cornish and Fisher (1938), Revue de
    l'Institut International de Statistique 5(4). Zangari (1996), RiskMetrics Monitor.
    """
    check_method(method)
    tail = tail_of(level)
    sample = clean_returns(returns)
    if method == "historical":
        return -historical_quantile(over_horizon(sample, horizon), tail)
    found = moments_over(moments(sample, ddof=ddof), horizon)
    z = NORMAL.inv_cdf(tail)
    if method == "cornish_fisher":
        z = cornish_fisher_quantile(z, found)
    return -(found.mean + z * found.sd)


def check_method(method: str) -> str:
    """Return ``method``. Raises ``Invalid`` naming those that exist."""
    if method not in METHODS:
        message = f"There is no method {method!r} yet; available are {', '.join(METHODS)}."
        raise Invalid(message, code="risk.method", details={"field": "method"})
    return method


def historical_quantile(sample: Floats, tail: float) -> float:
    """Return the ``tail`` quantile of a clean sample by linear interpolation (type 7)."""
    return float(np.quantile(sample, tail, method="linear"))


def cornish_fisher_quantile(z: float, found: Moments) -> float:
    """Return the standard normal quantile ``z`` bent by skewness and excess kurtosis."""
    skew, kurt = found.skewness, found.excess_kurtosis
    return (
        z
        + (z**2 - 1.0) * skew / 6.0
        + (z**3 - 3.0 * z) * kurt / 24.0
        - (2.0 * z**3 - 5.0 * z) * skew**2 / 36.0
    )
