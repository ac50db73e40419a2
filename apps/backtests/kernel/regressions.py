"""A run's daily returns against factors: days laid side by side, then least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import Invalid
from apps.risk.kernel.factors import FF5_MOM, RISK_FREE, exposures
from apps.risk.kernel.stress import DAY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Series = Mapping[str, tuple[Ints, Floats]]
YEAR = 252
SHORT_ENOUGH = 86_400_000_000
LAG_RULE = "floor(4 (n / 100)^(2/9)), Newey and West (1994)"
WORDS = {
    "MKT_RF": "market less the riskless rate",
    "SMB": "small less big",
    "HML": "high less low book-to-market",
    "RMW": "robust less weak profits",
    "CMA": "conservative less aggressive investment",
    "MOM": "winners less losers of the last year",
}


def daily_returns(ts: Ints, equity: Floats, start_cash: float) -> tuple[Ints, Floats]:
    """Return days (UTC, since 1970) and the return of each, from the last close of the day.

    The first day is counted from ``start_cash``.
    """
    day = ts // DAY
    last = np.flatnonzero(np.concatenate((day[1:] != day[:-1], [True]))) if len(day) else day
    ends = equity[last]
    before = np.concatenate(([start_cash], ends[:-1]))
    out = np.full(len(ends), np.nan)
    np.divide(ends, before, out=out, where=before > 0.0)
    return day[last], out - 1.0


def check_fits(timeframe_us: int, *, continuous: bool, currency: str) -> None:
    """Raise ``Invalid`` for a run whose returns the factors of US stocks do not speak of."""
    why = ""
    if continuous:
        why = "Its instruments trade around the clock and the factors are of US stocks."
    elif currency not in ("", "USD"):
        why = f"It is kept in {currency} and the factors are in USD."
    elif timeframe_us > SHORT_ENOUGH:
        why = "Its bars are longer than a day and the factors are daily; run it on daily bars."
    if why:
        raise Invalid(f"No regression on factors: {why}", code="factors.do_not_fit")


def regress(days: Ints, returns: Floats, factors: Series) -> dict[str, Any]:
    """Return the regression of excess returns on five factors and momentum, day by day.

    Returns
    -------
    dict
        As ``risk.kernel.factors.exposures``; also ``alpha_annualised`` (times 252) with its
        error, ``first`` and ``last`` day in common, ``lag_rule``, ``days`` of the run.

    Raises
    ------
    Invalid
        ``factors.missing`` when a factor is not there, ``factors.apart`` when no day is common,
        and those of ``exposures``.

    References
    ----------
    Fama and French (2015), Journal of Financial Economics 116(1); Carhart (1997), Journal of
    Finance 52(1). Newey and West (1987), Econometrica 55(3); (1994), Review of Economic Studies
    61(4).
    """
    lacking = [name for name in (*FF5_MOM, RISK_FREE) if name not in factors]
    if lacking:
        message = f"The factors {', '.join(lacking)} are not loaded; load the bundled sample."
        raise Invalid(message, code="factors.missing")
    laid = {name: _on_days(days, *factors[name]) for name in (*FF5_MOM, RISK_FREE)}
    common = np.isfinite(np.stack(list(laid.values()))).all(axis=0) & np.isfinite(returns)
    if not common.any():
        first, last = (_iso(int(factors[RISK_FREE][0][i]) // DAY) for i in (0, -1))
        message = f"No day of the run is among those of the factors, {first} to {last}."
        raise Invalid(message, code="factors.apart")
    found = exposures(returns - laid.pop(RISK_FREE), laid)
    alpha = found["alpha"]
    both = days[common]
    return {
        **found,
        "alpha_annualised": {
            **alpha,
            "value": alpha["value"] * YEAR,
            "error": alpha["error"] * YEAR,
        },
        "first": _iso(int(both[0])),
        "last": _iso(int(both[-1])),
        "days": len(days),
        "lag_rule": LAG_RULE,
        "words": WORDS,
    }


def _on_days(days: Ints, ts: Ints, values: Floats) -> Floats:
    there = np.asarray(ts) // DAY
    at = np.minimum(np.searchsorted(there, days), max(len(there) - 1, 0))
    return np.where(there[at] == days, np.asarray(values)[at], np.nan)


def _iso(day: int) -> str:
    return str(np.datetime64(day, "D"))
