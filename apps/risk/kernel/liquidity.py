"""VaR of a book that takes time and spread to sell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.conventions import Terms, check_terms
from apps.risk.kernel.parametric import gaussian_tail
from apps.risk.kernel.samples import Floats

MAX_PERIODS = 10_000


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What selling costs and how long it takes, beside the VaR of one period, as fractions."""

    var: float
    es: float
    spread_cost: float
    liquidation_var: float
    liquidation_es: float
    adjusted_var: float
    adjusted_es: float
    periods: Floats
    notes: tuple[str, ...]


def liquidity_adjusted(
    returns: Floats,
    weights: Floats,
    terms: Terms,
    *,
    spreads: Floats,
    spread_deviations: Floats | None = None,
    volumes: Floats | None = None,
    equity: float = 1.0,
    participation: float = 0.1,
    spread_multiple: float = 3.0,
) -> Liquidity:
    """Return VaR and ES of a book with the cost and the time of leaving it.

    Parameters
    ----------
    returns
        ``(n, m)`` simple returns without holes.
    weights
        ``(m,)`` shares of equity.
    spreads, spread_deviations
        ``(m,)`` mean relative bid-ask spread and its standard deviation; fractions of the price.
    volumes
        ``(m,)`` value traded in one period; without, every position is left in one period.
    equity
        Of the book, in the currency of ``volumes``.
    participation
        Share of the volume that may be ours, above 0 up to 1.
    spread_multiple
        How many deviations the spread may widen by.

    Raises
    ------
    Invalid
        ``risk.liquidity`` for a spread or volume that is missing, negative or nothing, or a
        position that takes more than 10,000 periods to leave.

    Notes
    -----
    Exogenous: half of (spread + k deviations) of each position's value. Endogenous: each position
    is sold in equal parts over value / (participation volume) periods, rounded up; the variance
    is that of what is still held, period by period, with normal returns. For one horizon n of all
    positions that is the VaR times sqrt((n + 1)(2n + 1) / 6n).

    References
    ----------
    Bangia, Diebold, Schuermann and Stroughair (1999), Risk 12. Lawrence and Robinson (1997), in
    The Dictionary of Financial Risk Management; Jorion (2007), Value at Risk, ch. 13.
    """
    check_terms(terms)
    shares = np.asarray(weights, dtype=np.float64)
    spread = _positive("spreads", spreads, shares.size, or_zero=True)
    wide = np.zeros(shares.size)
    if spread_deviations is not None:
        wide = _positive("spread_deviations", spread_deviations, shares.size, or_zero=True)
    cost = 0.5 * float(np.abs(shares) @ (spread + spread_multiple * wide))
    periods = _periods(shares, volumes, equity, participation)
    mean, covariance = returns.mean(axis=0), np.atleast_2d(np.cov(returns.T, ddof=terms.ddof))
    one = gaussian_tail(
        float(shares @ mean), math.sqrt(float(shares @ covariance @ shares)), terms.tail
    )
    drift, variance = _while_leaving(shares, periods, mean, covariance)
    slow = gaussian_tail(drift, math.sqrt(variance), terms.tail)
    notes = [f"The slowest position takes {int(periods.max())} period(s) to leave."]
    if volumes is None:
        notes = ["No volumes: every position is left in one period."]
    return Liquidity(
        one[0],
        one[1],
        cost,
        slow[0],
        slow[1],
        slow[0] + cost,
        slow[1] + cost,
        periods,
        tuple(notes),
    )


def _positive(name: str, values: Floats, size: int, *, or_zero: bool = False) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    low = found >= 0.0 if or_zero else found > 0.0
    if found.shape != (size,) or not np.all(np.isfinite(found)) or not np.all(low):
        message = f"{name} need {size} finite numbers, one per position, none negative or missing."
        raise Invalid(message, code="risk.liquidity", details={"field": name})
    return found


def _periods(
    shares: Floats, volumes: Floats | None, equity: float, participation: float
) -> Floats:
    if volumes is None:
        return np.ones(shares.size)
    traded = _positive("volumes", volumes, shares.size)
    if not (0.0 < participation <= 1.0 and equity > 0.0 and math.isfinite(equity)):
        message = f"participation {participation} of the volume, equity {equity}: both above 0."
        raise Invalid(message, code="risk.liquidity", details={"field": "participation"})
    periods = np.maximum(np.ceil(np.abs(shares) * equity / (participation * traded) - 1e-9), 1.0)
    if periods.max() > MAX_PERIODS:
        slowest = int(np.argmax(periods))
        message = f"Position {slowest} takes {periods[slowest]:.0f} periods to leave."
        raise Invalid(message, code="risk.liquidity", details={"field": "volumes"})
    return np.asarray(periods, dtype=np.float64)


def _while_leaving(
    shares: Floats, periods: Floats, mean: Floats, covariance: Floats
) -> tuple[float, float]:
    """Return drift and variance of the book while it is sold in equal parts."""
    drift, variance = 0.0, 0.0
    for period in range(int(periods.max())):
        held = shares * np.maximum(1.0 - period / periods, 0.0)
        drift += float(held @ mean)
        variance += float(held @ covariance @ held)
    return drift, variance
