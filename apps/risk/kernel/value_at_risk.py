"""Value at risk: the loss that is exceeded only with the tail probability."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from apps.risk.kernel import measures
from apps.risk.kernel.parametric import NORMAL, cornish_fisher_quantile
from apps.risk.kernel.samples import clean_returns

__all__ = ["METHODS", "NORMAL", "cornish_fisher_quantile", "value_at_risk"]

METHODS = tuple(measures.METHODS)


def value_at_risk(
    returns: ArrayLike,
    level: float = 0.95,
    method: str = "historical",
    **terms: Any,
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
    terms
        ``horizon``, ``quantile``, ``ddof`` and the others of ``Terms``.

    Returns
    -------
    float
        Fraction of value. Negative when even the quantile is a gain.

    Raises
    ------
    Invalid
        ``risk.empty``, ``risk.too_few``, ``risk.not_finite``, ``risk.level``, ``risk.method``,
        ``risk.horizon`` and those of the method.

    Notes
    -----
    historical: minus the quantile of the returns by linear interpolation (type 7 of Hyndman and
    Fan) unless ``quantile`` says else. gaussian: -(m + z s). cornish_fisher: z is replaced by
    z + (z^2 - 1) S / 6 + (z^3 - 3z) K / 24 - (2z^3 - 5z) S^2 / 36. The others: ``measures.WORDS``
    and the modules named there.

    References
    ----------
    Hyndman and Fan (1996), The American Statistician 50(4). Cornish and Fisher (1938), Revue de
    l'Institut International de Statistique 5(4). Zangari (1996), RiskMetrics Monitor.
    """
    asked = measures.terms_of(level=level, **terms)
    measures.check_method(method)
    return measures.tail_by(clean_returns(returns), method, asked).var
