"""Expected shortfall: the mean loss in the tail beyond the value at risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from apps.risk.kernel.samples import (
    Floats,
    Moments,
    clean_returns,
    moments,
    moments_over,
    over_horizon,
    tail_of,
)
from apps.risk.kernel.value_at_risk import (
    NORMAL,
    check_method,
    cornish_fisher_quantile,
    historical_quantile,
)


def expected_shortfall(
    returns: ArrayLike,
    level: float = 0.95,
    method: str = "historical",
    *,
    horizon: int = 1,
    ddof: int = 0,
) -> float:
    """Return the expected shortfall as a loss: positive when money is lost.

    Parameters, refusals, horizon and NaN policy are those of ``value_at_risk``.

    Returns
    -------
    float
        Fraction of value, never below the value at risk of the same method.

    Notes
    -----
    historical: minus the mean of the observations at or below the VaR quantile. gaussian:
    -(m - s phi(z) / tail). cornish_fisher: minus the mean of the second order Edgeworth density
    below its Cornish-Fisher quantile h,
    s phi(h) / tail (1 + h^3 S / 6 + (h^4 - 2h^2 - 1) K / 24 + (h^6 - 9h^4 + 9h^2 + 3) S^2 / 72)
    - m; where that density turns negative and the mean falls below the VaR, the VaR is given.

    References
    ----------
    Acerbi and Tasche (2002), Journal of Banking and Finance 26(7). Boudt, Peterson and Croux
    (2008), Journal of Risk 11(2).
    """
    check_method(method)
    tail = tail_of(level)
    sample = clean_returns(returns)
    if method == "historical":
        return _historical(over_horizon(sample, horizon), tail)
    found = moments_over(moments(sample, ddof=ddof), horizon)
    z = NORMAL.inv_cdf(tail)
    if method == "gaussian":
        return -found.mean + found.sd * NORMAL.pdf(z) / tail
    return _cornish_fisher(found, cornish_fisher_quantile(z, found), tail)


def _historical(sample: Floats, tail: float) -> float:
    quantile = historical_quantile(sample, tail)
    return -float(np.mean(sample[sample <= quantile]))


def _cornish_fisher(found: Moments, h: float, tail: float) -> float:
    shape = (
        1.0
        + h**3 * found.skewness / 6.0
        + (h**4 - 2.0 * h**2 - 1.0) * found.excess_kurtosis / 24.0
        + (h**6 - 9.0 * h**4 + 9.0 * h**2 + 3.0) * found.skewness**2 / 72.0
    )
    return -found.mean + found.sd * max(NORMAL.pdf(h) / tail * shape, -h)
