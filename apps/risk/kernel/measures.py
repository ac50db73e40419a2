"""VaR and ES by any method, with errors, what was missing and what must be said of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from apps.core.errors import Invalid
from apps.risk.kernel import sampling_errors as errors
from apps.risk.kernel.conventions import Tail, Terms, check_terms, quantile_named
from apps.risk.kernel.empirical import age_weighted, historical
from apps.risk.kernel.filtered import (
    Garch,
    ewma,
    ewma_variances,
    fhs,
    fhs_garch,
    filtered_paths,
    filtered_sample,
    fit_garch,
    garch,
    garch_variances,
)
from apps.risk.kernel.monte_carlo import monte_carlo, simulate, simulated_tail
from apps.risk.kernel.parametric import cornish_fisher, gaussian, student
from apps.risk.kernel.samples import Floats, clean_returns, common_rows, moments, over_horizon
from apps.risk.kernel.tails import extreme_value

Method = Callable[[Floats, Terms], Tail]
METHODS: dict[str, Method] = {
    "historical": historical,
    "age_weighted": age_weighted,
    "gaussian": gaussian,
    "student": student,
    "cornish_fisher": cornish_fisher,
    "ewma": ewma,
    "fhs": fhs,
    "garch": garch,
    "fhs_garch": fhs_garch,
    "monte_carlo": monte_carlo,
    "evt": extreme_value,
}
WORDS = {
    "historical": "the sample's own tail",
    "age_weighted": "the sample's tail, younger observations weighing more",
    "gaussian": "normal law of the sample's moments",
    "student": "Student t law of highest likelihood",
    "cornish_fisher": "normal quantile bent by skewness and kurtosis",
    "ewma": "normal law at the exponentially weighted volatility",
    "fhs": "past returns brought to the exponentially weighted volatility of today",
    "garch": "normal law at the volatility GARCH(1,1) expects",
    "fhs_garch": "past shocks of a GARCH(1,1) at the volatility to come",
    "monte_carlo": "simulated from Student t margins and a t copula on Sobol points",
    "evt": "generalised Pareto law of the losses over a threshold",
}
CONSTANT = "Nothing varies: VaR and ES are the constant loss."
# Figures of a method that only its own errors are made of.
INTERNAL = ("var_error", "es_error", "share")


@dataclass(frozen=True, slots=True)
class Measure:
    """VaR and ES as fractions, losses positive, with all that is needed to judge them."""

    var: float
    es: float
    method: str
    level: float
    horizon: int
    observations: int
    missing: int
    quantile: str
    shortfall: str
    scaling: str
    var_error: float | None = None
    es_error: float | None = None
    errors: str = ""
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON tells them."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "notes": list(self.notes), "figures": dict(self.figures)}


def terms_of(**asked: Any) -> Terms:
    """Return checked terms; ``quantile`` may be a number. Raises ``Invalid``."""
    if "quantile" in asked:
        asked["quantile"] = quantile_named(str(asked["quantile"]))
    return check_terms(Terms(**asked))


def check_method(method: str) -> str:
    """Return ``method``. Raises ``Invalid`` (``risk.method``) naming those that exist."""
    if method not in METHODS:
        message = f"There is no method {method!r}; available are {', '.join(METHODS)}."
        raise Invalid(message, code="risk.method", details={"field": "method"})
    return method


def tail_by(sample: Floats, method: str, terms: Terms) -> Tail:
    """Return VaR and ES of a clean sample, without errors.

    Raises ``Invalid`` with the codes of ``terms`` and of the method.
    """
    check_method(method)
    if sample.size and moments(sample).sd == 0.0:
        return _constant(sample, method, terms)
    if terms.scaling == "own" or terms.horizon == 1:
        return METHODS[method](sample, terms)
    one = METHODS[method](sample, replace(terms, horizon=1))
    root = math.sqrt(terms.horizon)
    figures = {
        name: value * root if name in ("var_error", "es_error") else value
        for name, value in one.figures.items()
    }
    return Tail(one.var * root, one.es * root, "square root of time", one.notes, figures)


def _constant(sample: Floats, method: str, terms: Terms) -> Tail:
    historical(sample, terms)
    loss = -float(sample.mean())
    if method in ("historical", "age_weighted", "monte_carlo"):
        loss = 1.0 - (1.0 - loss) ** terms.horizon
    else:
        loss *= terms.horizon
    return Tail(loss, loss, "constant", (CONSTANT,))


def measure_of(
    returns: ArrayLike, method: str = "historical", terms: Terms | None = None
) -> Measure:
    """Return VaR and ES of a series with their standard errors.

    Parameters
    ----------
    returns
        ``(n,)`` simple returns as fractions; NaN is missing, left out and counted.

    Raises
    ------
    Invalid
        As ``clean_returns``, ``check_terms`` and the method.
    """
    asked = check_terms(terms or Terms())
    sample = clean_returns(returns)
    missing = int(np.size(returns)) - sample.size
    tail = tail_by(sample, method, asked)
    found = errors_by(sample, method, asked, tail)
    return _measure(tail, found, method, asked, observations=sample.size, missing=missing)


def _measure(
    tail: Tail,
    found: errors.Errors | None,
    method: str,
    terms: Terms,
    *,
    observations: int,
    missing: int,
) -> Measure:
    if not (math.isfinite(tail.var) and math.isfinite(tail.es)):
        message = "The figures are beyond all numbers; shorten the horizon or look at the returns."
        raise Invalid(message, code="risk.absurd", details={"field": "horizon"})
    notes = list(tail.notes)
    if missing:
        across = " Stretches close over the gaps." if terms.horizon > 1 else ""
        notes.append(f"{missing} missing return(s) left out.{across}")
    shown = {name: value for name, value in tail.figures.items() if name not in INTERNAL}
    return Measure(
        tail.var,
        tail.es,
        method,
        terms.level,
        terms.horizon,
        observations,
        missing,
        terms.quantile,
        terms.shortfall,
        tail.scaling,
        found.var if found else None,
        found.es if found else None,
        found.how if found else "",
        tuple(notes),
        shown,
    )


def errors_by(sample: Floats, method: str, terms: Terms, tail: Tail) -> errors.Errors | None:
    """Return the standard errors of a method's figures; None where nothing varies."""
    if tail.notes == (CONSTANT,):
        return None
    if terms.scaling == "own" or terms.horizon == 1:
        return _own_errors(sample, method, terms, tail)
    one = replace(terms, horizon=1)
    if method == "monte_carlo":
        return _own_errors(sample, method, one, tail)
    found = _own_errors(sample, method, one, tail)
    root = math.sqrt(terms.horizon)
    return errors.Errors(found.var * root, found.es * root, found.how)


def _own_errors(sample: Floats, method: str, terms: Terms, tail: Tail) -> errors.Errors:
    if method == "monte_carlo":
        how = "spread between scrambles of the simulation, the fit taken as known"
        return errors.Errors(tail.figures["var_error"], tail.figures["es_error"], how)
    if method == "student":
        return errors.of_student(sample, terms, tail)
    if method == "evt":
        return errors.of_extreme_value(terms, tail)
    if method in ("fhs", "fhs_garch"):
        return errors.of_filtered(sample, terms, _filtered_again(sample, method, terms))
    if method == "cornish_fisher" and tail.figures.get("in_domain") == 0.0:
        return _outside_domain(sample, terms)
    return _PLAIN[method](sample, terms)


def _outside_domain(sample: Floats, terms: Terms) -> errors.Errors:
    if terms.outside == "historical":
        return _historical_errors(sample, terms)
    return errors.of_cornish_fisher(sample, terms)


def _historical_errors(sample: Floats, terms: Terms) -> errors.Errors:
    stretches = over_horizon(sample, terms.horizon)
    return errors.of_sample(stretches, terms.tail, stretch=terms.horizon)


_PLAIN: dict[str, Callable[[Floats, Terms], errors.Errors]] = {
    "historical": _historical_errors,
    "gaussian": errors.of_gaussian,
    "cornish_fisher": errors.of_cornish_fisher,
    "age_weighted": errors.of_age_weighted,
    "ewma": errors.of_ewma,
    "garch": errors.of_garch,
}


def _filtered_again(sample: Floats, method: str, terms: Terms) -> Floats:
    if method == "fhs":
        variances = ewma_variances(sample, terms.decay)
        law = Garch(0.0, 0.0, 1.0 - terms.decay, terms.decay, math.nan)
    else:
        law = fit_garch(sample)
        variances = garch_variances(sample, law)
    if terms.horizon == 1:
        return filtered_sample(sample, variances, law.mean)
    return filtered_paths(sample, variances, law, terms)


def measure_book(
    columns: Mapping[str, ArrayLike],
    weights: Mapping[str, float],
    method: str = "historical",
    terms: Terms | None = None,
) -> Measure:
    """Return VaR and ES of a book of fixed weights.

    Parameters
    ----------
    columns
        Name to ``(n,)`` simple returns of one length. A row that misses a held column is left out
        and counted.
    weights
        Name to share of equity; what they leave below 1 is cash.

    Notes
    -----
    monte_carlo draws the positions jointly; every other method measures the book's own returns.

    Raises
    ------
    Invalid
        ``risk.weights``, ``risk.empty``, ``risk.too_few`` and those of the method.
    """
    asked = check_terms(terms or Terms())
    rows = common_rows(columns, weights)
    shares = np.array([float(weights[name]) for name in rows.names])
    series = clean_returns(rows.values @ shares)
    if method != "monte_carlo" or len(rows.names) == 1 or moments(series).sd == 0.0:
        found = measure_of(series, method, asked)
        return replace(found, missing=rows.missing, notes=(*found.notes, *_left_out(rows.missing)))
    tail = simulated_tail(simulate(rows.values, shares, asked), asked)
    told = _own_errors(series, method, asked, tail)
    return _measure(tail, told, method, asked, observations=len(rows.values), missing=rows.missing)


def _left_out(missing: int) -> Sequence[str]:
    return [f"{missing} row(s) left out: a position had no return."] if missing else []
