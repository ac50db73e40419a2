"""Expected shortfall: the mean loss in the tail beyond the value at risk."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from apps.risk.kernel import measures
from apps.risk.kernel.samples import clean_returns


def expected_shortfall(
    returns: ArrayLike,
    level: float = 0.95,
    method: str = "historical",
    **terms: Any,
) -> float:
    """Return the expected shortfall as a loss: positive when money is lost.

    Parameters, refusals, horizon and NaN policy are those of ``value_at_risk``.

    Returns
    -------
    float
        Fraction of value, never below the value at risk of the same method.

    Notes
    -----
    historical: minus the mean of the observations at or below the VaR quantile, unless
    ``shortfall`` says else. gaussian: -(m - s phi(z) / tail). cornish_fisher: minus the mean of
    the second order Edgeworth density below its Cornish-Fisher quantile h,
    s phi(h) / tail (1 + h^3 S / 6 + (h^4 - 2h^2 - 1) K / 24 + (h^6 - 9h^4 + 9h^2 + 3) S^2 / 72)
    - m; where that density turns negative and the mean falls below the VaR, the VaR is given.

    References
    ----------
    Acerbi and Tasche (2002), Journal of Banking and Finance 26(7). Boudt, Peterson and Croux
    (2008), Journal of Risk 11(2).
    """
    asked = measures.terms_of(level=level, **terms)
    measures.check_method(method)
    return measures.tail_by(clean_returns(returns), method, asked).es
