"""A risk report: VaR and ES of a sample by method and level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel.components import METHODS as COMPONENT_METHODS
from apps.risk.kernel.components import components
from apps.risk.kernel.conventions import Terms
from apps.risk.kernel.drawdown import drawdown_ahead, drawdowns
from apps.risk.kernel.measures import Measure, measure_book, measure_of, terms_of
from apps.risk.kernel.samples import clean_returns, common_rows, moments

LEVELS = (0.95, 0.99)
BASIC_METHODS = ("historical", "gaussian")
# Seconds that a method takes for a thousand returns; what is not named takes next to nothing.
SECONDS = {
    "monte_carlo": 0.4,
    "garch": 0.1,
    "fhs_garch": 0.15,
    "student": 0.03,
    "cornish_fisher": 0.03,
    "age_weighted": 0.03,
    "evt": 0.02,
}
MOST_SECONDS = 20.0


def measure(
    returns: ArrayLike,
    level: float = 0.95,
    method: str = "historical",
    *,
    horizon: int = 1,
    **terms: Any,
) -> dict[str, Any]:
    """Return VaR and ES of one series with what they rest on; losses positive.

    ``terms`` are the fields of ``Terms``. Raises ``Invalid``.
    """
    return measure_of(returns, method, terms_of(level=level, horizon=horizon, **terms)).as_dict()


def report(
    returns: ArrayLike,
    *,
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
    horizon: int = 1,
    terms: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return every measure by method and level, with moments and drawdowns of the sample.

    Raises ``Invalid``, also (``risk.work``) for more than is done while somebody waits.
    """
    asked = [terms_of(level=level, horizon=horizon, **(terms or {})) for level in levels]
    check_work(int(np.size(returns)), methods, asked)
    found = [measure_of(returns, method, each) for method in methods for each in asked]
    return _body(returns, found, asked[0])


def book_report(
    columns: Mapping[str, ArrayLike],
    weights: Mapping[str, float],
    *,
    levels: Sequence[float] = LEVELS,
    methods: Sequence[str] = BASIC_METHODS,
    horizon: int = 1,
    terms: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the report of a book of fixed weights, with what each position adds.

    Raises ``Invalid`` as ``report`` and ``measure_book``.
    """
    asked = [terms_of(level=level, horizon=horizon, **(terms or {})) for level in levels]
    rows = common_rows(columns, weights)
    check_work(len(rows.values), methods, asked, positions=len(rows.names))
    found = [measure_book(columns, weights, method, each) for method in methods for each in asked]
    shares = np.array([float(weights[name]) for name in rows.names])
    body = _body(rows.values @ shares, found, asked[0])
    told = [method for method in methods if method in COMPONENT_METHODS] or ["historical"]
    body["missing"] = rows.missing
    body["components"] = [
        {
            "method": method,
            "level": each.level,
            **_components(rows.values, shares, rows.names, method, each),
        }
        for method in told
        for each in asked
    ]
    return body


def _components(
    values: Any, shares: Any, names: tuple[str, ...], method: str, terms: Terms
) -> dict[str, Any]:
    try:
        found = components(values, shares, method, terms)
    except Invalid as error:
        return {"positions": [], "why_not": error.message}
    return {
        "var": found.var,
        "es": found.es,
        "positions": found.as_rows(names, shares),
        "notes": list(found.notes),
    }


def _body(returns: ArrayLike, found: Sequence[Measure], terms: Terms) -> dict[str, Any]:
    sample = clean_returns(returns)
    seen = moments(sample)
    body: dict[str, Any] = {
        "observations": int(sample.size),
        "missing": int(np.size(returns)) - int(sample.size),
        "mean": seen.mean,
        "volatility": seen.sd,
        "skewness": seen.skewness,
        "excess_kurtosis": seen.excess_kurtosis,
        "measures": [one.as_dict() for one in found],
        "drawdowns": drawdowns(sample, terms).as_dict(),
    }
    if terms.horizon > 1:
        body["drawdown_ahead"] = asdict(drawdown_ahead(sample, terms))
    return body


def check_work(
    observations: int, methods: Sequence[str], asked: Sequence[Terms], *, positions: int = 1
) -> float:
    """Return the seconds that measuring takes, roughly.

    Raises ``Invalid`` (``risk.work``) over 20 seconds.
    """
    total = 0.0
    for terms in asked:
        for method in methods:
            steps = terms.horizon * positions * terms.draws / 32_768 if _draws(method) else 1.0
            total += SECONDS.get(method, 0.002) * steps * max(observations / 1000.0, 0.2)
    if total > MOST_SECONDS:
        message = (
            f"These methods and levels take about {total:.0f} s; ask for fewer of them, fewer "
            f"draws or a shorter horizon (at most {MOST_SECONDS:.0f} s)."
        )
        raise Invalid(message, code="risk.work", details={"field": "methods"})
    return total


def _draws(method: str) -> bool:
    return method == "monte_carlo"
