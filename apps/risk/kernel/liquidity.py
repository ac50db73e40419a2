"""VaR of a book that takes time and spread to sell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from apps.core.errors import Invalid
from apps.risk.kernel.components import check_block
from apps.risk.kernel.conventions import Terms, check_terms
from apps.risk.kernel.parametric import gaussian_tail
from apps.risk.kernel.samples import Floats, Rows

MAX_PERIODS = 10_000
MAX_MULTIPLE = 100.0


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
        position that takes more than 10,000 periods to leave; ``risk.empty``, ``risk.too_few``,
        ``risk.not_finite`` and ``risk.weights`` as ``components``.

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
    returns, shares = check_block(returns, weights)
    spread = _positive("spreads", spreads, shares.size, or_zero=True)
    wide = np.zeros(shares.size)
    if spread_deviations is not None:
        wide = _positive("spread_deviations", spread_deviations, shares.size, or_zero=True)
    if not (0.0 <= spread_multiple <= MAX_MULTIPLE):
        message = f"spread_multiple is {spread_multiple}; give 0 to {MAX_MULTIPLE:.0f} deviations."
        raise Invalid(message, code="risk.liquidity", details={"field": "spread_multiple"})
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


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of where positions are sold; names left out are said in the answer.

    ``spreads`` and ``spread_deviations`` are fractions of the price, ``volumes`` values traded in
    one period, in the currency of ``equity``.
    """

    spreads: Mapping[str, float]
    spread_deviations: Mapping[str, float]
    volumes: Mapping[str, float]
    equity: float = 1.0
    participation: float = 0.1
    spread_multiple: float = 3.0


def liquidity_report(
    rows: Rows, weights: Floats, terms: Sequence[Terms], market: Market
) -> list[dict[str, Any]]:
    """Return by level the VaR and ES with the cost and the time of leaving, and how of each.

    A position without a spread costs none here, one without a volume is left in one period: both
    are named in ``notes``.

    Raises
    ------
    Invalid
        As ``liquidity_adjusted``; ``risk.liquidity`` naming what is not held.
    """
    named = (market.spreads, market.spread_deviations, market.volumes)
    unknown = sorted({name for table in named for name in table} - set(rows.names))
    if unknown:
        message = f"{', '.join(unknown)} is not held; the book holds {', '.join(rows.names)}."
        raise Invalid(message, code="risk.liquidity", details={"field": "liquidity"})
    volumes = _volumes(rows.names, weights, market)
    spreads = np.array([market.spreads.get(name, 0.0) for name in rows.names])
    wide = np.array([market.spread_deviations.get(name, 0.0) for name in rows.names])
    notes = _unknown_words(rows, market)
    found = []
    for each in terms:
        told = liquidity_adjusted(
            rows.values,
            weights,
            each,
            spreads=spreads,
            spread_deviations=wide,
            volumes=volumes,
            equity=market.equity,
            participation=market.participation,
            spread_multiple=market.spread_multiple,
        )
        plain = {**asdict(told), "level": each.level, "notes": [*told.notes, *notes]}
        plain["positions"] = [
            {
                "name": name,
                "weight": float(weights[i]),
                "periods": int(told.periods[i]),
                "spread": market.spreads.get(name),
                "volume": market.volumes.get(name),
            }
            for i, name in enumerate(rows.names)
        ]
        del plain["periods"]
        found.append(plain)
    return found


def _volumes(names: Sequence[str], weights: Floats, market: Market) -> Floats | None:
    """Return volumes by position; of one that is not known as much as it needs for one period."""
    if not market.volumes:
        return None
    needed = np.abs(weights) * market.equity / max(market.participation, 1e-12)
    known = [market.volumes.get(name) for name in names]
    return np.array(
        [max(float(needed[i]), 1e-12) if one is None else one for i, one in enumerate(known)]
    )


def _unknown_words(rows: Rows, market: Market) -> list[str]:
    notes = ["One period; a horizon is what leaving takes."]
    spread = [name for name in rows.names if name not in market.spreads]
    volume = [name for name in rows.names if name not in market.volumes]
    if spread:
        notes.append(f"No spread of {', '.join(spread)} is known: none is counted.")
    if volume and market.volumes:
        notes.append(f"No volume of {', '.join(volume)} is known: left in one period.")
    if rows.missing:
        notes.append(f"{rows.missing} row(s) left out: a position had no return.")
    return notes


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
