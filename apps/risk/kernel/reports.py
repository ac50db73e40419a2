"""A risk report: VaR and ES of a sample by method and level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from apps.risk.kernel.expected_shortfall import expected_shortfall
from apps.risk.kernel.samples import clean_returns, moments
from apps.risk.kernel.value_at_risk import value_at_risk

LEVELS = (0.95, 0.99)
BASIC_METHODS = ("historical", "gaussian")


def measure(
    returns: ArrayLike, level: float = 0.95, method: str = "historical", *, horizon: int = 1
) -> dict[str, Any]:
    """Return VaR and ES of one series with what they rest on; losses positive."""
    return {
        "var": value_at_risk(returns, level, method, horizon=horizon),
        "es": expected_shortfall(returns, level, method, horizon=horizon),
        "method": method,
        "level": level,
        "horizon": horizon,
        "observations": int(clean_returns(returns).size),
    }


def report(
    returns: ArrayLike,
    *,
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
    horizon: int = 1,
) -> dict[str, Any]:
    """Return every measure by method and level, with the moments of the sample."""
    sample = clean_returns(returns)
    found = moments(sample)
    return {
        "observations": int(sample.size),
        "mean": found.mean,
        "volatility": found.sd,
        "skewness": found.skewness,
        "excess_kurtosis": found.excess_kurtosis,
        "measures": [
            measure(sample, level, method, horizon=horizon)
            for method in methods
            for level in levels
        ],
    }
